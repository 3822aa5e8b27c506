"""The peers: what others make of the same f32 file, with their defaults, on the same calibration rows."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import numpy as np
from _inductor import INT8, RUNTIME
from _inductor import build as build_inductor
from _ready import Ready, Rows

from _peers import CALIBRATION_ROWS, Peers, build_peers, single_rows
from sartor.data.metrics import evaluate, predicted_classes
from sartor.runtime.base import Array

CONTROLLED = "NNCF int8 with accuracy control"
MAX_DROP = 0.01


def build_all(ready: Ready, rows: Rows, folder: Path) -> tuple[Peers, dict[str, float | str]]:
    """Label -> (runtime, file), and for each label the seconds that it took, or why it is missing."""
    folder.mkdir(parents=True, exist_ok=True)
    calibration = rows.take("calibrate", CALIBRATION_ROWS)
    peers: Peers = {}
    took: dict[str, float | str] = {}
    ways: dict[str, Callable[[], Peers]] = {
        "the usual int8": lambda: build_peers(ready.model, calibration, folder, transformer=ready.source.transformer),
        CONTROLLED: lambda: {CONTROLLED: ("openvino", _with_accuracy_control(ready, rows, folder))},
        INT8: lambda: {INT8: (RUNTIME, build_inductor(ready.model, calibration, folder))},
    }
    for label, build in ways.items():
        began = time.monotonic()
        try:
            peers |= build()
            took[label] = time.monotonic() - began
        except Exception as error:  # noqa: BLE001 - a peer that fails is a result, and must not end the benchmark
            took[label] = f"{type(error).__name__}: {str(error).splitlines()[0][:200]}"
            print(f"{label} was not built: {took[label]}")
    return peers, took


def _with_accuracy_control(ready: Ready, rows: Rows, folder: Path) -> Path:
    """`nncf.quantize_with_accuracy_control`, which leaves layers in f32 until select loses at most MAX_DROP."""
    import nncf
    import openvino

    select, labels = rows.take("select"), rows.labels("select")
    calibration = list(single_rows(rows.take("calibrate", CALIBRATION_ROWS)))
    items = list(zip(single_rows(select), labels, strict=True))
    kind = nncf.ModelType.TRANSFORMER if ready.source.transformer else None
    metric = rows.limit.metric
    made = nncf.quantize_with_accuracy_control(
        openvino.Core().read_model(ready.model),
        nncf.Dataset(calibration),
        nncf.Dataset(items, lambda item: item[0]),
        lambda compiled, data: _scored(compiled, data, metric),
        max_drop=MAX_DROP,
        model_type=kind,
    )
    path = folder / "controlled.xml"
    openvino.save_model(made, path)
    return path


def _scored(compiled: Any, items: Iterable[tuple[dict[str, Array], Any]], metric: str) -> tuple[float, Any]:
    """The metric, and which rows are right; NNCF looks at the outputs itself for a metric that has no rows."""
    found = list(items)
    outputs = np.concatenate([compiled(feed)[compiled.output(0)] for feed, _ in found])
    labels = np.array([label for _, label in found])
    if metric == "accuracy":
        right = (predicted_classes(outputs) == labels).astype(float)
        return float(right.mean()), right.tolist()
    return float(evaluate(metric, labels, outputs, Path.cwd())), None
