"""Weights with zeros: which ones, and what files and runtimes make of them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from onnx import ModelProto, TensorProto, helper, numpy_helper

from sartor.compress.low_rank.operators import constant
from sartor.compress.low_rank.times import alternating_seconds
from sartor.compress.onnx_file import read_whole, write_whole
from sartor.compress.sparse import Pattern, compressed_size, sparsify, zero_share
from sartor.errors import CandidateError
from sartor.runtime import open_runtime
from sartor.runtime.base import Settings

from .networks import rows, write_residual, write_without_weights


def product(weight: NDArray[np.float32], operator: str = "MatMul", left: bool = False, **attributes: Any) -> ModelProto:
    """x times a weight, or a weight times x."""
    names = ["w", "x"] if left else ["x", "w"]
    graph = helper.make_graph(
        [helper.make_node(operator, names, ["y"], **attributes)],
        "product",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["a", "b"])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, None)],
        [numpy_helper.from_array(weight, "w")],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10)


@settings(max_examples=40, deadline=None)
@given(st.floats(0.01, 0.99), st.integers(0, 50))
def test_the_smallest_weights_go(share: float, seed: int) -> None:
    weight = np.random.default_rng(seed).standard_normal((16, 24)).astype(np.float32)
    thinned = constant(sparsify(product(weight), share), "w")
    gone = thinned == 0
    assert gone.sum() == round(share * weight.size)
    assert (thinned[~gone] == weight[~gone]).all()
    assert np.abs(weight[gone]).max(initial=0.0) <= np.abs(weight[~gone]).min(initial=np.inf)


@pytest.mark.parametrize(
    ("attributes", "left", "axis"),
    [({}, False, 0), ({"transB": 1}, False, 1), ({}, True, 1), ({"transA": 1}, True, 0)],
)
@pytest.mark.parametrize("pattern", [Pattern(2, 4), Pattern(1, 4), Pattern(3, 5)])
def test_a_pattern_goes_along_what_is_summed_over(
    attributes: dict[str, int], left: bool, axis: int, pattern: Pattern
) -> None:
    weight = np.random.default_rng(0).standard_normal((20, 40)).astype(np.float32)
    model = product(weight, "Gemm" if attributes else "MatMul", left, **attributes)
    groups = np.moveaxis(constant(sparsify(model, pattern), "w"), axis, -1).reshape(-1, pattern.of)
    before = np.abs(np.moveaxis(weight, axis, -1).reshape(-1, pattern.of))
    assert (np.count_nonzero(groups, axis=1) == pattern.kept).all()
    largest = np.sort(before, axis=1)[:, -pattern.kept :]
    np.testing.assert_array_equal(np.sort(np.abs(groups), axis=1)[:, -pattern.kept :], largest)


def test_inputs_behind_the_last_group_keep_their_weights() -> None:
    weight = np.ones((18, 16), np.float32)
    thinned = constant(sparsify(product(weight), Pattern(2, 4)), "w")
    assert (thinned[16:] == 1).all()
    assert (thinned[:16] == 0).sum() == thinned[:16].size / 2


def test_a_network_keeps_its_shape_and_with_few_zeros_its_answers(tmp_path: Path) -> None:
    source = write_residual(tmp_path)
    model = read_whole(source.path)
    # Its first convolution reads one channel, in which there is no group of four.
    assert 0.48 < zero_share(sparsify(model, Pattern(2, 4))) < 0.5
    assert zero_share(model) == 0.0
    thinned = sparsify(model, 0.2)
    onnx.checker.check_model(thinned, full_check=True)
    path, x = write_whole(thinned, tmp_path / "thinned.onnx"), rows(100, seed=9)
    before, after = (open_runtime("onnxruntime").load(one, Settings()).run({"x": x})[0] for one in (source.path, path))
    assert np.mean(before.argmax(axis=1) == after.argmax(axis=1)) > 0.9
    assert not np.allclose(before, after)


def test_zeros_make_the_zipped_file_smaller_and_the_file_itself_not(tmp_path: Path) -> None:
    model = read_whole(write_residual(tmp_path).path)
    sizes = [compressed_size(model), *(compressed_size(sparsify(model, share)) for share in (0.5, 0.9))]
    assert sizes[1] < 0.65 * sizes[0]
    assert sizes[2] < 0.2 * sizes[0]
    assert sparsify(model, 0.9).ByteSize() == model.ByteSize()


@pytest.mark.parametrize("runtime", ["onnxruntime", "openvino"])
def test_no_runtime_computes_less_for_zeros(runtime: str, tmp_path: Path) -> None:
    """If this fails, a runtime has learnt to: then sparse weights are worth a recipe."""
    weight = np.random.default_rng(0).standard_normal((1024, 1024)).astype(np.float32)
    models = [product(weight), sparsify(product(weight), 0.9)]
    paths = [write_whole(model, tmp_path / f"{number}.onnx") for number, model in enumerate(models)]
    given = {"x": np.random.default_rng(1).standard_normal((16, 1024)).astype(np.float32)}
    sessions = [open_runtime(runtime).load(path, Settings(threads=1)) for path in paths]
    ratios = []
    for _ in range(3):
        plain, sparse = alternating_seconds([(session, given) for session in sessions])
        ratios.append(sparse / plain)
    assert np.median(ratios) > 0.6


@pytest.mark.parametrize("share", [0.0, 1.0, -0.5])
def test_shares_out_of_range_are_refused(share: float) -> None:
    with pytest.raises(ValueError, match="zeros"):
        sparsify(product(np.ones((16, 16), np.float32)), share)


@pytest.mark.parametrize(("kept", "of"), [(0, 4), (4, 4)])
def test_patterns_that_keep_nothing_or_everything_are_refused(kept: int, of: int) -> None:
    with pytest.raises(ValueError, match="keeps nothing or everything"):
        Pattern(kept, of)


def test_a_network_without_weights_is_refused(tmp_path: Path) -> None:
    with pytest.raises(CandidateError, match="no product or convolution has weights"):
        sparsify(read_whole(write_without_weights(tmp_path).path), 0.5)
