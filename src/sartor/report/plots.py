"""The pictures of the report: plotly figures as plain values, and small interval bars as SVG.

Figures are built once for each language. A colour is the name of a CSS variable such as `--ink`; the page
puts in its value when it draws, so that one figure serves light, dark and paper.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from html import escape
from typing import Any

from sartor.report.words import Language, known, limit_name, recipe_name, settings_words, text
from sartor.report.words import chinese as in_chinese
from sartor.units import format_value

Values = Mapping[str, Any]

_COLOURS = ("--c1", "--c2", "--c3", "--c4", "--c5", "--c6")
_STATUSES = ("planned", "screened", "rejected", "failed", "passed", "finalist", "chosen")
_SYMBOLS = {"chosen": "star", "finalist": "diamond", "passed": "circle", "failed": "x-thin"}
_SIZES = {"chosen": 18, "finalist": 12, "passed": 9}
_WRAP = 68  # letters in one line of a hover
_FONT = 'system-ui, -apple-system, "Segoe UI", "PingFang SC", "Noto Sans CJK SC", "Microsoft YaHei", sans-serif'


def finite(value: Any) -> float | None:
    """A number that can be drawn, or None."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return float(value) if math.isfinite(value) else None


def trade_off(evidence: Values, language: Language) -> dict[str, Any] | None:
    """Quality against latency: every candidate that has a latency; None when none has.

    Above stand the candidates whose quality was read, below, in a row for each model, the others.
    """
    points = [c for c in evidence.get("candidates", ()) if _seconds(c)]
    if not points:
        return None
    metric = evidence.get("metric", "")
    colours = _colours_of(points)
    traces = [_legend_entry(steps, colour, language) for steps, colour in colours.items()]
    traces += [_trace(group, points, metric, language, colours[_steps(group[0])]) for group in _groups(points)]
    traces += _marks(evidence, points, colours, language)
    judged = any(_quality(point) is not None for point in points)
    limits = [line for line in limit_lines(evidence, language) if judged or line["axis"] == "x"]
    return {"data": traces, "layout": _trade_off_layout(evidence, points, limits, language)}


def _seconds(candidate: Values) -> float | None:
    seconds = finite((candidate.get("latency") or {}).get("value"))
    return seconds if seconds and seconds > 0 else None


def _quality(candidate: Values) -> float | None:
    return finite((candidate.get("quality") or {}).get("value"))


def _steps(candidate: Values) -> str:
    """The recipe's steps without their settings: what a colour stands for."""
    steps = candidate.get("recipe", {}).get("steps", ())
    return " + ".join(step["name"] for step in steps if step.get("name") != "none") or "none_step"


def _colours_of(points: Sequence[Values]) -> dict[str, str]:
    names = dict.fromkeys(_steps(point) for point in points)
    return {name: _COLOURS[number % len(_COLOURS)] for number, name in enumerate(names)}


