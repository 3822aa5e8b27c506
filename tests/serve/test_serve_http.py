"""The endpoint as an application: every path, every limit, and that no mistake of a client ends it."""

from __future__ import annotations

import gzip
import io
import json
import wave
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper
from PIL import Image
from tokenizers import Tokenizer
from tokenizers.models import WordLevel
from tokenizers.pre_tokenizers import Whitespace

from sartor.bundle.bundle import Bundle
from sartor.bundle.write import write_bundle
from sartor.errors import CandidateError
from sartor.serve.http import Endpoint
from tests.bundle.making import NEED, contents, part, write_net, write_simple
from tests.serve.making import as_json, ask, endpoint_of, mixed_tensors, write_mixed

INFER = "/v2/models/net/infer"
ROWS = {"name": "x", "datatype": "FP32", "shape": [1, 4], "data": [0.0, 9.0, 0.0, 0.0]}
JSON = {"content-type": "application/json"}
LIMIT = 10_000


@pytest.fixture(scope="module")
def mixed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Endpoint]:
    """Several inputs and outputs."""
    yield from opened(endpoint_of(write_mixed(tmp_path_factory.mktemp("bundles") / "mixed")))


@pytest.fixture(scope="module")
def simple(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Endpoint]:
    """One input of four numbers, one output of three classes, and small bodies only."""
    yield from opened(endpoint_of(write_simple(tmp_path_factory.mktemp("bundles") / "simple"), LIMIT))


def opened(endpoint: Endpoint) -> Iterator[Endpoint]:
    yield endpoint
    endpoint.close()


@pytest.mark.parametrize("path", ["/", "/v2", "/v2/", "/v2/health/live", "/v2/health/ready", "/v2/models/net/ready"])
@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_pages(simple: Endpoint, path: str, method: str) -> None:
    answer = ask(simple, method, path)
    assert (answer.status, answer.headers["content-type"]) == (200, "application/json")
    assert isinstance(answer.json, dict)


@pytest.mark.parametrize("path", ["/v2/models/net", "/v2/models/net/versions/1"])
def test_metadata_and_configuration(mixed: Endpoint, path: str) -> None:
    metadata = ask(mixed, "GET", path).json
    assert (metadata["name"], metadata["versions"], metadata["platform"]) == ("net", ["1"], "onnxruntime_onnx")
    assert metadata["inputs"] == [
        {"name": "x", "datatype": "FP32", "shape": [-1, 4]},
        {"name": "ids", "datatype": "INT64", "shape": [-1, -1]},
        {"name": "flags", "datatype": "BOOL", "shape": [-1, -1]},
    ]
    config = ask(mixed, "GET", f"{path}/config").json
    assert config["input"][0] == {"name": "x", "data_type": "TYPE_FP32", "dims": [-1, 4]}
    assert [tensor["name"] for tensor in config["output"]] == ["scores", "doubled", "turned"]


@pytest.mark.parametrize("path", [INFER, "/v2/models/net/versions/1/infer"])
def test_infer_gives_every_output_by_its_name(mixed: Endpoint, path: str) -> None:
    answer = ask(mixed, "POST", path, as_json({"id": "7", "inputs": mixed_tensors()}))
    assert answer.status == 200
    outputs = {tensor["name"]: tensor for tensor in answer.json["outputs"]}
    assert (answer.json["id"], list(outputs)) == ("7", ["scores", "doubled", "turned"])
    assert outputs["scores"]["data"] == [0, 1, 2, 4, 5, 6]
    assert outputs["doubled"] == {"name": "doubled", "shape": [2, 3], "datatype": "INT64", "data": [0, 2, 4, 6, 8, 10]}
    assert outputs["turned"]["data"] == [False] * 6


