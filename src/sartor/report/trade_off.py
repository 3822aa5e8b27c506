"""The trade-off picture: quality against latency, every candidate."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

from sartor.report.drawing import Values, axis, finite, frame, time_ticks
from sartor.report.hover import hover
from sartor.report.limit_lines import limit_lines, line_labels, line_shape
from sartor.report.points import (
    colours_of,
    groups_of,
    height,
    models_below,
    place,
    places_of,
    quality_of,
    rows_below,
    seconds_of,
    steps_of,
)
from sartor.report.texts import Language
from sartor.report.words import known, text

_SYMBOLS = {"chosen": "star", "finalist": "diamond", "passed": "circle", "failed": "x-thin"}
_SIZES = {"chosen": 18, "finalist": 12, "passed": 9}


def trade_off(evidence: Values, language: Language) -> dict[str, Any] | None:
    """Quality against latency: every candidate that has a latency; None when none has.

    Above stand the candidates whose quality was read, below, in a row for each model, the others.
    """
    points = [c for c in evidence.get("candidates", ()) if seconds_of(c)]
    if not points:
        return None
    metric = evidence.get("metric", "")
    colours = colours_of(points)
    traces = [_legend_entry(steps, colour, language) for steps, colour in colours.items()]
    traces += [_trace(group, points, metric, language, colours[steps_of(group[0])]) for group in groups_of(points)]
    traces += _marks(evidence, points, colours, language)
    judged = any(quality_of(point) is not None for point in points)
    limits = [line for line in limit_lines(evidence, language) if judged or line["axis"] == "x"]
    return {"data": traces, "layout": _trade_off_layout(evidence, points, limits, language)}


def _legend_entry(steps: str, colour: str, language: Language) -> dict[str, Any]:
    """One entry for a recipe, which shows and hides all of its points whatever their form."""
    return {
        "type": "scatter",
        "mode": "markers",
        "name": escape(_recipe_words(steps, language), quote=False),
        "x": [None],
        "y": [None],
        "legendgroup": steps,
        "marker": {"symbol": "circle", "size": 10, "color": colour},
    }


def _recipe_words(steps: str, language: Language) -> str:
    return " + ".join(known(name, language) for name in steps.split(" + "))


def _trace(
    group: Sequence[Values], everyone: Sequence[Values], metric: str, language: Language, colour: str
) -> dict[str, Any]:
    places = places_of(everyone)
    judged = quality_of(group[0]) is not None
    here = [places[place(point)] for point in group]
    trace: dict[str, Any] = {
        "type": "scatter",
        "mode": "markers",
        "name": escape(_recipe_words(steps_of(group[0]), language), quote=False),
        "legendgroup": steps_of(group[0]),
        "showlegend": False,
        "x": [seconds_of(point) for point in group],
        "y": [quality_of(point) for point in group] if judged else rows_below(group, everyone),
        "yaxis": "y" if judged else "y2",
        "customdata": ["\n".join(other["id"] for other in others) for others in here],
        "text": [hover(point, len(others) - 1, metric, language) for point, others in zip(group, here, strict=True)],
        "hovertemplate": "%{text}<extra></extra>",
        "cliponaxis": False,
        "marker": _markers(group, colour),
    }
    if group[0].get("figures"):  # the others had one quick launch, whose spread would only hide the points
        trace["error_x"] = {**_error_bars(group, "latency"), "color": colour}
        if judged:
            trace["error_y"] = {**_error_bars(group, "quality"), "color": colour}
    return trace


def _markers(group: Sequence[Values], colour: str) -> dict[str, Any]:
    return {
        "color": colour,
        "symbol": [_SYMBOLS.get(point["status"], "circle-open") for point in group],
        "size": [_SIZES.get(point["status"], 8) for point in group],
        "opacity": [1.0 if point["status"] in _SIZES else 0.75 for point in group],
        "line": {"color": ["--ink" if point["status"] == "chosen" else colour for point in group], "width": 1.4},
    }


def _error_bars(group: Sequence[Values], what: str) -> dict[str, Any]:
    over: list[float] = []
    under: list[float] = []
    for point in group:
        value, low, high = (finite((point.get(what) or {}).get(part)) for part in ("value", "low", "high"))
        over.append(max(0.0, high - value) if value is not None and high is not None else 0.0)
        under.append(max(0.0, value - low) if value is not None and low is not None else 0.0)
    return {"type": "data", "symmetric": False, "array": over, "arrayminus": under, "thickness": 1, "width": 3}


def _marks(evidence: Values, points: Sequence[Values], colours: Mapping[str, str], language: Language) -> list[Any]:
    """The star of the chosen candidate and a ring around candidate zero, named in the legend.

    A label in the picture would lie on other points, since the best ones stand close together.
    """
    chosen, zero = (next((p for p in points if p["id"] == evidence.get(key)), None) for key in ("chosen", "zero"))
    marks = []
    if chosen is not None:
        star = {"symbol": "star", "size": _SIZES["chosen"], "color": colours[steps_of(chosen)]}
        star["line"] = {"color": "--ink", "width": 1.4}
        marks.append(_mark(chosen, points, text("the_chosen", language), star))
    if zero is not None and zero is not chosen:
        ring = {"symbol": "circle-open", "size": 20, "color": "--ink", "line": {"width": 1.8, "color": "--ink"}}
        marks.append(_mark(zero, points, text("the_zero", language), ring))
    return marks


def _mark(point: Values, points: Sequence[Values], name: str, marker: dict[str, Any]) -> dict[str, Any]:
    return {
        "type": "scatter",
        "mode": "markers",
        "name": name,
        "x": [seconds_of(point)],
        "y": [height(point, points)],
        "yaxis": "y2" if quality_of(point) is None else "y",
        "hoverinfo": "skip",
        "cliponaxis": False,
        "marker": marker,
    }


def _trade_off_layout(
    evidence: Values, points: Sequence[Values], limits: Sequence[Values], language: Language
) -> dict[str, Any]:
    models = models_below(points)
    judged = any(quality_of(point) is not None for point in points)
    split = 0.0 if not models else 1.0 if not judged else min(0.45, 0.1 + 0.07 * len(models))
    reach = [seconds_of(point) or 1.0 for point in points] + [line["at"] for line in limits if line["axis"] == "x"]
    low, high = math.log10(min(reach)), math.log10(max(reach))
    room = max(0.08, 0.06 * (high - low))
    quality_axis: dict[str, Any] = {
        **axis(text("axis_quality", language, metric=known(evidence.get("metric", ""), language))),
        "domain": [split + 0.04 if models and judged else 0.0, 1.0],
        "visible": judged,
    }
    if judged:
        quality_axis["range"] = _quality_range(points, limits)
    return {
        **frame(),
        "height": 560,
        "margin": {"l": 62, "r": 18, "t": 20 + 17 * max(1, sum(line["axis"] == "x" for line in limits)), "b": 120},
        "hovermode": "closest",
        "legend": {"orientation": "h", "x": 0, "y": -0.2, "yanchor": "top", "itemsizing": "constant"},
        "xaxis": {
            **axis(text("axis_latency", language)),
            "type": "log",
            "range": [low - room, high + room],
            "anchor": "y2" if models else "y",
            **time_ticks(10 ** (low - room), 10 ** (high + room)),
        },
        "yaxis": quality_axis,
        "yaxis2": {
            **axis(text("axis_none", language)),
            "domain": [0.0, split or 0.001],
            "visible": bool(models),
            "tickvals": list(range(len(models))),
            "ticktext": [escape(_shortened(name), quote=False) for name in models],
            "range": [-0.6, len(models) - 0.4],
            "showgrid": False,
            "fixedrange": True,
        },
        "shapes": [line_shape(line) for line in limits],
        "annotations": line_labels(limits, (low + high) / 2),
    }


def _shortened(name: str, most: int = 12) -> str:
    return name if len(name) <= most else name[: most - 1] + "…"


def _quality_range(points: Sequence[Values], limits: Sequence[Values]) -> list[float]:
    values = [value for point in points if (value := quality_of(point)) is not None]
    values += [line["at"] for line in limits if line["axis"] == "y"]
    for point in points:
        if point.get("figures") and point.get("quality"):
            values += [v for end in ("low", "high") if (v := finite(point["quality"].get(end))) is not None]
    low, high = min(values), max(values)
    room = 0.08 * (high - low) or 0.02 * abs(high) or 0.01
    return [low - room, high + room]
