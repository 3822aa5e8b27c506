"""Which files are worth keeping beside the chosen one: those that no other replaces. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

_CLOSE = 1.05  # times as slow or as large: no difference that anyone would switch files for
_CLOSE_LOSS = 0.1  # of what may be lost


@dataclass(frozen=True)
class Point:
    """What a file costs.

    Attributes:
        seconds: of a call.
        size_bytes: of its files.
        loss: what it loses in quality, as a share of what may be lost.
    """

    name: str
    seconds: float
    size_bytes: float
    loss: float


def front(points: Iterable[Point]) -> list[Point]:
    """The Pareto front, fastest first: each is clearly faster, smaller or better than every other that is kept.

    >>> fast, double, small = Point("fast", 1.0, 9e6, 0.8), Point("double", 1.02, 9e6, 0.8), Point("small", 3.0, 2e6, 0)
    >>> [point.name for point in front([small, double, fast])]
    ['fast', 'small']
    """
    kept: list[Point] = []
    for point in sorted(points, key=lambda p: (p.seconds, p.loss, p.size_bytes, p.name)):
        if not any(_replaces(other, point) for other in kept):
            kept.append(point)
    return kept


def _replaces(one: Point, other: Point) -> bool:
    return (
        one.seconds <= _CLOSE * other.seconds
        and one.size_bytes <= _CLOSE * other.size_bytes
        and one.loss <= other.loss + _CLOSE_LOSS
    )
