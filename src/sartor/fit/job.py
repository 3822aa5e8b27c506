"""The building worker: exports, trains and compresses. `python -m sartor.fit.job`.

It holds torch and the quantizers, so that the process that searches stays small and outlives them.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from sartor.compress.build import build
from sartor.compress.layer_times import profiled_seconds
from sartor.compress.sensitivity import measure_sensitivities
from sartor.fit.job_reshaping import RESHAPING
from sartor.machine.device import this_machine
from sartor.measure.child import Send, serve
from sartor.model.values import ExportedModel, Signature
from sartor.plan.recipe import Recipe
from sartor.runtime.base import Settings
from sartor.steps.prepared import Prepared
from sartor.train.job import export_untrained, train_and_export
from sartor.train.values import TrainingSettings


def _export(request: dict[str, Any], report: Send) -> dict[str, Any]:
    return export_untrained(
        request["reference"],
        base=Path(request["base"]),
        inputs=request["inputs"],
        outputs=request["outputs"],
        seed=request["seed"],
        threads=request["threads"],
        to=Path(request["to"]),
    )


def _train(request: dict[str, Any], report: Send) -> dict[str, Any]:
    return train_and_export(
        request["reference"],
        base=Path(request["base"]),
        inputs=request["inputs"],
        labels_path=Path(request["labels"]),
        rows=Path(request["rows"]),
        outputs=request["outputs"],
        kind=request["kind"],
        settings=TrainingSettings(**request["settings"]),
        seed=request["seed"],
        threads=request["threads"],
        to=Path(request["to"]),
        report=lambda progress: report(progress.as_dict()),
    )


def _build(request: dict[str, Any], report: Send) -> dict[str, Any]:
    rows = np.load(request["rows"])[: request["most_rows"]]
    built = build(
        Recipe.from_dict(request["recipe"]),
        _source(request),
        request["runtime"],
        Prepared.load(request["inputs"]).take(rows),
        Path(request["to"]),
        ranges=Path(request["ranges"]) if "ranges" in request else None,
    )
    return {"path": str(built.path), "size_bytes": built.size_bytes, "notes": list(built.notes)}


def _sensitivity(request: dict[str, Any], report: Send) -> dict[str, Any]:
    rows = np.load(request["rows"])[: request["most_rows"]]
    return measure_sensitivities(
        _source(request),
        Prepared.load(request["inputs"]).take(rows),
        request["output"],
        this_machine(),
        request["threads"],
        request["seconds"],
    ).as_dict()


def _layer_times(request: dict[str, Any], report: Send) -> dict[str, Any]:
    rows = np.load(request["rows"])[: request["most_rows"]]
    inputs = Prepared.load(request["inputs"]).take(rows)
    file, settings = Path(request["file"]), Settings(**request["settings"])
    return {"seconds": profiled_seconds(_source(request), inputs, request["runtime"], file, settings, request["calls"])}


def _source(request: dict[str, Any]) -> ExportedModel:
    return ExportedModel(Path(request["source"]), Signature.from_dict(request["signature"]), request["parameters"])


def main() -> None:
    """Serve until stdin closes."""
    serve(
        {
            "export": _export,
            "train": _train,
            **RESHAPING,
            "build": _build,
            "sensitivity": _sensitivity,
            "layer_times": _layer_times,
        }
    )


if __name__ == "__main__":
    main()
