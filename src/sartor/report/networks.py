"""Smaller networks as the report shows them: a row for each size, and a picture of quality against time."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from html import escape
from typing import Any

from sartor.plan.recipe import RESHAPING
from sartor.report.curves import validations
from sartor.report.drawing import COLOURS, Values, axis, finite, frame
from sartor.report.hover import hover
from sartor.report.limit_lines import limit_lines, line_labels, line_shape
from sartor.report.points import quality_of, seconds_of
from sartor.report.recipes import recipe_words, steps_of_values
from sartor.report.texts import Language
from sartor.report.words import known, text

_SYMBOLS = ("circle", "diamond", "square")  # forms of one network answer nearly alike: their points cover one another
_ROOM = 0.06  # of the span of an axis, beyond its outermost point


def share_of(candidate: Values) -> float | None:
    """The share of the time that its network was cut to; None where it was not."""
    for step in candidate.get("recipe", {}).get("steps", ()):
        if step["name"] in RESHAPING and "time" in step.get("settings", {}):
            return finite(step["settings"]["time"])
    return None


def smaller_networks(evidence: Values) -> list[dict[str, Any]]:
    """Candidates with a smaller network, the largest first, each with its share and its training where it had one."""
    recoveries = evidence.get("recoveries", ())
    trainings = {name: one["training"] for one in recoveries for name in one["candidates"]}
    rows = [
        {"candidate": one, "share": share, "training": trainings.get(one["id"])}
        for one in evidence.get("candidates", ())
        if (share := share_of(one)) is not None
    ]
    return sorted(rows, key=lambda row: (-row["share"], seconds_of(row["candidate"]) or 0.0))


def sizes(evidence: Values, language: Language) -> dict[str, Any] | None:
    """Quality on select against the share of the time, as cut and after training; None where none was read."""
    smaller = [row["candidate"] for row in smaller_networks(evidence)]
    read = [one for one in smaller if quality_of(one) is not None]
    if not read:
        return None
    forms = dict.fromkeys(_form(one) for one in read)
    stored, metric = list(dict.fromkeys(form[:3] for form in forms)), str(evidence.get("metric", ""))
    traces = [
        _line(form, _with_whole(form, read, evidence), metric, language, stored.index(form[:3])) for form in forms
    ]
    unread = [one for one in smaller if quality_of(one) is None]
    if unread:
        traces.append(_unread(unread, metric, language))
    limits = [line for line in limit_lines(evidence, language) if line["axis"] == "y"]
    return {"data": traces, "layout": _layout(traces, limits, metric, language, below=bool(unread))}


def recoveries(evidence: Values, language: Language) -> dict[str, Any] | None:
    """The validation score by epoch of every network that was trained back."""
    # One epoch makes no curve.
    drawn = [one for one in evidence.get("recoveries", ()) if len(one["training"].get("history", ())) > 1]
    several = len({one["model"] for one in drawn}) > 1
    named = {
        f"{one['model']}: {words}" if several else words: one for one in drawn if (words := _cut_words(one, language))
    }
    return validations({"training": {name: one["training"] for name, one in named.items()}}, language)


def _cut_words(recovery: Values, language: Language) -> str:
    """How a network was cut; where it was not, what it was trained for."""
    steps = steps_of_values(recovery["steps"])
    return recipe_words([step for step in steps if step[0] != "recover"] or steps, language)


Form = tuple[str, str, str, bool]
"""The model, in what form it is stored, the runtime, and whether it was trained back."""


def _form(candidate: Values) -> Form:
    steps = candidate["recipe"]["steps"]
    stored = steps_of_values(step for step in steps if step["name"] not in RESHAPING)
    recovered = any(step["name"] == "recover" for step in steps)
    return str(candidate["model"]), recipe_words(stored, "en"), str(candidate["runtime"]), recovered


def _with_whole(form: Form, read: Iterable[Values], evidence: Values) -> list[tuple[float, Values]]:
    """(share, candidate) of one form from small to large, and the whole network where it was read in that form."""
    points = [(share_of(one) or 0.0, one) for one in read if _form(one) == form]
    whole = [
        (1.0, one)
        for one in evidence["candidates"]
        if share_of(one) is None and quality_of(one) is not None and _form(one)[:3] == form[:3]
    ]
    return sorted([*points, *whole[:1]], key=lambda point: point[0])


def _line(
    form: Form, points: Sequence[tuple[float, Values]], metric: str, language: Language, number: int
) -> dict[str, Any]:
    colour, symbol, dash = COLOURS[(number + 1) % len(COLOURS)], _SYMBOLS[number % len(_SYMBOLS)], "solid"
    if not form[3]:
        symbol, dash = f"{symbol}-open", "dot"
    ends = [(one.get("quality") or {}) for _, one in points]
    values = [quality_of(one) or 0.0 for _, one in points]
    over, under = (
        [abs((finite(each.get(end)) or value) - value) for each, value in zip(ends, values, strict=True)]
        for end in ("high", "low")
    )
    bars = {"type": "data", "symmetric": False, "array": over, "arrayminus": under, "thickness": 1, "width": 3}
    return {
        "type": "scatter",
        "mode": "lines+markers",
        "name": escape(_form_words(points[0][1], form, language), quote=False),
        "x": [share for share, _ in points],
        "y": values,
        "text": [hover(one, 0, metric, language) for _, one in points],
        "hovertemplate": "%{text}<extra></extra>",
        "line": {"color": colour, "width": 1.6, "dash": dash},
        "marker": {
            "symbol": ["star" if one["status"] == "chosen" else symbol for _, one in points],
            "size": [17 if one["status"] == "chosen" else 9 for _, one in points],
            "color": colour,
            "line": {"color": ["--ink" if one["status"] == "chosen" else colour for _, one in points], "width": 1.4},
        },
        "error_y": {**bars, "color": colour},
        "cliponaxis": False,
    }


def _form_words(candidate: Values, form: Form, language: Language) -> str:
    steps = [step for step in candidate["recipe"]["steps"] if step["name"] not in RESHAPING]
    words = recipe_words(steps_of_values(steps), language) or "f32"
    how = text("recover" if form[3] else "as_cut", language)
    return f"{words} · {known(form[2], language)}{'，' if language == 'zh' else ', '}{how}"


def _unread(candidates: Sequence[Values], metric: str, language: Language) -> dict[str, Any]:
    """In a strip of their own: nothing is known of their quality."""
    return {
        "type": "scatter",
        "mode": "markers",
        "showlegend": False,
        "x": [share_of(one) for one in candidates],
        "y": [0.0] * len(candidates),
        "yaxis": "y2",
        "text": [hover(one, 0, metric, language) for one in candidates],
        "hovertemplate": "%{text}<extra></extra>",
        "marker": {"symbol": "x-thin", "size": 9, "color": "--soft", "line": {"color": "--soft", "width": 1.6}},
        "cliponaxis": False,
    }


def _layout(
    traces: Sequence[Values], limits: Sequence[Values], metric: str, language: Language, *, below: bool
) -> dict[str, Any]:
    drawn = [trace for trace in traces if trace.get("yaxis") != "y2"]
    values = [value for trace in drawn for value in _reach(trace)] + [line["at"] for line in limits]
    low, high = min(values), max(values)
    room = _ROOM * (high - low) or 0.01
    quality: dict[str, Any] = {
        **axis(text("axis_quality", language, metric=known(metric, language))),
        "domain": [0.2 if below else 0.0, 1.0],
        "range": [low - room, high + room],
    }
    strip = {
        **axis(text("axis_none", language)),
        **{"domain": [0.0, 0.13], "visible": below, "tickvals": [], "range": [-1, 1]},
        **{"showgrid": False, "fixedrange": True},
    }
    return {
        **frame(),
        "height": 420 + 18 * len(drawn),
        "margin": {"l": 62, "r": 18, "t": 16, "b": 80 + 18 * len(drawn)},
        "hovermode": "closest",
        "legend": {"orientation": "h", "x": 0, "y": -0.22, "yanchor": "top", "itemsizing": "constant"},
        "xaxis": {
            **axis(text("axis_share", language)),
            **{"range": [0.0, 1.04], "tickformat": ".0%", "anchor": "y2" if below else "y"},
        },
        "yaxis": quality,
        "yaxis2": strip,
        "shapes": [line_shape(line) for line in limits],
        "annotations": line_labels(limits, 0.0),
        "showlegend": True,
    }


def _reach(trace: Values) -> list[float]:
    """The ends of all intervals of a line."""
    bars: Mapping[str, Sequence[float]] = trace["error_y"]
    points = zip(trace["y"], bars["array"], bars["arrayminus"], strict=True)
    return [end for value, over, under in points for end in (value - under, value + over)]
