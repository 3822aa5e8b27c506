"""The board: how every candidate stands, and why."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from typing import Any, Literal

from sartor.bundle.values import Variant
from sartor.figures import Figure
from sartor.fit.screen_limits import SCREEN_SPREAD
from sartor.measure.quality_bounds import Outputs
from sartor.plan.candidates import Candidate, Refusal

UNTRIED = "not tried: the time budget ended first"

Status = Literal["planned", "screened", "rejected", "failed", "passed", "finalist", "chosen"]


@dataclass(frozen=True)
class Standing:
    """Where one candidate stands.

    Attributes:
        status: how far it came.
        why: the reason for the status, in one sentence.
        predicted: seconds of a call before anything was timed; None without a calibration of this machine.
        seconds: screened median of one call; one launch, so it may be off by the launch's spread.
        size_bytes: bytes of its model files.
        memory_bytes: peak resident bytes of one launch, where the Need asks about memory.
        notes: what the step that stored its file says of it.
        variant: the file with the final weights, once it is built.
        seen: its outputs on select, once they are read.
        quality: the metric on select with bounds at the Need's confidence.
        likely: whether select says that confirm will probably prove the quality limits.
        safe: whether select says that it almost certainly will.
        figures: measured over fresh launches, for finalists.
    """

    candidate: Candidate
    status: Status = "planned"
    why: str = ""
    predicted: Figure | None = None
    seconds: float | None = None
    size_bytes: int | None = None
    memory_bytes: int | None = None
    notes: tuple[str, ...] = ()
    variant: Variant | None = None
    seen: Outputs | None = None
    quality: Figure | None = None
    likely: bool = False
    safe: bool = False
    figures: dict[str, Figure] = field(default_factory=dict)

    @property
    def id(self) -> str:
        """Name of the candidate."""
        return self.candidate.id

    @property
    def alive(self) -> bool:
        """Whether it is still in the search."""
        return self.status not in ("rejected", "failed")

    def latency(self) -> Figure | None:
        """Its median latency: measured for finalists, else screened with the spread of one launch."""
        if "latency_p50" in self.figures:
            return self.figures["latency_p50"]
        if self.seconds is None:
            return None
        low, high = self.seconds / SCREEN_SPREAD, self.seconds * SCREEN_SPREAD
        return Figure(self.seconds, "s", low, high, "measured")

    def as_dict(self) -> dict[str, Any]:
        """Plain values for the evidence."""
        latency = self.latency()
        return {
            **self.candidate.as_dict(),
            "label": self.candidate.label,
            "status": self.status,
            "why": self.why,
            "predicted": self.predicted.as_dict() if self.predicted else None,
            "latency": latency.as_dict() if latency else None,
            "latency_from": "launches" if "latency_p50" in self.figures else "screen" if latency else None,
            "quality": self.quality.as_dict() if self.quality else None,
            "quality_rows": len(self.seen.labels) if self.seen else 0,
            "size_bytes": self.size_bytes,
            "memory_bytes": self.memory_bytes,
            "notes": list(self.notes),
            "figures": {name: figure.as_dict() for name, figure in self.figures.items()},
        }


class Board:
    """All standings of a run, by candidate."""

    def __init__(self) -> None:
        self._standings: dict[str, Standing] = {}
        self.refusals: list[Refusal] = []

    def add(self, candidates: Iterable[Candidate], refusals: Iterable[Refusal]) -> None:
        """Put new candidates on the board."""
        for candidate in candidates:
            self._standings[candidate.id] = Standing(candidate)
        self.refusals.extend(refusal for refusal in refusals if refusal not in self.refusals)

    def __getitem__(self, candidate_id: str) -> Standing:
        return self._standings[candidate_id]

    def get(self, candidate_id: str) -> Standing | None:
        """The standing of a candidate, or None for a name that is not on the board."""
        return self._standings.get(candidate_id)

    def untried(self) -> int:
        """How many candidates the time did not suffice for."""
        return sum(standing.why == UNTRIED for standing in self._standings.values())

    def update(self, candidate_id: str, **changes: Any) -> Standing:
        """Change fields of a standing; gives the new one."""
        self._standings[candidate_id] = replace(self._standings[candidate_id], **changes)
        return self._standings[candidate_id]

    def all(self) -> list[Standing]:
        """Every standing, in the order added."""
        return list(self._standings.values())

    def alive(self) -> list[Standing]:
        """Those still in the search."""
        return [standing for standing in self._standings.values() if standing.alive]

    def reject(self, candidate_id: str, why: str) -> None:
        """Take a candidate out of the search."""
        self.update(candidate_id, status="rejected", why=why)

    def fail(self, candidate_id: str, why: str) -> None:
        """A candidate that could not be built or run."""
        self.update(candidate_id, status="failed", why=why)
