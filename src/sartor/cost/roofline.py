"""The roofline: time is bound by arithmetic, by one level of memory, or by the overhead of starting operators.

    attainable FLOP/s = min(peak FLOP/s, intensity in FLOP/B * bandwidth in B/s)

Source: Williams, Waterman and Patterson 2009, "Roofline: an insightful visual performance model for multicore
architectures", CACM 52(4), 65-76, https://doi.org/10.1145/1498765.1498785. One roof for each level of memory after
Ilic, Pratas and Sousa 2014, "Cache-aware roofline model", IEEE Computer Architecture Letters 13(1).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from sartor.cost.costs import Cost

COMPUTE, MEMORY, OVERHEAD = "compute", "memory", "overhead"
_COMMON = "float32"


@dataclass(frozen=True)
class MemoryLevel:
    """One level of memory.

    Attributes:
        name: such as `L2` or `DRAM`.
        bytes_per_second: what a program can read and write, all cores together.
        capacity: bytes that fit.
    """

    name: str
    bytes_per_second: float
    capacity: float


@dataclass(frozen=True)
class Roofs:
    """What a machine can do at most.

    Attributes:
        flop_per_second: by element type, `float32` at least.
        levels: from the smallest and fastest to the largest.
        call_seconds: what starting one operator takes; 0 leaves it out.
    """

    name: str
    flop_per_second: Mapping[str, float]
    levels: tuple[MemoryLevel, ...]
    call_seconds: float = 0.0

    def __post_init__(self) -> None:
        rates = [*self.flop_per_second.values(), *(level.bytes_per_second for level in self.levels)]
        if _COMMON not in self.flop_per_second or not self.levels or min(rates) <= 0 or self.call_seconds < 0:
            raise ValueError(f"the roofs of {self.name} need a float32 rate, a level of memory, and positive rates")

    def rate(self, dtype: str) -> float:
        """FLOP/s of an element type; one without a roof of its own is computed as `float32` is."""
        return self.flop_per_second.get(dtype, self.flop_per_second[_COMMON])

    def level_of(self, working_set_bytes: float) -> MemoryLevel:
        """The smallest level that holds so much; the last one where none does."""
        return next((level for level in self.levels if working_set_bytes <= level.capacity), self.levels[-1])

    def attainable(self, intensity: float, dtype: str, level: MemoryLevel) -> float:
        """FLOP/s at an arithmetic intensity in FLOP/B: the line of the picture."""
        return min(self.rate(dtype), intensity * level.bytes_per_second)

    def ridge(self, dtype: str, level: MemoryLevel) -> float:
        """FLOP/B from which on arithmetic binds."""
        return self.rate(dtype) / level.bytes_per_second


@dataclass(frozen=True)
class Bound:
    """The least time a cost takes, and what binds it: `compute`, `memory:<level>` or `overhead`."""

    seconds: float
    which: str


def bound_by(cost: Cost, roofs: Roofs, working_set_bytes: float) -> Bound:
    """The time below which no program gets: arithmetic and memory overlap, the overhead of calls does not.

        seconds = operators * call overhead + max(sum over types of FLOP / rate, moved bytes / bandwidth)

    Named is the largest of the three; of equals the first of compute, memory, overhead. Apply it to one operator at a
    time and add: of a whole graph at once it hides that some operators wait for memory while others compute.

    Args:
        working_set_bytes: what the level of memory is chosen by; of one operator `cost.moved_bytes`.
    """
    level = roofs.level_of(working_set_bytes)
    parts = {
        COMPUTE: sum(flop / roofs.rate(dtype) for dtype, flop in cost.flop.items()),
        f"{MEMORY}:{level.name}": cost.moved_bytes / level.bytes_per_second,
        OVERHEAD: cost.operators * roofs.call_seconds,
    }
    *overlapping, overhead = parts.values()
    return Bound(overhead + max(overlapping), max(parts, key=lambda name: parts[name]))
