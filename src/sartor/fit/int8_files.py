"""What an int8 file says of itself: the range that it takes an input to have, and how large its weights are."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from sartor.compress.onnx_file import read_whole
from sartor.compress.openvino_int8 import read_model

if TYPE_CHECKING:
    from onnx import ModelProto, TensorProto

LARGEST_EXACT_WEIGHT = 64
"""Weights up to here saturate nowhere: two products with a u8 are 2 * 255 * 64 = 32,640 at most, and 16 bits hold
32,767. `reduce_range` of ONNX Runtime's quantizer and the overflow fix of NNCF keep to it."""

_LAYOUTS = ("Flatten", "Reshape", "Transpose", "Squeeze", "Unsqueeze", "Identity")
"""Of both formats: what gives the numbers of its first input in another shape."""


@dataclass(frozen=True)
class Int8File:
    """An int8 file as far as it can be judged without rows.

    Attributes:
        ranges: lowest and highest number of each input that nothing but a quantizer changes first, by its name.
        largest_weight: the largest magnitude among the matrices and filters in 8 bits; 0 where there are none.
    """

    ranges: Mapping[str, tuple[float, float]]
    largest_weight: int

    @property
    def saturates_nowhere(self) -> bool:
        """Whether no row at all makes a sum of two products leave 16 bits."""
        return self.largest_weight <= LARGEST_EXACT_WEIGHT


def read_int8(path: Path) -> Int8File:
    """Read an .onnx file of ONNX Runtime's quantizer or an .xml file of NNCF.

    Raises:
        CandidateError: `unsupported` when the file cannot be read.
    """
    return _openvino(path) if path.suffix == ".xml" else _onnx(path)


def _onnx(path: Path) -> Int8File:
    from onnx import TensorProto, numpy_helper

    model = read_whole(path)
    weights = [
        numpy_helper.to_array(tensor)
        for tensor in model.graph.initializer
        if tensor.data_type in (TensorProto.INT8, TensorProto.UINT8) and len(tensor.dims) >= 2
    ]
    return Int8File(_onnx_ranges(model), _largest(weights))


def _onnx_ranges(model: ModelProto) -> dict[str, tuple[float, float]]:
    """Q takes x to round(x / scale) + zero, cut to what its integers hold."""
    from onnx import numpy_helper

    inputs = {value.name for value in model.graph.input}
    makers = {name: node for node in model.graph.node for name in node.output}
    constants: dict[str, TensorProto] = {tensor.name: tensor for tensor in model.graph.initializer}
    ranges = {}
    for node in model.graph.node:
        if node.op_type != "QuantizeLinear" or len(node.input) != 3 or not constants.keys() >= set(node.input[1:]):
            continue
        tensor = node.input[0]
        while tensor in makers and makers[tensor].op_type in _LAYOUTS:
            tensor = makers[tensor].input[0]
        if tensor in inputs:
            scale, zero = (numpy_helper.to_array(constants[name]) for name in node.input[1:])
            ends = np.iinfo(zero.dtype)
            low, high = (scale * (end - zero.astype(np.int64)) for end in (ends.min, ends.max))
            ranges[tensor] = float(low.min()), float(high.max())
    return ranges


def _openvino(path: Path) -> Int8File:
    operators = read_model(path).get_ops()
    weights = [
        operator.data
        for operator in operators
        if operator.get_type_name() == "Constant"
        and operator.get_element_type().to_string() in ("i8", "u8")
        and len(operator.shape) >= 2
    ]
    ranges = {}
    for operator in operators:
        if operator.get_type_name() != "FakeQuantize":
            continue
        source, low, high = (operator.input_value(number).get_node() for number in range(3))
        while source.get_type_name() in _LAYOUTS:
            source = source.input_value(0).get_node()
        if source.get_type_name() == "Parameter" and low.get_type_name() == high.get_type_name() == "Constant":
            ranges[str(source.friendly_name)] = float(low.data.min()), float(high.data.max())
    return Int8File(ranges, _largest(weights))


def _largest(weights: list[Any]) -> int:
    return max((int(np.abs(weight.astype(np.int64)).max(initial=0)) for weight in weights), default=0)