def _groups(points: Sequence[Values]) -> list[list[Values]]:
    """By colour and area; what came furthest is drawn last, on top, and the chosen candidate over everything."""
    groups: dict[tuple[str, bool, bool, bool], list[Values]] = defaultdict(list)
    for point in sorted(points, key=lambda p: _STATUSES.index(p["status"]) if p["status"] in _STATUSES else 0):
        judged, timed = _quality(point) is not None, bool(point.get("figures"))
        groups[_steps(point), judged, timed, point["status"] == "chosen"].append(point)
    return [group for _, group in sorted(groups.items(), key=lambda item: item[0][2:])]


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
    places = _places(everyone)
    judged = _quality(group[0]) is not None
    here = [places[_place(point)] for point in group]
    trace: dict[str, Any] = {
        "type": "scatter",
        "mode": "markers",
        "name": escape(_recipe_words(_steps(group[0]), language), quote=False),
        "legendgroup": _steps(group[0]),
        "showlegend": False,
        "x": [_seconds(point) for point in group],
        "y": [_quality(point) for point in group] if judged else _rows_below(group, everyone),
        "yaxis": "y" if judged else "y2",
        "customdata": ["\n".join(other["id"] for other in others) for others in here],
        "text": [_hover(point, len(others) - 1, metric, language) for point, others in zip(group, here, strict=True)],
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


def _place(candidate: Values) -> tuple[Any, ...]:
    seconds, quality = _seconds(candidate), _quality(candidate)
    return (seconds, quality) if quality is not None else (seconds, _steps(candidate), _model(candidate))


def _places(points: Iterable[Values]) -> dict[tuple[Any, ...], list[Values]]:
    """Candidates by where they are drawn: files that share their operators share their time, so points coincide."""
    places: dict[tuple[Any, ...], list[Values]] = defaultdict(list)
    for point in points:
        places[_place(point)].append(point)
    return dict(places)


def _model(candidate: Values) -> str:
    return str(candidate.get("model", ""))


def _models_below(points: Iterable[Values]) -> list[str]:
    return list(dict.fromkeys(_model(point) for point in points if _quality(point) is None))


def _rows_below(group: Sequence[Values], everyone: Sequence[Values]) -> list[float]:
    """A row for each model; recipes stand a little apart, so that equal times do not hide one another."""
    models, recipes = _models_below(everyone), list(_colours_of(everyone))
    spread = max(1, len(recipes) - 1)
    return [models.index(_model(p)) + 0.56 * (recipes.index(_steps(p)) / spread - 0.5) for p in group]


def _hover(candidate: Values, others: int, metric: str, language: Language) -> str:
    """What stands beside a point; everything that comes from outside is escaped, since plotly reads tags."""
    latency, quality = candidate["latency"], candidate.get("quality")
    colon = "：" if language == "zh" else ": "
    model, runtime = _model(candidate), known(str(candidate.get("runtime", "")), language)
    status = "status_chosen" if candidate["status"] == "chosen" else candidate["status"]
    why = str(candidate.get("why") or "")
    why = (in_chinese(why) or why) if language == "zh" else why
    lines = [
        f"{recipe_name(candidate, language)} · {runtime}",
        settings_words(candidate.get("settings", {}), language),
        f"{text('latency', language)}{colon}{interval_text(latency)}",
        *([f"{known(metric, language)}{colon}{interval_text(quality)}"] if quality else []),
        *(
            [f"{text('file_size', language)}{colon}{format_value(candidate['size_bytes'], 'B')}"]
            if candidate.get("size_bytes")
            else []
        ),
        known(status, language) + (colon + why if why else ""),
        *([f"+ {others} {text('at_this_point', language)}"] if others else []),
    ]
    shown = [escape(part, quote=False) for line in lines for part in _wrapped(line)]
    return "<br>".join([f"<b>{escape(model, quote=False)}</b>", *shown])


def _wrapped(line: str) -> list[str]:
    import textwrap

    width = _WRAP if line.isascii() else _WRAP // 2
    return textwrap.wrap(line, width) or [line]


def interval_text(figure: Values) -> str:
    """A figure as `value [low, high]`, in the way people read it."""
    value, low, high = figure["value"], figure.get("low"), figure.get("high")
    unit = figure.get("unit", "")
    if low is None or high is None or low == high:
        return format_value(value, unit)
    return f"{format_value(value, unit)} [{format_value(low, unit)}, {format_value(high, unit)}]"


def limit_lines(evidence: Values, language: Language) -> list[dict[str, Any]]:
    """The limits that have a place in the picture: `axis` x or y, `at`, and a label."""
    lines = []
    for limit in evidence.get("limits", ()):
        bound = limit["bound"]
        at, axis = _where(limit, evidence)
        if at is not None and (axis == "y" or at > 0):
            sign = "≤" if bound["op"] == "<=" else "≥"
            name = limit_name(limit["name"], language)
            label = f"{name} {sign} {format_value(bound['value'], bound['unit'])}"
            lines.append({"axis": axis, "at": at, "label": escape(label, quote=False)})
    return lines


def _where(limit: Values, evidence: Values) -> tuple[float | None, str]:
    name, value = limit["name"], finite(limit["bound"]["value"])
    metric = evidence.get("metric")
    if value is None:
        return None, ""
    if name.startswith("latency"):
        return value, "x"
    if name == "throughput":
        batch = evidence.get("need", {}).get("workload", {}).get("batch", 1)
        return (batch / value if value else None), "x"
    if name == metric:
        return value, "y"
    if name == f"{metric}_drop":
        return _drop_line(evidence, value, relative=limit["bound"]["unit"] == "%"), "y"
    return None, ""


def _drop_line(evidence: Values, drop: float, *, relative: bool) -> float | None:
    """Where the baseline's quality on select, less the drop allowed, lies."""
    plain = (
        _quality(c)
        for c in evidence.get("candidates", ())
        if _model(c) == evidence.get("baseline_model")
        and _steps(c) == "none_step"
        and c.get("settings", {}).get("precision", "f32") == "f32"
    )
    baseline = next((value for value in plain if value is not None), None)
    if baseline is None:
        return None
    worse = 1.0 if evidence.get("metric") == "rmse" else -1.0
    return baseline + worse * drop * (abs(baseline) if relative else 1.0)


def _trade_off_layout(
    evidence: Values, points: Sequence[Values], limits: Sequence[Values], language: Language
) -> dict[str, Any]:
    models = _models_below(points)
    judged = any(_quality(point) is not None for point in points)
    split = 0.0 if not models else 1.0 if not judged else min(0.45, 0.1 + 0.07 * len(models))
    reach = [_seconds(point) or 1.0 for point in points] + [line["at"] for line in limits if line["axis"] == "x"]
    low, high = math.log10(min(reach)), math.log10(max(reach))
    room = max(0.08, 0.06 * (high - low))
    quality_axis: dict[str, Any] = {
        **_axis(text("axis_quality", language, metric=known(evidence.get("metric", ""), language))),
        "domain": [split + 0.04 if models and judged else 0.0, 1.0],
        "visible": judged,
    }
    if judged:
        quality_axis["range"] = _quality_range(points, limits)
    return {
        **_frame(),
        "height": 560,
        "margin": {"l": 62, "r": 18, "t": 20 + 17 * max(1, sum(line["axis"] == "x" for line in limits)), "b": 120},
        "hovermode": "closest",
        "legend": {"orientation": "h", "x": 0, "y": -0.2, "yanchor": "top", "itemsizing": "constant"},
        "xaxis": {
            **_axis(text("axis_latency", language)),
            "type": "log",
            "range": [low - room, high + room],
            "anchor": "y2" if models else "y",
            **time_ticks(10 ** (low - room), 10 ** (high + room)),
        },
        "yaxis": quality_axis,
        "yaxis2": {
            **_axis(text("axis_none", language)),
            "domain": [0.0, split or 0.001],
            "visible": bool(models),
            "tickvals": list(range(len(models))),
            "ticktext": [escape(_shortened(name), quote=False) for name in models],
            "range": [-0.6, len(models) - 0.4],
            "showgrid": False,
            "fixedrange": True,
        },
        "shapes": [_line(line) for line in limits],
        "annotations": _line_labels(limits, (low + high) / 2),
    }


def _shortened(name: str, most: int = 12) -> str:
    return name if len(name) <= most else name[: most - 1] + "…"


def _frame() -> dict[str, Any]:
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


def _axis(title: str) -> dict[str, Any]:
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


def _quality_range(points: Sequence[Values], limits: Sequence[Values]) -> list[float]:
    values = [value for point in points if (value := _quality(point)) is not None]
    values += [line["at"] for line in limits if line["axis"] == "y"]
    for point in points:
        if point.get("figures") and point.get("quality"):
            values += [v for end in ("low", "high") if (v := finite(point["quality"].get(end))) is not None]
    low, high = min(values), max(values)
    room = 0.08 * (high - low) or 0.02 * abs(high) or 0.01
    return [low - room, high + room]


def _line(line: Values) -> dict[str, Any]:
    """A limit across the picture."""
    common = {"type": "line", "line": {"color": "--soft", "width": 1.3, "dash": "dash"}}
    if line["axis"] == "x":
        return {**common, "xref": "x", "yref": "paper", "x0": line["at"], "x1": line["at"], "y0": 0, "y1": 1}
    return {**common, "xref": "paper", "yref": "y", "x0": 0, "x1": 1, "y0": line["at"], "y1": line["at"]}


def _line_labels(limits: Sequence[Values], middle: float) -> list[dict[str, Any]]:
    labels, stacked = [], 0
    for line in limits:
        label: dict[str, Any] = {"text": line["label"], "showarrow": False, "font": {"size": 12, "color": "--soft"}}
        label["bgcolor"] = "--paper"
        if line["axis"] == "x":
            label |= {"xref": "x", "x": math.log10(line["at"]), "yref": "paper", "y": 1, "yanchor": "bottom"}
            side = "right" if math.log10(line["at"]) > middle else "left"  # towards the middle: never cut off
            label |= {"yshift": 2 + 17 * stacked, "xanchor": side}
            stacked += 1
        else:
            label |= {"xref": "paper", "x": 1, "xanchor": "right", "yref": "y", "y": line["at"], "yanchor": "bottom"}
        labels.append(label)
    return labels


def _height(point: Values, points: Sequence[Values]) -> float:
    quality = _quality(point)
    return _rows_below([point], points)[0] if quality is None else quality


def _marks(evidence: Values, points: Sequence[Values], colours: Mapping[str, str], language: Language) -> list[Any]:
    """The star of the chosen candidate and a ring around candidate zero, named in the legend.

    A label in the picture would lie on other points, since the best ones stand close together.
    """
    chosen, zero = (next((p for p in points if p["id"] == evidence.get(key)), None) for key in ("chosen", "zero"))
    marks = []
    if chosen is not None:
        star = {"symbol": "star", "size": _SIZES["chosen"], "color": colours[_steps(chosen)]}
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
        "x": [_seconds(point)],
        "y": [_height(point, points)],
        "yaxis": "y2" if _quality(point) is None else "y",
        "hoverinfo": "skip",
        "cliponaxis": False,
        "marker": marker,
    }


