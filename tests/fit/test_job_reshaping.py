"""The building worker's jobs that give another network, one after another on a trained one."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import pytest
from numpy.typing import NDArray
from sklearn.datasets import load_digits

from sartor.compress.layers import layers
from sartor.compress.onnx_file import read_whole
from sartor.fit.job_reshaping import RESHAPING
from sartor.steps.prepared import SOLE, Prepared
from sartor.train.job import train_and_export
from sartor.train.values import TrainingSettings

pytest.importorskip("torch")

Array = NDArray[Any]


class Trained:
    """A small ResNet that was trained on two thirds of the digits."""

    def __init__(self, folder: Path) -> None:
        loaded = load_digits()
        self.rows = np.repeat(np.repeat((loaded.images[:, None] / 16).astype(np.float32), 2, 2), 2, 3)
        self.labels, self.folder = loaded.target, folder
        order = np.random.default_rng(0).permutation(len(self.labels))
        self.train, self.test = order[:1200], order[1200:]
        np.save(folder / "labels.npy", self.labels)
        np.save(folder / "train.npy", self.train)
        saved = Prepared({SOLE: self.rows}).save(folder / "inputs")
        self.made = train_and_export(
            *("zoo:resnet(width=16, depth=1)", folder, saved, folder / "labels.npy", folder / "train.npy", 10),
            *("classification", TrainingSettings(epochs=4), 0, 2, folder / "whole.onnx", lambda progress: None),
        )
        self.path = Path(self.made["path"])
        self.input = self.made["signature"]["inputs"][0]["name"]
        self.output = self.made["signature"]["outputs"][0]["name"]
        self.named = Prepared({self.input: self.rows}).save(folder / "named")

    def accuracy(self, path: str | Path) -> float:
        """On the rows that were not trained on."""
        session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
        answers = session.run(None, {self.input: self.rows[self.test]})[0]
        return float((answers.argmax(1) == self.labels[self.test]).mean())

    def ask(self, do: str, **more: Any) -> dict[str, Any]:
        """What a job gives."""
        request = {
            "do": do,
            "source": str(self.path),
            "signature": self.made["signature"],
            "parameters": self.made["parameters"],
            "inputs": self.named,
            "rows": str(self.folder / "train.npy"),
            "to": str(self.folder / do / "made.onnx"),
            "output": 0,
            "threads": 1,
            "seed": 0,
            "kind": "classification",
            "most_rows": 300,
            **more,
        }
        return RESHAPING[do](request, lambda progress: None)

    def seconds(self, path: str | Path) -> dict[str, float]:
        """Layers take time in proportion to their weights."""
        model = read_whole(Path(path))
        sizes = {tensor.name: float(np.prod(tensor.dims)) for tensor in model.graph.initializer}
        return {one.name: 1e-9 * sizes[one.name] for one in layers(model)}


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Trained:
    return Trained(tmp_path_factory.mktemp("reshaping"))


def pruned(trained: Trained, measure: str, share: float) -> dict[str, Any]:
    half = trained.ask("narrow", share=0.5)
    measured = [
        {"share": 1.0, "seconds": trained.seconds(trained.path)},
        {"share": 0.5, "seconds": trained.seconds(half["path"])},
    ]
    units = trained.ask("importance", measure=measure, output=trained.output)["units"]
    return trained.ask("prune", importance=units, measured=measured, share=share)


@pytest.mark.parametrize("measure", ["activation", "taylor", "magnitude"])
def test_a_pruned_network_takes_its_share_and_keeps_most_answers(trained: Trained, measure: str) -> None:
    made = pruned(trained, measure, 0.5)
    assert sum(trained.seconds(made["path"]).values()) <= 0.52 * sum(trained.seconds(trained.path).values())
    assert any(kept < whole for kept, whole in made["widths"].values())
    assert made["said"] == ""
    assert trained.accuracy(made["path"]) >= trained.accuracy(trained.path) - 0.15


def recovered(trained: Trained, **more: Any) -> dict[str, Any]:
    request = {
        "teacher": str(trained.path),
        "labels": str(trained.folder / "labels.npy"),
        "output": trained.output,
        "answers": None,
        "through": None,
        "shifts": False,
        "may_lose": None,
        "floor": None,
    }
    return trained.ask("recover", **{**request, **more})


def test_a_recovered_network_is_no_worse_than_it_was_cut(trained: Trained) -> None:
    made = pruned(trained, "activation", 0.25)
    before = trained.accuracy(made["path"])
    back = recovered(trained, source=made["path"], settings={"epochs": 4})
    assert back["hopeless"] == ""
    assert trained.accuracy(back["path"]) >= before - 0.01
    assert trained.accuracy(back["path"]) >= trained.accuracy(trained.path) - 0.05


def test_recovery_through_roundings_gives_a_file_in_f32(trained: Trained) -> None:
    step = {"name": "int8-static", "settings": {"calibration": "minmax"}}
    rows = str(trained.folder / "train.npy")
    back = recovered(trained, labels=None, calibration=rows, through=step, settings={"epochs": 1})
    assert not any("Quantize" in node.op_type for node in read_whole(Path(back["path"])).graph.node)
    assert trained.accuracy(back["path"]) >= trained.accuracy(trained.path) - 0.05


def test_whole_branches_go(trained: Trained) -> None:
    made = trained.ask("shorten", seconds=trained.seconds(trained.path), share=0.99)
    assert len(made["branches"]) >= 1
    assert made["parameters"] < trained.made["parameters"]
    assert trained.accuracy(made["path"]) > 0.15


@pytest.mark.slow  # it rests on times, which neighbours on the machine spoil
def test_low_rank_is_asked_for_a_share_of_the_time(trained: Trained) -> None:
    settings = {"precision": "f32", "threads": 1, "shape": "dynamic", "batch": 1, "length": 0}
    made = trained.ask("low-rank", runtime="onnxruntime", settings=settings, share=0.95)
    assert made["ranks"]
    assert trained.accuracy(made["path"]) >= trained.accuracy(trained.path) - 0.1
