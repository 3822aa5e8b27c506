"""A task made ready: a trained f32 ONNX file, and rows in four splits that every tool takes as they are.

Training and the steps before the network are done once, outside what is compared: both fits of a task and all peers
start from the same file, calibrate on the same rows, and are judged on the same rows.
"""

from __future__ import annotations

import csv
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sartor import Need
from sartor.data.values import SPLIT_NAMES
from sartor.fit.inputs import open_inputs
from sartor.fit.preparing import holds_text, specs_of
from sartor.fit.run import DataOnDisk, Inputs
from sartor.measure.process import Child
from sartor.model.values import Model
from sartor.need import Limit
from sartor.steps.prepared import Prepared
from sartor.train.values import TrainingSettings

_SPARE_SECONDS = 600.0  # that a training may take beyond its limit: the export, and a last epoch


@dataclass(frozen=True)
class Source:
    """A network and the rows to train it on, as a Need names them.

    Attributes:
        model: reference of what is trained.
        task: of the Need.
        data: its data.
        require: its one limit, name to bound.
        preprocess: its steps; None for the usual ones.
        train: its training; `auto` for networks of the zoo.
        transformer: whether NNCF is told that it quantizes one.
        pretrained: whether its weights are only to be fine-tuned; known of folders from a hub.
    """

    model: str
    task: Any
    data: Any
    require: Mapping[str, str | float]
    preprocess: list[dict[str, Any]] | None = None
    train: Any = "auto"
    transformer: bool = False
    pretrained: bool = False


@dataclass(frozen=True)
class Ready:
    """What both fits and all peers start from.

    Attributes:
        source: where it came from.
        model: the trained ONNX file.
        data: the rows, as a Need names them.
        preprocess: what is still to be done to them: nothing but for text.
        training: seconds, epochs and validation of the training.
    """

    source: Source
    model: Path
    data: Any
    preprocess: list[dict[str, Any]] | None
    training: Mapping[str, Any]

    def need(self, train: Any, budget: str) -> Need:
        """The Need of one fit."""
        return Need(
            task=self.source.task,
            model=str(self.model),
            data=self.data,
            preprocess=self.preprocess,
            train=train,
            require=dict(self.source.require),
            budget={"time": budget},
        )


@dataclass(frozen=True)
class Rows:
    """Prepared rows on disk, with their labels.

    Attributes:
        saved: all rows, as `Prepared.load` opens them.
        disk: which of them each split holds, and the labels.
        limit: what the task is judged by.
    """

    saved: Mapping[str, Any]
    disk: DataOnDisk
    limit: Limit

    def take(self, split: str, most: int | None = None) -> Prepared:
        """The first rows of a split."""
        return Prepared.load(self.saved).take(self.disk.rows(split)[:most])

    def labels(self, split: str) -> NDArray[Any]:
        """(n,) labels of a split."""
        return self.disk.labels(split)


@dataclass(frozen=True)
class OpenedNeed:
    """A Need with its only model, and its rows on disk as the data set has them and as the model takes them."""

    model: Model
    disk: DataOnDisk
    inputs: Inputs
    need: Need = field(repr=False)


def make_ready(source: Source, folder: Path, seconds: float, base: Path) -> Ready:
    """Train the network, and write its rows split by split; what `folder` holds already is used again.

    Args:
        seconds: that the training may take.
        base: folder that callables are relative to.
    """
    folder.mkdir(parents=True, exist_ok=True)
    opened = open_need(
        Need(
            task=source.task,
            model=source.model,
            data=source.data,
            preprocess=source.preprocess,
            train=source.train,
            require=dict(source.require),
        ),
        folder,
        base,
    )
    model = folder / "trained.onnx"
    told = folder / "training.json"
    if not told.exists():
        told.write_text(json.dumps(_train(opened, source, seconds, base, model)), encoding="utf-8")
    training = json.loads(told.read_text(encoding="utf-8"))
    if holds_text(opened.disk.dataset):
        steps = [dict(step) for step in opened.inputs.steps]
        return Ready(source, model, _write_texts(opened.disk, folder), steps, training)
    return Ready(source, model, _write_arrays(opened, folder / "rows.npz"), None, training)


def rows_of(ready: Ready, folder: Path, train: Any = False) -> Rows:
    """The rows as the fits see them: what a fit of this Need, with this `train`, reads, prepares and splits."""
    opened = open_need(ready.need(train, "1 min"), folder, Path.cwd())
    (limit,) = opened.need.limits
    return Rows(opened.inputs.saved, opened.disk, limit)


def open_need(need: Need, folder: Path, base: Path) -> OpenedNeed:
    """Read, split and prepare what a Need names; the arrays are written below `folder`."""
    found = open_inputs(need, base)
    (model,) = found.models
    disk = DataOnDisk(found.dataset, found.splits, folder / "data")
    steps = specs_of(need, model, found.dataset, base, disk.rows("train").tolist(), folder / "vocabulary")
    return OpenedNeed(model, disk, disk.inputs(steps, model, base), need)


def _train(opened: OpenedNeed, source: Source, seconds: float, base: Path, to: Path) -> dict[str, Any]:
    """Train in a process of its own, so that torch does not stand beside what is timed later."""
    request = {
        "do": "train",
        "reference": opened.model.reference,
        "base": str(base),
        "inputs": opened.inputs.saved,
        "labels": str(opened.disk.labels_path),
        "rows": str(opened.disk.rows_path("train")),
        "outputs": len(opened.disk.dataset.classes),
        "kind": opened.need.kind,
        "settings": TrainingSettings(time_limit_s=seconds, pretrained=source.pretrained).as_dict(),
        "seed": opened.need.seed,
        "threads": 2,
        "to": str(to),
    }
    with Child("sartor.fit.job") as worker:
        made = worker.ask(request, seconds + _SPARE_SECONDS)
    return {name: made[name] for name in ("seconds", "epochs", "validation", "parameters")}


def _write_arrays(opened: OpenedNeed, to: Path) -> str:
    (array,) = Prepared.load(opened.inputs.saved).arrays.values()
    parts: dict[str, NDArray[Any]] = {}
    for split in SPLIT_NAMES:
        parts[f"{split}_inputs"] = array[opened.disk.rows(split)]
        parts[f"{split}_labels"] = opened.disk.labels(split)
    np.savez(to, allow_pickle=False, **parts)
    return str(to)


def _write_texts(disk: DataOnDisk, folder: Path) -> dict[str, Any]:
    files = {}
    for split in SPLIT_NAMES:
        files[split] = str(folder / f"{split}.tsv")
        with Path(files[split]).open("w", newline="", encoding="utf-8") as file:
            rows = csv.writer(file, delimiter="\t", quoting=csv.QUOTE_NONE, quotechar=None)
            rows.writerow(["sentence", "label"])
            rows.writerows(zip(disk.dataset.inputs[disk.rows(split)], disk.labels(split), strict=True))
    return {"source": files.pop("train"), **files, "input": "sentence", "label": "label"}
