"""What lives and dies together: groups of networks of every kind, what is refused, and what layers read and write."""

from __future__ import annotations

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from sartor.compress.pruning.channels import channel_groups, layers_of
from sartor.compress.pruning.unshared import unshared
from sartor.errors import CandidateError
from tests.compress import prunable
from tests.compress.prunable import PICTURE, TEXT, Drawing, Network, answers, rows_of

# Of each group: the weight that makes it, its units, elements a unit in what that weight gives.
EXPECTED = {
    prunable.flattening: [("c1", 6, 1), ("c2", 5, 1), ("f1", 7, 1)],
    prunable.residual: [("stem", 6, 1), ("a1", 5, 1), ("b1", 7, 1), ("b2", 8, 1)],
    prunable.mobile: [("stem", 6, 1), ("expand", 12, 1), ("squeeze", 5, 1)],
    prunable.joined: [("c1", 4, 1), ("c2", 6, 1), ("c3", 4, 2), ("up", 5, 1)],
    prunable.gated: [("both", 8, 2), ("letters", 4, 1), ("letters (2)", 6, 1)],
    prunable.encoder: [("embed", 12, 1), ("qkv", 4, 9), ("hidden", 20, 1)],
    prunable.shared_keys: [("q", 3, 4)],
    prunable.recurrent: [("embed", 6, 1), ("w1", 5, 1), ("w2", 4, 1)],
}


@pytest.mark.parametrize("network", EXPECTED, ids=lambda network: network.__name__)
def test_groups(network: Network) -> None:
    model = network()
    found = channel_groups(model, rows_of(model))
    assert [(group.name, group.size, group.width) for group in found.groups] == EXPECTED[network]
    assert found.refused == ()


def test_the_units_of_a_residual_stage_are_in_all_that_write_and_read_it() -> None:
    model = prunable.residual()
    found = channel_groups(model, rows_of(model))
    stage = found.groups[0]
    own = np.arange(stage.first, stage.first + stage.size)
    holders = {
        (name, axis)
        for name, axes in found.units.items()
        if name in {tensor.name for tensor in model.graph.initializer}
        for axis, units in enumerate(axes)
        if np.array_equal(units, own)
    }
    norms = {(f"n{number}.{part}", 0) for number in (0, 2) for part in ("scale", "shift", "mean", "variance")}
    written = {("stem", 0), ("stem.bias", 0), ("a2", 0), ("a2.bias", 0)}
    assert holders == norms | written | {("a1", 1), ("b1", 1), ("short", 1)}
    assert found.statistics == {f"n{number}.{part}" for number in range(3) for part in ("mean", "variance")}


def test_a_flattened_channel_is_all_of_its_places() -> None:
    model = prunable.flattening()
    found = channel_groups(model, rows_of(model))
    group = found.groups[1]
    assert np.array_equal(found.units["f1"][1], np.repeat(np.arange(5), 16) + group.first)


def test_only_groups_that_no_mean_is_taken_over_are_exact() -> None:
    model = prunable.encoder()
    assert [group.exact for group in channel_groups(model, rows_of(model)).groups] == [False, True, True]


def test_the_batch_of_the_example_makes_no_difference() -> None:
    model = prunable.shared_keys()
    for batch, length in ((1, 1), (2, 3), (6, 12)):
        found = channel_groups(model, rows_of(model, batch, length))
        assert [group.size for group in found.groups] == [3]


def test_channels_that_an_unknown_operator_mixes_stay_and_the_rest_goes_on() -> None:
    d = Drawing()
    x = d.add("LRN", d.conv("x", "c1", 2, 6), to="mixed", size=3)
    mean = d.add("Flatten", d.add("GlobalAveragePool", d.conv(x, "c2", 6, 4)))
    model = d.done(d.dense(mean, "head", 4, 3), {"x": PICTURE}, 3)
    found = channel_groups(model, rows_of(model))
    assert [group.name for group in found.groups] == ["c2"]
    assert found.refused == ("LRN `mixed`: nothing is known of how it mixes channels",)


@pytest.mark.parametrize("kind", ["Softmax", "ReduceMax"])
def test_channels_that_compete_stay(kind: str) -> None:
    d = Drawing()
    x = d.dense("x", "one", 12, 6)
    x = d.add("Softmax", x) if kind == "Softmax" else d.add("Sub", x, d.add("ReduceMax", x, d.constant("axes", [-1])))
    model = d.done(d.add("ReduceMean", d.dense(x, "two", 6, 3), d.constant("first", [1]), keepdims=0), {"x": TEXT}, 3)
    found = channel_groups(model, rows_of(model))
    assert found.groups == ()
    assert found.refused == ()


