"""A small evidence of a fit that pruned its model, for the tests of the report."""

from __future__ import annotations

from typing import Any

from tests.report.evidence import candidate, figure, met

FORM = "openvino int8-static-minmax"


def pruned(share: float, status: str, *, recovered: bool = True, **values: Any) -> dict[str, Any]:
    """A candidate whose network was cut to a share of its time, and trained back unless told otherwise."""
    made = candidate("cnn", "int8-static", 1, status, **values)
    prune = {"name": "prune", "settings": {"time": share, "importance": "activation", "for": FORM}}
    back = [{"name": "recover", "settings": {}}] if recovered else []
    made["recipe"]["steps"] = [prune, *back, *made["recipe"]["steps"]]
    recipe = f"pruned (time {share}, activation, {FORM}){' + recovered' * recovered} + int8 static (minmax)"
    label = f"cnn, {recipe}, openvino, 1 thread, fixed shape"
    return {**made, "id": f"cnn.pruned-{share}{'-recovered' * recovered}", "runtime": "openvino", "label": label}


def smaller() -> dict[str, Any]:
    """Evidence of a Need that a pruned network meets: sizes as cut, one trained back, one given up, and the whole."""
    evidence = met()
    timed: dict[str, Any] = {"latency": figure(9e-6, 7e-6, 1.2e-5), "latency_from": "screen", "size_bytes": 30_000}
    whole = candidate("cnn", "int8-static", 1, "passed", quality=figure(0.988, 0.97, 0.99, ""), **timed)
    lost = "accuracy >= 0.95: excluded at 99.9% after 100 rows of select"
    hopeless = "trained back: stopped at 40%: 0.310 and likely to end near 0.411, where 0.900 is needed"
    sizes = [
        pruned(0.75, "passed", recovered=False, quality=figure(0.97, 0.96, 0.98, ""), **timed),
        pruned(0.394, "rejected", recovered=False, why=lost, quality=figure(0.7, 0.65, 0.75, ""), **timed),
        pruned(0.286, "screened", recovered=False, **timed),
        pruned(0.394, "chosen", quality=figure(0.96, 0.95, 0.97, ""), **timed),
        pruned(0.2, "rejected", why=hopeless),
    ]
    chosen = sizes[3]
    training = {**evidence["training"]["cnn"], "hopeless": ""}
    steps = chosen["recipe"]["steps"][:2]
    whole = {**whole, "id": "cnn.whole.openvino", "runtime": "openvino"}
    layers = [{"layer": f"conv{n}", "operator": "Conv", "error": error} for n, error in enumerate((0.01, 0.0, 1e-4))]
    return {
        **evidence,
        "candidates": [*(c for c in evidence["candidates"] if c["status"] != "chosen"), whole, *sizes],
        "chosen": chosen["id"],
        "quality": {},
        "memory": {},
        "sentence": f"Met by {chosen['label']}: 3.95x [3.44, 4.55] the speed of the uncompressed model at its best.",
        "recoveries": [{"model": "cnn", "steps": steps, "candidates": [chosen["id"]], "training": training}],
        "kept": [{"layer": "conv0", "kept": 72, "weights": 144}, {"layer": "conv<1>", "kept": 1152, "weights": 4608}],
        "sizes_ended": "no other size is likely to be better than 9 µs: the probability is 3%",
        "sensitivities": {"cnn": {"layers": layers, "together": 0.011, "rows": 32}},
    }
