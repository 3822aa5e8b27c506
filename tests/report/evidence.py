"""A small evidence as `fit` writes it, for the tests of the report."""

from __future__ import annotations

from typing import Any

FIXED_REASONS = (
    "size <= 60 kB: its files have 107 kB",
    "in quick launches the same file was faster with 1 thread, fixed shape",
    "select says that confirm would probably not prove its quality",
    "unsupported: nothing to quantize: 2.7% of the weights belong to operators with 8-bit kernels",
)


def figure(value: float, low: float, high: float, unit: str = "s") -> dict[str, Any]:
    """A measured figure."""
    return {"value": value, "unit": unit, "low": low, "high": high, "source": "measured"}


def candidate(model: str, step: str, threads: int, status: str, **values: Any) -> dict[str, Any]:
    """One candidate with nothing measured unless `values` say so."""
    steps = [{"name": step, "settings": {"calibration": "minmax"} if step == "int8-static" else {}}] if step else []
    settings = {"precision": "f32", "threads": threads, "shape": "fixed", "batch": 1}
    empty = {"latency": None, "latency_from": None, "quality": None, "size_bytes": None, "memory_bytes": None}
    return {
        "id": f"{model}.{step or 'f32'}.onnxruntime.f32.t{threads}.fixed",
        "model": model,
        "recipe": {"steps": steps},
        "runtime": "onnxruntime",
        "settings": settings,
        "label": f"{model}, {step or 'f32'}, onnxruntime, {threads} threads, fixed shape",
        "status": status,
        "why": "",
        "quality_rows": 0,
        "figures": {},
        **empty,
        **values,
    }


def _timed(seconds: float) -> dict[str, Any]:
    p50, p90, p99 = (figure(k * seconds, 0.9 * k * seconds, 1.1 * k * seconds) for k in (1, 1.2, 4))
    rate = figure(1 / seconds, 0.9 / seconds, 1.1 / seconds, "1/s")
    figures = {"latency_p50": p50, "latency_p90": p90, "latency_p99": p99, "throughput": rate}
    return {"latency": p50, "latency_from": "launches", "figures": figures, "size_bytes": 51_315}


def _candidates() -> list[dict[str, Any]]:
    quality = figure(0.986, 0.971, 0.994, "")
    screened = {"latency": figure(2e-5, 1.5e-5, 2.6e-5), "latency_from": "screen", "size_bytes": 107_000}
    return [
        candidate("cnn", "", 1, "rejected", why=FIXED_REASONS[0], **_timed(1.3e-5)),
        candidate("cnn", "", 2, "rejected", why=FIXED_REASONS[1], **screened),
        candidate("cnn", "int8-dynamic", 1, "passed", why=FIXED_REASONS[2], quality=quality, **screened),
        candidate("cnn", "int8-static", 1, "failed", why=FIXED_REASONS[3]),
        candidate("cnn", "fp16-weights", 1, "chosen", why="Met by it", quality=quality, **_timed(1.1e-5)),
    ]


def _limit(name: str, op: str, bound: float, unit: str, found: dict[str, Any], met: bool) -> dict[str, Any]:
    values = {key: found[key] for key in ("value", "low", "high", "source")}
    why = "measured over fresh launches"
    return {"name": name, "bound": {"op": op, "value": bound, "unit": unit}, "met": met, "why": why, **values}


