"""A bundle with several inputs and outputs of several types, and requests made by hand."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from sartor.bundle.bundle import Bundle
from sartor.bundle.write import write_bundle
from sartor.serve.http import Endpoint, Message
from sartor.serve.server import describe
from sartor.serve.worker import Worker
from tests.bundle.making import NEED, contents, part

Tensor = dict[str, Any]


def write_mixed(folder: Path) -> Path:
    """A bundle of a model with inputs of three types, two of which share their length.

    `scores = x @ weight`, `doubled = ids + ids`, `turned = not flags`.
    """
    graph = helper.make_graph(
        [
            helper.make_node("MatMul", ["x", "weight"], ["scores"]),
            helper.make_node("Add", ["ids", "ids"], ["doubled"]),
            helper.make_node("Not", ["flags"], ["turned"]),
        ],
        "mixed",
        [
            helper.make_tensor_value_info("x", TensorProto.FLOAT, ["batch", 4]),
            helper.make_tensor_value_info("ids", TensorProto.INT64, ["batch", "length"]),
            helper.make_tensor_value_info("flags", TensorProto.BOOL, ["batch", "length"]),
        ],
        [
            helper.make_tensor_value_info("scores", TensorProto.FLOAT, ["batch", 3]),
            helper.make_tensor_value_info("doubled", TensorProto.INT64, ["batch", "length"]),
            helper.make_tensor_value_info("turned", TensorProto.BOOL, ["batch", "length"]),
        ],
        [numpy_helper.from_array(np.eye(4, 3, dtype=np.float32), "weight")],
    )
    source = folder.parent / f"{folder.name}-source"
    source.mkdir(parents=True)
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10), source / "m.onnx")
    write_bundle(folder, contents(part(source / "m.onnx", "mixed")), NEED)
    return folder


def mixed_tensors(rows: int = 2, length: int = 3) -> list[Tensor]:
    """Inputs for it, as JSON."""
    return [
        {"name": "x", "datatype": "FP32", "shape": [rows, 4], "data": [float(n) for n in range(rows * 4)]},
        {"name": "ids", "datatype": "INT64", "shape": [rows, length], "data": list(range(rows * length))},
        {"name": "flags", "datatype": "BOOL", "shape": [rows, length], "data": [[True] * length] * rows},
    ]


def endpoint_of(folder: Path, max_body: int = 1_000_000) -> Endpoint:
    """The application around a bundle."""
    bundle = Bundle.load(folder)
    return Endpoint(Worker(bundle), describe(bundle, "net"), texts=bundle.takes == "text", max_body=max_body)


@dataclass(frozen=True)
class Answer:
    """What a client would see, and how many parts of its body were read."""

    status: int
    headers: Mapping[str, str]
    body: bytes
    parts_read: int

    @property
    def json(self) -> Any:
        """The body, which is JSON."""
        return json.loads(self.body)

    @property
    def error(self) -> str:
        """The error; nothing else may be in the body."""
        assert set(self.json) == {"error"}
        found: str = self.json["error"]
        return found


def ask(
    endpoint: Endpoint,
    method: str,
    path: str,
    body: bytes | list[bytes] = b"",
    headers: Mapping[str, str] | None = None,
) -> Answer:
    """Call the application; a body in parts comes as chunks without a Content-Length."""
    parts = [body] if isinstance(body, bytes) else body
    given = {"content-length": str(len(body))} if isinstance(body, bytes) else {}
    scope = {
        "type": "http",
        "method": method,
        "path": path,
        "headers": [(k.lower().encode(), v.encode()) for k, v in {**given, **(headers or {})}.items()],
    }
    sent: list[Message] = []
    read = 0

    async def receive() -> Message:
        nonlocal read
        if read == len(parts):
            return {"type": "http.disconnect"}
        read += 1
        return {"type": "http.request", "body": parts[read - 1], "more_body": read < len(parts)}

    async def send(message: Message) -> None:
        sent.append(message)

    asyncio.run(endpoint(scope, receive, send))
    start, *rest = sent
    answered = {name.decode(): value.decode() for name, value in start["headers"]}
    whole = b"".join(message["body"] for message in rest)
    assert answered["content-length"] == str(len(whole))
    assert [message["more_body"] for message in rest][-1] is False
    return Answer(start["status"], answered, whole, read)


def as_json(value: Any) -> bytes:
    """A body of JSON."""
    return json.dumps(value).encode()
