"""Open Inference Protocol v2: requests into arrays, outputs into responses. Pure: bytes in, bytes out.

A body is one JSON object, or with the binary extension a JSON object of `header_length` bytes followed by the raw
bytes of those tensors that carry `binary_data_size`, in their order.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NoReturn

from sartor.errors import InputError, nearest
from sartor.model.values import Signature, TensorSpec
from sartor.runtime.base import Array
from sartor.serve.datatypes import datatype_of, from_bytes, from_numbers, to_bytes, to_numbers

VERSION = "1"
"""The only version of the only model: bundles are not numbered."""
_FOREIGN = ("shared_memory_region", "classification")


@dataclass(frozen=True)
class RequestedOutput:
    """An output by its name, and whether its numbers come as raw bytes instead of JSON."""

    name: str
    binary: bool


@dataclass(frozen=True)
class InferRequest:
    """What a client asks: one array for each input of the model, as the model takes it."""

    id: str
    arrays: Mapping[str, Array]
    outputs: tuple[RequestedOutput, ...]


@dataclass(frozen=True)
class InferResponse:
    """A body, and how many bytes of it are JSON; None when all of it is."""

    body: bytes
    header_length: int | None = None


def read_json(text: bytes) -> Any:
    """Strict JSON: NaN and infinity are refused.

    Raises:
        InputError: malformed; says where.
    """
    try:
        return json.loads(text, parse_constant=_no_constant)
    except (ValueError, RecursionError) as error:  # UnicodeDecodeError is a ValueError
        reason = "nested too deeply" if isinstance(error, RecursionError) else str(error)
        raise InputError(f"malformed JSON: {reason}", "one JSON object in UTF-8") from None


def read_request(body: bytes, header_length: int | None, signature: Signature) -> InferRequest:
    """An infer request, checked against the signature.

    Args:
        body: what was posted, without compression.
        header_length: bytes of JSON at its start; None when all of it is JSON.
        signature: what the model takes; dimension 0 takes any number of rows.

    Raises:
        InputError: malformed, or a name, datatype or shape is wrong; shows expected and got.
    """
    if header_length is not None and not 0 <= header_length <= len(body):
        raise InputError(f"a JSON header of {header_length} bytes in a body of {len(body)}", "a header within the body")
    header = _mapping(read_json(body if header_length is None else body[:header_length]), "the request")
    raw = b"" if header_length is None else body[header_length:]
    arrays = _read_inputs(_list_of_mappings(header, "inputs"), raw, signature)
    _check_dimensions(arrays, signature)
    identity = header.get("id", "")
    if not isinstance(identity, str):
        raise InputError("an `id` that is no text", "a text")
    return InferRequest(identity, arrays, _read_outputs(header, signature))


def write_response(request: InferRequest, outputs: Sequence[Array], signature: Signature, model: str) -> InferResponse:
    """The requested ones out of all outputs of the model, which come in the order of the signature.

    Raises:
        InputError: an output that JSON cannot carry was asked for as JSON.
    """
    by_name = {spec.name: array for spec, array in zip(signature.outputs, outputs, strict=True)}
    described, raw = [], []
    for requested in request.outputs:
        array = by_name[requested.name]
        tensor: dict[str, Any] = {
            "name": requested.name,
            "shape": list(array.shape),
            "datatype": datatype_of(array.dtype.name),
        }
        if requested.binary:
            raw.append(to_bytes(array))
            tensor["parameters"] = {"binary_data_size": len(raw[-1])}
        else:
            tensor["data"] = to_numbers(requested.name, array)
        described.append(tensor)
    answer: dict[str, Any] = {"model_name": model, "model_version": VERSION, "outputs": described}
    header = write_json({"id": request.id, **answer} if request.id else answer)
    return InferResponse(b"".join([header, *raw]), len(header)) if raw else InferResponse(header)


def write_json(value: Any) -> bytes:
    """Compact, UTF-8, strict JSON."""
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False, allow_nan=False).encode()


def shape_of(spec: TensorSpec) -> list[int]:
    """The shape in the protocol's words: -1 is any size, as the number of rows always is."""
    return [size if number and isinstance(size, int) else -1 for number, size in enumerate(spec.shape)]


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is no JSON")


def _read_inputs(tensors: list[dict[str, Any]], raw: bytes, signature: Signature) -> dict[str, Array]:
    specs = {spec.name: spec for spec in signature.inputs}
    arrays: dict[str, Array] = {}
    position = 0
    for tensor in tensors:
        name = _known_name(tensor, "input", list(specs))
        if name in arrays:
            raise InputError(f"input `{name}` is given twice", "each input once")
        size = _binary_size(tensor, name)
        if position + (size or 0) > len(raw):
            raise InputError(
                f"input `{name}` says {size} bytes of binary data, {len(raw) - position} are left",
                "the tensors' bytes after the JSON header",
                "send its length as Inference-Header-Content-Length",
            )
        # A slice is a copy, so that the array is aligned whatever stood before it.
        data = None if size is None else raw[position : position + size]
        position += size or 0
        arrays[name] = _read_tensor(tensor, specs[name], data)
    if position != len(raw):
        raise InputError(f"{len(raw) - position} bytes after the last tensor", "the bytes that the tensors declare")
    missing = [f"`{name}`" for name in specs if name not in arrays]
    if missing:
        raise InputError(f"no input {' and '.join(missing)}", f"inputs {', '.join(specs)}")
    return {name: arrays[name] for name in specs}


