"""Networks and rows that a quantizer stumbles over: weights that are no numbers, constants, branches never taken."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from sartor import compress
from sartor.errors import CandidateError, ModelError
from sartor.model.onnx import check_finite, validate
from sartor.runtime import open_runtime
from sartor.runtime.base import Settings

ROWS = np.random.default_rng(0).standard_normal((32, 3, 12, 12)).astype(np.float32)
STATIC = [(runtime, "int8-static-minmax") for runtime in ("onnxruntime", "openvino")]
Weights = dict[str, NDArray[Any]]


def weights() -> Weights:
    generator = np.random.default_rng(1)
    shapes = {"first": (32, 3, 3, 3), "second": (32, 32, 3, 3), "head": (32, 4), "bias": (32,), "zero": (1,)}
    found = {name: (0.1 * generator.standard_normal(shape)).astype(np.float32) for name, shape in shapes.items()}
    return {**found, "zero": np.zeros(1, np.float32), "bias": np.zeros(32, np.float32)}


def node(kind: str, inputs: str, output: str, **settings: Any) -> onnx.NodeProto:
    return helper.make_node(kind, inputs.split(), [output], **settings)


def saved(path: Path, nodes: list[onnx.NodeProto], held: Weights) -> Path:
    given = helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n", 3, 12, 12])
    gives = helper.make_tensor_value_info("y", TensorProto.FLOAT, ["n", 4])
    used = {name for each in nodes for name in each.input} | {"first"}
    constants = [numpy_helper.from_array(array, name) for name, array in held.items() if name in used]
    graph = helper.make_graph(nodes, "network", [given], [gives], constants)
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9), str(path))
    return path


def end(of: str) -> list[onnx.NodeProto]:
    return [node("GlobalAveragePool", of, "mean"), node("Flatten", "mean", "flat"), node("Gemm", "flat head", "y")]


def network(path: Path, held: Weights, *, constant: bool = False) -> Path:
    middle = node("Mul", "read zero", "between") if constant else node("Identity", "read", "between")
    nodes = [
        *(node("Conv", "x first bias", "a", pads=[1] * 4), node("Relu", "a", "read"), middle),
        *(node("Conv", "between second", "b", pads=[1] * 4), node("Relu", "b", "last")),
    ]
    return saved(path, [*nodes, *end("last")], held)


@pytest.mark.parametrize("wrong", [np.nan, np.inf, -np.inf])
def test_weights_that_are_no_numbers_are_named(tmp_path: Path, wrong: float) -> None:
    held = weights()
    held["second"][0, :2, 0, 0] = wrong
    path = network(tmp_path / "net.onnx", held)
    said = "NaN or infinity in 2 of 9,216 numbers"
    for check in (check_finite, validate):
        with pytest.raises(ModelError, match=said):
            check(path)
    with pytest.raises(ModelError, match=said):
        compress(path, "int8-static-minmax", ROWS, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_an_infinite_mask_is_no_weight(tmp_path: Path) -> None:
    held = weights() | {"mask": np.array([0, 0, 0, -np.inf], np.float32)}
    first, flat, product = end("x")
    product.input[1], product.output[0] = "small", "z"
    held["small"] = held["head"][:3]
    validate(saved(tmp_path / "net.onnx", [first, flat, product, node("Add", "z mask", "y")], held))


@pytest.mark.parametrize(("runtime", "recipe"), STATIC)
@pytest.mark.parametrize("constant", [True, False])
def test_activations_that_never_change_are_quantized_all_the_same(
    tmp_path: Path, runtime: str, recipe: str, constant: bool
) -> None:
    held = weights()
    if not constant:
        held["bias"][:] = -100  # what follows never reads anything but zeros
    path = network(tmp_path / "net.onnx", held, constant=constant)
    made = compress(path, recipe, ROWS, tmp_path / "out", runtime=runtime)
    row = {"x": ROWS[:1]}
    whole = open_runtime("onnxruntime").load(path, Settings()).run(row)[0]
    cut = open_runtime(runtime).load(made.path, Settings()).run(row)[0]
    np.testing.assert_allclose(cut, whole, atol=0.02)


def branched(path: Path) -> Path:
    def branch(name: str, kind: str) -> onnx.GraphProto:
        inside = [node("Conv", "x first", f"{name}_a", pads=[1] * 4), node(kind, f"{name}_a", name)]
        return helper.make_graph(inside, name, [], [helper.make_tensor_value_info(name, TensorProto.FLOAT, None)])

    held = weights() | {"much": np.array(1e6, np.float32)}
    choice = node("If", "large", "read", then_branch=branch("yes", "Relu"), else_branch=branch("no", "Tanh"))
    nodes = [node("ReduceMax", "x", "most", keepdims=0), node("Greater", "most much", "large"), choice]
    return saved(path, [*nodes, *end("read")], held)


def test_a_branch_that_no_row_takes_stays_as_it_is_or_is_said(tmp_path: Path) -> None:
    path = branched(tmp_path / "net.onnx")
    made = compress(path, "int8-static-minmax", ROWS, tmp_path / "ort")
    answers = open_runtime("onnxruntime").load(made.path, Settings()).run({"x": ROWS[:1] + 2e6})[0]
    assert np.isfinite(answers).all()
    with pytest.raises(CandidateError, match="never take a branch"):
        compress(path, "int8-static-minmax", ROWS, tmp_path / "openvino", runtime="openvino")