def provisional() -> dict[str, Any]:
    """Evidence of a search that goes on."""
    history = [
        {"epoch": n, "loss": 2 / n, "validation": 1 - 0.3 / n, "validation_loss": 2.1 / n, "seconds": 0.1 * n}
        for n in (1, 2, 3)
    ]
    made = {"parameters": 23946, "seconds": 2.7, "epochs": 3, "best_epoch": 2, "validation": 0.9, "history": history}
    made |= {"settings": {"learning_rate": 0.0014, "batch": 32}, "reused": False, "why": ["batch 32: as given"]}
    require = {"accuracy": ">= 0.95", "latency_p99": "<= 0.3 ms", "size": "<= 60 kB"}
    rows = {"train": 988, "calibrate": 90, "select": 360, "confirm": 359}
    how = "made: train, calibrate, select, confirm in proportion 55/5/20/20, stratified by class, seed 0"
    return {
        "schema_version": 1,
        "need": {"task": "image-classification", "model": ["zoo:cnn"], "require": require, "workload": {"batch": 1}},
        "metric": "accuracy",
        "confidence": 0.95,
        "candidates": _candidates(),
        "refusals": [{"what": "int8 dynamic in openvino", "why": "NNCF has no entropy calibration"}],
        "baseline_model": "cnn",
        "constant_predictor": 0.1028,
        "data": _data_report(rows),
        "splits": {"rows": rows, "dropped": 3, "how": how, "hashes": dict.fromkeys(rows, "368796bf903dd874")},
        "training": {"cnn": made},
        "machine": {"cpu": "AMD EPYC", "cores": 2, "isa": ["avx2"], "memory_bytes": 25276502016},
        "versions": {"python": "3.11.7", "sartor": "0.1.0"},
        "trials": {"run": 172, "reused": 18},
        "elapsed_s": 39.9,
        "verdict": "not_met",
        "sentence": "Not proved yet: the best so far of a search that goes on or was interrupted.",
        "limits": [],
    }


def _data_report(rows: dict[str, int]) -> dict[str, Any]:
    return {
        "source": "reviews.jsonl",
        "rows": sum(rows.values()),
        "kind": "texts",
        "labelled": True,
        "splits": rows,
        "classes": {name: {"rows": 400} for name in ("neg", "pos")},
        "sizes": {"unit": "characters", "min": 3, "median": 57, "p99": 188, "max": 420},
        "duplicates": {"inside": {"train": 4, "confirm": 1}, "labels_differ": 2},
        "leaks": {"train": 3, "others": 0},
        "how": "given",
        "notes": ["2 of 800 texts cannot be read"],
    }


def met() -> dict[str, Any]:
    """Evidence of a Need that is met."""
    evidence = provisional()
    chosen, zero = evidence["candidates"][-1]["id"], evidence["candidates"][0]["id"]
    label = "cnn, fp16 weights, onnxruntime, 1 thread, fixed shape"
    quality, memory = figure(0.9944, 0.9826, 0.999, ""), figure(6.0e7, 5.9e7, 6.1e7, "B")
    return {
        **evidence,
        "verdict": "met",
        "sentence": f"Met by {label}: 1.01x [0.99, 1.02] the speed of the uncompressed model at its best.",
        "limits": [
            _limit("accuracy", ">=", 0.95, "", figure(0.9944, 0.9817, 0.9991, ""), True),
            _limit("latency_p99", "<=", 3e-4, "s", figure(5.9e-5, 5.1e-5, 7.4e-5), True),
            _limit("size", "<=", 6e4, "B", figure(51315, 51315, 51315, "B") | {"source": "exact"}, True),
        ],
        "chosen": chosen,
        "zero": zero,
        "speedup": figure(1.006, 0.994, 1.018, ""),
        "resolution": 0.0178,
        "noisy": False,
        "repeated_rounds": 1,
        "quality_split": "confirm",
        "quality": {chosen: quality, zero: quality},
        "memory": {chosen: memory, zero: memory},
        "openings_before": 1,
        "error_shares": {"first": 0.02, "fallback": 0.005},
    }


def infeasible() -> dict[str, Any]:
    """What `fit --json` prints for a limit beyond a measured floor: nothing was built."""
    found = figure(7.4e-5, 3.6e-5, 8.0e-5)
    label = "mlp, f32, onnxruntime, 1 thread, fixed shape"
    return {
        "verdict": "infeasible",
        "sentence": "Infeasible: `latency_p99 <= 1 ns` cannot be met on this machine: even a model that does "
        f"nothing gets 6.28 µs here. The nearest that can be met: latency_p99 of 73.7 µs [35.9 µs, 80 µs] by {label}.",
        "limits": [
            _limit("latency_p99", "<=", 1e-9, "s", found, False),
            _limit("accuracy", ">=", 0.95, "", dict.fromkeys(("value", "low", "high", "source")), False),
        ],
        "binding": "latency_p99",
        "nearest": {"limit": "latency_p99", "figure": found, "candidate": label},
        "chosen": None,
        "baseline": None,
        "measured": None,
        "speedup": None,
        "noisy": False,
        "trials": {"total": 3, "run": 3, "reused": 0},
        "elapsed_s": 15.7,
        "bundle": "out",
    }
