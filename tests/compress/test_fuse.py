"""Fewer operators for the same numbers."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

import sartor
from sartor.compress.applicable import recipes, why_not
from sartor.errors import CandidateError
from sartor.fit.candidates import candidates_of
from sartor.machine.device import this_machine
from sartor.plan.candidates import RowShapes
from sartor.plan.recipe import CompressionStep, Recipe
from sartor.runtime import open_runtime
from sartor.runtime.base import Array, Settings

FUSE = Recipe((CompressionStep("fused"),))


def rows(count: int) -> Array:
    return np.random.default_rng(count).standard_normal((count, 3, 8, 8)).astype(np.float32)


@pytest.fixture(scope="module")
def normalised(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A convolution with a batch normalisation, reshapes that undo each other and a constant that is computed."""
    rng = np.random.default_rng(0)
    weights = {
        "w": rng.standard_normal((4, 3, 3, 3)),
        **{name: 1 + rng.random(4) for name in ("scale", "shift", "mean", "variance")},
        "half": np.array([0.5]),
    }
    nodes = [
        helper.make_node("Conv", ["x", "w"], ["c"], kernel_shape=[3, 3]),
        helper.make_node("BatchNormalization", ["c", "scale", "shift", "mean", "variance"], ["n"]),
        helper.make_node("Transpose", ["n"], ["t"], perm=[0, 2, 3, 1]),
        helper.make_node("Transpose", ["t"], ["u"], perm=[0, 3, 1, 2]),
        helper.make_node("Add", ["half", "half"], ["one"]),
        helper.make_node("Mul", ["u", "one"], ["m"]),
        helper.make_node("GlobalAveragePool", ["m"], ["y"]),
    ]
    graph = helper.make_graph(
        nodes,
        "normalised",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["batch", 3, 8, 8])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["batch", 4, 1, 1])],
        [numpy_helper.from_array(values.astype(np.float32), name) for name, values in weights.items()],
    )
    path = tmp_path_factory.mktemp("fused") / "net.onnx"
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=10), path)
    return path


def test_what_the_graph_alone_says_is_folded(normalised: Path, tmp_path: Path) -> None:
    built = sartor.compress(normalised, "fused", rows(4), tmp_path / "out")
    assert [node.op_type for node in onnx.load(built.path).graph.node] == ["Conv", "GlobalAveragePool"]
    assert built.notes == ("2 operators in place of 7",)
    assert built.changed
    sessions = (open_runtime("onnxruntime").load(path, Settings()) for path in (normalised, built.path))
    expected, got = (session.run({"x": rows(9)})[0].copy() for session in sessions)
    np.testing.assert_allclose(got, expected, atol=1e-6)


def test_what_is_folded_already_is_refused(normalised: Path, tmp_path: Path) -> None:
    once = sartor.compress(normalised, "fused", rows(4), tmp_path / "once")
    with pytest.raises(CandidateError, match="nothing to fuse: 2 operators"):
        sartor.compress(once.path, "fused", rows(4), tmp_path / "twice")
    assert not (tmp_path / "twice").exists()


def test_the_search_tries_it_where_there_may_be_attention() -> None:
    offered = {
        attends: {
            one.runtime
            for one in candidates_of("net", RowShapes(), 1, this_machine(), attends=attends).candidates
            if one.recipe == FUSE
        }
        for attends in (True, False)
    }
    assert offered == {True: {"onnxruntime"}, False: set()}
    assert FUSE in recipes("onnxruntime")
    assert "while it loads" in str(why_not(FUSE, "openvino", this_machine()))