def test_infer_in_binary(simple: Endpoint) -> None:
    rows = np.arange(8, dtype=np.float32).reshape(2, 4)
    tensor = {"name": "x", "datatype": "FP32", "shape": [2, 4], "parameters": {"binary_data_size": rows.nbytes}}
    header = as_json({"inputs": [tensor], "parameters": {"binary_data_output": True}})
    length = {"inference-header-content-length": str(len(header))}
    answer = ask(simple, "POST", INFER, header + rows.tobytes(), length)
    start = int(answer.headers["inference-header-content-length"])
    assert json.loads(answer.body[:start])["outputs"][0]["parameters"] == {"binary_data_size": 24}
    np.testing.assert_array_equal(np.frombuffer(answer.body[start:], np.float32).reshape(2, 3), rows[:, :3])


@pytest.mark.parametrize("length", ["x", "-1", "", "99999", "1.5"])
def test_a_header_length_that_is_none(simple: Endpoint, length: str) -> None:
    answer = ask(simple, "POST", INFER, b"{}", {"inference-header-content-length": length})
    assert answer.status == 400
    assert "header" in answer.error.lower()


@pytest.mark.parametrize(
    ("coding", "pack", "unpack"),
    [("gzip", gzip.compress, gzip.decompress), ("deflate", zlib.compress, zlib.decompress)],
)
def test_compressed_both_ways(mixed: Endpoint, coding: str, pack: Any, unpack: Any) -> None:
    body = pack(as_json({"inputs": mixed_tensors(200)}))
    answer = ask(mixed, "POST", INFER, body, {"content-encoding": coding, "accept-encoding": coding})
    assert (answer.status, answer.headers["content-encoding"]) == (200, coding)
    assert json.loads(unpack(answer.body))["outputs"][0]["shape"] == [200, 3]


def test_a_small_answer_is_not_compressed(simple: Endpoint) -> None:
    answer = ask(simple, "POST", INFER, as_json({"inputs": [ROWS]}), {"accept-encoding": "gzip"})
    assert "content-encoding" not in answer.headers
    assert answer.json["outputs"][0]["data"] == [0, 9, 0]


@pytest.mark.parametrize(
    ("body", "headers", "status", "says"),
    [
        (b"no gzip", {"content-encoding": "gzip"}, 400, "not gzip"),
        (gzip.compress(b"{}", mtime=0)[:-4], {"content-encoding": "gzip"}, 400, "cut off"),
        (gzip.compress(b"{}", mtime=0) * 2, {"content-encoding": "gzip"}, 400, "goes on after its end"),
        (gzip.compress(b" " * 10 * LIMIT, mtime=0), {"content-encoding": "gzip"}, 413, "too large"),
        (b"{}", {"content-encoding": "br"}, 415, "gzip, deflate"),
    ],
)
def test_compressed_bodies_that_are_refused(
    simple: Endpoint, body: bytes, headers: dict[str, str], status: int, says: str
) -> None:
    answer = ask(simple, "POST", INFER, body, headers)
    assert answer.status == status
    assert says in answer.error


@pytest.mark.parametrize(
    ("method", "path", "status", "says"),
    [
        ("GET", "/v2/nothing", 404, "no path `/v2/nothing`"),
        ("GET", "/v2/models/other", 404, "no model `other`; this is `net`"),
        ("POST", "/v2/models/other/infer", 404, "no model `other`"),
        ("GET", "/v2/models/net/versions/2", 404, "the only version is 1"),
        ("POST", "/v2/models/net/nothing", 404, "no path"),
        ("GET", INFER, 405, "this path takes POST"),
        ("PUT", "/predict", 405, "this path takes POST"),
        ("POST", "/v2", 405, "this path takes GET, HEAD"),
    ],
)
def test_wrong_paths_and_methods(simple: Endpoint, method: str, path: str, status: int, says: str) -> None:
    answer = ask(simple, method, path)
    assert answer.status == status
    assert says in answer.error
    assert ("allow" in answer.headers) == (status == 405)


def test_what_is_wrong_with_a_request_is_said_with_what_was_expected(simple: Endpoint) -> None:
    answer = ask(simple, "POST", INFER, as_json({"inputs": [{**ROWS, "shape": [2, 2]}]}))
    assert answer.status == 400
    assert answer.error == "input `x` has shape [2, 2]; expected: [-1, 4], where -1 is any size"


# Large bodies


