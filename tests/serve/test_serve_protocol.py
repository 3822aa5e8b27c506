"""The protocol, against the client of Triton: what it writes is read, what we write it reads."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
import tritonclient.http as triton
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from tritonclient.utils import np_to_triton_dtype

from sartor.errors import InputError
from sartor.model.values import Signature, TensorSpec
from sartor.runtime.base import Array
from sartor.serve.datatypes import datatype_of, from_numbers
from sartor.serve.protocol import InferRequest, RequestedOutput, read_json, read_request, write_response
from tests.serve.making import as_json, mixed_tensors

DTYPES = [
    "bool",
    "int8",
    "int16",
    "int32",
    "int64",
    "uint8",
    "uint16",
    "uint32",
    "uint64",
    "float16",
    "float32",
    "float64",
]
MIXED = Signature(
    (
        TensorSpec("x", "float32", ("batch", 4)),
        TensorSpec("ids", "int64", ("batch", "length")),
        TensorSpec("flags", "bool", ("batch", "length")),
    ),
    (TensorSpec("scores", "float32", ("batch", 3)), TensorSpec("doubled", "int64", ("batch", "length"))),
)


@st.composite
def tensors(draw: st.DrawFn) -> Array:
    """An array of one of the types, of one to three dimensions, none empty; finite, so that JSON can carry it."""
    dtype = np.dtype(draw(st.sampled_from(DTYPES)))
    shape = draw(arrays.array_shapes(min_dims=1, max_dims=3, max_side=4))
    elements = arrays.from_dtype(dtype, allow_nan=False, allow_infinity=False)
    found: Array = draw(arrays.arrays(dtype, shape, elements=elements))
    return found


def signature_of(given: list[Array]) -> Signature:
    """A signature with these arrays as inputs and as outputs; sizes after the first are fixed."""
    specs = tuple(
        TensorSpec(f"t{number}", array.dtype.name, ("batch", *array.shape[1:])) for number, array in enumerate(given)
    )
    return Signature(specs, specs)


def triton_request(given: list[Array], binary: list[bool], **more: Any) -> tuple[bytes, int | None]:
    """What Triton's client would post."""
    inputs = []
    for number, (array, raw) in enumerate(zip(given, binary, strict=True)):
        tensor = triton.InferInput(f"t{number}", list(array.shape), np_to_triton_dtype(array.dtype))
        inputs.append(tensor.set_data_from_numpy(array, binary_data=raw))
    body, header_length = triton.InferenceServerClient.generate_request_body(inputs, **more)
    return body, header_length


@given(tensors(), tensors(), st.tuples(st.booleans(), st.booleans()))
def test_what_tritons_client_writes_is_read(first: Array, second: Array, binary: tuple[bool, bool]) -> None:
    rows = min(len(first), len(second))
    both = [first[:rows], second[:rows]]
    body, header_length = triton_request(both, list(binary), request_id="seven")
    request = read_request(body, header_length, signature_of(both))
    assert request.id == "seven"
    assert request.outputs == (RequestedOutput("t0", True), RequestedOutput("t1", True))
    for number, array in enumerate(both):
        found = request.arrays[f"t{number}"]
        np.testing.assert_array_equal(found, array)
        assert found.dtype == array.dtype
        assert found.flags.aligned


@given(tensors(), tensors(), st.tuples(st.booleans(), st.booleans()))
def test_what_is_written_tritons_client_reads(first: Array, second: Array, binary: tuple[bool, bool]) -> None:
    both = [first, second]
    asked = tuple(RequestedOutput(f"t{number}", raw) for number, raw in enumerate(binary))
    response = write_response(InferRequest("seven", {}, asked), both, signature_of(both), "net")
    assert (response.header_length is None) == (not any(binary))
    result = triton.InferenceServerClient.parse_response_body(response.body, header_length=response.header_length)
    assert result.get_response()["id"] == "seven"
    assert result.get_response()["model_name"] == "net"
    for number, array in enumerate(both):
        found = result.as_numpy(f"t{number}")
        np.testing.assert_array_equal(found, array)
        assert found.dtype == array.dtype


@pytest.mark.parametrize("binary", [True, False])
def test_texts_go_both_ways(binary: bool) -> None:
    texts = np.array([["a sentence", ""], ["naïve", "雪"]], dtype=object)
    body, header_length = triton_request([texts], [binary])
    request = read_request(body, header_length, signature_of([texts]))
    assert request.arrays["t0"].tolist() == texts.tolist()
    asked = InferRequest("", {}, (RequestedOutput("t0", binary),))
    response = write_response(asked, [texts], signature_of([texts]), "net")
    found = triton.InferenceServerClient.parse_response_body(response.body, header_length=response.header_length)
    decoded = [text.decode() if binary else text for text in found.as_numpy("t0").ravel()]
    assert decoded == texts.ravel().tolist()


