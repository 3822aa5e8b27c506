"""What is known of a file's tensors before it runs: shapes for one size of input, and small values."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from sartor.cost.kinds import make_type, shape_of
from sartor.cost.order import bodies_of
from sartor.cost.proto import small_value
from sartor.cost.shapes import Opsets, Scope, propagate
from sartor.runtime.base import Array

if TYPE_CHECKING:
    from onnx import ModelProto, NodeProto, TensorProto

Shape = tuple[int, ...]
_NUMBERS = ("value", "value_float", "value_floats", "value_int", "value_ints")


@dataclass(frozen=True)
class Known:
    """Of every tensor of a file.

    Attributes:
        shapes: for the example's rows; tensors of unknown shape are left out.
        other_shapes: for other sizes of all free dimensions.
        values: small ones that depend on shapes and constants alone.
        constants: initializers and what `Constant` operators give.
        floats: those among them whose numbers are weights, not indices or shapes.
        integers: tensors of integers and truth values.
    """

    shapes: Mapping[str, Shape]
    other_shapes: Mapping[str, Shape]
    values: Mapping[str, NDArray[Any]]
    constants: Mapping[str, TensorProto]
    floats: frozenset[str]
    integers: frozenset[str]

    def free(self, name: str) -> tuple[bool, ...]:
        """Whether the length of each axis depends on the rows."""
        shape = self.shapes[name]
        other = self.other_shapes.get(name, shape)
        return tuple(one != two for one, two in zip(shape, other, strict=False))


def known_of(model: ModelProto, example: Mapping[str, Array]) -> Known:
    """Shapes and small values, operator by operator; nothing is run.

    Args:
        model: with its weights.
        example: an array of each input; their shapes count. A free dimension of 1 is taken for 2, since lengths of 1
            broadcast.
    """
    from onnx import TensorProto

    constants = constants_of(model)
    first, second = (_scope(model, constants, shapes) for shapes in _input_shapes(model, example))
    whole = {TensorProto.INT64, TensorProto.BOOL, TensorProto.STRING}
    floats = frozenset(name for name, tensor in constants.items() if tensor.data_type not in whole)
    codes = {name: kind.tensor_type.elem_type for name, kind in first.types.items()}
    integers = frozenset(name for name, code in codes.items() if code in {*whole, TensorProto.INT32})
    return Known(_shapes(first), _shapes(second), first.values, constants, floats, integers)


def constants_of(model: ModelProto) -> dict[str, TensorProto]:
    """Initializers, and what `Constant` operators give as tensors or as numbers."""
    constants = {tensor.name: tensor for tensor in model.graph.initializer}
    nodes = (node for node in model.graph.node if node.op_type == "Constant")
    constants.update((node.output[0], tensor) for node in nodes if (tensor := _tensor(node)) is not None)
    return constants


def _input_shapes(model: ModelProto, example: Mapping[str, Array]) -> tuple[dict[str, Shape], dict[str, Shape]]:
    """Shapes of the inputs as they are given, and with all free dimensions of another size."""
    shapes: tuple[dict[str, Shape], dict[str, Shape]] = ({}, {})
    for given in model.graph.input:
        if given.name in example:
            sizes = np.array(example[given.name].shape, np.int64)
            dimensions = given.type.tensor_type.shape.dim
            free = np.array([not each.HasField("dim_value") for each in dimensions], bool)
            first = np.where(free, np.maximum(sizes, 2), sizes)
            # Smaller where possible: tables of positions end somewhere.
            second = np.where(free, np.where(first > 2, first - 1, first + 1), first)
            for kept, values in zip(shapes, (first, second), strict=True):
                kept[given.name] = tuple(values.tolist())
    return shapes


def _scope(model: ModelProto, constants: Mapping[str, TensorProto], shapes: Mapping[str, Shape]) -> Scope:
    from onnx import TypeProto

    scope = Scope(Opsets(tuple(model.opset_import)), {}, {}, {}, {}, Path())
    for name, tensor in constants.items():
        scope.types[name] = make_type(tensor.data_type, tensor.dims)
        value = small_value(tensor, Path())
        if value is not None:
            scope.values[name] = value
    for given in model.graph.input:
        if given.name not in constants:
            code = given.type.tensor_type.elem_type
            scope.types[given.name] = make_type(code, shapes[given.name]) if given.name in shapes else given.type
    for node in model.graph.node:
        if node.op_type != "Constant" and not bodies_of(node):
            propagate(node, scope)
        for name in node.output:
            scope.types.setdefault(name, TypeProto())
    return scope


def _shapes(scope: Scope) -> dict[str, Shape]:
    return {name: shape for name, kind in scope.types.items() if name and (shape := shape_of(kind)) is not None}


def _tensor(node: NodeProto) -> TensorProto | None:
    from onnx import helper, numpy_helper

    attribute = next(iter(node.attribute), None)
    if attribute is None or attribute.name not in _NUMBERS:
        return None
    value = helper.get_attribute_value(attribute)
    if attribute.name == "value":
        tensor: TensorProto = value
        return tensor
    return numpy_helper.from_array(np.array(value, np.int64 if "int" in attribute.name else np.float32))
