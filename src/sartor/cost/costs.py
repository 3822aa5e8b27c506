"""A Cost: arithmetic by element type, bytes moved, weights. Costs add."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import reduce
from operator import add
from typing import Any, TypeVar

Number = TypeVar("Number", int, float)


@dataclass(frozen=True)
class Cost:
    """What computing something takes, on any machine.

    Attributes:
        flop: floating-point operations by element type that is multiplied (`int8` for integer products); a
            multiplication and an addition count as two.
        read_bytes: bytes read, weights included, every operator reading its inputs from memory.
        written_bytes: bytes written.
        weight_bytes: the part of `read_bytes` that is constants of the file, each read counted.
        operators: how many operators ran.
        unknown: operators without a formula and how often each ran; they add nothing to the figures above.
    """

    flop: Mapping[str, float] = field(default_factory=dict)
    read_bytes: float = 0.0
    written_bytes: float = 0.0
    weight_bytes: float = 0.0
    operators: int = 0
    unknown: Mapping[str, int] = field(default_factory=dict)

    def __add__(self, other: Cost) -> Cost:
        return Cost(
            _merged(self.flop, other.flop),
            self.read_bytes + other.read_bytes,
            self.written_bytes + other.written_bytes,
            self.weight_bytes + other.weight_bytes,
            self.operators + other.operators,
            _merged(self.unknown, other.unknown),
        )

    def __mul__(self, times: int) -> Cost:
        return Cost(
            {dtype: value * times for dtype, value in self.flop.items()},
            self.read_bytes * times,
            self.written_bytes * times,
            self.weight_bytes * times,
            self.operators * times,
            {name: count * times for name, count in self.unknown.items()},
        )

    @property
    def total_flop(self) -> float:
        """Operations of all element types."""
        return sum(self.flop.values())

    @property
    def moved_bytes(self) -> float:
        """Bytes read and written."""
        return self.read_bytes + self.written_bytes

    @property
    def intensity(self) -> float:
        """Arithmetic intensity in FLOP/B; 0 where nothing is moved (Williams et al. 2009, CACM 52(4))."""
        return self.total_flop / self.moved_bytes if self.moved_bytes else 0.0

    def as_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return {
            "flop": dict(self.flop),
            "read_bytes": self.read_bytes,
            "written_bytes": self.written_bytes,
            "weight_bytes": self.weight_bytes,
            "operators": self.operators,
            "unknown": dict(self.unknown),
        }


def total(costs: Iterable[Cost]) -> Cost:
    """The sum of costs; of none, the cost of nothing."""
    return reduce(add, costs, Cost())


def _merged(one: Mapping[str, Number], other: Mapping[str, Number]) -> dict[str, Number]:
    return {name: one.get(name, 0) + other.get(name, 0) for name in (*one, *(n for n in other if n not in one))}
