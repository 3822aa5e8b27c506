"""Exclusive or, with a network of nine numbers: there is nothing to gain, and Sartor says so."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import pytest
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from sartor import Bundle
from sartor.cli.main import run

CORNERS = np.array([[0, 0], [0, 1], [1, 0], [1, 1]], dtype=np.float32)
REPEATED = 100

NEED = """
task: tabular-classification
model: xor.onnx
data: {source: xor.npz, labels: ["no", "yes"]}
train: false
require: {accuracy: ">= 0.95"}
budget: {time: 4 min}
"""


def write_network(path: Path) -> None:
    """h = relu(a + b), relu(a + b - 1); exclusive or is h0 - 2 h1."""
    weights = {
        "first": np.array([[1, 1], [1, 1]], dtype=np.float32),
        "first_bias": np.array([0, -1], dtype=np.float32),
        "second": np.array([[-1, 1], [2, -2]], dtype=np.float32),
        "second_bias": np.array([0.5, -0.5], dtype=np.float32),
    }
    nodes = [
        helper.make_node("Gemm", ["x", "first", "first_bias"], ["sums"]),
        helper.make_node("Relu", ["sums"], ["hidden"]),
        helper.make_node("Gemm", ["hidden", "second", "second_bias"], ["scores"]),
    ]
    shapes = [helper.make_tensor_value_info(name, TensorProto.FLOAT, ["batch", 2]) for name in ("x", "scores")]
    constants = [numpy_helper.from_array(value, name) for name, value in weights.items()]
    graph = helper.make_graph(nodes, "xor", shapes[:1], shapes[1:], constants)
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10), path)


def write_points(path: Path, points: NDArray[np.float32]) -> None:
    labels = np.logical_xor(*np.round(points.T).astype(bool))
    np.savez(path, inputs=points, labels=labels.astype(np.int64))


@pytest.fixture
def fit(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Callable[[NDArray[np.float32]], tuple[int, str]]:
    """Fits the Need to some points; gives the exit code and what stood on stdout."""

    def call(points: NDArray[np.float32]) -> tuple[int, str]:
        write_network(tmp_path / "xor.onnx")
        write_points(tmp_path / "xor.npz", points)
        (tmp_path / "need.yaml").write_text(NEED, encoding="utf-8")
        code = run(["fit", str(tmp_path / "need.yaml"), "-o", str(tmp_path / "out"), "--json"])
        return code, capsys.readouterr().out

    return call


def test_the_honest_verdict_on_xor_is_to_leave_it_as_it_is(
    fit: Callable[[NDArray[np.float32]], tuple[int, str]], tmp_path: Path
) -> None:
    random = np.random.default_rng(0)
    points = np.tile(CORNERS, (REPEATED, 1)) + random.uniform(-0.2, 0.2, (4 * REPEATED, 2)).astype(np.float32)
    code, out = fit(points)
    result = json.loads(out)
    assert (code, result["verdict"]) == (0, "met")
    assert result["chosen"]["recipe"] == {"steps": []}
    assert result["speedup"]["value"] == 1.0
    assert result["measured"]["quality"] == 1.0
    assert [row["label"] for row in Bundle.load(tmp_path / "out").predict(CORNERS)] == ["no", "yes", "yes", "no"]


def test_four_points_repeated_prove_nothing(fit: Callable[[NDArray[np.float32]], tuple[int, str]]) -> None:
    code, out = fit(np.tile(CORNERS, (REPEATED, 1)))
    error = json.loads(out)["error"]
    assert code == 2
    assert error["came"].endswith("rows of confirm also stand in another split")
    assert "different rows" in error["allowed"]
