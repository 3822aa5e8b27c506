"""What the building worker does to give another network in f32: cut it, solve for its weights, train it back."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

from sartor.compress.calibration import example_rows, pieces
from sartor.compress.low_rank.ranks import lower_ranks
from sartor.compress.low_rank.times import Bench
from sartor.compress.onnx_file import looks_like_transformer, publish_whole, read_whole
from sartor.compress.pruning.depth import SHORTENING_ROWS, shorten
from sartor.compress.pruning.rebuild import REBUILDING_ROWS, rebuild_if_possible
from sartor.compress.pruning.time_share import Measured, found_groups, narrow_uniformly, prune
from sartor.compress.pruning.unshared import unshared
from sartor.compress.pruning.worth import unit_importance
from sartor.compress.rounding import rounded_in_training
from sartor.machine.device import this_machine
from sartor.measure.child import Send
from sartor.model.values import ExportedModel, Signature
from sartor.plan.recipe import CompressionStep
from sartor.runtime.base import Array, Settings
from sartor.steps.prepared import Prepared
from sartor.train.recovery import Recovery, recover
from sartor.train.values import TrainingSettings

Request = dict[str, Any]
"""`source`, its `signature` and `parameters`, prepared `inputs`, the `rows` that may be looked at, where `to` write."""


def _narrow(request: Request, report: Send) -> dict[str, Any]:
    model = read_whole(Path(request["source"]))
    narrowed = narrow_uniformly(model, found_groups(model, _example(request)), request["share"])
    return _written(publish_whole(narrowed, Path(request["to"])))


def _importance(request: Request, report: Send) -> dict[str, Any]:
    """Units of all groups one after another, in the order that they are found in."""
    model = unshared(read_whole(Path(request["source"])))
    groups = found_groups(model, _example(request))
    found = unit_importance(
        request["measure"],
        _source(request),
        model,
        groups,
        Prepared.load(request["inputs"]),
        np.load(request["rows"]),
        output=request["output"],
        kind=request["kind"],
        seed=request["seed"],
        threads=request["threads"],
    )
    return {"units": {name: values.tolist() for name, values in found.items()}, "refused": list(groups.refused)}


def _prune(request: Request, report: Send) -> dict[str, Any]:
    model = read_whole(Path(request["source"]))
    groups = found_groups(model, _example(request))
    importance = {name: np.array(values) for name, values in request["importance"].items()}
    measured = [Measured(one["share"], one["seconds"]) for one in request["measured"]]
    pruned = prune(model, groups, importance, measured, request["share"])
    rows = Prepared.load(request["inputs"]).take(np.load(request["rows"])[:REBUILDING_ROWS])
    said = rebuild_if_possible(model, pruned, groups, rows, request["threads"])
    written = publish_whole(pruned.model, Path(request["to"]))
    widths = {name: list(widths) for name, widths in pruned.widths.items()}
    return {**_written(written), "widths": widths, "said": said}


def _shorten(request: Request, report: Send) -> dict[str, Any]:
    rows = Prepared.load(request["inputs"]).take(np.load(request["rows"])[:SHORTENING_ROWS])
    found = shorten(
        read_whole(Path(request["source"])),
        _example(request),
        pieces(_source(request), rows, SHORTENING_ROWS),
        request["seconds"],
        request["share"],
        request["output"],
        request["threads"],
    )
    written = publish_whole(found.model, Path(request["to"]))
    return {**_written(written), "branches": [branch.sum for branch in found.branches]}


def _low_rank(request: Request, report: Send) -> dict[str, Any]:
    rows = Prepared.load(request["inputs"]).take(np.load(request["rows"])[: request["most_rows"]])
    with TemporaryDirectory() as scratch:
        bench = Bench(request["runtime"], Settings(**request["settings"]), Path(scratch))
        found = lower_ranks(_source(request), rows, request["share"], bench, request["output"])
    written = publish_whole(found.model, Path(request["to"]))
    return {**_written(written), "ranks": {name: list(ranks) for name, ranks in found.ranks.items()}}


def _recover(request: Request, report: Send) -> dict[str, Any]:
    with TemporaryDirectory() as scratch:
        student, trained_as = Path(request["source"]), None
        if request["through"]:
            rows = Prepared.load(request["inputs"]).take(np.load(request["calibration"])[: request["most_rows"]])
            step = CompressionStep.from_dict(request["through"])
            rounded = rounded_in_training(_source(request), rows, step, this_machine(), Path(scratch))
            student, trained_as = rounded.student, rounded.trained_as
        return recover(_recovery(request, student, trained_as), lambda progress: report(progress.as_dict()))


def _recovery(request: Request, student: Path, trained_as: Path | None) -> Recovery:
    return Recovery(
        student,
        Path(request["teacher"]),
        Path(request["to"]),
        Prepared.load(request["inputs"]),
        np.load(request["labels"]) if request["labels"] else None,
        np.load(request["rows"]),
        request["kind"],
        request["output"],
        # Transformers are learnt at the rates of fine-tuning.
        TrainingSettings(**request["settings"], pretrained=looks_like_transformer(read_whole(Path(request["source"])))),
        seed=request["seed"],
        threads=request["threads"],
        trained_as=trained_as,
        shifts=request["shifts"],
        may_lose=request["may_lose"],
        floor=request["floor"],
        answers=Path(request["answers"]) if request["answers"] else None,
    )


def _source(request: Request) -> ExportedModel:
    return ExportedModel(Path(request["source"]), Signature.from_dict(request["signature"]), request["parameters"])


def _example(request: Request) -> dict[str, Array]:
    return example_rows(Prepared.load(request["inputs"]))


def _written(exported: ExportedModel) -> dict[str, Any]:
    return {"path": str(exported.path), "parameters": exported.parameters}


RESHAPING: Mapping[str, Callable[[Request, Send], dict[str, Any]]] = {
    "narrow": _narrow,
    "importance": _importance,
    "prune": _prune,
    "shorten": _shorten,
    "low-rank": _low_rank,
    "recover": _recover,
}