@pytest.mark.parametrize(
    ("header", "binary"),
    [
        ({}, [False, False]),
        ({"parameters": {"binary_data_output": True}}, [True, True]),
        ({"outputs": [{"name": "doubled"}]}, [False]),
        ({"outputs": [{"name": "doubled", "parameters": {"binary_data": True}}]}, [True]),
        ({"outputs": [{"name": "doubled"}], "parameters": {"binary_data_output": True}}, [True]),
        (
            {
                "outputs": [{"name": "doubled", "parameters": {"binary_data": False}}],
                "parameters": {"binary_data_output": True},
            },
            [False],
        ),
    ],
)
def test_which_outputs_come_and_how(header: dict[str, Any], binary: list[bool]) -> None:
    request = read_request(as_json({"inputs": mixed_tensors(), **header}), None, MIXED)
    assert [output.binary for output in request.outputs] == binary
    assert [output.name for output in request.outputs] == (
        ["doubled"] if "outputs" in header else ["scores", "doubled"]
    )


def changed(number: int, **changes: Any) -> list[dict[str, Any]]:
    """Good inputs with one of them changed."""
    inputs = mixed_tensors()
    inputs[number] |= changes
    return inputs


@pytest.mark.parametrize(
    ("request_", "came", "allowed"),
    [
        ([], "the request is no JSON object", "a JSON object"),
        ({}, "no list `inputs`", "a list of tensors"),
        ({"inputs": [7]}, "an entry of `inputs` is no JSON object", "a JSON object"),
        ({"inputs": mixed_tensors()[:1]}, "no input `ids` and `flags`", "inputs x, ids, flags"),
        ({"inputs": mixed_tensors() * 2}, "input `x` is given twice", "each input once"),
        ({"inputs": changed(1, name="idz")}, "input `idz`", "inputs x, ids, flags"),
        ({"inputs": changed(0, datatype="FP64")}, "input `x` has datatype FP64", "FP32"),
        ({"inputs": changed(1, datatype="BYTES")}, "input `ids` has datatype BYTES", "INT64"),
        ({"inputs": changed(0, datatype=None)}, "input `x` has datatype None", "FP32"),
        ({"inputs": changed(0, shape=[2, 5])}, "input `x` has shape [2, 5]", "[-1, 4], where -1 is any size"),
        ({"inputs": changed(0, shape=[8])}, "input `x` has shape [8]", "[-1, 4]"),
        ({"inputs": changed(0, shape=[True, 4])}, "input `x` has shape [True, 4]", "[-1, 4]"),
        ({"inputs": changed(0, shape="2x4")}, "input `x` has shape 2x4", "[-1, 4]"),
        ({"inputs": mixed_tensors(0)}, "input `x` has shape [0, 4]", "at least one row"),
        ({"inputs": changed(1, shape=[-2, -3])}, "input `ids` has shape [-2, -3]", "at least one row"),
        ({"inputs": changed(0, shape=[10**12, 4])}, "has 8 values", "4000000000000 values"),
        ({"inputs": changed(0, data=[1.0])}, "`data` of input `x` has 1 values", "8 values for shape [2, 4]"),
        ({"inputs": changed(0, data=[[1.0], [2.0, 3.0]])}, "nested unevenly", "rows of one shape"),
        ({"inputs": changed(0, data=["1"] * 8)}, "holds texts", "values of FP32"),
        ({"inputs": changed(0, data=[None] * 8)}, "something that is no number", "values of FP32"),
        ({"inputs": changed(0, data=[1e300] * 8)}, "beyond FP32", "values of FP32"),
        ({"inputs": changed(0, data=7)}, "no list `data`", "binary data"),
        ({"inputs": changed(1, data=[1.5] * 6)}, "holds fractions", "values of INT64"),
        ({"inputs": changed(1, data=[2**63] * 6)}, "beyond INT64", "values of INT64"),
        ({"inputs": changed(1, data=[2**64] * 6)}, "no number", "values of INT64"),
        ({"inputs": changed(2, data=[1] * 6)}, "holds whole numbers", "values of BOOL"),
        ({"inputs": changed(2, shape=[2, 2], data=[True] * 4)}, "input `flags` has 2 in dimension 1 (length)", "3, as"),
        ({"inputs": changed(0, shape=[1, 4], data=[1.0] * 4)}, "input `ids` has 2 in dimension 0 (rows)", "1, as"),
        ({"inputs": changed(0, parameters={"shared_memory_region": "r"})}, "shared_memory_region", "in the request"),
        ({"inputs": changed(0, parameters=[])}, "`parameters` is no JSON object", "a JSON object"),
        ({"inputs": changed(0, parameters={"binary_data_size": 32})}, "both `data` and binary data", "one of them"),
        ({"inputs": changed(0, parameters={"binary_data_size": -1})}, "binary_data_size -1", "a number of bytes"),
        ({"inputs": mixed_tensors(), "id": 7}, "an `id` that is no text", "a text"),
        ({"inputs": mixed_tensors(), "outputs": [{"name": "score"}]}, "output `score`", "outputs scores, doubled"),
        ({"inputs": mixed_tensors(), "outputs": [{"name": "scores"}] * 2}, "asked for twice", "once"),
        (
            {"inputs": mixed_tensors(), "outputs": [{"name": "scores", "parameters": {"classification": 2}}]},
            "classification",
            "data in",
        ),
        ({"inputs": mixed_tensors(), "parameters": {"binary_data_output": 1}}, "binary_data_output is 1", "true or"),
    ],
)
def test_what_is_wrong_is_said_with_what_was_expected(request_: Any, came: str, allowed: str) -> None:
    with pytest.raises(InputError) as caught:
        read_request(as_json(request_), None, MIXED)
    assert came in caught.value.came
    assert allowed in caught.value.allowed


