"""What one formula says of one operator, and the few readings of shapes that all formulas share."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from sartor.cost.graph import Operator, Tensor

Shape = tuple[int, ...]
Key = tuple[str, str]

ONNX, ML, MICROSOFT = "", "ai.onnx.ml", "com.microsoft"
NCHWC, NHWC = "com.microsoft.nchwc", "com.ms.internal.nhwc"

# Machines multiply numbers with and without a sign at one rate, so both go under one name.
_SIGNED = {"uint8": "int8", "uint4": "int4", "uint2": "int2"}


class UnknownShapeError(LookupError):
    """A tensor that a formula needs is left out or has no known shape; the operator is counted as unknown."""


@dataclass(frozen=True)
class Work:
    """The arithmetic of one run, and which bytes differ from the rule "inputs read once, outputs written once".

    Attributes:
        flop: operations by element type.
        read: bytes read of the inputs at these positions where it is not the whole input.
        written: bytes written where it is not every output whole.
    """

    flop: Mapping[str, float] = field(default_factory=dict)
    read: Mapping[int, float] = field(default_factory=dict)
    written: float | None = None


Formula = Callable[[Operator], Work]


def has(operator: Operator, position: int) -> bool:
    """Whether an optional input is given."""
    return len(operator.inputs) > position and operator.inputs[position] is not None


def given(operator: Operator, position: int) -> Tensor:
    """An input that a formula needs.

    Raises:
        UnknownShapeError: it is left out.
    """
    tensor = operator.inputs[position] if len(operator.inputs) > position else None
    if tensor is None:
        raise UnknownShapeError
    return tensor


def shape_of(tensor: Tensor) -> Shape:
    """The shape.

    Raises:
        UnknownShapeError: it is not known.
    """
    if tensor.shape is None:
        raise UnknownShapeError
    return tensor.shape


def shape(operator: Operator, position: int) -> Shape:
    """The shape of an input (raises as `given` and `shape_of` do)."""
    return shape_of(given(operator, position))


def elements(operator: Operator, position: int = 0) -> int:
    """How many numbers an input holds (raises as `given` and `shape_of` do)."""
    return math.prod(shape(operator, position))


def out_shape(operator: Operator) -> Shape:
    """The shape of the first output (raises as `shape_of` does)."""
    if not operator.outputs:
        raise UnknownShapeError
    return shape_of(operator.outputs[0])


def out_elements(operator: Operator) -> int:
    """How many numbers the first output holds."""
    return math.prod(out_shape(operator))


def size_bytes(tensor: Tensor) -> int:
    """Bytes of a tensor (raises as `shape_of` does)."""
    shape_of(tensor)
    return tensor.size_bytes


def number_type(dtype: str) -> str:
    """The name under which numbers of this type are counted.

    >>> number_type("uint8"), number_type("float16")
    ('int8', 'float16')
    """
    return _SIGNED.get(dtype, dtype)


def type_of(operator: Operator, position: int = 0) -> str:
    """The counted type of an input (raises as `given` does)."""
    return number_type(given(operator, position).dtype)


def arithmetic(operator: Operator, flop: float, position: int = 0) -> Work:
    """Work under the element type of one input; every tensor is moved whole."""
    return Work({type_of(operator, position): flop})


def merged(*parts: tuple[str, float]) -> dict[str, float]:
    """Operations by type, parts of one type added and those of zero left out.

    >>> merged(("int8", 4.0), ("float32", 1.0), ("float32", 2.0), ("int32", 0.0))
    {'int8': 4.0, 'float32': 3.0}
    """
    flop: dict[str, float] = {}
    for dtype, value in parts:
        if value:
            flop[dtype] = flop.get(dtype, 0.0) + value
    return flop


def under(domain: str, table: Mapping[str, Formula]) -> dict[Key, Formula]:
    """The same table with its domain in every key."""
    return {(domain, name): formula for name, formula in table.items()}
