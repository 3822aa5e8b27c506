"""The endpoint as an ASGI application: which path answers what, and the limits of a request."""

from __future__ import annotations

import asyncio
import contextlib
import sys
import traceback
from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from sartor.bundle.bundle import Bundle
from sartor.errors import InputError, SartorError, TooLargeError
from sartor.serve.coding import CODINGS, chosen, compress, decompress
from sartor.serve.describe import Described, model_config, model_metadata, server_metadata
from sartor.serve.given import FORMS, read_value, takes
from sartor.serve.protocol import VERSION, read_request, write_json, write_response
from sartor.serve.worker import Worker

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Headers = Mapping[bytes, bytes]

_HEADER_LENGTH = b"inference-header-content-length"
_LINGER_S = 1.0


@dataclass(frozen=True)
class Reply:
    """Status, body and headers beyond its length."""

    status: int
    body: bytes
    headers: tuple[tuple[bytes, bytes], ...] = ((b"content-type", b"application/json"),)

    def adding(self, *headers: tuple[bytes, bytes]) -> Reply:
        """With more headers."""
        return replace(self, headers=(*self.headers, *headers))


class RefusedError(Exception):
    """A request that ends with another status than 400."""

    def __init__(self, status: int, message: str, *headers: tuple[bytes, bytes]) -> None:
        super().__init__(message)
        self.reply = _error(status, message).adding(*headers)


class ClientGoneError(Exception):
    """Nobody waits for the answer any more."""


Call = Callable[[Bundle, bytes, Headers], Reply]


class Endpoint:
    """Answers HTTP requests about one bundle.

    Args:
        worker: has the bundle.
        model: its name and signature.
        texts: whether `/predict` takes texts.
        max_body: bytes, compressed or not, beyond which a body is refused with status 413.
    """

    def __init__(self, worker: Worker, model: Described, *, texts: bool, max_body: int) -> None:
        self._worker = worker
        self._model = model
        self._max_body = max_body
        self._pages = _pages(model)
        self._calls: dict[str, Call] = {"/predict": partial(_predict, texts=texts, limit=max_body)}
        infer = partial(_infer, model=model, limit=max_body)
        self._calls |= {f"{path}/infer": infer for path in _paths(model.name)}

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        """Answer one request."""
        headers: Headers = dict(scope["headers"])
        try:
            reply = await self._answer(scope["method"], scope["path"], headers, receive)
        except ClientGoneError:
            return
        except TooLargeError as error:
            await _refuse_body(_error(413, _sentence(error)), receive, send, self._max_body)
            return
        except InputError as error:
            reply = _error(400, _sentence(error))
        except RefusedError as refused:
            reply = refused.reply
        except Exception as error:  # noqa: BLE001 - the client is told, and the server goes on
            traceback.print_exc(file=sys.stderr)
            reply = _error(
                500, str(error) if isinstance(error, SartorError) else "internal error; see the server's log"
            )
        await _send(reply, send)

    def close(self) -> None:
        """Let the request that runs end and drop those that wait; the application is of no use afterwards."""
        self._worker.close()

    async def _answer(self, method: str, path: str, headers: Headers, receive: Receive) -> Reply:
        if int(headers.get(b"content-length", b"0")) > self._max_body:
            raise TooLargeError(self._max_body)
        where = path.rstrip("/") or "/"
        if where in self._pages:
            _check_method(method, "GET", "HEAD")
            return self._pages[where]
        if where not in self._calls:
            raise RefusedError(404, self._unknown(where))
        _check_method(method, "POST")
        body = await _read_body(receive, self._max_body)
        return await self._worker.call(lambda bundle: self._calls[where](bundle, body, headers))

    def _unknown(self, path: str) -> str:
        parts = path.split("/")[1:]
        if parts[:2] == ["v2", "models"] and len(parts) > 2:
            if parts[2] != self._model.name:
                return f"no model `{parts[2]}`; this is `{self._model.name}`"
            if parts[3:4] == ["versions"]:
                return f"no version or path `{path}`; the only version is {VERSION}"
        return f"no path `{path}`; see /"


def _paths(name: str) -> tuple[str, str]:
    return f"/v2/models/{name}", f"/v2/models/{name}/versions/{VERSION}"