def _read_tensor(tensor: dict[str, Any], spec: TensorSpec, data: bytes | None) -> Array:
    expected = datatype_of(spec.dtype)
    if tensor.get("datatype") != expected:
        raise InputError(f"input `{spec.name}` has datatype {tensor.get('datatype')}", expected)
    shape = _read_shape(tensor.get("shape"), spec)
    if data is not None:
        return from_bytes(spec.name, data, shape, spec.dtype)
    if not isinstance(tensor.get("data"), list):
        raise InputError(f"input `{spec.name}` has no list `data`", "`data`, or binary data")
    return from_numbers(spec.name, tensor["data"], shape, spec.dtype)


def _read_shape(given: Any, spec: TensorSpec) -> list[int]:
    expected = shape_of(spec)
    whole = isinstance(given, list) and all(type(size) is int for size in given)
    if not whole or len(given) != len(expected) or any(e not in (-1, g) for g, e in zip(given, expected, strict=True)):
        raise InputError(f"input `{spec.name}` has shape {given}", f"{expected}, where -1 is any size")
    if any(size < 1 for size in given):
        raise InputError(f"input `{spec.name}` has shape {given}", "at least one row, and no empty dimension")
    return list(given)


def _check_dimensions(arrays: Mapping[str, Array], signature: Signature) -> None:
    """Dimensions of one name are of one size, and all inputs have the same number of rows."""
    sizes: dict[int | str, tuple[str, int]] = {}
    for spec in signature.inputs:
        for number, size in enumerate(arrays[spec.name].shape):
            dimension = spec.shape[number] if number else "rows"
            if isinstance(dimension, int):
                continue
            other, expected = sizes.setdefault(dimension, (spec.name, size))
            if size != expected:
                raise InputError(
                    f"input `{spec.name}` has {size} in dimension {number} ({dimension})",
                    f"{expected}, as input `{other}` has",
                )


def _read_outputs(header: dict[str, Any], signature: Signature) -> tuple[RequestedOutput, ...]:
    names = [spec.name for spec in signature.outputs]
    all_binary = _flag(header, "binary_data_output", default=False)
    if not header.get("outputs"):
        return tuple(RequestedOutput(name, all_binary) for name in names)
    found: list[RequestedOutput] = []
    for tensor in _list_of_mappings(header, "outputs"):
        name = _known_name(tensor, "output", names)
        if any(name == other.name for other in found):
            raise InputError(f"output `{name}` is asked for twice", "each output once")
        found.append(RequestedOutput(name, _flag(tensor, "binary_data", default=all_binary)))
    return tuple(found)


def _known_name(tensor: dict[str, Any], what: str, names: list[str]) -> str:
    name = tensor.get("name")
    if not isinstance(name, str) or name not in names:
        raise InputError(f"{what} `{name}`", f"{what}s {', '.join(names)}", nearest(str(name), names))
    for parameter in _FOREIGN:
        if parameter in _parameters(tensor):
            raise InputError(f"the parameter {parameter} of {what} `{name}`", "data in the request and the response")
    return name


def _binary_size(tensor: dict[str, Any], name: str) -> int | None:
    size = _parameters(tensor).get("binary_data_size")
    if size is None:
        return None
    if type(size) is not int or size < 0:
        raise InputError(f"input `{name}` has binary_data_size {size}", "a number of bytes")
    if "data" in tensor:
        raise InputError(f"input `{name}` has both `data` and binary data", "one of them")
    return size


def _flag(owner: dict[str, Any], name: str, *, default: bool) -> bool:
    value = _parameters(owner).get(name, default)
    if not isinstance(value, bool):
        raise InputError(f"the parameter {name} is {value!r}", "true or false")
    return value


def _parameters(owner: dict[str, Any]) -> dict[str, Any]:
    return _mapping(owner.get("parameters", {}), "`parameters`")


def _mapping(value: Any, what: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise InputError(f"{what} is no JSON object", "a JSON object")
    return value


def _list_of_mappings(owner: dict[str, Any], key: str) -> list[dict[str, Any]]:
    value = owner.get(key)
    if not isinstance(value, list):
        raise InputError(f"no list `{key}` in the request", f"`{key}`: a list of tensors")
    return [_mapping(item, f"an entry of `{key}`") for item in value]
