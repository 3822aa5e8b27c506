"""`serve` as a process: Triton's own client is answered, signals end it cleanly, and what cannot start says why."""

from __future__ import annotations

import contextlib
import http.client
import json
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import tritonclient.http as triton
from tritonclient.utils import InferenceServerException

from tests.bundle.making import write_simple
from tests.cli.calling import Call, caller
from tests.serve.making import as_json, write_mixed

LARGE = 1_000_000_000  # bytes


@dataclass(frozen=True)
class Running:
    """A server in a process of its own."""

    process: subprocess.Popen[str]
    ready: dict[str, str]

    @property
    def address(self) -> str:
        """Host and port."""
        return self.ready["url"].removeprefix("http://")

    def connection(self) -> http.client.HTTPConnection:
        """A new connection."""
        return http.client.HTTPConnection(self.address, timeout=20)


@contextlib.contextmanager
def serving(bundle: Path, *more: str) -> Iterator[Running]:
    command = [sys.executable, "-m", "sartor", "serve", str(bundle), "--port", "0", "--json", *more]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            yield Running(process, json.loads(process.stdout.readline()))
        finally:
            process.kill()


@pytest.fixture(scope="module")
def mixed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    with serving(write_mixed(tmp_path_factory.mktemp("bundles") / "mixed"), "--name", "my net") as running:
        yield running


@pytest.fixture
def client(mixed: Running) -> Iterator[triton.InferenceServerClient]:
    with triton.InferenceServerClient(mixed.address) as opened:
        yield opened


def tensors(rows: int, *, binary: bool) -> list[triton.InferInput]:
    """Inputs for the net of three inputs."""
    made = []
    for name, array, datatype in (
        ("x", np.arange(rows * 4, dtype=np.float32).reshape(rows, 4), "FP32"),
        ("ids", np.arange(rows * 5).reshape(rows, 5), "INT64"),
        ("flags", np.eye(rows, 5, dtype=bool), "BOOL"),
    ):
        made.append(triton.InferInput(name, list(array.shape), datatype).set_data_from_numpy(array, binary_data=binary))
    return made


def test_what_it_prints_when_ready(mixed: Running) -> None:
    assert set(mixed.ready) == {"url", "model", "variant"}
    assert mixed.ready["url"].startswith("http://127.0.0.1:")
    assert mixed.ready["model"] == "my net"


def test_tritons_client_asks_how_it_is(client: triton.InferenceServerClient) -> None:
    assert client.is_server_live()
    assert client.is_server_ready()
    assert client.is_model_ready("my net")
    assert client.is_model_ready("my net", "1")
    assert not client.is_model_ready("other")
    assert client.get_server_metadata()["name"] == "sartor"
    assert [tensor["name"] for tensor in client.get_model_metadata("my net")["inputs"]] == ["x", "ids", "flags"]
    assert client.get_model_config("my net")["max_batch_size"] == 0


@pytest.mark.parametrize("binary", [True, False])
@pytest.mark.parametrize("compression", [None, "gzip", "deflate"])
def test_tritons_client_infers(client: triton.InferenceServerClient, binary: bool, compression: str | None) -> None:
    result = client.infer(
        "my net",
        tensors(50, binary=binary),
        request_id="seven",
        outputs=[
            triton.InferRequestedOutput("turned", binary_data=binary),
            triton.InferRequestedOutput("scores", binary_data=not binary),
        ],
        request_compression_algorithm=compression,
        response_compression_algorithm=compression,
    )
    assert result.get_response()["id"] == "seven"
    assert result.as_numpy("doubled") is None
    np.testing.assert_array_equal(result.as_numpy("turned"), ~np.eye(50, 5, dtype=bool))
    np.testing.assert_array_equal(result.as_numpy("scores"), np.arange(200).reshape(50, 4)[:, :3])


def test_tritons_client_gets_all_outputs_if_it_names_none(client: triton.InferenceServerClient) -> None:
    result = client.infer("my net", tensors(2, binary=True), model_version="1")
    np.testing.assert_array_equal(result.as_numpy("doubled"), 2 * np.arange(10).reshape(2, 5))
    assert result.as_numpy("doubled").dtype == np.int64


def test_tritons_client_shows_what_was_expected(client: triton.InferenceServerClient) -> None:
    wrong = triton.InferInput("x", [1, 4], "FP64").set_data_from_numpy(np.ones((1, 4)))
    with pytest.raises(InferenceServerException, match="input `x` has datatype FP64; expected: FP32") as caught:
        client.infer("my net", [wrong])
    assert caught.value.status() == "400"


