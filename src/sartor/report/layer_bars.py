"""A bar for each layer of a network: what a pruning kept of it, and what its 8 bits do to the answers."""

from __future__ import annotations

import math
from collections.abc import Sequence
from html import escape
from typing import Any

from sartor.report.drawing import Values, axis, frame
from sartor.report.texts import Language
from sartor.report.words import text
from sartor.units import format_value

_LEAST_ERROR = 1e-9  # a logarithmic axis has no place for nothing


def kept(evidence: Values, language: Language) -> dict[str, Any] | None:
    """The share of its weights that each layer of the chosen network kept."""
    layers = [one for one in evidence.get("kept", ()) if one["weights"]]
    if not layers:
        return None
    said = [text("kept_of", language, kept=f"{one['kept']:,}", weights=f"{one['weights']:,}") for one in layers]
    shares = [one["kept"] / one["weights"] for one in layers]
    names = [one["layer"] for one in layers]
    trace = _bars(names, shares, [f"{share:.0%}, {words}" for share, words in zip(shares, said, strict=True)], "--c2")
    upright = {**axis(text("axis_kept", language)), "range": [0, 1.02], "tickformat": ".0%"}
    return {"data": [trace], "layout": _layout(upright, language)}


def sensitivities(evidence: Values, language: Language, model: str) -> dict[str, Any] | None:
    """The error of each layer of a model in 8 bits; layers that the chosen file leaves in f32 in a colour of theirs."""
    found = evidence.get("sensitivities", {}).get(model)
    if not found:
        return None
    left = _left_in_f32(evidence, model)
    traces = []
    for colour, key, in_f32 in (("--c2", "in_8_bits", False), ("--c3", "left_in_f32", True)):
        errors = [max(one["error"], _LEAST_ERROR) for one in found["layers"]]
        mine = [(one["layer"] in left) is in_f32 for one in found["layers"]]
        if not any(mine):
            continue
        said = [f"{one['operator']}, {format_value(one['error'], '%')}" for one in found["layers"]]
        names = [one["layer"] for one in found["layers"]]
        heights = [error if shown else None for error, shown in zip(errors, mine, strict=True)]
        traces.append({**_bars(names, heights, said, colour), "name": text(key, language), "showlegend": bool(left)})
    decades = [math.log10(max(one["error"], _LEAST_ERROR)) for one in found["layers"]]
    ends = [math.floor(min(decades)), math.floor(max(decades)) + 1]
    every = max(1, (ends[1] - ends[0]) // 4)
    upright = {**axis(text("axis_error", language)), "type": "log", "tickformat": ".0e", "range": ends, "dtick": every}
    return {"data": traces, "layout": _layout(upright, language)}


def _left_in_f32(evidence: Values, model: str) -> set[str]:
    chosen = (one for one in evidence.get("candidates", ()) if one["id"] == evidence.get("chosen"))
    steps = (step for one in chosen if one["model"] == model for step in one["recipe"]["steps"])
    return {name for step in steps for name in step.get("keeps", ())}


def _bars(names: Sequence[str], heights: Sequence[float | None], said: Sequence[str], colour: str) -> dict[str, Any]:
    """Layers by their numbers: names are long, and stand beside the bar that is pointed at."""
    texts = [f"<b>{escape(name, quote=False)}</b><br>{words}" for name, words in zip(names, said, strict=True)]
    return {
        "type": "bar",
        "x": list(range(1, len(names) + 1)),
        "y": list(heights),
        "text": texts,
        "textposition": "none",
        "hovertemplate": "%{text}<extra></extra>",
        "marker": {"color": colour},
        "showlegend": False,
    }


def _layout(upright: dict[str, Any], language: Language) -> dict[str, Any]:
    return {
        **frame(),
        "height": 260,
        "margin": {"l": 62, "r": 18, "t": 12, "b": 60},
        "hovermode": "closest",
        "barmode": "overlay",
        "bargap": 0.15,
        "legend": {"orientation": "h", "x": 0, "y": -0.3, "yanchor": "top"},
        "xaxis": {**axis(text("axis_layer", language)), "showgrid": False, "rangemode": "nonnegative"},
        "yaxis": upright,
    }
