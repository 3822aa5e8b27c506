"""The limits of a Need as lines across the trade-off picture."""

from __future__ import annotations

import math
from collections.abc import Sequence
from html import escape
from typing import Any

from sartor.report.drawing import Values, finite
from sartor.report.points import model_of, quality_of, steps_of
from sartor.report.texts import Language
from sartor.report.words import limit_name
from sartor.units import format_value


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
        quality_of(c)
        for c in evidence.get("candidates", ())
        if model_of(c) == evidence.get("baseline_model")
        and steps_of(c) == "none_step"
        and c.get("settings", {}).get("precision", "f32") == "f32"
    )
    baseline = next((value for value in plain if value is not None), None)
    if baseline is None:
        return None
    worse = 1.0 if evidence.get("metric") == "rmse" else -1.0
    return baseline + worse * drop * (abs(baseline) if relative else 1.0)


def line_shape(line: Values) -> dict[str, Any]:
    """A limit across the picture."""
    common = {"type": "line", "line": {"color": "--soft", "width": 1.3, "dash": "dash"}}
    if line["axis"] == "x":
        return {**common, "xref": "x", "yref": "paper", "x0": line["at"], "x1": line["at"], "y0": 0, "y1": 1}
    return {**common, "xref": "paper", "yref": "y", "x0": 0, "x1": 1, "y0": line["at"], "y1": line["at"]}


def line_labels(limits: Sequence[Values], middle: float) -> list[dict[str, Any]]:
    """The labels of the lines; those of upright lines stand on top of one another and point to `middle`."""
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
