"""A worker that does whatever a bad candidate might do. Run by the tests as `python -m misbehaving`."""

from __future__ import annotations

import errno
import os
import signal
import time
from typing import Any

import numpy as np

from sartor.errors import CandidateError, DataError
from sartor.measure.child import Send, serve


def _echo(request: dict[str, Any], report: Send) -> dict[str, Any]:
    print("a library that prints to stdout")
    report({"half": True})
    return {"said": request["say"]}


def _hang(request: dict[str, Any], report: Send) -> dict[str, Any]:
    time.sleep(60)
    return {}


def _crash(request: dict[str, Any], report: Send) -> dict[str, Any]:
    os.kill(os.getpid(), signal.SIGSEGV)
    return {}


def _eat(request: dict[str, Any], report: Send) -> dict[str, Any]:
    kept = []
    while True:
        kept.append(np.ones(1_000_000))  # 8 MB a step, touched
        time.sleep(0.002)


def _gulp(request: dict[str, Any], report: Send) -> dict[str, Any]:
    return {"bytes": int(np.ones(int(4e9) // 8).nbytes)}


def _raise(request: dict[str, Any], report: Send) -> dict[str, Any]:
    raise {
        "bug": KeyError("id"),
        "candidate": CandidateError("unsupported", "no such operator"),
        "input": DataError("a bad row", "good rows", "mend it"),
        "disk": OSError(errno.ENOSPC, "No space left on device", "file"),
    }[request["what"]]


if __name__ == "__main__":
    serve({"echo": _echo, "hang": _hang, "crash": _crash, "eat": _eat, "gulp": _gulp, "raise": _raise})
