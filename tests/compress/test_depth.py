"""Whole branches out: those that lose least for the time that they take, measured again after each."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import onnx
import pytest
from numpy.typing import NDArray

from sartor.compress.layers import layers
from sartor.compress.pruning.depth import Shortened, shorten
from sartor.errors import CandidateError, DataError
from tests.compress.prunable import TEXT, Drawing, answers, flattening, rows_of

WIDTH = 16
Weights = NDArray[np.float32]


def matrix(seed: int, size: float) -> Weights:
    drawn = np.random.default_rng(seed).standard_normal((WIDTH, WIDTH))
    return np.asarray(drawn * size / np.sqrt(WIDTH), np.float32)


def branches(weights: Mapping[str, Weights]) -> onnx.ModelProto:
    """x + x w for each weight, one after another."""
    d = Drawing()
    x = d.add("Relu", d.dense("x", "stem", 12, WIDTH), to="start")
    for name, values in weights.items():
        x = d.add("Add", x, d.add("MatMul", x, d.constant(name, values)), to=f"after {name}")
    mean = d.add("ReduceMean", x, d.constant("one", [1]), keepdims=0)
    return d.done(d.dense(mean, "head", WIDTH, 20), {"x": TEXT}, 20)


def shortened(model: onnx.ModelProto, seconds: Mapping[str, float], share: float) -> Shortened:
    rows = rows_of(model, batch=16)
    return shorten(model, rows_of(model), [rows], seconds, share, 0)


def gone(found: Shortened) -> list[str]:
    return [name for branch in found.branches for name in branch.layers]


def even(model: onnx.ModelProto) -> dict[str, float]:
    return {layer.name: 1.0 for layer in layers(model)}


def test_what_changes_least_goes_first() -> None:
    model = branches({"a": matrix(1, 0.5), "b": matrix(2, 0.01), "c": matrix(3, 0.1), "d": matrix(4, 0.5)})
    assert len(even(model)) == 5  # the stem has too few weights to be told apart
    found = shortened(model, even(model), 0.6)
    assert gone(found) == ["b", "c"]
    assert found.time == 3.0
    onnx.checker.check_model(found.model, full_check=True)
    assert gone(shortened(model, even(model), 0.8)) == ["b"]


def test_the_error_is_that_of_the_file_that_is_given() -> None:
    model = branches({"a": matrix(1, 0.3), "b": matrix(2, 0.3)})
    found, rows = shortened(model, even(model), 0.7), rows_of(model, batch=16)
    expected, got = answers(model, rows), answers(found.model, rows)
    assert found.error == pytest.approx(np.mean((got - expected) ** 2) / np.var(expected), rel=1e-4)
    assert found.error > 0


def test_what_saves_more_may_lose_more() -> None:
    model = branches({"a": matrix(1, 0.1), "b": matrix(2, 0.12), "c": matrix(3, 0.5)})
    slow = {**even(model), "b": 8.0}
    assert gone(shortened(model, slow, 0.5)) == ["b"]


def test_a_branch_that_is_just_enough_is_preferred_to_a_bargain() -> None:
    model = branches({"a": matrix(1, 0.1), "b": matrix(2, 0.4)})
    slow = {**even(model), "a": 2.0, "b": 60.0}
    assert shortened(model, slow, 0.98).branches[0].layers == ("a",)


def test_what_made_up_for_a_branch_that_went_goes_with_it() -> None:
    """Errors do not add: c undoes what a does, and is worth more than b before a goes and nothing after it."""
    one = matrix(1, 0.2)
    undone = (np.linalg.inv(np.eye(WIDTH) + one) - np.eye(WIDTH)).astype(np.float32)
    model = branches({"a": one, "b": matrix(2, 0.25), "c": undone})
    alone = {name: shortened(model, {name: 1.0}, 0.5).error for name in "abc"}
    assert min(alone, key=lambda name: alone[name]) in "ac"
    found = shortened(model, even(model), 0.5)
    assert sorted(gone(found)) == ["a", "c"]
    assert found.error < 0.1 * min(alone.values())


def transformer(harmless: str) -> onnx.ModelProto:
    """Attention of one head and two layers behind it; the last product of either branch may give almost nothing."""
    d = Drawing()

    def last(x: str, name: str, before: int) -> str:
        size = 1e-3 if name == harmless else 1.0
        weights = size * np.random.default_rng(5).standard_normal((before, WIDTH)) / np.sqrt(before)
        return d.add("MatMul", x, d.constant(name, weights.astype(np.float32)))

    x = d.dense("x", "embed", 12, WIDTH)
    q, k, v = (d.dense(x, name, WIDTH, WIDTH) for name in "qkv")
    scores = d.add("Softmax", d.add("MatMul", q, d.add("Transpose", k, perm=[0, 2, 1])))
    x = d.add("Add", x, last(d.add("MatMul", scores, v), "out", WIDTH))
    x = d.add("Add", x, last(d.add("Gelu", d.dense(x, "hidden", WIDTH, 32)), "back", 32))
    mean = d.add("ReduceMean", x, d.constant("one", [1]), keepdims=0)
    return d.done(d.dense(mean, "head", WIDTH, 20), {"x": TEXT}, 20)


@pytest.mark.parametrize(("harmless", "left_out"), [("out", {"q", "k", "v", "out"}), ("back", {"hidden", "back"})])
def test_attention_and_the_layers_behind_it_go_separately(harmless: str, left_out: set[str]) -> None:
    model = transformer(harmless)
    found = shortened(model, even(model), 0.8)
    assert set(gone(found)) == left_out
    assert found.error < 1e-4


def test_the_choice_is_the_same_each_time() -> None:
    model = branches({name: matrix(3, 0.2) for name in "abcd"})
    first, again = (shortened(model, even(model), 0.5) for _ in range(2))
    assert first == again


def test_a_network_without_branches_is_refused() -> None:
    model = flattening()
    with pytest.raises(CandidateError, match="no branch can be left out") as caught:
        shortened(model, even(model), 0.5)
    assert caught.value.reason == "unsupported"


def test_more_than_all_branches_is_refused_before_anything_runs() -> None:
    model = branches({"a": matrix(1, 0.1), "b": matrix(2, 0.1)})
    with pytest.raises(CandidateError, match="33% of the time is left without all 2 branches, 20% is asked for"):
        shorten(model, rows_of(model), iter(()), even(model), 0.2, 0)


def test_rows_are_needed() -> None:
    model = branches({"a": matrix(1, 0.1)})
    with pytest.raises(DataError, match="no calibration rows"):
        shorten(model, rows_of(model), [], even(model), 0.6, 0)
