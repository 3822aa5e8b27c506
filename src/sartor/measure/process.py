"""The parent's side of a worker: start, ask with a time and a memory limit, kill."""

from __future__ import annotations

import contextlib
import json
import os
import selectors
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from types import TracebackType
from typing import Any

import psutil

import sartor.errors
from sartor.errors import CandidateError, InputError
from sartor.measure.child import speaks_of_memory

# How often memory is looked at. Loading a library can take 100 MB in a few hundredths of a second; beside
# timed calls the looks are rarer, so that they do not disturb them.
_POLL_SECONDS, _CLOSE_POLL_SECONDS = 0.05, 0.01
_living: set[Child] = set()


def resident_bytes() -> int:
    """Resident memory of this process and all its workers together."""
    total = psutil.Process().memory_info().rss
    for child in list(_living):
        with contextlib.suppress(psutil.Error):
            total += child.watched.memory_info().rss
    return int(total)


def _refuse_to_starve(memory_limit: float | None, start_bytes: float) -> None:
    left = float("inf") if memory_limit is None else memory_limit - resident_bytes()
    if left < start_bytes:
        detail = f"{left / 1e6:.0f} MB of the budget are left, and to start a worker takes {start_bytes / 1e6:.0f} MB"
        raise CandidateError("memory", detail)


class Child:
    """A worker process that answers one request at a time.

    Every failure of the worker is a `CandidateError`: `crash` (it died), `hang` (the time limit),
    `memory` (the memory limit) or `failed` (it said so). After the first three it is dead and `alive`
    is False.

    Args:
        module: what `python -m` runs; it calls `sartor.measure.child.serve`.
        memory_limit: bytes that this process and all its workers may hold together; None for no limit.
        start_bytes: what it holds once its libraries are loaded; with less than that left it is not started,
            since loading is too quick to be stopped at a limit.
        closely: look at the memory often; for work that is not timed.

    Raises:
        CandidateError: `memory`, too little is left to start.
    """

    def __init__(
        self, module: str, memory_limit: float | None = None, start_bytes: float = 0.0, *, closely: bool = False
    ) -> None:
        _refuse_to_starve(memory_limit, start_bytes)
        self._memory_limit = memory_limit
        self._poll_seconds = _CLOSE_POLL_SECONDS if closely else _POLL_SECONDS
        self._stderr = tempfile.TemporaryFile()  # noqa: SIM115 - lives as long as the worker
        self._process = subprocess.Popen(
            [sys.executable, "-P", "-m", module],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._stderr,
            env=self._environment(),
            start_new_session=True,
        )
        self.watched = psutil.Process(self._process.pid)
        self._selector = selectors.DefaultSelector()
        self._selector.register(self._stdout_descriptor(), selectors.EVENT_READ)
        self._pending = b""
        _living.add(self)

    def _environment(self) -> dict[str, str]:
        extra = {"SARTOR_PARENT": str(os.getpid()), "DO_NOT_TRACK": "1", "PYTHONWARNINGS": "ignore"}
        if self._memory_limit is not None:
            extra["SARTOR_MEMORY_LIMIT"] = str(int(max(self._memory_limit - resident_bytes(), 64e6)))
        return {**os.environ, **extra}

    def _stdout_descriptor(self) -> int:
        assert self._process.stdout is not None
        return self._process.stdout.fileno()

    @property
    def pid(self) -> int:
        """Process number of the worker."""
        return self._process.pid

    @property
    def alive(self) -> bool:
        """Whether the worker still runs."""
        return self._process.poll() is None

    def ask(
        self,
        request: dict[str, Any],
        time_limit: float,
        on_progress: Callable[[dict[str, Any]], None] = lambda progress: None,
    ) -> dict[str, Any]:
        """Send a request and wait for its result.

        Raises:
            CandidateError: see the class.
            InputError: the worker found the user's input at fault.
        """
        self._write(request)
        deadline = time.monotonic() + time_limit
        while True:
            answer = self._next_answer(deadline, time_limit)
            if "progress" in answer:
                on_progress(answer["progress"])
            elif "input_error" in answer:
                raise _input_error(answer["input_error"])
            elif "failed" in answer:
                raise CandidateError(answer["failed"]["reason"], answer["failed"]["detail"])
            else:
                result: dict[str, Any] = answer["result"]
                return result

    def _write(self, request: dict[str, Any]) -> None:
        assert self._process.stdin is not None
        try:
            self._process.stdin.write((json.dumps(request) + "\n").encode())
            self._process.stdin.flush()
        except (BrokenPipeError, OSError):
            raise self._death() from None

    def _next_answer(self, deadline: float, time_limit: float) -> dict[str, Any]:
        while b"\n" not in self._pending:
            self._check_memory()
            if time.monotonic() > deadline:
                self.kill()
                raise CandidateError("hang", f"no answer within {time_limit:.0f} s")
            if self._selector.select(self._poll_seconds):
                piece = os.read(self._stdout_descriptor(), 1 << 16)
                if not piece:
                    raise self._death()
                self._pending += piece
        line, self._pending = self._pending.split(b"\n", 1)
        answer: dict[str, Any] = json.loads(line)
        return answer

    def _check_memory(self) -> None:
        if self._memory_limit is None:
            return
        held = resident_bytes()
        if held > self._memory_limit:
            self.kill()
            limit = f"{self._memory_limit / 1e6:.0f} MB"
            raise CandidateError("memory", f"{held / 1e6:.0f} MB in all, over the limit of {limit}")

    def _death(self) -> CandidateError:
        code = self._process.wait()
        _living.discard(self)
        self._stderr.seek(0, os.SEEK_END)
        self._stderr.seek(max(0, self._stderr.tell() - 4000))
        tail = self._stderr.read().decode(errors="replace").strip()
        last = tail.split("\n")[-1] if tail else "no message"
        if speaks_of_memory(tail):
            return CandidateError("memory", f"out of memory: {last}")
        how = signal.Signals(-code).name if code < 0 else f"exit code {code}"
        return CandidateError("crash", f"the worker died ({how}): {last[:300]}")

    def kill(self) -> None:
        """End the worker now, and whatever it started."""
        if self.alive:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()
        _living.discard(self)

    def close(self) -> None:
        """End the worker and free its pipes."""
        self.kill()
        self._selector.close()
        for pipe in (self._process.stdin, self._process.stdout, self._stderr):
            if pipe is not None:
                with contextlib.suppress(BrokenPipeError):
                    pipe.close()

    def __enter__(self) -> Child:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def _input_error(saved: dict[str, str]) -> InputError:
    # Rebuilt without its constructor: subclasses compose `came` from other arguments.
    kind: type[InputError] = getattr(sartor.errors, saved["type"])
    error = kind.__new__(kind)
    InputError.__init__(error, saved["came"], saved["allowed"], saved["hint"])
    return error
