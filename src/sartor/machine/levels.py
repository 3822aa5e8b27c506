"""Levels of memory out of a curve of bandwidth over the working set."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sartor.figures import Figure

Curve = Sequence[tuple[int, Figure]]
# A working set this much smaller than a cache stays in it, and this much larger than the one before has left that:
# between the two a curve falls from one level to the next.
_FITS, _LEFT = 0.75, 2.0
_SAME_LEVEL = 0.75  # of the best rate of a level: below it, the next level has begun


@dataclass(frozen=True)
class Level:
    """A level of memory.

    Attributes:
        name: `L1`, `L2`, ..., `memory`; `to 512 kB` where the system does not describe its caches.
        capacity_bytes: what it holds for all threads together.
        rate: at which all threads together read it, in B/s.
    """

    name: str
    capacity_bytes: int
    rate: Figure


def levels_of(curve: Curve, caches: Sequence[tuple[str, int]], memory_bytes: int) -> tuple[Level, ...]:
    """The levels of a curve (working set in bytes, rate), smallest working set first.

    Args:
        caches: name and bytes of each cache, nearest first; without them, levels are where the rate falls.
            A cache in which no point of the curve lies clearly is left out.
    """
    if not caches:
        return _plateaus(curve, memory_bytes)
    found, before = [], 0.0
    for name, capacity in caches:
        rate = _middle([rate for size, rate in curve if _LEFT * before <= size <= _FITS * capacity])
        if rate is not None:
            found.append(Level(name, capacity, rate))
        before = capacity
    beyond = _middle([rate for size, rate in curve if size >= _LEFT * before])
    return (*found, Level("memory", memory_bytes, beyond or curve[-1][1]))


def _middle(rates: Sequence[Figure]) -> Figure | None:
    """The median rate; of an even number, the lower of the two in the middle."""
    return sorted(rates, key=lambda rate: rate.value)[(len(rates) - 1) // 2] if rates else None


def _plateaus(curve: Curve, memory_bytes: int) -> tuple[Level, ...]:
    groups = [[curve[0]]]
    for point in curve[1:]:
        best = max(rate.value for _, rate in groups[-1])
        if point[1].value < _SAME_LEVEL * best:
            groups.append([])
        groups[-1].append(point)
    rates = [_middle([rate for _, rate in group]) or group[0][1] for group in groups]
    nearer = [
        Level(f"to {group[-1][0] / 1e3:,.0f} kB", group[-1][0], rate)
        for group, rate in zip(groups[:-1], rates[:-1], strict=True)
    ]
    return (*nearer, Level("memory", memory_bytes, rates[-1]))
