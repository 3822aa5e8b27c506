"""Reading an ONNX file without its weights: the operators, the shapes, and where large tensors lie."""

from __future__ import annotations

import math
import mmap
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sartor.errors import ModelError
from sartor.model.onnx import check_present

if TYPE_CHECKING:
    import numpy as np
    from onnx import ModelProto, NodeProto, TensorProto

SMALL = 1024  # elements; larger tensors are weights or data, never the shapes that propagation needs
_COPIED = 1 << 15  # bytes; fields up to this size are taken whole, larger ones are looked into
_NUMBERS = {"raw_data", "float_data", "double_data", "int32_data", "int64_data", "uint64_data"}
_NAMES = {"float": "float32", "double": "float64"}
_LENGTHS = {1: 8, 5: 4}  # wire types of fixed length, in bytes
_TEXT = 2  # wire type of texts, messages and packed lists


class _Truncated(ValueError):
    """The bytes end inside a field, or are no protocol buffer."""


def read_slim(path: Path) -> ModelProto:
    """The file's operators and small tensors; numbers of large tensors stay in the file.

    Numbers stored as `raw_data` become external data that point into the file itself, so that a part of them can
    be read later; other large lists of numbers are left out. The file is mapped, not read: of 2 GB of weights no
    page is touched. The walk follows the wire format, https://protobuf.dev/programming-guides/encoding/.

    Raises:
        ModelError: no file, an empty one, a Git LFS pointer, truncated or no ONNX file, or one without operators.
    """
    from google.protobuf.message import DecodeError
    from onnx import ModelProto

    check_present(path)
    refused = ModelError(f"{path} is truncated or no ONNX file", "a complete ONNX file", "export or download it again")
    try:
        with (
            path.open("rb") as stream,
            mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ) as pages,
            memoryview(pages) as view,
        ):
            slim = _slim(view, 0, len(view), ModelProto.DESCRIPTOR, path.name)
        model = ModelProto.FromString(slim)
    except (_Truncated, DecodeError):
        raise refused from None
    if not model.HasField("graph"):
        raise refused
    return model


def dtype_name(code: int) -> str:
    """The numpy name of an ONNX element type, or ONNX's own in small letters where numpy has none.

    >>> dtype_name(1), dtype_name(16), dtype_name(0)
    ('float32', 'bfloat16', 'undefined')
    """
    from onnx import TensorProto

    if code not in TensorProto.DataType.values():
        return "undefined"
    name = TensorProto.DataType.Name(code).lower()
    return _NAMES.get(name, name)


def small_value(tensor: TensorProto, folder: Path) -> np.ndarray | None:
    """The numbers of a small integer, boolean or floating tensor; None for others and where its data are missing."""
    from onnx import checker, numpy_helper

    if math.prod(tensor.dims) > SMALL:
        return None
    try:
        value = numpy_helper.to_array(tensor, str(folder))
    except (OSError, ValueError, TypeError, checker.ValidationError):
        return None
    return value if value.dtype.kind in "biuf" else None


def attributes_of(node: NodeProto) -> dict[str, Any]:
    """Numbers, texts and lists of them; graphs and tensors are left out."""
    from onnx import AttributeProto, helper

    kinds = AttributeProto
    plain = {kinds.FLOAT, kinds.INT, kinds.FLOATS, kinds.INTS, kinds.STRING, kinds.STRINGS}
    values = {each.name: helper.get_attribute_value(each) for each in node.attribute if each.type in plain}
    return {name: _plain(value) for name, value in values.items()}


def _plain(value: Any) -> Any:
    if isinstance(value, bytes):
        return value.decode(errors="replace")
    if isinstance(value, int | float | str):
        return value
    return tuple(_plain(each) for each in value)


def _slim(view: memoryview, at: int, end: int, message: Any, file: str) -> bytes:
    """The message between two places without large numbers; `message` is its protobuf descriptor."""
    parts: list[bytes] = []
    kept = at  # everything from here to the present field is copied as it is
    for number, start, content, stop in _fields(view, at, end):
        field = message.fields_by_number.get(number)
        if stop - content <= _COPIED or field is None:
            continue
        dropped = message.name == "TensorProto" and field.name in _NUMBERS
        if not dropped and field.message_type is None:
            continue
        parts.append(bytes(view[kept:start]))
        kept = stop
        if not dropped:
            inner = _slim(view, content, stop, field.message_type, file)
            parts.append(bytes(view[start : start + _tag_length(number)]) + _varint_of(len(inner)) + inner)
        elif field.name == "raw_data":
            parts.append(_pointer(file, content, stop - content))
    parts.append(bytes(view[kept:end]))
    return b"".join(parts)


def _pointer(file: str, offset: int, length: int) -> bytes:
    """Fields of a TensorProto that say where its numbers lie."""
    from onnx import StringStringEntryProto, TensorProto

    entries = {"location": file, "offset": str(offset), "length": str(length)}
    tensor = TensorProto(data_location=TensorProto.EXTERNAL)
    tensor.external_data.extend(StringStringEntryProto(key=key, value=value) for key, value in entries.items())
    return tensor.SerializeToString()


def _fields(view: memoryview, at: int, end: int) -> Iterator[tuple[int, int, int, int]]:
    """(number, start of its tag, start of its content, end) of every field."""
    while at < end:
        tag, content = _varint(view, at, end)
        kind = tag & 7
        if kind == 0:
            _, stop = _varint(view, content, end)
        elif kind == _TEXT:
            length, content = _varint(view, content, end)
            stop = content + length
        elif kind in _LENGTHS:
            stop = content + _LENGTHS[kind]
        else:
            raise _Truncated
        if stop > end or tag >> 3 == 0:
            raise _Truncated
        yield tag >> 3, at, content, stop
        at = stop


def _varint(view: memoryview, at: int, end: int) -> tuple[int, int]:
    """A number of seven bits a byte, least first, and the place after it."""
    value = 0
    for number, place in enumerate(range(at, min(end, at + 10))):
        value |= (view[place] & 127) << (7 * number)
        if view[place] < 128:
            return value, place + 1
    raise _Truncated


def _varint_of(value: int) -> bytes:
    out = bytearray()
    while value > 127:
        out.append(value & 127 | 128)
        value >>= 7
    return bytes([*out, value])


def _tag_length(number: int) -> int:
    return len(_varint_of(number << 3 | _TEXT))