def losses(evidence: Values, language: Language) -> dict[str, Any] | None:
    """Training and validation loss by epoch, for every model that was trained."""
    traces = []
    for number, (model, history) in enumerate(_histories(evidence)):
        for key, word, dash in (("loss", "train_curve", "solid"), ("validation_loss", "validation_curve", "dot")):
            name = text(word, language, model=model)
            traces.append(_curve(history, key, name, number, {"legendgroup": model, "dash": dash}))
    return _curves(traces, text("loss", language), language)


def validations(evidence: Values, language: Language) -> dict[str, Any] | None:
    """The validation score by epoch, for every model; the epoch that was kept is ringed."""
    traces = []
    for number, (model, history) in enumerate(_histories(evidence)):
        curve = _curve(history, "validation", model, number, {"legendgroup": model})
        best = evidence["training"][model].get("best_epoch")
        sizes = [13 if row.get("epoch") == best else 0 for row in history]
        symbols = ["circle-open"] * len(history)
        colour = curve["line"]["color"]
        curve |= {"mode": "lines+markers", "marker": {"symbol": symbols, "size": sizes, "color": colour}}
        curve["marker"]["line"] = {"color": colour, "width": 2}
        traces.append(curve)
    return _curves(traces, text("validation", language), language)


def _histories(evidence: Values) -> list[tuple[str, Sequence[Values]]]:
    trained = evidence.get("training") or {}
    return [(name, values["history"]) for name, values in trained.items() if values.get("history")]


