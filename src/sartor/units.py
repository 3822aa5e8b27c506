"""SI base units inside, friendly units outside: parsing and formatting live here only."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass

_PREFIXES = {"": 1.0, "k": 1e3, "M": 1e6, "G": 1e9, "T": 1e12}
# Every accepted unit, its base unit and factor. `pt` is an absolute share, `%` may be relative: the
# reader of the quantity decides, so both keep their own base unit.
_UNITS: dict[str, tuple[str, float]] = {
    "ns": ("s", 1e-9),
    "us": ("s", 1e-6),
    "µs": ("s", 1e-6),  # the micro sign
    "μs": ("s", 1e-6),  # the Greek letter
    "ms": ("s", 1e-3),
    "s": ("s", 1.0),
    "sec": ("s", 1.0),
    "min": ("s", 60.0),
    "h": ("s", 3600.0),
    "B": ("B", 1.0),
    "kB": ("B", 1e3),
    "KB": ("B", 1e3),
    "MB": ("B", 1e6),
    "GB": ("B", 1e9),
    "TB": ("B", 1e12),
    "KiB": ("B", 2.0**10),
    "MiB": ("B", 2.0**20),
    "GiB": ("B", 2.0**30),
    "/s": ("1/s", 1.0),
    **{f"{prefix}B/s": ("B/s", factor) for prefix, factor in _PREFIXES.items()},
    **{f"{prefix}FLOP/s": ("FLOP/s", factor) for prefix, factor in _PREFIXES.items()},
    **{f"{prefix}OP/s": ("FLOP/s", factor) for prefix, factor in _PREFIXES.items()},  # of integers, as vendors write it
    "W": ("W", 1.0),
    "USD/h": ("USD/h", 1.0),
    "pt": ("pt", 1e-2),
    "%": ("%", 1e-2),
    "": ("", 1.0),
}
_QUANTITY = re.compile(r"^\s*([-+]?(?:\d{1,3}(?:,\d{3})+(?:\.\d*)?|\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?)\s*([^\s\d]*)\s*$")


@dataclass(frozen=True)
class Quantity:
    """A number in a base unit: `s`, `B`, `1/s`, `pt` (absolute share), `%` (share), or `` (plain).

    Of hardware also `B/s`, `FLOP/s`, `W` and `USD/h`.
    """

    value: float
    unit: str


def parse(text: str | float | int) -> Quantity:
    """Read a number with an optional unit; thousands may be set apart by commas.

    Raises:
        ValueError: no number, one too large, or a unit that is not known.

    >>> parse("5 ms")
    Quantity(value=0.005, unit='s')
    >>> parse("1 pt")
    Quantity(value=0.01, unit='pt')
    """
    match = _QUANTITY.match(str(text))
    if match is None:
        raise ValueError(f"`{text}` is not a number with a unit")
    number, unit = match.groups()
    if unit not in _UNITS:
        raise ValueError(f"unknown unit `{unit}` in `{text}`; known: {', '.join(u for u in _UNITS if u)}")
    base, factor = _UNITS[unit]
    value = float(number.replace(",", ""))
    # Divided where the factor is no binary number, so that 95% is 0.95 and not the number next to it.
    value = value * factor if factor >= 1 else value / round(1 / factor)
    if not math.isfinite(value):
        raise ValueError(f"`{text}` is too large a number")
    return Quantity(value, base)


def _scaled(value: float, steps: tuple[tuple[float, str], ...]) -> str:
    # Chosen after rounding, so that 0.9999 s is 1 s and not 1,000 ms.
    rounded = abs(float(f"{value:.3g}"))
    factor, unit = next(((f, u) for f, u in steps if rounded >= f), steps[-1])
    return f"{_three_digits(value / factor)} {unit}"


def _three_digits(number: float) -> str:
    return f"{number:.3g}" if abs(number) < 999.5 else f"{number:,.0f}"


def format_value(value: float, unit: str) -> str:
    """Write a value in a base unit the way people read it.

    >>> format_value(0.00123, "s")
    '1.23 ms'
    >>> format_value(0.0123, "pt")
    '1.23 pt'
    """
    if not math.isfinite(value):
        return "unbounded"
    if unit == "s":
        return _scaled(value, ((60.0, "min"), (1.0, "s"), (1e-3, "ms"), (1e-6, "µs"), (1e-9, "ns")))
    if unit == "B":
        return _scaled(value, ((1e9, "GB"), (1e6, "MB"), (1e3, "kB"), (1.0, "B")))
    if unit in ("B/s", "FLOP/s", "FLOP"):
        return _scaled(value, tuple((factor, f"{prefix}{unit}") for prefix, factor in reversed(_PREFIXES.items())))
    if unit in ("W", "USD/h", "FLOP/B"):
        return f"{_three_digits(value)} {unit}"
    if unit == "1/s":
        return f"{_three_digits(value)} /s"
    if unit in ("pt", "%"):
        return f"{_three_digits(100 * value)} {unit}".replace(" %", "%")
    return f"{value:.4g}"