def test_a_large_body_is_refused_before_it_is_read(simple: Endpoint) -> None:
    answer = ask(simple, "POST", INFER, b"", {"content-length": "1000000000"})
    assert answer.status == 413
    assert answer.headers["connection"] == "close"
    assert str(LIMIT) in answer.error


def test_a_large_body_without_a_length_is_refused_once_it_is_too_large(simple: Endpoint) -> None:
    answer = ask(simple, "POST", INFER, [bytes(1000)] * 1000)
    assert answer.status == 413
    assert answer.parts_read <= 2 * LIMIT / 1000 + 2


def test_a_body_in_parts_is_put_together(simple: Endpoint) -> None:
    whole = as_json({"inputs": [ROWS]})
    answer = ask(simple, "POST", INFER, [whole[:10], whole[10:11], b"", whole[11:]])
    assert (answer.status, answer.json["outputs"][0]["data"]) == (200, [0, 9, 0])


# /predict


@pytest.mark.parametrize(
    "body", [[0.0, 9.0, 0.0, 0.0], [[0.0, 9.0, 0.0, 0.0]], {"input": [0.0, 9, 0, 0]}, {"input": [[0, 9, 0, 0]]}]
)
def test_predict_takes_numbers(simple: Endpoint, body: Any) -> None:
    answer = ask(simple, "POST", "/predict", as_json(body), {"content-type": "Application/JSON; charset=utf-8"})
    assert answer.status == 200
    (prediction,) = answer.json["predictions"]
    assert prediction["label"] == "bee"
    assert prediction["probability"] > 0.99


@pytest.mark.parametrize(
    ("body", "content_type", "status", "says"),
    [
        (b"[1, 2]", "application/json", 400, "expected rows of shape"),
        (b"[1, 2", "application/json", 400, "malformed JSON"),
        (b"[NaN, 1, 1, 1]", "application/json", 400, "NaN is no JSON"),
        (b'{"inputs": [1, 2, 3, 4]}', "application/json", 400, '{"input": ...}'),
        (b"{}", "application/json", 400, '{"input": ...}'),
        (b"", "application/json", 400, "an empty body"),
        (b"[1, 2, 3, 4]", "", 415, "this path takes text/plain"),
        (b"[1, 2, 3, 4]", "application/x-www-form-urlencoded", 415, "application/json"),
        (b"a sentence", "text/plain", 400, "the bundle takes none"),
        (b"\x89PNG", "image/png", 400, "numbers"),
    ],
)
def test_predict_refuses(simple: Endpoint, body: bytes, content_type: str, status: int, says: str) -> None:
    answer = ask(simple, "POST", "/predict", body, {"content-type": content_type})
    assert answer.status == status
    assert says in answer.error


def write_with_steps(folder: Path, *steps: dict[str, Any], net: Path | None = None) -> Path:
    """A bundle whose steps turn what a user has into four numbers, or into what `net` takes."""
    source = folder.with_name("source")
    source.mkdir(exist_ok=True)
    write_bundle(folder, contents(part(net or write_net(source / "net.onnx"), steps=steps)), NEED)
    return folder


def test_images_are_sent_as_bytes_and_never_named(tmp_path: Path) -> None:
    stream = io.BytesIO()
    Image.fromarray(np.array([[0, 9], [0, 0]], np.uint8)).save(stream, "png")
    (tmp_path / "secret.png").write_bytes(stream.getvalue())
    steps = {"decode_image": {"mode": "L"}}, {"resize": {"size": [2, 2]}}, {"reshape": [4]}
    endpoint = endpoint_of(write_with_steps(tmp_path / "out", *steps))
    answer = ask(endpoint, "POST", "/predict", stream.getvalue(), {"content-type": "image/png"})
    assert [prediction["label"] for prediction in answer.json["predictions"]] == ["bee"]
    path = str(tmp_path / "secret.png")
    for named in (path, [path], {"input": path}, {"input": [[path]]}, {"input": {"x": path}}):
        refused = ask(endpoint, "POST", "/predict", as_json(named), JSON)
        assert refused.status == 400
        assert "a text" in refused.error
    broken = ask(endpoint, "POST", "/predict", b"\x89PNG no more", {"content-type": "image/png"})
    assert broken.status == 400
    endpoint.close()


