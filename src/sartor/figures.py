"""A Figure is a number that says where it came from and how far off it may be."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from sartor.units import format_value

Source = Literal["measured", "calibrated", "roofline", "published", "assumed", "exact"]


@dataclass(frozen=True)
class Figure:
    """A value with its unit (an SI base unit), its interval and its source.

    `low` and `high` are each a one-sided bound at the confidence the Need asks for, so that the pair
    is a two-sided interval at 1 - 2 * (1 - confidence).
    """

    value: float
    unit: str
    low: float
    high: float
    source: Source

    @classmethod
    def exact(cls, value: float, unit: str) -> Figure:
        """A figure without uncertainty, such as a file size."""
        return cls(value, unit, value, value, "exact")

    def __str__(self) -> str:
        if self.low == self.high:
            return format_value(self.value, self.unit)
        low, high = format_value(self.low, self.unit), format_value(self.high, self.unit)
        return f"{format_value(self.value, self.unit)} [{low}, {high}]"

    def as_dict(self) -> dict[str, Any]:
        """Plain values for JSON, which has no infinity: an end without a bound is None."""
        return {
            "value": self.value,
            "unit": self.unit,
            "low": finite_or_none(self.low),
            "high": finite_or_none(self.high),
            "source": self.source,
        }

    @classmethod
    def from_dict(cls, saved: dict[str, Any]) -> Figure:
        """The inverse of `as_dict`."""
        open_ends = {"low": -math.inf, "high": math.inf}
        return cls(**{**saved, **{end: bound for end, bound in open_ends.items() if saved.get(end, bound) is None}})


def finite_or_none(value: float) -> float | None:
    """The number, or None in place of an infinity or NaN."""
    return value if math.isfinite(value) else None


def without_infinities(values: Any) -> Any:
    """The same plain values with None in place of every number that JSON cannot hold.

    >>> without_infinities({"low": float("-inf"), "high": [1.5]})
    {'low': None, 'high': [1.5]}
    """
    if isinstance(values, Mapping):
        return {key: without_infinities(value) for key, value in values.items()}
    if isinstance(values, list | tuple):
        return [without_infinities(value) for value in values]
    return finite_or_none(values) if isinstance(values, float) else values
