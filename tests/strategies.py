"""Hypothesis strategies for the values that several rooms share."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st

from sartor.figures import Figure
from sartor.plan.candidates import Option
from sartor.plan.recipe import CompressionStep, Recipe

BASE_UNITS = ("s", "B", "1/s", "B/s", "FLOP/s", "W", "USD/h", "pt", "%", "")

names = st.text(alphabet="abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_", min_size=1, max_size=12)
# What YAML could take for something else.
HOSTILE = " abcdefghijklmnopqrstuvwxyzäß漢字0123456789.-_:/#'\"{}[]&*!%@`|>?,=~\\\n\t"
words = st.text(HOSTILE, min_size=1, max_size=12)


def magnitudes(low: float = 1e-9, high: float = 1e12) -> st.SearchStrategy[float]:
    """Positive numbers, as many small ones as large ones."""
    from math import log10

    return st.floats(log10(low), log10(high)).map(lambda exponent: 10.0**exponent)


@st.composite
def figures(draw: st.DrawFn) -> Figure:
    """Figures with ordered bounds."""
    low, value, high = sorted(draw(st.lists(st.floats(-1e9, 1e9), min_size=3, max_size=3)))
    sources = ("measured", "calibrated", "roofline", "published", "assumed", "exact")
    return Figure(value, draw(st.sampled_from(BASE_UNITS)), low, high, draw(st.sampled_from(sources)))


def _bound(op: str, low: float, high: float, unit: str) -> st.SearchStrategy[str]:
    return magnitudes(low, high).map(lambda value: f"{op} {value:.6g}{unit}")


_PERFORMANCE = {
    "latency_p50": _bound("<=", 1e-3, 1e6, " ms"),
    "latency_p99": _bound("<=", 1e-3, 1e6, " us"),
    "throughput": _bound(">=", 1e-2, 1e9, " /s"),
    "size": _bound("<=", 1e-3, 1e6, " MiB"),
    "memory": _bound("<=", 1e-3, 1e3, " GB"),
}
_SHARE = st.floats(1e-4, 0.999).map(lambda share: f">= {share:.6g}")


@st.composite
def requirements(draw: st.DrawFn) -> dict[str, str]:
    """The part `require` of a classification Need: any performance limits, and one metric at most."""
    limits = draw(st.fixed_dictionaries({}, optional=_PERFORMANCE))
    metric = draw(st.sampled_from(["accuracy", "f1", "auc", None]))
    if metric is not None and draw(st.booleans()):
        limits[metric] = draw(_SHARE)
    if metric is not None and draw(st.booleans()):
        share = draw(st.floats(0, 0.99))
        limits[f"{metric}_drop"] = draw(st.sampled_from([f"<= {100 * share:.6g} pt", f"<= {100 * share:.6g}%"]))
    return limits


def need_values() -> st.SearchStrategy[dict[str, Any]]:
    """Keyword arguments of a Need, whatever may be left out left out at times."""
    source = words | st.sampled_from(["yes", "on", "no", "null", "~", "1", "2024-01-01", "1:30", "0x1f", "1e3"])
    labels = st.lists(source, max_size=3)
    step = st.sampled_from([{"resize": [8, 8]}, {"normalise": {"mean": 0.5, "std": 2.0}}, {"standardise": "train"}])
    training = st.fixed_dictionaries({}, optional={"epochs": st.integers(1, 99), "time": st.just("2 min")})
    return st.fixed_dictionaries(
        {
            "task": st.sampled_from(["image-classification", "text-classification", "tabular-classification"]),
            "model": st.lists(source, min_size=1, max_size=3),
            "data": source | st.fixed_dictionaries({"source": source}, optional={"labels": labels}),
        },
        optional={
            "preprocess": st.lists(step, max_size=2),
            "train": st.sampled_from(["auto", True, False]) | training,
            "require": requirements(),
            "confidence": st.floats(0.6, 0.999),
            "minimise": st.sampled_from(["latency", "throughput", "size", "memory"]),
            "workload": st.fixed_dictionaries({"batch": st.integers(1, 4096)}),
            "budget": st.fixed_dictionaries(
                {}, optional={"time": st.sampled_from(["5 min", 90]), "memory": st.just("8 GB")}
            ),
            "seed": st.integers(0, 2**31 - 1),
        },
    )


steps = st.sampled_from(
    [
        CompressionStep("none"),
        CompressionStep("fp16-weights"),
        CompressionStep("int8-dynamic"),
        CompressionStep("int8-static", (("calibration", "minmax"),)),
        CompressionStep("int8-static", (("calibration", "entropy"), ("samples", 300))),
    ]
)
recipes = st.lists(steps, max_size=2).map(lambda chosen: Recipe(tuple(chosen)))
options = st.builds(
    Option, recipes, st.sampled_from(["onnxruntime", "openvino"]), st.none() | st.just("it does not apply here")
)
