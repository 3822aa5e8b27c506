"""ONNX's own types of values: tensors with known and unknown dimensions, sequences, optional values."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from sartor.cost.graph import Tensor
from sartor.cost.proto import dtype_name

if TYPE_CHECKING:
    from onnx import TypeProto


def tensor_of(name: str, kind: TypeProto | None) -> Tensor:
    """A Tensor of an ONNX type; sequences, maps and optional values have no shape."""
    if kind is None:
        return Tensor(name, "undefined", None)
    while not kind.HasField("tensor_type"):
        if kind.HasField("sequence_type"):
            kind = kind.sequence_type.elem_type
        elif kind.HasField("optional_type"):
            kind = kind.optional_type.elem_type
        else:
            return Tensor(name, "undefined", None)
        if kind.HasField("tensor_type"):
            return Tensor(name, dtype_name(kind.tensor_type.elem_type), None)
    return Tensor(name, dtype_name(kind.tensor_type.elem_type), shape_of(kind))


def shape_of(kind: TypeProto | None) -> tuple[int, ...] | None:
    """The shape of a type when every dimension is known, else None."""
    if kind is None or not kind.HasField("tensor_type") or not kind.tensor_type.HasField("shape"):
        return None
    dimensions = kind.tensor_type.shape.dim
    if any(not each.HasField("dim_value") or each.dim_value < 0 for each in dimensions):
        return None
    return tuple(each.dim_value for each in dimensions)


def make_type(code: int, shape: Iterable[int | None] | None) -> TypeProto:
    """An ONNX tensor type; None for an unknown dimension or an unknown rank."""
    from onnx import TypeProto

    out = TypeProto()
    out.tensor_type.elem_type = code
    if shape is not None:
        out.tensor_type.shape.SetInParent()
        for size in shape:
            added = out.tensor_type.shape.dim.add()
            if size is not None:
                added.dim_value = size
    return out


def completed(found: TypeProto | None, declared: TypeProto | None) -> TypeProto:
    """What inference found, with what it left open taken from the file."""
    from onnx import TypeProto

    if found is None or not found.WhichOneof("value"):
        return declared or TypeProto()
    if declared is None or shape_of(found) is not None or not declared.HasField("tensor_type"):
        return found
    if not found.HasField("tensor_type") or not declared.tensor_type.HasField("shape"):
        return found
    code = found.tensor_type.elem_type or declared.tensor_type.elem_type
    known, said = found.tensor_type, declared.tensor_type
    if not known.HasField("shape") or len(known.shape.dim) != len(said.shape.dim):
        return make_type(code, _dimensions(declared))
    pairs = zip(_dimensions(found), _dimensions(declared), strict=True)
    return make_type(code, [ours if ours is not None else theirs for ours, theirs in pairs])


def merged(one: TypeProto, other: TypeProto) -> TypeProto:
    """What holds of both: dimensions that differ are unknown, as after an `If` or from one trip to the next."""
    from onnx import TypeProto

    if not (one.HasField("tensor_type") and other.HasField("tensor_type")):
        return one if one == other else TypeProto()
    code = one.tensor_type.elem_type
    if not (one.tensor_type.HasField("shape") and other.tensor_type.HasField("shape")):
        return make_type(code, None)
    ours, theirs = _dimensions(one), _dimensions(other)
    if len(ours) != len(theirs):
        return make_type(code, None)
    return make_type(code, [size if size == wanted else None for size, wanted in zip(ours, theirs, strict=True)])


def _dimensions(kind: TypeProto) -> list[int | None]:
    return [each.dim_value if each.HasField("dim_value") else None for each in kind.tensor_type.shape.dim]