def _curve(history: Sequence[Values], key: str, name: str, number: int, extra: dict[str, Any]) -> dict[str, Any]:
    line = {"color": _COLOURS[number % len(_COLOURS)], "width": 1.8, "dash": extra.pop("dash", "solid")}
    return {
        "type": "scatter",
        "mode": "lines",
        "name": escape(name, quote=False),
        "x": [row.get("epoch") for row in history],
        "y": [finite(row.get(key)) for row in history],
        "line": line,
        "hovertemplate": "%{y:.4g}",
        **extra,
    }


def _curves(traces: list[dict[str, Any]], title: str, language: Language) -> dict[str, Any] | None:
    drawn = [trace for trace in traces if any(value is not None for value in trace["y"])]
    if not drawn:
        return None
    rows = -(-len(drawn) // 2)
    layout = {
        **_frame(),
        "height": 320 + 20 * rows,
        "margin": {"l": 56, "r": 12, "t": 12, "b": 70 + 20 * rows},
        "hovermode": "x unified",
        "legend": {"orientation": "h", "x": 0, "y": -0.25, "yanchor": "top"},
        "xaxis": _axis(text("epoch", language)),
        "yaxis": _axis(title),
        "showlegend": True,
    }
    return {"data": drawn, "layout": layout}


_WIDE, _TALL, _EDGE = 168.0, 26.0, 6.0


def interval_bar(limit: Values) -> str:
    """A limit's interval against its bound as a small SVG; empty when nothing was measured.

    It is drawn on a logarithmic scale, and says so, when the ends lie more than a factor of 30 apart.
    """
    bound, value = finite(limit["bound"]["value"]), finite(limit.get("value"))
    if bound is None or value is None:
        return ""
    low, high = finite(limit.get("low")), finite(limit.get("high"))
    ends = [end for end in (bound, value, low, high) if end is not None]
    log = min(ends) > 0 and max(ends) / min(ends) > 30
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
