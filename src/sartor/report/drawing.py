"""What the pictures of the report share: colours, frame, axes.

Figures are plain values for plotly, built once for each language. A colour is the name of a CSS variable such
as `--ink`; the page puts in its value when it draws, so that one figure serves light, dark and paper.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from sartor.units import format_value

Values = Mapping[str, Any]

COLOURS = ("--c1", "--c2", "--c3", "--c4", "--c5", "--c6")
_FONT = 'system-ui, -apple-system, "Segoe UI", "PingFang SC", "Noto Sans CJK SC", "Microsoft YaHei", sans-serif'


def finite(value: Any) -> float | None:
    """A number that can be drawn, or None."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return float(value) if math.isfinite(value) else None


def frame() -> dict[str, Any]:
    """The part of a layout that every picture has."""
    return {
        "autosize": True,
        "paper_bgcolor": "rgba(0,0,0,0)",
        "plot_bgcolor": "rgba(0,0,0,0)",
        "font": {"family": _FONT, "size": 12.5, "color": "--soft"},
        "hoverlabel": {
            "align": "left",
            "bgcolor": "--card",
            "bordercolor": "--line-strong",
            "font": {"color": "--ink", "size": 13, "family": _FONT},
        },
    }


def axis(title: str) -> dict[str, Any]:
    """An axis in the style of the page."""
    return {
        "title": {"text": title, "standoff": 10},
        "gridcolor": "--line",
        "linecolor": "--line-strong",
        "zeroline": False,
        "showline": True,
        "ticks": "outside",
        "ticklen": 4,
        "tickcolor": "--line-strong",
        "automargin": True,
    }


def time_ticks(low: float, high: float) -> dict[str, Any]:
    """Ticks at 1, 2 and 5 of each decade, written with their unit; only decades where there are many.

    >>> time_ticks(9e-6, 6e-5)["ticktext"]
    ['10 µs', '20 µs', '50 µs']
    """
    decades = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    mantissas = (1, 2, 5) if len(decades) <= 4 else (1,)
    values = [m * 10.0**d for d in decades for m in mantissas if low <= m * 10.0**d <= high]
    # The factor keeps 10^-5 from being read as 9.99...e-6 and shown in the smaller unit.
    return {"tickvals": values, "ticktext": [format_value(value * (1 + 1e-12), "s") for value in values]}
