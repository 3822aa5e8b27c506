"""Every operator gives what the cases of the onnx package ask for, or is refused; older operator sets what ONNX Runtime
gives."""

from __future__ import annotations

import functools
import warnings
from collections.abc import Iterable
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from onnx import ModelProto, TensorProto, defs, helper, numpy_helper

from sartor.train.onnx_module import OnnxModule, unsupported_operators
from sartor.train.onnx_module.operators import OPERATORS
from tests.train.onnx_files import file_of, normal, reference

FLOAT = TensorProto.FLOAT
KINDS = sorted(kind for kind in OPERATORS if defs.has(kind))
# All is computed in f32, so what a file asks for in 16 bits differs by its rounding.
ROUNDING = {"float16": 2e-3, "bfloat16": 1e-2}


@functools.cache
def cases() -> tuple[Any, ...]:
    from onnx.backend.test.loader import load_model_tests

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of numpy, about the infinities that some cases are about
        return tuple(case for case in load_model_tests(kind="node") if case.model is not None)


def as_array(value: Any) -> NDArray[Any]:
    return numpy_helper.to_array(value) if isinstance(value, TensorProto) else np.asarray(value)


def as_tensor(value: Any) -> torch.Tensor:
    array = as_array(value)
    fraction = array.dtype.kind == "f" or array.dtype.name == "bfloat16"
    return torch.from_numpy(np.array(array.astype(np.float32) if fraction else array))


def assert_agrees(case: Any) -> None:
    inputs, outputs = case.data_sets[0]
    named = {put.name: as_tensor(value) for put, value in zip(case.model.graph.input, inputs, strict=True)}
    with torch.no_grad():
        given = OnnxModule(case.model)(**named)
    for put, value in zip(case.model.graph.output, outputs, strict=True):
        expected, came = as_array(value), given[put.name].numpy()
        assert came.shape == expected.shape, case.name
        if expected.dtype.kind in "iub":
            assert came.dtype == expected.dtype, case.name
        tolerance = ROUNDING.get(expected.dtype.name, case.rtol)
        least = max(case.atol, 1e-5, tolerance if expected.dtype.name in ROUNDING else 0)
        np.testing.assert_allclose(
            came.astype(np.float64), expected.astype(np.float64), rtol=tolerance, atol=least, err_msg=case.name
        )


def agreeing(chosen: Iterable[Any]) -> int:
    """How many cases are not refused; each of them must agree."""
    computed = [case for case in chosen if not unsupported_operators(case.model)]
    for case in computed:
        assert_agrees(case)
    return len(computed)


@pytest.mark.parametrize("kind", KINDS)
def test_operator_agrees_with_its_cases(kind: str) -> None:
    alone = [case for case in cases() if [node.op_type for node in case.model.graph.node] == [kind]]
    # A few kinds have cases of operator sets before 7 only, which are refused.
    assert agreeing(alone) > 0 or all(case.model.opset_import[0].version < 7 for case in alone)


def test_operators_written_out_as_others_agree() -> None:
    assert agreeing(case for case in cases() if len(case.model.graph.node) > 1) > 150


def compared(model: ModelProto, rows: dict[str, NDArray[Any]]) -> None:
    assert unsupported_operators(model) == ()
    with torch.no_grad():
        given = OnnxModule(model)(**{name: torch.from_numpy(values) for name, values in rows.items()})
    for name, expected in reference(model, rows).items():
        assert given[name].shape == expected.shape
        np.testing.assert_allclose(given[name].numpy(), expected, rtol=1e-4, atol=1e-5)


OLDER: dict[str, tuple[int, str, int, dict[str, Any]]] = {
    "softmax of all axes from one on": (11, "Softmax", 1, {"axis": 1}),
    "log-softmax by default from axis 1 on": (9, "LogSoftmax", 1, {}),
    "clip by attributes": (9, "Clip", 1, {"min": -0.5, "max": 0.25}),
    "slice by attributes": (9, "Slice", 1, {"starts": [1, -3], "ends": [9, -1], "axes": [1, 3]}),
    "squeeze by attribute": (11, "Unsqueeze", 1, {"axes": [0, 2]}),
    "sum by attribute": (11, "ReduceSum", 1, {"axes": [1, -1], "keepdims": 0}),
    "mean by attribute": (13, "ReduceMean", 1, {"axes": [2]}),
    "pad by attributes": (10, "Pad", 1, {"pads": [0, 0, 1, 2, 0, 0, -1, 3], "mode": "constant", "value": 2.0}),
    "reflected padding": (10, "Pad", 1, {"pads": [0, 0, 1, 2, 0, 0, 2, 3], "mode": "reflect"}),
    "split by attribute": (11, "Split", 2, {"axis": 1, "split": [1, 3]}),
    "split in equal parts": (11, "Split", 2, {"axis": 3}),
    "dropout with a ratio": (10, "Dropout", 1, {"ratio": 0.5}),
    "flatten": (9, "Flatten", 1, {"axis": 2}),
    "same padding below": (
        20, "AveragePool", 1, {"kernel_shape": [2, 4], "strides": [2, 1], "auto_pad": "SAME_LOWER"}
    ),
    "windows beyond the padding": (
        20, "MaxPool", 1, {"kernel_shape": [3, 3], "strides": [2, 2], "pads": [0, 1, 2, 1], "ceil_mode": 1}
    ),
    "uneven padding that counts": (
        20, "AveragePool", 1, {"kernel_shape": [3, 3], "pads": [0, 1, 2, 1], "count_include_pad": 1}
    ),
    "uneven padding that does not count": (20, "AveragePool", 1, {"kernel_shape": [3, 3], "pads": [0, 1, 2, 1]}),
}  # fmt: skip


