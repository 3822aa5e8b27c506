"""The roofline picture: operators by arithmetic intensity and rate, under the roofs of the machine."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from html import escape
from typing import Any

from sartor.cost.precision import PRECISIONS
from sartor.cost.roofline import Roofs
from sartor.plan.inspection import Inspection, Row
from sartor.report.drawing import axis, frame
from sartor.report.inspect_words import bound_name, intensity_words, place
from sartor.report.texts import Language
from sartor.report.words import known, text
from sartor.units import format_value

_MOST_POINTS = 600  # the rest has too little time to be seen
_DASHES = ("solid", "dash", "dot", "dashdot", "longdash")
_LARGEST, _SMALLEST = 58.0, 5.0  # pixels across, of all the time and of none
_LABELLED = 13.0  # pixels of a phase that has its name beside it
_SLOPE, _CEILING = "--c1", "--c6"
# The same in every picture, so that two can be compared.
_FAMILIES = {
    **{"matrix product": "--c2", "convolution": "--c4", "attention": "--c5", "recurrent": "--c5"},
    **{"elementwise": "--c3", "language model": "--c2"},
}
_ROOM = 3.0  # factor beside the outermost points


def roofline(found: Inspection, language: Language) -> dict[str, Any] | None:
    """Operators that compute under the machine's roofs; None without a machine or without arithmetic."""
    points = _alike(row for row in found.heaviest if row.seconds and row.seconds.value and row.cost.intensity)
    if found.target is None or not points:
        return None
    points = points[:_MOST_POINTS]
    low, high = _reach(points, found.target.roofs, _dtypes(found))
    traces = [*_slopes(found.target.roofs, low, high, _top(found)), *_ceilings(found, low, high)]
    traces += _discs_by_family(points, found.kind == "language", language)
    return {"data": traces, "layout": _layout(traces, low, high, language)}


def left_out(found: Inspection) -> float:
    """Share of the time in operators that compute nothing."""
    return sum(row.share for row in found.rows if not row.cost.intensity)


@dataclass(frozen=True)
class _Point:
    """Operators of one type, intensity and rate, which would lie on one another."""

    rows: tuple[Row, ...]

    @property
    def share(self) -> float:
        return sum(row.share for row in self.rows)

    @property
    def family(self) -> str:
        return self.rows[0].family

    @property
    def intensity(self) -> float:
        return self.rows[0].cost.intensity

    @property
    def rate(self) -> float:
        return _rate(self.rows[0])


def _alike(rows: Iterable[Row]) -> list[_Point]:
    """Points, the largest first."""
    found: dict[tuple[str, str, str], list[Row]] = {}
    for row in rows:
        found.setdefault((row.type, f"{row.cost.intensity:.2g}", f"{_rate(row):.2g}"), []).append(row)
    return sorted((_Point(tuple(alike)) for alike in found.values()), key=lambda point: -point.share)


def _rate(row: Row) -> float:
    assert row.seconds is not None
    return row.cost.total_flop / row.seconds.value


def _reach(points: Sequence[_Point], roofs: Roofs, dtypes: Sequence[str]) -> tuple[float, float]:
    """The intensities shown: those of the points, and where the slopes meet the ceilings."""
    ridges = [roofs.ridge(dtype, roofs.levels[-1]) for dtype in dtypes]
    shown = [point.intensity for point in points] + ridges
    return min(shown) / _ROOM, max(shown) * _ROOM


def _dtypes(found: Inspection) -> list[str]:
    """Ceilings worth drawing: of what is computed, and of what could be."""
    assert found.target is not None
    rates = found.target.roofs.flop_per_second
    return [dtype for dtype in dict.fromkeys((*found.cost.flop, *PRECISIONS)) if dtype in rates]


def _top(found: Inspection) -> float:
    assert found.target is not None
    return max(found.target.roofs.rate(dtype) for dtype in (*_dtypes(found), "float32"))


def _slopes(roofs: Roofs, low: float, high: float, top: float) -> list[dict[str, Any]]:
    traces = []
    for number, level in enumerate(reversed(roofs.levels)):
        end = min(high, top / level.bytes_per_second)
        name = f"{level.name} {format_value(level.bytes_per_second, 'B/s')}"
        ends = [max(min(low, end), 1e-12), end]
        traces.append(_line(name, ends, [x * level.bytes_per_second for x in ends], _SLOPE, number))
    return traces