@pytest.mark.parametrize("chunked", [True, False])
def test_a_gigabyte_is_refused_before_it_has_come(mixed: Running, chunked: bool) -> None:
    host, port = mixed.address.split(":")
    length = "transfer-encoding: chunked" if chunked else f"content-length: {LARGE}"
    part = bytes(1_000_000)
    sent, started = 0, time.monotonic()
    with socket.create_connection((host, int(port)), timeout=20) as connection:
        connection.sendall(f"POST /predict HTTP/1.1\r\nhost: {host}\r\n{length}\r\n\r\n".encode())
        with contextlib.suppress(ConnectionError):
            while sent < LARGE:
                connection.sendall(b"%x\r\n%s\r\n" % (len(part), part) if chunked else part)
                sent += len(part)
        answer = connection.recv(10_000)
    assert answer.startswith(b"HTTP/1.1 413 ")
    assert b'"error":"the body is too large' in answer
    assert sent < LARGE / 2
    assert time.monotonic() - started < 10


@pytest.mark.parametrize(("sent", "code"), [(signal.SIGTERM, 0), (signal.SIGINT, 130)])
def test_a_signal_ends_it_once_requests_are_answered(tmp_path: Path, sent: signal.Signals, code: int) -> None:
    with serving(write_simple(tmp_path / "out")) as running:
        body = as_json([[0.0, 9.0, 0.0, 0.0]])
        connection = running.connection()
        connection.putrequest("POST", "/predict")
        connection.putheader("content-type", "application/json")
        connection.putheader("content-length", str(len(body)))
        connection.endheaders(body[:5])
        idle = running.connection()
        idle.request("GET", "/v2/health/live")
        assert idle.getresponse().read() == b'{"live":true}'
        running.process.send_signal(sent)
        with pytest.raises(subprocess.TimeoutExpired):
            running.process.wait(1)
        connection.send(body[5:])
        answer = connection.getresponse()
        assert (answer.status, json.loads(answer.read())["predictions"][0]["label"]) == (200, "bee")
        assert running.process.wait(10) == code
        assert running.process.stderr is not None
        said = running.process.stderr.read()
        assert "Traceback" not in said
        assert "goes on" not in said
        connection.close()
        idle.close()


# What cannot start


@pytest.fixture
def call(capsys: pytest.CaptureFixture[str]) -> Call:
    return caller(capsys)


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_simple(tmp_path_factory.mktemp("bundles") / "out")


def test_a_port_in_use_ends_with_2(call: Call, bundle: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        ended = call("serve", bundle, "--port", port, "--json")
    assert ended.code == 2
    assert f"port {port} on 127.0.0.1 cannot be used: Address already in use" in ended.error["came"]
    assert "--port 0" in ended.error["hint"]


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--host", "203.0.113.1"], "203.0.113.1"),
        (["--host", "no.such.host.invalid"], "no.such.host.invalid"),
        (["--max-body", "much"], "--max-body"),
        (["--max-body", "5 ms"], "--max-body"),
        (["--max-body", "0"], "--max-body"),
        (["--name", "a/b"], "a/b"),
        (["--name", " "], "--name"),
        (["--variant", "best"], "no variant `best`"),
        (["--port", "70000"], "--port"),
    ],
)
def test_what_cannot_be_is_said(call: Call, bundle: Path, arguments: list[str], says: str) -> None:
    ended = call("serve", bundle, "--port", "0", *arguments)
    assert (ended.code, ended.out) == (2, "")
    assert says in ended.err
    assert "Traceback" not in ended.err


def test_a_folder_that_is_no_bundle(call: Call, tmp_path: Path) -> None:
    ended = call("serve", tmp_path, "--port", "0", "--json")
    assert ended.code == 2
    assert ended.error["kind"] == "bundle"


def test_without_uvicorn_it_says_what_to_install(call: Call, bundle: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "uvicorn", None)
    ended = call("serve", bundle, "--port", "0", "--json")
    assert ended.code == 2
    assert ended.error["kind"] == "missing-extra"
    assert "pip install 'sartor[serve]'" in ended.error["hint"]


def test_another_host_is_served_with_a_warning(bundle: Path) -> None:
    with serving(bundle, "--host", "0.0.0.0") as running:
        running.process.send_signal(signal.SIGTERM)
        said = running.process.communicate(timeout=20)[1]
    assert "sartor: warning: " in said
    assert "no authentication" in said