def _pages(model: Described) -> dict[str, Reply]:
    """Everything that can be asked with GET; none of it changes while the bundle is served."""
    start = {
        "model": model.name,
        "paths": ["/v2", "/v2/health/ready", *(f"/v2/models/{model.name}{end}" for end in ("", "/infer")), "/predict"],
    }
    pages = {
        "/": start,
        "/v2": server_metadata(),
        "/v2/health/live": {"live": True},
        "/v2/health/ready": {"ready": True},
    }
    for path in _paths(model.name):
        pages |= {path: model_metadata(model), f"{path}/config": model_config(model)}
        pages[f"{path}/ready"] = {"name": model.name, "ready": True}
    return {path: Reply(200, write_json(page)) for path, page in pages.items()}


def _check_method(method: str, *allowed: str) -> None:
    if method not in allowed:
        listed = ", ".join(allowed)
        raise RefusedError(405, f"method {method}; this path takes {listed}", (b"allow", listed.encode()))


# Called by the worker


def _infer(bundle: Bundle, body: bytes, headers: Headers, *, model: Described, limit: int) -> Reply:
    request = read_request(_plain(body, headers, limit), _header_length(headers), model.signature)
    response = write_response(request, bundle.run_named(request.arrays), model.signature, model.name)
    if response.header_length is None:
        return _packed(Reply(200, response.body), headers)
    length = str(response.header_length).encode()
    return _packed(
        Reply(200, response.body, ((b"content-type", b"application/octet-stream"), (_HEADER_LENGTH, length))), headers
    )


def _predict(bundle: Bundle, body: bytes, headers: Headers, *, texts: bool, limit: int) -> Reply:
    content_type = headers.get(b"content-type", b"").decode("latin-1").partition(";")[0].strip().lower()
    if not takes(content_type):
        raise RefusedError(415, f"Content-Type `{content_type}`; this path takes {FORMS}")
    value = read_value(_plain(body, headers, limit), content_type, texts=texts)
    return _packed(Reply(200, write_json({"predictions": bundle.predict(value)})), headers)


def _header_length(headers: Headers) -> int | None:
    given = headers.get(_HEADER_LENGTH)
    if given is None:
        return None
    if not given.isdigit():
        raise InputError(f"Inference-Header-Content-Length: {given.decode('latin-1')}", "a number of bytes")
    return int(given)


def _plain(body: bytes, headers: Headers, limit: int) -> bytes:
    coding = headers.get(b"content-encoding", b"identity").decode("latin-1").strip().lower()
    if coding == "identity":
        return body
    if coding not in CODINGS:
        raise RefusedError(415, f"Content-Encoding `{coding}`; this endpoint takes {', '.join(CODINGS)}")
    return decompress(body, coding, limit)


def _packed(reply: Reply, headers: Headers) -> Reply:
    accepted = headers.get(b"accept-encoding")
    coding = chosen(accepted.decode("latin-1"), len(reply.body)) if accepted else None
    if coding is None:
        return reply
    return replace(reply, body=compress(reply.body, coding)).adding((b"content-encoding", coding.encode()))


# In and out


async def _read_body(receive: Receive, limit: int) -> bytes:
    parts, size, more = [], 0, True
    while more:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise ClientGoneError
        parts.append(message.get("body", b""))
        size += len(parts[-1])
        if size > limit:
            raise TooLargeError(limit)
        more = message.get("more_body", False)
    return b"".join(parts)


async def _send(reply: Reply, send: Send, *, more: bool = False) -> None:
    length = (b"content-length", str(len(reply.body)).encode())
    await send({"type": "http.response.start", "status": reply.status, "headers": [*reply.headers, length]})
    await send({"type": "http.response.body", "body": reply.body, "more_body": more})


async def _refuse_body(reply: Reply, receive: Receive, send: Send, limit: int) -> None:
    """Answer before the body has come, take at most `limit` bytes more of it, and close the connection.

    Closed at once, the bytes on their way would reset the connection, and clients that look for an answer only when
    all is sent would not see it.
    """
    await _send(reply.adding((b"connection", b"close")), send, more=True)
    taken, more = 0, True
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(_LINGER_S):
            while more and taken <= limit:
                message = await receive()
                taken += len(message.get("body", b""))
                more = message.get("more_body", False)  # a disconnect has none
    await send({"type": "http.response.body", "body": b"", "more_body": False})


def _error(status: int, message: str) -> Reply:
    return Reply(status, write_json({"error": message}))


def _sentence(error: InputError) -> str:
    """An error on one line.

    >>> _sentence(InputError("input `x` has datatype INT64", "FP32"))
    'input `x` has datatype INT64; expected: FP32'
    """
    hint = f" ({error.hint})" if error.hint else ""
    return f"{error.came}; expected: {error.allowed}{hint}"
