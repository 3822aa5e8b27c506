"""Weights that are solved for after a cut: what other channels can stand in for is not lost."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from onnx import ModelProto, TensorProto, helper, numpy_helper

from sartor.compress.pruning.channels import channel_groups
from sartor.compress.pruning.narrow import narrow
from sartor.compress.pruning.rebuild import rebuild
from sartor.errors import CandidateError
from sartor.steps.prepared import Prepared

pytest.importorskip("torch")

Array = NDArray[np.float32]
CHANNELS = 16
RANDOM = np.random.default_rng(0)
PICTURES = RANDOM.standard_normal((256, 3, 8, 8), dtype=np.float32)
VECTORS = RANDOM.standard_normal((1024, 12), dtype=np.float32)


def network(nodes: list[Any], weights: dict[str, Array], shape: list[Any], outputs: list[Any]) -> ModelProto:
    """x -> y."""
    graph = helper.make_graph(
        nodes,
        "net",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, shape)],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, outputs)],
        [numpy_helper.from_array(values, name) for name, values in weights.items()],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10)


def uniform(*shape: int) -> Array:
    """Weights of a usual size."""
    return RANDOM.uniform(-0.5, 0.5, shape).astype(np.float32)


def twice(weight: Array, axis: int = 0) -> Array:
    """A weight whose channels come in pairs of the same."""
    return np.concatenate([weight, weight], axis)


def convolutions() -> ModelProto:
    """Conv, depthwise Conv with stride, grouped by nothing, and a head of 1 x 1; every channel comes twice."""
    half = CHANNELS // 2
    nodes = [
        helper.make_node("Conv", ["x", "w0", "b0"], ["h0"], pads=[1, 1, 1, 1]),
        helper.make_node("Relu", ["h0"], ["r0"]),
        helper.make_node("Conv", ["r0", "w1", "b1"], ["h1"], pads=[1, 1, 1, 1], strides=[2, 2], group=CHANNELS),
        helper.make_node("Relu", ["h1"], ["r1"]),
        helper.make_node("Conv", ["r1", "w2"], ["h2"], strides=[2, 2]),
        helper.make_node("GlobalAveragePool", ["h2"], ["p"]),
        helper.make_node("Flatten", ["p"], ["y"]),
    ]
    weights = {
        "w0": twice(uniform(half, 3, 3, 3)),
        "b0": twice(uniform(half)),
        "w1": twice(uniform(half, 1, 3, 3)),
        "b1": twice(uniform(half)),
        "w2": uniform(5, CHANNELS, 1, 1),
    }
    return network(nodes, weights, ["n", 3, 8, 8], ["n", 5])


def products(transposed: int) -> ModelProto:
    """MatMul with and without its bias, and a Gemm."""
    half = CHANNELS // 2
    last = uniform(CHANNELS, 5)
    nodes = [
        helper.make_node("MatMul", ["x", "w0"], ["m0"]),
        helper.make_node("Add", ["m0", "b0"], ["h0"]),
        helper.make_node("Tanh", ["h0"], ["r0"]),
        helper.make_node("MatMul", ["r0", "w1"], ["h1"]),
        helper.make_node("Tanh", ["h1"], ["r1"]),
        helper.make_node("Gemm", ["r1", "w2", "b2"], ["y"], transB=transposed),
    ]
    weights = {
        "w0": twice(uniform(12, half), 1),
        "b0": twice(uniform(half)),
        "w1": twice(uniform(CHANNELS, half), 1),
        "w2": np.ascontiguousarray(last.T) if transposed else last,
        "b2": uniform(5),
    }
    return network(nodes, weights, ["n", 12], ["n", 5])


def answers(model: ModelProto, rows: Array) -> NDArray[Any]:
    import onnxruntime

    session = onnxruntime.InferenceSession(model.SerializeToString())
    given: NDArray[Any] = session.run(None, {"x": rows})[0]
    return given


def cut(model: ModelProto, rows: Array, left: int) -> tuple[ModelProto, ModelProto]:
    """With only the first channels of each group: as it was cut, and rebuilt."""
    groups = channel_groups(model, {"x": rows[:2]})
    assert groups.groups
    kept = {group.name: np.arange(group.size) < left for group in groups.groups}
    plain, rebuilt = narrow(model, groups, kept), narrow(model, groups, kept)
    rebuild(model, rebuilt, groups, kept, Prepared({"x": rows}), threads=1)
    return plain, rebuilt


def off(model: ModelProto, narrowed: ModelProto, rows: Array) -> float:
    """Mean squared change of the answers as a share of their variance."""
    before, after = answers(model, rows), answers(narrowed, rows)
    return float(((before - after) ** 2).mean() / before.var())


@pytest.mark.parametrize(
    ("model", "rows"),
    [(convolutions(), PICTURES), (products(0), VECTORS), (products(1), VECTORS)],
    ids=["convolutions", "products", "transposed"],
)
def test_what_twins_can_stand_in_for_is_not_lost(model: ModelProto, rows: Array) -> None:
    plain, rebuilt = cut(model, rows, CHANNELS // 2)
    assert off(model, plain, rows) > 0.1
    assert off(model, rebuilt, rows) < 1e-3


def test_a_cut_that_loses_something_loses_less_on_other_rows_too() -> None:
    model = convolutions()
    plain, rebuilt = cut(model, PICTURES[:128], CHANNELS // 4)
    assert off(model, rebuilt, PICTURES[128:]) < 0.5 * off(model, plain, PICTURES[128:])


def test_nothing_cut_is_nothing_changed() -> None:
    model = convolutions()
    _, rebuilt = cut(model, PICTURES, CHANNELS)
    assert off(model, rebuilt, PICTURES) < 1e-6


def test_rows_that_overflow_are_refused() -> None:
    with pytest.raises(CandidateError, match="not finite"):
        cut(convolutions(), PICTURES * np.float32(np.inf), CHANNELS // 2)
