"""From a bundle to an endpoint that listens, until a signal ends it."""

from __future__ import annotations

import contextlib
import ipaddress
import os
import signal
import socket
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from types import FrameType
from typing import Any

from sartor.bundle.bundle import Bundle
from sartor.errors import InputError, MissingExtraError
from sartor.serve.describe import Described
from sartor.serve.http import Endpoint
from sartor.serve.worker import Worker
from sartor.units import parse

_BACKLOG = 2048
_GRACE_S = 30
"""Seconds that requests in flight have to end."""


@dataclass(frozen=True)
class Address:
    """Where an endpoint listens."""

    url: str
    loopback: bool


def serve(
    bundle: Bundle, listener: socket.socket, name: str, max_body: int, ready: Callable[[Address], None]
) -> signal.Signals:
    """Answer requests until SIGINT or SIGTERM; requests in flight are finished.

    Args:
        bundle: what is served.
        listener: what `bind` returned.
        name: of the model in the paths.
        max_body: bytes; a larger body is refused.
        ready: called once connections are accepted.

    Returns:
        The signal that ended it.

    Raises:
        InputError: a name that cannot stand in a path, or a model with a type that the protocol lacks.
        MissingExtraError: uvicorn is not installed.
    """
    endpoint = Endpoint(Worker(bundle), describe(bundle, name), texts=bundle.takes == "text", max_body=max_body)
    try:
        server = _server(endpoint)
        with _noting_signals(server) as caught:
            listener.listen(_BACKLOG)
            ready(_address(listener))
            server.run(sockets=[listener])
        return caught[0]
    finally:
        endpoint.close()


def bind(host: str, port: int) -> socket.socket:
    """A socket that is bound and does not listen yet; port 0 takes any free one.

    Raises:
        InputError: the port is in use, may not be used, or the host is not one of this machine.
    """
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        bound = socket.socket(family, kind, protocol)
    except OSError as error:
        raise InputError(f"host `{host}`: {error.strerror}", "an address of this machine") from None
    try:
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        bound.bind(address)
    except OSError as error:
        bound.close()
        reason = os.strerror(error.errno) if error.errno else str(error)
        raise InputError(
            f"port {port} on {host} cannot be used: {reason}", "a free port", "try --port 0, which takes any free one"
        ) from None
    return bound


def parse_limit(text: str) -> int:
    """Bytes, out of text such as `64 MB`.

    Raises:
        InputError: no number of bytes.
    """
    allowed = "a number of bytes, such as 64 MB"
    try:
        size = parse(text)
    except ValueError as error:
        raise InputError(f"--max-body: {error}", allowed) from None
    if size.unit not in ("B", "") or size.value < 1:
        raise InputError(f"--max-body is {text}", allowed)
    return int(size.value)


def describe(bundle: Bundle, name: str) -> Described:
    """What clients may know of a bundle.

    Raises:
        InputError: a name that cannot stand in a path.
    """
    if not name.strip() or not name.isprintable() or set(name) & set("/?#%"):
        raise InputError(f"the name `{name}` of the model", "a name without / ? # %", "give another with --name")
    entry = bundle.manifest.variants[bundle.variant]
    kind = entry.files[0].rpartition(".")[2]
    return Described(name, f"{entry.candidate['runtime']}_{kind}", bundle.signature)


def _server(endpoint: Endpoint) -> Any:
    try:
        import uvicorn
    except ImportError:
        raise MissingExtraError("uvicorn", "serving", "pip install 'sartor[serve]'") from None
    return uvicorn.Server(
        uvicorn.Config(
            endpoint,
            lifespan="off",
            ws="none",
            access_log=False,
            log_config=None,
            proxy_headers=False,
            server_header=False,
            timeout_graceful_shutdown=_GRACE_S,
        )
    )


def _address(listener: socket.socket) -> Address:
    host, port = listener.getsockname()[:2]
    shown = f"[{host}]" if ":" in host else host
    return Address(f"http://{shown}:{port}", ipaddress.ip_address(host.partition("%")[0]).is_loopback)


@contextlib.contextmanager
def _noting_signals(server: Any) -> Iterator[list[signal.Signals]]:
    """Signals ask the server to end; uvicorn raises those that it caught again when all is done."""
    caught: list[signal.Signals] = []

    def note(number: int, frame: FrameType | None) -> None:
        caught.append(signal.Signals(number))
        server.should_exit = True

    before = {number: signal.signal(number, note) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield caught
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
