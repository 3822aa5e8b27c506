"""Shape policies: what a call is padded to, and that padding changes no answer."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sartor.errors import CandidateError
from sartor.runtime import open_runtime
from sartor.runtime.base import Settings
from sartor.runtime.shapes import BUCKETS, bucket_of, shaped
from sartor.steps.prepared import Prepared


def write_masked_mean(path: Path) -> Path:
    """Mean of the values (batch, length) that a mask leaves: rows of any length."""
    import onnx

    helper, kind = onnx.helper, onnx.TensorProto.FLOAT
    inputs = [helper.make_tensor_value_info(name, kind, ["batch", "length"]) for name in ("values", "mask")]
    output = helper.make_tensor_value_info("mean", kind, ["batch", 1])
    axis = onnx.numpy_helper.from_array(np.array([1]), "axis")
    nodes = [
        helper.make_node("Mul", ["values", "mask"], ["kept"]),
        helper.make_node("ReduceSum", ["kept", "axis"], ["sum"], keepdims=1),
        helper.make_node("ReduceSum", ["mask", "axis"], ["count"], keepdims=1),
        helper.make_node("Div", ["sum", "count"], ["mean"]),
    ]
    graph = helper.make_graph(nodes, "mean", inputs, [output], [axis])
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10), path)
    return path


def rows_of(sizes: list[int]) -> Prepared:
    inside = (np.arange(max(sizes)) < np.array(sizes)[:, None]).astype(np.float32)
    values = np.random.default_rng(0).standard_normal(inside.shape).astype(np.float32)
    return Prepared({"values": values, "mask": inside}, np.array(sizes), {"values": 9.0, "mask": 0.0})


@given(st.integers(1, 3000))
def test_a_bucket_holds_its_length_and_no_more_than_twice_that(length: int) -> None:
    bucket = bucket_of(length)
    assert length <= bucket <= max(2 * length, BUCKETS[0])


@pytest.mark.parametrize(
    ("settings", "length"),
    [(Settings(), 5), (Settings(shape="buckets"), 8), (Settings(shape="fixed", length=12), 12)],
)
def test_each_policy_has_its_length(settings: Settings, length: int) -> None:
    batch = rows_of([5, 3])
    arrays = shaped(batch.of_length(30), settings)
    assert {name: array.shape for name, array in arrays.items()} == {"values": (2, length), "mask": (2, length)}
    assert all(array.flags.c_contiguous for array in arrays.values())


@pytest.mark.parametrize(
    ("name", "settings"),
    [
        ("onnxruntime", Settings()),
        ("onnxruntime", Settings(shape="fixed", length=24)),
        ("openvino", Settings()),
        ("openvino", Settings(shape="fixed", length=24)),
        ("openvino", Settings(shape="buckets")),
    ],
)
def test_padding_changes_no_answer(name: str, settings: Settings, tmp_path: Path) -> None:
    session = open_runtime(name).load(write_masked_mean(tmp_path / "mean.onnx"), settings)
    rows = rows_of([3, 9, 17, 8, 24, 3])
    for index in range(len(rows)):
        one = rows.take(slice(index, index + 1))
        expected = one.arrays["values"][0, : one.longest].mean()
        assert session.run(shaped(one, settings))[0][0, 0] == pytest.approx(expected, abs=1e-6)


def test_buckets_are_refused_where_nothing_is_compiled_per_shape(tmp_path: Path) -> None:
    with pytest.raises(CandidateError, match="only add padding"):
        open_runtime("onnxruntime").load(write_masked_mean(tmp_path / "mean.onnx"), Settings(shape="buckets"))
