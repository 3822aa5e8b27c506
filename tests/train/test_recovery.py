"""Training back what a compression took: from a file to a file."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
from numpy.typing import NDArray
from onnx import ModelProto, numpy_helper
from sklearn.datasets import load_digits

from sartor.compress.pruning.time_share import found_groups, narrow_uniformly
from sartor.errors import CandidateError
from sartor.model.zoo import build
from sartor.steps.prepared import SOLE, Prepared
from sartor.train.recovery import Recovery, recover
from sartor.train.values import Kind, Progress, TrainingJob, TrainingSettings
from tests.compress.prunable import Drawing

pytest.importorskip("torch")

import torch

from sartor.model.export import export_torch
from sartor.train.features import Features
from sartor.train.loop import train
from sartor.train.onnx_module import OnnxModule

Array = NDArray[Any]
SHORT = TrainingSettings(epochs=12)


def ignore(progress: Progress) -> None:
    """No display."""


def answers(path: Path, rows: Array) -> Array:
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    given: Array = session.run(None, {session.get_inputs()[0].name: rows})[0]
    return given


# A narrowed network of the zoo.


class Digits:
    """A trained network, the same with half of its channels, and rows that neither has seen."""

    def __init__(self, folder: Path) -> None:
        loaded = load_digits()
        self.x, self.labels = (loaded.images[:, None] / 16).astype(np.float32), loaded.target
        order = np.random.default_rng(0).permutation(len(self.x))
        self.fitted, self.tested = order[:900], order[900:]
        inputs = Prepared({SOLE: self.x})
        settings = TrainingSettings(epochs=6)
        job = TrainingJob(
            lambda: build("cnn", inputs, 10, width=16), inputs, self.labels, 10, settings=settings, rows=self.fitted
        )
        export_torch(train(job, ignore).module, inputs.take(slice(0, 4)), folder / "whole.onnx")
        self.whole, self.narrow = folder / "whole.onnx", folder / "narrow.onnx"
        model = onnx.load(str(self.whole))
        groups = found_groups(model, {model.graph.input[0].name: self.x[:2]})
        onnx.save(narrow_uniformly(model, groups, 0.5), str(self.narrow))

    def recovery(self, to: Path, **changes: Any) -> Recovery:
        inputs = Prepared({"input": self.x})
        given: dict[str, Any] = {"labels": self.labels, "settings": SHORT} | changes
        return Recovery(
            self.narrow, self.whole, to, inputs, rows=self.fitted, kind="classification", output="output", **given
        )

    def accuracy(self, path: Path) -> float:
        return float((answers(path, self.x[self.tested]).argmax(1) == self.labels[self.tested]).mean())

    def agreement(self, path: Path) -> float:
        mine, other = (answers(each, self.x[self.tested]).argmax(1) for each in (path, self.whole))
        return float((mine == other).mean())


@pytest.fixture(scope="module")
def digits(tmp_path_factory: pytest.TempPathFactory) -> Digits:
    return Digits(tmp_path_factory.mktemp("digits"))


def test_most_of_what_narrowing_took_is_won_back(digits: Digits, tmp_path: Path) -> None:
    done = recover(digits.recovery(tmp_path / "recovered.onnx"), ignore)
    json.dumps(done)
    whole, narrow, recovered = (
        digits.accuracy(path) for path in (digits.whole, digits.narrow, tmp_path / "recovered.onnx")
    )
    assert whole - recovered < 0.2 * (whole - narrow)
    assert done["path"] == str(tmp_path / "recovered.onnx")
    assert done["best_epoch"] > 0
    assert done["hopeless"] == ""


def test_the_answers_of_the_teacher_are_enough(digits: Digits, tmp_path: Path) -> None:
    recover(digits.recovery(tmp_path / "recovered.onnx", labels=None), ignore)
    assert digits.agreement(digits.narrow) < 0.5
    assert digits.agreement(tmp_path / "recovered.onnx") > 0.8


def test_what_needs_no_training_keeps_its_weights(digits: Digits, tmp_path: Path) -> None:
    """A rate so large that it does only harm."""
    wild = TrainingSettings(epochs=1, learning_rate=0.5)
    recovery = digits.recovery(tmp_path / "recovered.onnx", settings=wild)
    same = Recovery(**{**vars(recovery), "student": digits.whole})
    done = recover(same, ignore)
    assert done["best_epoch"] == 0
    kept, whole = (onnx.load(str(path)).graph.initializer for path in (tmp_path / "recovered.onnx", digits.whole))
    assert list(kept) == list(whole)


def test_what_the_teacher_answered_once_it_is_not_asked_again(digits: Digits, tmp_path: Path) -> None:
    settings = TrainingSettings(epochs=1)
    kept = tmp_path / "answers.npz"
    recovery = digits.recovery(tmp_path / "one", settings=settings, answers=kept)
    recover(recovery, ignore)
    recover(digits.recovery(tmp_path / "without", settings=settings), ignore)
    # Whose answers they are no longer matters.
    recover(Recovery(**{**vars(recovery), "teacher": digits.narrow, "to": tmp_path / "two"}), ignore)
    assert (tmp_path / "one").read_bytes() == (tmp_path / "without").read_bytes() == (tmp_path / "two").read_bytes()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["answers.npz", "one", "two", "without"]


def test_it_repeats_itself(digits: Digits, tmp_path: Path) -> None:
    settings = TrainingSettings(epochs=1)
    for name in ("one", "two"):
        recover(digits.recovery(tmp_path / name, settings=settings), ignore)
    assert (tmp_path / "one").read_bytes() == (tmp_path / "two").read_bytes()


def test_a_hopeless_one_is_stopped_with_its_reason(digits: Digits, tmp_path: Path) -> None:
    random = np.random.default_rng(0).integers(0, 10, len(digits.x))
    reports: list[Progress] = []
    recovery = digits.recovery(
        tmp_path / "recovered.onnx", labels=random, settings=TrainingSettings(epochs=40), floor=0.9
    )
    done = recover(recovery, reports.append)
    assert done["hopeless"].startswith("stopped at")
    assert "where 0.900 is needed" in done["hopeless"]
    assert done["epochs"] < 20
    assert reports[-1].epoch == done["epochs"]


# What a file may give.


def table(outputs: int, ends: Sequence[str], spoilt: float = 0.0) -> ModelProto:
    """Two layers over 6 columns, then operators without weights; noise is added to the weights."""
    d = Drawing()
    x = d.add("Tanh", d.dense("x", "one", 6, 32))
    x = d.dense(x, "two", 32, outputs)
    for kind in ends:
        x = d.add(kind, x)
    generator = np.random.default_rng(7)
    for tensor in d.constants:
        values = numpy_helper.to_array(tensor)
        noise = spoilt * values.std() * generator.standard_normal(values.shape)
        tensor.CopyFrom(numpy_helper.from_array((2 * values + 2 * noise).astype(np.float32), tensor.name))
    return d.done(x, {"x": ("batch", 6)}, outputs)


def of_a_table(folder: Path, kind: Kind, outputs: int, *ends: str, **changes: Any) -> Recovery:
    """A recovery of a network whose weights were spoilt."""
    for name, spoilt in (("teacher", 0.0), ("student", 1.0)):
        onnx.save(table(outputs, ends, spoilt), str(folder / f"{name}.onnx"))
    x = np.random.default_rng(1).standard_normal((600, 6)).astype(np.float32)
    given: dict[str, Any] = {"labels": None, "settings": TrainingSettings(epochs=20, learning_rate=0.01)} | changes
    paths = (folder / "student.onnx", folder / "teacher.onnx", folder / "recovered.onnx")
    return Recovery(*paths, Prepared({"x": x}), rows=np.arange(500), kind=kind, output="y", **given)


@pytest.mark.parametrize(
    ("kind", "outputs", "ends"),
    [
        ("classification", 4, ()),
        ("classification", 1, ()),
        ("classification", 4, ("Softmax",)),
        ("classification", 1, ("Sigmoid",)),
        ("regression", 1, ()),
        ("regression", 3, ()),
    ],
    ids=["logits", "one logit", "probabilities", "one probability", "value", "values"],
)
def test_answers_of_every_form_are_learnt(tmp_path: Path, kind: Kind, outputs: int, ends: tuple[str, ...]) -> None:
    recovery = of_a_table(tmp_path, kind, outputs, *ends)
    recover(recovery, ignore)
    held = recovery.inputs.arrays["x"][500:]
    paths = (recovery.teacher, recovery.student, recovery.to)
    teacher, before, after = (answers(path, held) for path in paths)
    if kind == "classification" and outputs > 1 and not ends:  # adding a number to all logits changes no answer
        teacher, before, after = (logits - logits.mean(1, keepdims=True) for logits in (teacher, before, after))
    assert np.mean((after - teacher) ** 2) < 0.3 * np.mean((before - teacher) ** 2)


def test_features_of_the_teacher_are_learnt_beside_its_answers(tmp_path: Path) -> None:
    apart = {}
    for weight in (0.0, 1.0):
        recovery = of_a_table(tmp_path, "classification", 4, features=weight)
        recover(recovery, ignore)
        held = {"x": recovery.inputs.arrays["x"][500:]}
        features = Features(onnx.load(str(recovery.to)), onnx.load(str(recovery.teacher)), held, 1)
        tensors = {"x": torch.from_numpy(held["x"])}
        with torch.no_grad():
            given = OnnxModule(onnx.load(str(recovery.to)), features.names)(tensors["x"])
            apart[weight] = float(features.distance(given, tensors))
        teacher, after = (answers(path, held["x"]).argmax(1) for path in (recovery.teacher, recovery.to))
        assert np.mean(teacher == after) > 0.9
    assert apart[1.0] < 0.5 * apart[0.0]


def test_a_network_with_no_layer_of_its_teacher_says_so(tmp_path: Path) -> None:
    other = of_a_table(tmp_path, "classification", 10)
    renamed = onnx.load(str(other.student))
    for node in renamed.graph.node:
        for names in (node.input, node.output):
            for place, name in enumerate(names):
                names[place] = name if name in ("x", "y") else f"other {name}"
    for tensor in renamed.graph.initializer:
        tensor.name = f"other {tensor.name}"
    onnx.save(renamed, str(other.student))
    with pytest.raises(CandidateError, match="no features to learn"):
        recover(Recovery(**{**vars(other), "features": 0.5}), ignore)
    assert not other.to.exists()


def test_labels_in_real_units_are_learnt(tmp_path: Path) -> None:
    """Targets far from 0 and 1, which the file gives as they are."""
    recovery = of_a_table(tmp_path, "regression", 1)
    x = recovery.inputs.arrays["x"]
    labels = answers(recovery.teacher, x)[:, 0] + 0.1
    done = recover(Recovery(**{**vars(recovery), "labels": labels}), ignore)
    errors = answers(recovery.to, x[500:])[:, 0] - labels[500:]
    assert np.sqrt(np.mean(errors**2)) < 0.4 * labels.std()
    assert done["validation"] < 0.4 * labels.std()


def test_an_operator_that_cannot_be_learnt_through_is_refused(tmp_path: Path) -> None:
    with pytest.raises(CandidateError, match="cannot be learnt: Hardmax") as caught:
        recover(of_a_table(tmp_path, "classification", 4, "Hardmax"), ignore)
    assert caught.value.reason == "unsupported"
    assert not (tmp_path / "recovered.onnx").exists()


# Nothing half done.


def test_an_interruption_leaves_no_file(tmp_path: Path) -> None:
    def interrupt(progress: Progress) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        recover(of_a_table(tmp_path, "classification", 4), interrupt)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["student.onnx", "teacher.onnx"]


def test_weights_that_fit_no_student_leave_no_file(tmp_path: Path) -> None:
    recovery = of_a_table(tmp_path, "classification", 4, settings=TrainingSettings(epochs=1))
    other = Drawing()
    renamed = other.done(other.dense("x", "another", 6, 4), {"x": ("batch", 6)}, 4)
    onnx.save(renamed, str(tmp_path / "other.onnx"))
    mixed = Recovery(**{**vars(recovery), "student": tmp_path / "other.onnx", "trained_as": recovery.student})
    with pytest.raises(CandidateError, match="the file has no tensor"):
        recover(mixed, ignore)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["other.onnx", "student.onnx", "teacher.onnx"]


def test_an_earlier_file_stays_when_training_fails(tmp_path: Path) -> None:
    recovery = of_a_table(tmp_path, "regression", 1, settings=TrainingSettings(epochs=3, learning_rate=1e30))
    recovery.to.write_bytes(b"earlier")
    with pytest.raises(CandidateError, match="training loss became") as caught:
        recover(recovery, ignore)
    assert caught.value.reason == "failed"
    assert recovery.to.read_bytes() == b"earlier"
