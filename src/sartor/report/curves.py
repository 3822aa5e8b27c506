"""The pictures of training: loss and validation score by epoch."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from typing import Any

from sartor.report.drawing import COLOURS, Values, axis, finite, frame
from sartor.report.texts import Language
from sartor.report.words import text


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
    line = {"color": COLOURS[number % len(COLOURS)], "width": 1.8, "dash": extra.pop("dash", "solid")}
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
        **frame(),
        "height": 320 + 20 * rows,
        "margin": {"l": 56, "r": 12, "t": 12, "b": 70 + 20 * rows},
        "hovermode": "x unified",
        "legend": {"orientation": "h", "x": 0, "y": -0.25, "yanchor": "top"},
        "xaxis": axis(text("epoch", language)),
        "yaxis": axis(title),
        "showlegend": True,
    }
    return {"data": drawn, "layout": layout}