def _ceilings(found: Inspection, low: float, high: float) -> list[dict[str, Any]]:
    assert found.target is not None
    roofs, traces = found.target.roofs, []
    for number, dtype in enumerate(_dtypes(found)):
        rate = roofs.rate(dtype)
        start = max(low, rate / max(level.bytes_per_second for level in roofs.levels))
        name = f"{dtype} {format_value(rate, 'FLOP/s')}"
        traces.append(_line(name, [min(start, high), high], [rate, rate], _CEILING, number))
    return traces


def _line(name: str, x: list[float], y: list[float], colour: str, number: int) -> dict[str, Any]:
    return {
        "type": "scatter",
        "mode": "lines",
        "name": escape(name, quote=False),
        "x": x,
        "y": y,
        "hoverinfo": "name",
        "line": {"color": colour, "width": 1.8, "dash": _DASHES[number % len(_DASHES)]},
    }


def _discs_by_family(points: Sequence[_Point], labelled: bool, language: Language) -> list[dict[str, Any]]:
    """One trace for each kind of operators that usually matters, one for all others."""
    traces = []
    for family, colour in [*_FAMILIES.items(), ("", "--soft")]:
        mine = [point for point in points if (point.family == family if family else point.family not in _FAMILIES)]
        if mine:
            name = known(family, language) if family else text("others", language)
            traces.append(_discs(mine, name, colour, labelled, language))
    return traces


def _discs(points: Sequence[_Point], name: str, colour: str, labelled: bool, language: Language) -> dict[str, Any]:
    sizes = [_LABELLED if labelled else max(_SMALLEST, _LARGEST * math.sqrt(point.share)) for point in points]
    return {
        "type": "scatter",
        "mode": "markers+text" if labelled else "markers",
        "name": escape(name, quote=False),
        "x": [point.intensity for point in points],
        "y": [point.rate for point in points],
        "text": [known(point.rows[0].name, language) if labelled else "" for point in points],
        "textposition": "top center",
        "hovertext": [hover(point.rows, language) for point in points],
        "hovertemplate": "%{hovertext}<extra></extra>",
        "marker": {"color": colour, "size": sizes, "opacity": 0.62, "line": {"color": "--paper", "width": 1}},
    }


def hover(rows: Sequence[Row], language: Language) -> str:
    """What stands beside a disc; names come from the file and are escaped, since plotly reads tags."""
    row, more = rows[0], f" × {len(rows)}" if len(rows) > 1 else ""
    assert row.seconds is not None
    lines = [
        place(row),
        f"{format_value(row.cost.total_flop, 'FLOP')}, {format_value(row.cost.moved_bytes, 'B')}, "
        f"{intensity_words(row.cost.intensity)} FLOP/B",
        f"{format_value(row.seconds.value, 's')} ({100 * row.share:.1f}%){more}, {bound_name(row.bound, language)}",
    ]
    shown = "<br>".join(escape(line[:80], quote=False) for line in lines)
    return f"<b>{escape(row.type, quote=False)}{more}</b><br>{shown}"


def _layout(traces: Sequence[dict[str, Any]], low: float, high: float, language: Language) -> dict[str, Any]:
    rates = [rate for trace in traces for rate in trace["y"]]
    floor = min(rate for trace in traces for rate in trace["y"] if "markers" in trace["mode"]) / _ROOM
    top = max(rates) * _ROOM
    return {
        **frame(),
        "height": 520,
        "margin": {"l": 70, "r": 16, "t": 12, "b": 120},
        "hovermode": "closest",
        "legend": {"orientation": "h", "x": 0, "y": -0.18, "yanchor": "top", "itemsizing": "constant"},
        "xaxis": {
            **axis(text("axis_intensity", language)),
            "type": "log",
            "range": [math.log10(low), math.log10(high)],
            **log_ticks(low, high, ""),
        },
        "yaxis": {
            **axis(text("axis_rate", language)),
            "type": "log",
            "range": [math.log10(floor), math.log10(top)],
            **log_ticks(floor, top, "FLOP/s"),
        },
    }


def log_ticks(low: float, high: float, unit: str) -> dict[str, Any]:
    """Ticks at whole decades, or at every second or third of many.

    >>> log_ticks(0.5, 200, "")["ticktext"]
    ['1', '10', '100']
    """
    decades = range(math.ceil(math.log10(low)), math.floor(math.log10(high)) + 1)
    every = max(1, -(-len(decades) // 7))
    values = [10.0**decade for decade in decades if decade % every == 0]
    written = [format_value(value * (1 + 1e-12), unit) if unit else intensity_words(value) for value in values]
    return {"tickvals": values, "ticktext": written}
