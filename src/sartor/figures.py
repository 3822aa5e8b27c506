"""A Figure is a number that says where it came from and how far off it may be."""

from __future__ import annotations

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
        """Plain values for JSON."""
        return {
            "value": self.value,
            "unit": self.unit,
            "low": self.low,
            "high": self.high,
            "source": self.source,
        }

    @classmethod
    def from_dict(cls, saved: dict[str, Any]) -> Figure:
        """The inverse of `as_dict`."""
        return cls(**saved)