@pytest.mark.parametrize("named", OLDER)
def test_settings_as_attributes_agree_with_onnx_runtime(named: str) -> None:
    opset, kind, outputs, attributes = OLDER[named]
    names = [f"y{number}" for number in range(outputs)]
    node = helper.make_node(kind, ["x"], names, **attributes)
    rows = {"x": normal(2, 4, 5, 6)}
    compared(file_of([node], {}, rows, dict.fromkeys(names, FLOAT), opset), rows)


@pytest.mark.parametrize("opset", [9, 10])
def test_upsampling_before_set_11_agrees(opset: int) -> None:
    node = helper.make_node("Upsample" if opset == 9 else "Resize", ["x", "scales"], ["y"], mode="nearest")
    rows = {"x": normal(1, 2, 3, 4)}
    compared(file_of([node], {"scales": np.array([1, 1, 2, 1.5], np.float32)}, rows, {"y": FLOAT}, opset), rows)


@pytest.mark.parametrize("kind", ["Conv", "ConvTranspose"])
@pytest.mark.parametrize("axes", [1, 2, 3])
@pytest.mark.parametrize(
    "settings", [{"pads": (0, 1)}, {"pads": (1, 1), "strides": 2}, {"auto_pad": "SAME_UPPER", "strides": 2}]
)
def test_convolutions_agree(kind: str, axes: int, settings: dict[str, Any]) -> None:
    attributes = dict(settings)
    if "pads" in settings:
        before, after = settings["pads"]
        attributes["pads"] = [before] * axes + [after] * axes
    if "strides" in settings:
        attributes["strides"] = [settings["strides"]] * axes
    stored = {"w": normal(4, 2 if kind == "Conv" else 3, *[3] * axes, seed=1), "b": normal(4 if kind == "Conv" else 6)}
    rows = {"x": normal(2, 4, *[7] * axes)}
    node = helper.make_node(kind, ["x", "w", "b"], ["y"], group=2, **attributes)
    compared(file_of([node], stored, rows, {"y": FLOAT}), rows)


@pytest.mark.parametrize("kind", ["GRU", "LSTM", "RNN"])
@pytest.mark.parametrize("direction", ["forward", "reverse", "bidirectional"])
@pytest.mark.parametrize("form", ["usual", "early reset", "lengths", "clip"])
def test_recurrence_agrees(kind: str, direction: str, form: str) -> None:
    gates, sides, units = {"GRU": 3, "LSTM": 4, "RNN": 1}[kind], 2 if direction == "bidirectional" else 1, 5
    attributes: dict[str, Any] = {"linear_before_reset": int(form != "early reset")} if kind == "GRU" else {}
    attributes |= {"clip": 0.3} if form == "clip" else {}
    stored: dict[str, NDArray[Any]] = {
        "w": normal(sides, gates * units, 3, seed=1),
        "r": normal(sides, gates * units, units, seed=2),
        "b": normal(sides, 2 * gates * units, seed=3),
    }
    if form == "lengths":
        stored["lengths"] = np.array([6, 2, 4], np.int32)
    outputs = ["y", "last", "cell"][: 3 if kind == "LSTM" else 2]
    names = ["x", "w", "r", "b", *(["lengths"] if form == "lengths" else [])]
    node = helper.make_node(kind, names, outputs, hidden_size=units, direction=direction, **attributes)
    rows = {"x": normal(6, 3, 3)}
    model = file_of([node], stored, rows, dict.fromkeys(outputs, FLOAT), 14)
    if (kind, form) == ("LSTM", "clip"):
        assert unsupported_operators(model) == ("LSTM: clip",)
    else:
        compared(model, rows)
