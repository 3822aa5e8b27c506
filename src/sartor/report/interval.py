"""An interval as words, and as a small bar against its bound."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from sartor.report.drawing import Values, finite
from sartor.units import format_value

_WIDE, _TALL, _EDGE = 168.0, 26.0, 6.0


def interval_text(figure: Values) -> str:
    """A figure as `value [low, high]`, in the way people read it; an end that is None is unbounded."""
    value, unit = figure["value"], figure.get("unit", "")
    if "low" not in figure or "high" not in figure:
        return format_value(value, unit)
    low, high = figure["low"], figure["high"]
    if low is not None and low == high:
        return format_value(value, unit)
    shown = ("unbounded" if end is None else format_value(end, unit) for end in (low, high))
    return f"{format_value(value, unit)} [{', '.join(shown)}]"


def interval_bar(limit: Values) -> str:
    """A limit's interval against its bound as a small SVG; empty when nothing was measured.

    It is drawn on a logarithmic scale, and says so, when the ends lie more than a factor of 30 apart; not differences,
    which are read from zero.
    """
    bound, value = finite(limit["bound"]["value"]), finite(limit.get("value"))
    if bound is None or value is None:
        return ""
    low, high = finite(limit.get("low")), finite(limit.get("high"))
    ends = [end for end in (bound, value, low, high) if end is not None]
    log = limit["bound"].get("unit") not in ("pt", "%") and min(ends) > 0 and max(ends) / min(ends) > 30
    place = _placer(ends, log)
    left = place(low) if low is not None else 0.0
    right = place(high) if high is not None else _WIDE
    allowed = (0.0, place(bound)) if limit["bound"]["op"] == "<=" else (place(bound), _WIDE)
    middle = _TALL / 2
    parts = [
        f'<rect class="allowed" x="{allowed[0]:.1f}" width="{allowed[1] - allowed[0]:.1f}" y="4" height="18"/>',
        f'<line class="scale" x1="0" x2="{_WIDE}" y1="{middle}" y2="{middle}"/>',
        f'<line class="interval" x1="{left:.1f}" x2="{max(right, left + 0.1):.1f}" y1="{middle}" y2="{middle}"/>',
        f'<line class="bound" x1="{place(bound):.1f}" x2="{place(bound):.1f}" y1="1" y2="{_TALL - 1}"/>',
        f'<circle class="point" cx="{place(value):.1f}" cy="{middle}" r="3.6"/>',
    ]
    size = f'width="{_WIDE:.0f}" height="{_TALL:.0f}" viewBox="0 0 {_WIDE:.0f} {_TALL:.0f}"'
    state = "met" if limit.get("met") else "not-met"
    note = '<span class="log">log</span>' if log else ""
    return f'<svg class="bar {state}" {size} aria-hidden="true" focusable="false">{"".join(parts)}</svg>{note}'


def _placer(ends: Sequence[float], log: bool) -> Any:
    """A function from values to places on the bar, with room left at both ends."""
    scale = math.log10 if log else float
    low, high = min(map(scale, ends)), max(map(scale, ends))
    span = high - low or abs(high) or 1.0
    low, span = (low - 0.12 * span, 1.24 * span)
    return lambda value: _EDGE + (_WIDE - 2 * _EDGE) * (scale(value) - low) / span
