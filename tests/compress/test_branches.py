"""Residual branches: which a file has, and the file without them."""

from __future__ import annotations

import numpy as np
import onnx
import pytest
from onnx import numpy_helper

from sartor.compress.pruning.branches import Branch, drop_branches, removable_branches
from sartor.errors import CandidateError
from tests.compress.prunable import PICTURE, Drawing, answers, rows_of


def blocks() -> onnx.ModelProto:
    """Two residual blocks, the second at the end of the network's body, and one that begins with a shortcut."""
    d = Drawing()
    x = d.add("Relu", d.conv("x", "stem", 2, 16))
    y = d.conv(d.add("Relu", d.conv(x, "a1", 16, 8)), "a2", 8, 16)
    x = d.add("Relu", d.add("Add", y, x, to="first"))
    x = d.add("Add", d.conv(d.conv(x, "b1", 16, 8), "b2", 8, 32), d.conv(x, "short", 16, 32, 1), to="widened")
    x = d.add("Add", x, d.conv(d.add("Relu", x), "c1", 32, 32), to="last")
    mean = d.add("Flatten", d.add("GlobalAveragePool", x))
    return d.done(d.dense(mean, "head", 32, 4), {"x": PICTURE}, 4)


def with_zeros(model: onnx.ModelProto, *names: str) -> onnx.ModelProto:
    """The file with some initializers of zeros."""
    for tensor in model.graph.initializer:
        if tensor.name in names:
            tensor.CopyFrom(numpy_helper.from_array(np.zeros(tensor.dims, np.float32), tensor.name))
    return model


def test_branches_are_what_is_added_to_what_they_come_from() -> None:
    model = blocks()
    found = removable_branches(model, rows_of(model))
    assert [(branch.sum, branch.layers) for branch in found] == [("first", ("a1", "a2")), ("last", ("c1",))]


def test_branches_that_give_zeros_can_be_left_out() -> None:
    model = with_zeros(blocks(), "a2", "a2.bias", "c1", "c1.bias")
    rows = rows_of(model)
    found = removable_branches(model, rows)
    without = drop_branches(model, found)
    onnx.checker.check_model(without, full_check=True)
    assert np.array_equal(answers(without, rows), answers(model, rows))
    left = {tensor.name for tensor in without.graph.initializer}
    assert {tensor.name for tensor in model.graph.initializer} - left == {
        *("a1", "a1.bias", "a2", "a2.bias", "c1", "c1.bias")
    }


def test_one_branch_leaves_the_others() -> None:
    model = with_zeros(blocks(), "c1", "c1.bias")
    rows = rows_of(model)
    without = drop_branches(model, removable_branches(model, rows)[1:])
    assert np.array_equal(answers(without, rows), answers(model, rows))
    assert [branch.sum for branch in removable_branches(without, rows)] == ["first"]


def test_a_branch_that_something_else_reads_is_none() -> None:
    d = Drawing()
    x = d.conv("x", "stem", 2, 16)
    y = d.conv(x, "a1", 16, 16)
    x = d.add("Mul", d.add("Add", x, y), y)
    model = d.done(d.dense(d.add("Flatten", d.add("GlobalAveragePool", x)), "head", 16, 4), {"x": PICTURE}, 4)
    assert removable_branches(model, rows_of(model)) == ()


def test_a_branch_of_another_file_is_refused() -> None:
    with pytest.raises(CandidateError, match="no sum `nowhere`"):
        drop_branches(blocks(), [Branch("nowhere", "x", "y", ())])