def test_steps_of_a_recurrence_stay() -> None:
    d = Drawing()
    x = d.add("Transpose", d.add("Unsqueeze", d.dense("x", "one", 12, 6), d.constant("last", [3])), perm=[2, 0, 1, 3])
    x = d.add("Reshape", x, d.constant("steps", [6, -1, 1]))
    x = d.add("GRU", x, d.weight("w", 1, 6, 1), d.weight("r", 1, 6, 2), hidden_size=2)
    x = d.add("Gather", d.add("Squeeze", x, d.constant("direction", [1])), d.constant("step", -1))
    x = d.add(
        "Reshape",
        d.dense(x, "two", 2, 3),
        d.add("Concat", d.add("Shape", "x", end=2), d.constant("three", [3]), axis=0),
    )
    model = d.done(d.add("ReduceMean", x, d.constant("first", [1]), keepdims=0), {"x": TEXT}, 3)
    assert [group.name for group in channel_groups(model, rows_of(model)).groups] == ["w"]


def test_what_an_if_reads_stays() -> None:
    def branch(name: str) -> onnx.GraphProto:
        nodes = [helper.make_node("Relu" if name == "then" else "Neg", ["seen"], [name])]
        return helper.make_graph(nodes, name, [], [helper.make_tensor_value_info(name, TensorProto.FLOAT, None)])

    d = Drawing()
    x = d.add("Relu", d.dense("x", "one", 12, 6), to="seen")
    chosen = d.add("If", d.constant("true", np.array(True)), then_branch=branch("then"), else_branch=branch("else"))
    x = d.dense(d.dense(d.add("Add", x, chosen), "two", 6, 5), "three", 5, 3)
    model = d.done(d.add("ReduceMean", x, d.constant("first", [1]), keepdims=0), {"x": TEXT}, 3)
    found = channel_groups(model, rows_of(model))
    assert "If" in found.refused[0]
    assert all(group.name != "one" for group in found.groups)


def test_a_size_that_becomes_a_number_keeps_the_channels_it_counts() -> None:
    d = Drawing()
    x = d.dense("x", "one", 12, 6)
    d.nodes.append(helper.make_node("Cast", [d.add("Shape", x, start=2)], ["number"], to=TensorProto.FLOAT))
    x = d.dense(d.add("Div", x, "number"), "two", 6, 3)
    model = d.done(d.add("ReduceMean", x, d.constant("first", [1]), keepdims=0), {"x": TEXT}, 3)
    assert channel_groups(model, rows_of(model)).groups == ()


def test_zero_biases_that_a_file_stores_once_bind_nothing_together() -> None:
    d = Drawing()
    zeros = d.constant("zeros", np.zeros(6, np.float32))
    x = d.add("Relu", d.add("Add", d.add("MatMul", "x", d.weight("one", 12, 6)), zeros))
    x = d.add("Relu", d.add("Add", d.add("MatMul", x, d.weight("two", 6, 6)), zeros))
    x = d.add("MatMul", x, d.weight("three", 6, 3))
    model = d.done(d.add("ReduceMean", x, d.constant("first", [1]), keepdims=0), {"x": TEXT}, 3)
    assert [group.name for group in channel_groups(model, rows_of(model)).groups] == ["one", "two"]
    apart = unshared(model)
    assert {tensor.name for tensor in apart.graph.initializer} >= {"zeros", "zeros.copy2"}
    assert unshared(apart) is apart
    assert np.array_equal(answers(apart, rows_of(model)), answers(model, rows_of(model)))


def test_functions_of_the_file_are_refused() -> None:
    model = prunable.flattening()
    function = helper.make_function(
        "own", "f", ["a"], ["b"], [helper.make_node("Relu", ["a"], ["b"])], model.opset_import
    )
    model.functions.append(function)
    with pytest.raises(CandidateError, match="inline them first"):
        channel_groups(model, rows_of(model))


def test_groups_that_layers_read_and_write() -> None:
    d = Drawing()
    x = d.add("Relu", d.conv("x", "wide", 2, 24))
    x = d.add("Concat", x, d.conv(x, "one", 24, 8), axis=1)
    x = d.add("Relu", d.conv(d.conv(x, "depthwise", 32, 32, group=32), "two", 32, 16))
    mean = d.add("Flatten", d.add("GlobalAveragePool", x))
    model = d.done(d.add("Gemm", mean, d.weight("head", 32, 16), transB=1), {"x": PICTURE}, 32)
    found = layers_of(channel_groups(model, rows_of(model)), model)
    both = {"wide": 0.75, "one": 0.25}
    assert {name: (layer.read, layer.written) for name, layer in found.items()} == {
        "wide": ({}, {"wide": 1.0}),
        "one": ({"wide": 1.0}, {"one": 1.0}),
        "depthwise": ({}, both),
        "two": (both, {"two": 1.0}),
        "head": ({"two": 1.0}, {}),
    }
