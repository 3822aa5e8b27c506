"""Cutting: what is left computes what the whole network with the cut units at zero does."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx import TensorProto, numpy_helper

from sartor.compress.pruning.channels import channel_groups
from sartor.compress.pruning.narrow import narrow
from sartor.errors import CandidateError
from sartor.model.export import export_torch
from sartor.model.zoo import build
from sartor.runtime.base import Array
from sartor.steps.prepared import SOLE, Prepared
from tests.compress import prunable
from tests.compress.prunable import NETWORKS, TEXT, Drawing, Kept, Network, answers, rows_of, some_kept, zeroed

FOUND = {network: (model, channel_groups(model, rows_of(model))) for network in NETWORKS for model in [network()]}
each_network = pytest.mark.parametrize("network", NETWORKS, ids=lambda network: network.__name__)


def agree(one: Array, other: Array) -> bool:
    return np.allclose(one, other, rtol=1e-4, atol=1e-5)


@each_network
@settings(max_examples=8, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), share=st.floats(0.05, 0.95), batch=st.integers(1, 4), length=st.integers(1, 7))
def test_units_at_zero_change_nothing_when_they_go(
    network: Network, seed: int, share: float, batch: int, length: int
) -> None:
    model, groups = FOUND[network]
    kept = some_kept(groups, seed, share)
    cut, rows = narrow(model, groups, kept), rows_of(model, batch, length)
    assert agree(answers(cut, rows), answers(zeroed(model, groups, kept), rows))


@each_network
def test_a_file_that_keeps_all_answers_the_same_numbers(network: Network) -> None:
    model, groups = FOUND[network]
    same = narrow(model, groups, {group.name: np.ones(group.size, bool) for group in groups.groups})
    rows = rows_of(model)
    assert np.array_equal(answers(same, rows), answers(model, rows))
    assert same.graph.node == model.graph.node


@each_network
def test_a_cut_file_is_valid_and_smaller_and_answers_other_things(network: Network) -> None:
    model, groups = FOUND[network]
    kept = {group.name: np.arange(group.size) >= group.size // 2 for group in groups.groups}
    cut = narrow(model, groups, kept)
    onnx.checker.check_model(cut, full_check=True)
    assert parameters(cut) < 0.8 * parameters(model)
    rows = rows_of(model)
    assert not agree(answers(cut, rows), answers(model, rows))
    assert cut.graph.input == model.graph.input
    assert cut.graph.output == model.graph.output


def parameters(model: onnx.ModelProto) -> int:
    floats = (tensor for tensor in model.graph.initializer if tensor.data_type == TensorProto.FLOAT)
    return sum(numpy_helper.to_array(tensor).size for tensor in floats)


def test_a_cut_file_can_be_cut_again() -> None:
    model, groups = FOUND[prunable.mobile]
    rows = rows_of(model)
    once = narrow(model, groups, {"expand": np.arange(12) < 9, "stem": np.arange(6) < 5})
    twice = narrow(once, channel_groups(once, rows), {"expand": np.arange(9) < 6, "squeeze": np.arange(5) < 2})
    at_once = {"expand": np.arange(12) < 6, "stem": np.arange(6) < 5, "squeeze": np.arange(5) < 2}
    assert np.array_equal(answers(twice, rows), answers(narrow(model, groups, at_once), rows))


def test_groups_of_a_file_fit_one_with_other_numbers() -> None:
    model, groups = FOUND[prunable.residual]
    other = zeroed(model, groups, some_kept(groups, 7))
    kept = some_kept(groups, 8)
    rows = rows_of(model)
    assert agree(answers(narrow(other, groups, kept), rows), answers(zeroed(other, groups, kept), rows))


@pytest.mark.parametrize(
    ("kept", "why"),
    [
        ({"stom": np.ones(6, bool)}, "no group is called `stom`.*stem"),
        ({"stem": np.ones(5, bool)}, "`stem` has 6 units, 5 were decided on"),
        ({"stem": np.zeros(6, bool)}, "no unit would be left of `stem`"),
    ],
)
def test_what_cannot_be_cut_is_refused(kept: Kept, why: str) -> None:
    model, groups = FOUND[prunable.residual]
    with pytest.raises(CandidateError, match=why):
        narrow(model, groups, kept)


def halved(model: onnx.ModelProto) -> onnx.ModelProto:
    """The model, after it was checked that cutting half of each group changes nothing where these are zero."""
    rows = rows_of(model)
    groups = channel_groups(model, rows)
    kept = {group.name: np.arange(group.size) % 2 == 0 for group in groups.groups}
    cut = narrow(model, groups, kept)
    onnx.checker.check_model(cut, full_check=True)
    assert agree(answers(cut, rows), answers(zeroed(model, groups, kept), rows))
    return cut


def test_constants_inside_operators_are_cut() -> None:
    d = Drawing()
    x = d.dense("x", "one", 12, 6)
    scale = d.random.standard_normal(6).astype(np.float32)
    x = d.add("Mul", x, d.add("Constant", value=numpy_helper.from_array(scale, "scale")))
    flat = d.add("Reshape", d.dense(x, "two", 6, 3), d.add("Constant", value_ints=[0, -1, 3]))
    model = d.done(d.add("ReduceMean", flat, d.constant("first", [1]), keepdims=0), {"x": TEXT}, 3)
    groups = channel_groups(model, rows_of(model))
    kept = {"one": np.arange(6) < 2}
    cut, rows = narrow(model, groups, kept), rows_of(model)
    cut_by_hand = answers(zeroed(model, groups, kept), rows)  # the scale need not be zero where its product is
    assert agree(answers(cut, rows), cut_by_hand)


@pytest.mark.parametrize("opset", [11, 12, 18, 21])
def test_sizes_are_mended_where_each_version_has_them(opset: int) -> None:
    d = Drawing()
    x = d.dense("x", "one", 12, 8)
    pieces = {"split": [4, 4]} if opset < 13 else {"num_outputs": 2} if opset >= 18 else {}
    x = d.add("Mul", d.add("Split", x, axis=-1, outputs=2, **pieces), f"{d.nodes[-1].output[0]}.1")
    x = d.add("MatMul", x, d.weight("two", 4, 3))
    mean = d.add("Gather", x, d.constant("place", 0), axis=1)
    halved(d.done(mean, {"x": TEXT}, 3, opset))


def test_lengths_that_are_computed_together_are_mended() -> None:
    d = Drawing()
    x = d.dense("x", "one", 12, 12)
    shape = d.add(
        "Mul",
        d.add("Concat", d.add("Shape", x, end=2), d.constant("two", [2, 3]), axis=0),
        d.constant("times", [1, 1, 2, 1]),
    )
    x = d.add("Relu", d.add("Reshape", x, shape))
    x = d.add("MatMul", d.add("Reshape", x, d.constant("flat", [0, 0, -1])), d.weight("two_", 12, 3))
    model = d.done(d.add("ReduceMean", x, d.constant("first", [1]), keepdims=0), {"x": TEXT}, 3)
    assert [(group.size, group.width) for group in channel_groups(model, rows_of(model)).groups] == [(4, 3)]
    assert "Where" in [node.op_type for node in halved(model).graph.node]


def test_a_piece_of_a_split_that_stays_keeps_its_length() -> None:
    d = Drawing()
    first = d.add("Split", d.dense("x", "one", 12, 7), d.constant("pieces", [6, 1]), axis=-1, outputs=2)
    x = d.add("MatMul", d.add("Mul", first, f"{first}.1"), d.weight("two", 6, 3))
    model = d.done(d.add("ReduceMean", x, d.constant("first", [1]), keepdims=0), {"x": TEXT}, 3)
    assert parameters(halved(model)) == parameters(model) - 3 * (12 + 1 + 3)


def test_a_resize_to_sizes_keeps_the_channels_that_are_left() -> None:
    d = Drawing()
    x = d.add("Relu", d.conv("x", "one", 2, 6))
    x = d.add("Resize", x, "", "", d.add("Concat", d.add("Shape", x, end=1), d.constant("sizes", [6, 4, 4]), axis=0))
    model = d.done(d.dense(d.add("Flatten", d.add("GlobalAveragePool", x)), "two", 6, 3), {"x": prunable.PICTURE}, 3)
    assert parameters(halved(model)) < parameters(model)


@pytest.mark.parametrize(
    ("name", "sizes"),
    [("resnet", [8, 8, 16, 16, 32, 32, 64, 64]), ("vit", [8, 4, 32])],
)
def test_exported_networks(name: str, sizes: list[int], tmp_path: Path) -> None:
    rows = Prepared({SOLE: np.random.default_rng(0).standard_normal((4, 1, 8, 8)).astype(np.float32)})
    export_torch(build(name, rows, 3, width=8, depth=1), rows, tmp_path / "net.onnx")
    model, given = onnx.load(tmp_path / "net.onnx"), {"input": rows.arrays[SOLE]}
    groups = channel_groups(model, given)
    assert sorted(group.size for group in groups.groups) == sorted(sizes)
    assert not groups.refused
    kept = some_kept(groups, 1)
    cut = narrow(model, groups, kept)
    for batch in ({"input": rows.arrays[SOLE][:1]}, given):
        assert agree(answers(cut, batch), answers(zeroed(model, groups, kept), batch))
    assert parameters(cut) < parameters(model)
