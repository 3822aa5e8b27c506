"""Infeasible: only what a measured floor, or every built candidate, excludes. Never a prediction, never quality."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sartor.figures import Figure
from sartor.measure.floor import Floors
from sartor.need import Limit
from sartor.units import format_value


@dataclass(frozen=True)
class Nearest:
    """The best measured value of the binding limit's figure, with its candidate."""

    limit: Limit
    figure: Figure
    candidate: str

    def as_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return {"limit": self.limit.name, "figure": self.figure.as_dict(), "candidate": self.candidate}

    def __str__(self) -> str:
        return f"{self.limit.name} of {self.figure} by {self.candidate}"


def floor_value(limit: Limit, floors: Floors, batch: int) -> float | None:
    """What no model can get below (above, for throughput), in the limit's unit; None for quality."""
    if limit.is_quality:
        return None
    if limit.name.startswith("latency"):
        return floors.call_seconds
    return {
        "throughput": batch / floors.call_seconds,
        "memory": float(floors.memory_bytes),
        "size": float(floors.size_bytes),
    }[limit.name]


def beyond_floor(limits: Sequence[Limit], floors: Floors, batch: int) -> tuple[Limit, float] | None:
    """The first limit that lies beyond its measured floor, with the floor."""
    for limit in limits:
        floor = floor_value(limit, floors, batch)
        if floor is not None and not limit.allows(floor):
            return limit, floor
    return None


def better(limit: Limit, one: float, other: float) -> bool:
    """Whether `one` is closer to meeting the limit than `other`."""
    return one < other if limit.op == "<=" else one > other


def infeasible_sentence(limit: Limit, floor: float | None, nearest: Nearest | None) -> str:
    """Why nothing can meet the limit, and what can be met."""
    why = (
        f"even a model that does nothing gets {format_value(floor, limit.unit)} here"
        if floor is not None
        else "every candidate was built and measured, and each one's interval excludes it"
    )
    can = f" The nearest that can be met: {nearest}." if nearest else ""
    return f"Infeasible: `{limit}` cannot be met on this machine: {why}.{can}"
