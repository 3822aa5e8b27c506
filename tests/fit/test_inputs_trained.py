"""What is opened to be trained, what as it is, and what only to be learnt back: mostly of scikit-learn."""

from __future__ import annotations

import textwrap
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from sartor import Need
from sartor.errors import NeedError
from sartor.fit.inputs import open_inputs, trains

AGREEMENT = {"agreement": ">= 98%"}


def need(model: str, **asked: Any) -> Need:
    return Need(task="image-classification", model=model, data="digits", **asked)


def test_a_clustering_learns_without_labels(tmp_path: Path) -> None:
    asked = need("sklearn:KMeans(n_clusters=10)", require=AGREEMENT)
    opened = open_inputs(asked, tmp_path)
    assert trains(asked, opened.models[0])
    assert len(opened.splits.train) > 0
    assert not opened.dataset.classes


def test_a_classifier_does_not(tmp_path: Path) -> None:
    with pytest.raises(NeedError, match="is to be trained"):
        open_inputs(need("sklearn:LogisticRegression", require=AGREEMENT), tmp_path)


def test_a_callable_without_training_is_taken_as_fitted(tmp_path: Path) -> None:
    (tmp_path / "fitted_before.py").write_text(
        textwrap.dedent("""
        def load():
            raise AssertionError("called while the Need was opened")
        """)
    )
    asked = need("sklearn:fitted_before:load", train=False, require=AGREEMENT)
    opened = open_inputs(asked, tmp_path)
    assert not trains(asked, opened.models[0])
    assert len(opened.splits.train) == 0


def test_a_class_without_training_is_a_contradiction(tmp_path: Path) -> None:
    with pytest.raises(NeedError, match="`train: false`"):
        open_inputs(need("sklearn:KMeans(n_clusters=10)", train=False, require=AGREEMENT), tmp_path)


def write_linear(path: Path) -> None:
    """64 pixels to 10 classes."""
    weights = np.random.default_rng(0).standard_normal((64, 10)).astype(np.float32)
    infos = [
        helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n", 1, 8, 8]),
        helper.make_tensor_value_info("y", TensorProto.FLOAT, ["n", 10]),
    ]
    nodes = [helper.make_node("Flatten", ["x"], ["flat"]), helper.make_node("MatMul", ["flat", "w"], ["y"])]
    graph = helper.make_graph(nodes, "net", infos[:1], infos[1:], [numpy_helper.from_array(weights, "w")])
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10), str(path))


@pytest.mark.parametrize(("train", "learnt_from"), [("recover", True), (False, False), ("auto", False)])
def test_rows_are_kept_to_learn_back_from_only_where_asked(tmp_path: Path, train: Any, learnt_from: bool) -> None:
    write_linear(tmp_path / "net.onnx")
    asked = need("net.onnx", train=train, require={"accuracy": ">= 0.1"})
    opened = open_inputs(asked, tmp_path)
    assert not trains(asked, opened.models[0])
    assert (len(opened.splits.train) > 0) is learnt_from


def test_what_has_no_weights_yet_cannot_be_recovered(tmp_path: Path) -> None:
    with pytest.raises(NeedError, match="`train: recover` with `zoo:mlp`, which has random weights"):
        open_inputs(need("zoo:mlp", train="recover"), tmp_path)
