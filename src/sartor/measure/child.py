"""The worker side of a child process: JSON lines in on stdin, JSON lines out on a private descriptor.

Imports nothing heavy: a worker's own memory is part of what is measured.
"""

from __future__ import annotations

import ctypes
import errno
import json
import os
import signal
import sys
import traceback
from collections.abc import Callable, Mapping
from typing import Any

from sartor.errors import CandidateError, InputError, OutputError

Send = Callable[[dict[str, Any]], None]
Handler = Callable[[dict[str, Any], Send], dict[str, Any]]


def serve(handlers: Mapping[str, Handler]) -> None:
    """Answer requests until stdin closes. Each request names its handler in `do`.

    A handler may send any number of progress objects before it returns its result. Whatever libraries
    print to stdout goes to stderr, so that it cannot break the protocol.
    """
    _die_with_parent()
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the parent's to handle
    _limit_data_segment()
    out = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)

    def send(message: dict[str, Any]) -> None:
        out.write(json.dumps(message) + "\n")
        out.flush()

    for line in sys.stdin:
        request = json.loads(line)
        send(_answer(handlers[request["do"]], request, lambda progress: send({"progress": progress})))


def _answer(handler: Handler, request: dict[str, Any], report: Send) -> dict[str, Any]:
    try:
        return {"result": handler(request, report)}
    except CandidateError as error:
        return {"failed": {"reason": error.reason, "detail": error.detail}}
    except InputError as error:
        return {"input_error": {"type": type(error).__name__, **error.as_dict()}}
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            full = OutputError(f"no room left on the disk: {error.filename or error}", "a folder with room")
            return {"input_error": {"type": "OutputError", **full.as_dict()}}
        return _failed(error)
    except MemoryError:
        return {"failed": {"reason": "memory", "detail": "out of memory"}}
    except Exception as error:  # noqa: BLE001 - a library's failure is a failed trial with its reason
        return _failed(error)


def _failed(error: Exception) -> dict[str, Any]:
    traceback.print_exception(error)
    detail = f"{type(error).__name__}: {error}".strip().split("\n")[0]
    reason = "memory" if speaks_of_memory(detail) else "failed"
    return {"failed": {"reason": reason, "detail": detail[:500]}}


def speaks_of_memory(text: str) -> bool:
    """Whether a library's message means that memory ran out; each has its own words for it."""
    words = ("bad_alloc", "MemoryError", "allocate memory", "failed to map segment", "out of memory")
    # oneDNN's words where room for its code or buffers is lacking; of what it has no code for it says "a primitive
    # descriptor".
    primitive = "could not create a primitive"
    return any(word in text for word in words) or (primitive in text and f"{primitive} descriptor" not in text)


def _die_with_parent() -> None:
    """Ask Linux to kill this process with its parent, even when the parent is killed with SIGKILL."""
    if sys.platform == "linux":
        set_parent_death_signal = 1
        ctypes.CDLL(None).prctl(set_parent_death_signal, signal.SIGKILL)
    parent = os.environ.get("SARTOR_PARENT")
    if parent and os.getppid() != int(parent):
        sys.exit(1)


def _limit_data_segment() -> None:
    # A hard stop behind the parent's polling: one large allocation can outrun a poll.
    limit = int(os.environ.get("SARTOR_MEMORY_LIMIT", "0"))
    if limit and sys.platform == "linux":
        import resource

        resource.setrlimit(resource.RLIMIT_DATA, (limit, limit))
