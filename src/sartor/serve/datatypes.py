"""Element types of the Open Inference Protocol, and their bytes and numbers as numpy arrays and back."""

from __future__ import annotations

import math
import struct
from collections.abc import Sequence
from typing import Any

import numpy as np

from sartor.errors import InputError
from sartor.runtime.base import Array

_DATATYPES = {
    "bool": "BOOL",
    "int8": "INT8",
    "int16": "INT16",
    "int32": "INT32",
    "int64": "INT64",
    "uint8": "UINT8",
    "uint16": "UINT16",
    "uint32": "UINT32",
    "uint64": "UINT64",
    "float16": "FP16",
    "float32": "FP32",
    "float64": "FP64",
    "object": "BYTES",  # texts
}
_LENGTH = struct.Struct("<I")  # what stands before each text in binary data


def datatype_of(dtype: str) -> str:
    """The protocol's name of a numpy dtype.

    Raises:
        InputError: the protocol has no such type.

    >>> datatype_of("float32")
    'FP32'
    """
    if dtype not in _DATATYPES:
        raise InputError(f"a model with {dtype} among its inputs or outputs", ", ".join(_DATATYPES))
    return _DATATYPES[dtype]


def from_bytes(name: str, data: bytes, shape: Sequence[int], dtype: str) -> Array:
    """Little-endian bytes in row-major order -> an array of `shape`, read-only.

    Raises:
        InputError: another number of bytes than shape and type ask for; names the input.
    """
    if dtype == "object":
        return _texts(_split(name, data), name, shape)
    kind = np.dtype(dtype)
    wanted = math.prod(shape) * kind.itemsize
    if len(data) != wanted:
        raise InputError(
            f"input `{name}` has {len(data)} bytes", f"{wanted} bytes for shape {list(shape)} of {datatype_of(dtype)}"
        )
    array = np.frombuffer(data, kind.newbyteorder("<"))
    if dtype == "bool" and array.view(np.uint8).max() > 1:
        raise InputError(f"input `{name}` is BOOL and has a byte above 1", "bytes 0 and 1")
    return array.reshape(shape)


def from_numbers(name: str, data: Any, shape: Sequence[int], dtype: str) -> Array:
    """Numbers out of JSON, flat in row-major order or nested -> an array of `shape`.

    Raises:
        InputError: another number of them than the shape has, or something that the type cannot hold.
    """
    try:
        given = np.asarray(data, dtype=object if dtype == "object" else None)
    except (ValueError, OverflowError):
        raise InputError(f"`data` of input `{name}` is nested unevenly", "a flat list, or rows of one shape") from None
    if dtype == "object":
        return _texts(given.ravel().tolist(), name, shape)
    _check_count(name, given.size, shape)
    kind = np.dtype(dtype)
    if kind.kind in "iu" and given.dtype.kind == "f":
        given = _whole(data, given)
    allowed = {"b": "b", "f": "iuf"}.get(kind.kind, "iu")
    if given.dtype.kind not in allowed:
        raise InputError(f"`data` of input `{name}` holds {_shown(given)}", f"values of {datatype_of(dtype)}")
    with np.errstate(over="ignore"):
        array = given.astype(kind)
    if not (np.isfinite(array).all() if kind.kind == "f" else np.array_equal(array, given)):
        raise InputError(f"`data` of input `{name}` is beyond {datatype_of(dtype)}", f"values of {datatype_of(dtype)}")
    return array.reshape(shape)


def _whole(data: Any, given: Array) -> Array:
    """Whole numbers as such where all are: numpy reads a list of some below and some above 2**63 as fractions."""
    numbers = np.asarray(data, dtype=object)
    above = all(type(number) is int and 0 <= number < 2**64 for number in numbers.flat)
    return numbers.astype(np.uint64) if above else given


def to_bytes(array: Array) -> bytes:
    """The inverse of `from_bytes`."""
    if array.dtype != object:
        return array.astype(array.dtype.newbyteorder("<"), copy=False).tobytes()
    texts = [str(text).encode() for text in array.ravel()]
    return b"".join(_LENGTH.pack(len(text)) + text for text in texts)


def to_numbers(name: str, array: Array) -> list[Any]:
    """Flat and in row-major order, for JSON.

    Raises:
        InputError: NaN or infinity, which JSON does not have.
    """
    if array.dtype.kind == "f" and not np.isfinite(array).all():
        raise InputError(
            f"output `{name}` holds NaN or infinity, which JSON cannot carry",
            "outputs as binary data",
            "ask for it with the parameter binary_data",
        )
    flat: list[Any] = array.ravel().tolist()
    return flat


def _split(name: str, data: bytes) -> list[bytes]:
    texts, position = [], 0
    while position < len(data):
        start = position + _LENGTH.size
        length = _LENGTH.unpack_from(data, position)[0] if start <= len(data) else len(data)
        position = start + length
        texts.append(data[start:position])
    if position > len(data):
        raise InputError(f"the last text of input `{name}` is cut off", "a length of 4 bytes before each text")
    return texts


def _texts(given: list[Any], name: str, shape: Sequence[int]) -> Array:
    _check_count(name, len(given), shape)
    try:
        texts = [text.decode() if isinstance(text, bytes) else text for text in given]
    except UnicodeDecodeError:
        raise InputError(f"input `{name}` is not UTF-8", "texts in UTF-8") from None
    if not all(isinstance(text, str) for text in texts):
        raise InputError(f"`data` of input `{name}` holds something that is no text", "values of BYTES")
    array = np.empty(len(texts), dtype=object)
    array[:] = texts
    return array.reshape(shape)


def _check_count(name: str, count: int, shape: Sequence[int]) -> None:
    wanted = math.prod(shape)
    if count != wanted:
        raise InputError(f"`data` of input `{name}` has {count} values", f"{wanted} values for shape {list(shape)}")


def _shown(array: Array) -> str:
    kinds = {"f": "fractions", "b": "true or false", "U": "texts", "i": "whole numbers", "u": "whole numbers"}
    return kinds.get(array.dtype.kind, "something that is no number")
