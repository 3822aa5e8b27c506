"""Infeasible: only what a measured floor, or every built candidate, excludes. Never a prediction, never quality."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sartor.figures import Figure
from sartor.fit.wording import changes_in_words
from sartor.measure.floor import Floors
from sartor.need import Limit
from sartor.units import format_value


@dataclass(frozen=True)
class Nearest:
    """The best measured value of the binding limit's figure, with its candidate.

    Attributes:
        also: other limits on performance that the candidate breaks, with what was measured: they would have to change,
            too.
    """

    limit: Limit
    figure: Figure
    candidate: str
    also: tuple[tuple[Limit, Figure], ...] = ()

    def as_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        also = [{"limit": limit.name, "figure": figure.as_dict()} for limit, figure in self.also]
        return {
            "limit": self.limit.name,
            "figure": self.figure.as_dict(),
            "candidate": self.candidate,
            "also": also,
        }

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


def _bound(limit: Limit, figure: Figure) -> float:
    """On the limit's side; the value itself where so few calls bound nothing."""
    bound = figure.high if limit.op == "<=" else figure.low
    return bound if math.isfinite(bound) and bound > 0 else figure.value


def infeasible_sentence(
    limit: Limit, floor: float | None, nearest: Nearest | None, require: Mapping[str, str | float]
) -> str:
    """Why nothing can meet the limit, what can be met, and what else that would need.

    Args:
        require: what the Need says.
    """
    why = (
        f"even a model that does nothing gets {format_value(floor, limit.unit)} here"
        if floor is not None
        else "every candidate was built and measured, and each one's interval excludes it"
    )
    can = f" The nearest that can be met: {nearest}." if nearest else ""
    bounds = [(one, _bound(one, figure)) for one, figure in nearest.also] if nearest else []
    too = f" With it, change {changes_in_words(bounds, require)}." if bounds else ""
    return f"Infeasible: `{limit}` cannot be met on this machine: {why}.{can}{too}"