BYTES = Signature((TensorSpec("b", "bool", ("batch",)),), (TensorSpec("b", "bool", ("batch",)),))


@pytest.mark.parametrize(
    ("size", "raw", "header_length", "came"),
    [
        (2, b"\x00\x01\x01", None, "1 bytes after the last tensor"),
        (3, b"\x00\x01", None, "says 3 bytes of binary data, 2 are left"),
        (1, b"\x00", None, "input `b` has 1 bytes"),
        (2, b"\x00\x02", None, "a byte above 1"),
        (2, b"\x00\x01", 10_000, "a JSON header of 10000 bytes"),
        (2, b"\x00\x01", 0, "malformed JSON"),
    ],
)
def test_binary_data_that_does_not_add_up(size: int, raw: bytes, header_length: int | None, came: str) -> None:
    tensor = {"name": "b", "datatype": "BOOL", "shape": [2], "parameters": {"binary_data_size": size}}
    header = as_json({"inputs": [tensor]})
    with pytest.raises(InputError) as caught:
        read_request(header + raw, len(header) if header_length is None else header_length, BYTES)
    assert came in caught.value.came


def test_binary_data_without_its_header_says_which_header() -> None:
    tensor = {"name": "b", "datatype": "BOOL", "shape": [2], "parameters": {"binary_data_size": 2}}
    with pytest.raises(InputError, match="Inference-Header-Content-Length"):
        read_request(as_json({"inputs": [tensor]}), None, BYTES)


@pytest.mark.parametrize("raw", [b"\x09\x00\x00\x00abc", b"\x01\x00", b"\x01\x00\x00\x00\xff"])
def test_texts_that_are_cut_off_or_no_utf_8(raw: bytes) -> None:
    signature = Signature((TensorSpec("t", "object", ("batch",)),), (TensorSpec("t", "object", ("batch",)),))
    tensor = {"name": "t", "datatype": "BYTES", "shape": [1], "parameters": {"binary_data_size": len(raw)}}
    header = as_json({"inputs": [tensor]})
    with pytest.raises(InputError, match=r"cut off|UTF-8"):
        read_request(header + raw, len(header), signature)


@pytest.mark.parametrize("text", [b"", b"{", b'{"a": NaN}', b"[Infinity]", b"\xff", b"[" * 100_000, b"{}{}"])
def test_malformed_json(text: bytes) -> None:
    with pytest.raises(InputError, match="malformed JSON"):
        read_json(text)


def test_json_cannot_carry_nan_and_says_so() -> None:
    spec = TensorSpec("y", "float32", ("batch",))
    values = [np.array([1.0, np.nan], np.float32)]
    with pytest.raises(InputError, match="binary"):
        write_response(InferRequest("", {}, (RequestedOutput("y", False),)), values, Signature((spec,), (spec,)), "net")
    response = write_response(
        InferRequest("", {}, (RequestedOutput("y", True),)), values, Signature((spec,), (spec,)), "net"
    )
    assert response.body[response.header_length :] == values[0].tobytes()


def test_a_response_without_an_id_has_none() -> None:
    spec = TensorSpec("y", "float32", ("batch",))
    asked = InferRequest("", {}, (RequestedOutput("y", False),))
    response = write_response(asked, [np.ones(1, np.float32)], Signature((spec,), (spec,)), "net")
    assert json.loads(response.body) == {
        "model_name": "net",
        "model_version": "1",
        "outputs": [{"name": "y", "shape": [1], "datatype": "FP32", "data": [1.0]}],
    }


def test_a_type_that_the_protocol_lacks_is_refused() -> None:
    with pytest.raises(InputError, match="bfloat16"):
        datatype_of("bfloat16")


def test_every_type_of_tritons_client_has_its_name() -> None:
    assert {name: datatype_of(name) for name in DTYPES} == {name: np_to_triton_dtype(np.dtype(name)) for name in DTYPES}


def test_whole_numbers_on_both_sides_of_2_to_the_63_stay_whole() -> None:
    """numpy alone would read them as fractions."""
    found = from_numbers("x", [0, 2**63 + 1], [2], "uint64")
    assert found.tolist() == [0, 2**63 + 1]
    with pytest.raises(InputError, match="beyond INT64"):
        from_numbers("x", [0, 2**63], [2], "int64")
    with pytest.raises(InputError, match="holds fractions"):
        from_numbers("x", [0.5, 2**63], [2], "uint64")


def test_numbers_out_of_json_may_be_nested_or_flat() -> None:
    flat = from_numbers("x", [1, 2, 3, 4], [2, 2], "float32")
    nested = from_numbers("x", [[1, 2], [3, 4]], [2, 2], "float32")
    assert flat.tolist() == nested.tolist() == [[1.0, 2.0], [3.0, 4.0]]
