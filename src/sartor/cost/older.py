"""Shapes of operators that ONNX defines without inference: first versions, and some of `ai.onnx.ml`.

Definitions: https://github.com/onnx/onnx/blob/main/docs/Changelog.md and Changelog-ml.md.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from sartor.cost.kinds import make_type, shape_of
from sartor.cost.proto import attributes_of

if TYPE_CHECKING:
    from onnx import NodeProto, TypeProto

# The output is like the first input: in version 1 only the second is broadcast.
_LIKE_FIRST = {
    *("Abs", "Add", "BatchNormalization", "Ceil", "Clip", "Div", "Elu", "Exp", "Floor", "HardSigmoid"),
    *("InstanceNormalization", "LeakyRelu", "Log", "Max", "Mean", "Min", "Mul", "Neg", "PRelu", "Reciprocal", "Relu"),
    *("Selu", "Sigmoid", "Sqrt", "Sub", "Sum", "Tanh", "MeanVarianceNormalization", "GroupNormalization", "Imputer"),
}
_FLOATING_LIKE_FIRST = {"Normalizer", "Scaler"}  # of `ai.onnx.ml`: any numbers in, float32 out
_TARGETS = {"LinearRegressor": "targets", "TreeEnsembleRegressor": "n_targets", "SVMRegressor": ""}


def older_types(node: NodeProto, kinds: Mapping[str, TypeProto]) -> dict[str, TypeProto]:
    """Types of the outputs; empty for an operator without a rule or with unknown inputs."""
    from onnx import TensorProto

    first = kinds[node.input[0]] if node.input and node.input[0] else None
    shape = shape_of(first)
    if first is None or shape is None:
        return {}
    float32, attributes = TensorProto.FLOAT, attributes_of(node)
    if node.op_type == "Dropout":
        return dict.fromkeys(node.output, first)
    if node.op_type in _LIKE_FIRST:
        return {node.output[0]: first}
    if node.op_type in _FLOATING_LIKE_FIRST:
        return {node.output[0]: make_type(float32, shape)}
    if node.op_type in _TARGETS:
        return {node.output[0]: make_type(float32, (shape[0], attributes.get(_TARGETS[node.op_type], 1)))}
    if node.op_type == "TreeEnsembleClassifier":
        return _classified(node, shape[0], attributes)
    if node.op_type == "Reshape" and "shape" in attributes:
        return {node.output[0]: make_type(first.tensor_type.elem_type, _reshaped(shape, attributes["shape"]))}
    return {}


def _classified(node: NodeProto, rows: int, attributes: Mapping[str, Any]) -> dict[str, TypeProto]:
    """Labels and one score for each class."""
    from onnx import TensorProto

    numbers, texts = attributes.get("classlabels_int64s", ()), attributes.get("classlabels_strings", ())
    label = TensorProto.STRING if texts else TensorProto.INT64
    found = [make_type(label, (rows,)), make_type(TensorProto.FLOAT, (rows, len(numbers) + len(texts)))]
    return dict(zip(node.output, found, strict=False))


def _reshaped(shape: tuple[int, ...], wanted: tuple[int, ...]) -> list[int | None]:
    """Sizes with 0 for "as before" and one -1 for "what remains"."""
    sizes = [shape[axis] if size == 0 and axis < len(shape) else size for axis, size in enumerate(wanted)]
    others = math.prod(size for size in sizes if size != -1)
    rest = math.prod(shape) // others if others else None
    return [rest if size == -1 else size for size in sizes]
