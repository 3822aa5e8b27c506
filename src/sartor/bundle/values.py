"""The values at the end of the line: Variant, LimitResult, Verdict."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from sartor.figures import Figure, finite_or_none
from sartor.need import Limit
from sartor.plan.candidates import Candidate

Outcome = Literal["met", "not_met", "infeasible"]
EXIT_CODES: dict[Outcome, int] = {"met": 0, "not_met": 3, "infeasible": 4}


@dataclass(frozen=True)
class Variant:
    """A candidate with its model file on disk, ready to load.

    Attributes:
        size_bytes: of all files.
        notes: what the step that stored it says of it.
    """

    candidate: Candidate
    path: Path
    size_bytes: int
    notes: tuple[str, ...] = ()

    @property
    def id(self) -> str:
        """Name of the candidate."""
        return self.candidate.id


@dataclass(frozen=True)
class LimitResult:
    """One limit with the figure that decides it; `figure` is None when nothing could be measured."""

    limit: Limit
    figure: Figure | None
    met: bool
    why: str

    def as_dict(self) -> dict[str, Any]:
        """The object that `fit --json` prints for a limit; an end without a bound is None."""
        figure = self.figure
        return {
            "name": self.limit.name,
            "bound": {"op": self.limit.op, "value": self.limit.value, "unit": self.limit.unit},
            "value": figure.value if figure else None,
            "low": finite_or_none(figure.low) if figure else None,
            "high": finite_or_none(figure.high) if figure else None,
            "met": self.met,
            "source": figure.source if figure else None,
            "why": self.why,
        }


@dataclass(frozen=True)
class Verdict:
    """Met, not met or infeasible, limit by limit, in one sentence."""

    outcome: Outcome
    limits: tuple[LimitResult, ...]
    sentence: str

    @property
    def exit_code(self) -> int:
        """What the command exits with."""
        return EXIT_CODES[self.outcome]