def test_a_sound_is_sent_as_bytes(tmp_path: Path) -> None:
    stream = io.BytesIO()
    with wave.open(stream, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(8000)
        file.writeframes(np.array([0, 32767, 0, 0], "<i2").tobytes())
    steps = {"decode_audio": {"rate": 8000}}, {"fit_length": {"samples": 4}}
    endpoint = endpoint_of(write_with_steps(tmp_path / "out", *steps))
    for content_type in ("audio/wav", "audio/x-wav"):
        answer = ask(endpoint, "POST", "/predict", stream.getvalue(), {"content-type": content_type})
        assert [prediction["label"] for prediction in answer.json["predictions"]] == ["bee"]
    assert ask(endpoint, "POST", "/predict", b"RIFF", {"content-type": "audio/wav"}).status == 400
    assert ask(endpoint, "POST", "/predict", b"/etc/passwd", {"content-type": "text/plain"}).status == 400
    endpoint.close()


def write_sentences(folder: Path) -> Path:
    """A bundle that counts the words ant, bee and cat; its scores are the counts."""
    words = Tokenizer(WordLevel({"[PAD]": 0, "ant": 1, "bee": 2, "cat": 3}, unk_token="[PAD]"))
    words.pre_tokenizer = Whitespace()
    source = folder.with_name("source")
    source.mkdir()
    words.save(str(source / "tokenizer.json"))
    graph = helper.make_graph(
        [
            helper.make_node("Gather", ["table", "input_ids"], ["found"]),
            helper.make_node("ReduceSum", ["found", "axis"], ["y"], keepdims=0),
        ],
        "words",
        [helper.make_tensor_value_info("input_ids", TensorProto.INT64, ["batch", "length"])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["batch", 3])],
        [
            numpy_helper.from_array(np.eye(4, 3, -1, dtype=np.float32), "table"),
            numpy_helper.from_array(np.array([1]), "axis"),
        ],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10)
    home = source / "words"
    home.mkdir()
    onnx.save(model, home / "words.onnx")
    step = {"tokenise": {"file": str(source / "tokenizer.json"), "max_length": 8, "pad_id": 0, "inputs": ["input_ids"]}}
    return write_with_steps(folder, step, net=home / "words.onnx")


def test_sentences(tmp_path: Path) -> None:
    endpoint = endpoint_of(write_sentences(tmp_path / "out"))
    for body, headers, labels in (
        (b"bee cat bee", {"content-type": "text/plain; charset=utf-8"}, ["bee"]),
        (as_json("ant"), JSON, ["ant"]),
        (as_json({"input": "cat cat bee"}), JSON, ["cat"]),
        (as_json(["ant", "bee bee ant"]), JSON, ["ant", "bee"]),
    ):
        answer = ask(endpoint, "POST", "/predict", body, headers)
        assert [prediction["label"] for prediction in answer.json["predictions"]] == labels
    for body, content_type in ((b"\xff", "text/plain"), (b"[1, 2]", "application/json"), (b"RIFF", "audio/wav")):
        assert ask(endpoint, "POST", "/predict", body, {"content-type": content_type}).status == 400
    endpoint.close()


# Our own mistakes, and those of a runtime


@pytest.mark.parametrize(
    ("error", "says"),
    [
        (ZeroDivisionError("secret"), "internal error; see the server's log"),
        (CandidateError("failed", "ids beyond the vocabulary"), "failed: ids beyond the vocabulary"),
    ],
)
def test_an_internal_error_is_a_500_without_its_traceback(
    simple: Endpoint,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    error: Exception,
    says: str,
) -> None:
    def broken(*arguments: Any) -> None:
        raise error

    with monkeypatch.context() as patched:
        patched.setattr(Bundle, "run_named", broken)
        answer = ask(simple, "POST", INFER, as_json({"inputs": [ROWS]}))
    assert (answer.status, answer.error) == (500, says)
    assert type(error).__name__ in capsys.readouterr().err
    assert ask(simple, "POST", INFER, as_json({"inputs": [ROWS]})).status == 200
