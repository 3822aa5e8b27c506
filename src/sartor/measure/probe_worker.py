"""The worker that goes through memory. `python -m sartor.measure.probe_worker`. It imports numpy, nothing else."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.lib.stride_tricks import as_strided

from sartor.measure.child import Send, serve

_LINE = 64  # bytes of a cache line nearly everywhere; only where rows of a copy begin hangs on it
_CALL_BYTES = 8 << 20  # of one call, or one pass if that is more: a call of numpy takes a third of a microsecond


class _Pass(NamedTuple):
    """One call of numpy and the bytes that it moves."""

    run: Callable[[], Any]
    moved_bytes: int


prepared: list[_Pass] = []


def reading(working_set: int) -> _Pass:
    """The largest of all 8-byte integers of a buffer, several times in one call.

    A vectorised maximum of integers waits for its loads: the sum, the bitwise or, and the maximum over 1 and 4
    bytes took the same time within 15% at every working set (Zen 4, numpy 2).
    """
    buffer = np.ones(max(working_set, _LINE) // 8, dtype=np.int64)
    times = max(1, _CALL_BYTES // buffer.nbytes)
    again = as_strided(buffer, (times, buffer.size), (0, 8), writeable=False)
    largest = np.empty(times, dtype=np.int64)
    return _Pass(lambda: np.maximum.reduce(again, axis=1, out=largest), times * buffer.nbytes)


def copying(working_set: int) -> _Pass:
    """One half of the working set copied into the other, several times in one call.

    Every copy begins a cache line after the one before: numpy would turn a stride of zero into single elements.
    The lines that this takes count in the working set.
    """
    size = max(_LINE, working_set * 7 // 16 // _LINE * _LINE)
    times = 1 + min(max(working_set - 2 * size, 0) // _LINE, _CALL_BYTES // (2 * size))
    source = np.ones(size // 8, dtype=np.int64)
    target = np.ones((size + (times - 1) * _LINE) // 8, dtype=np.int64)
    sources = as_strided(source, (times, source.size), (0, 8), writeable=False)
    targets = as_strided(target, (times, source.size), (_LINE, 8))
    return _Pass(lambda: np.copyto(targets, sources), 2 * size * times)


_PASSES = {"read": reading, "copy": copying}


def _fill(request: dict[str, Any], report: Send) -> dict[str, Any]:
    """Lay out this worker's part of a working set and go through it once."""
    prepared.clear()  # first, so that two working sets never stand beside each other
    one = _PASSES[request["operation"]](request["bytes"])
    one.run()
    prepared.append(one)
    return {}


def _sweep(request: dict[str, Any], report: Send) -> dict[str, Any]:
    """Go through it again and again from `start` on, by the clock that all processes share; B/s of each window."""
    end, rates = request["start"], []
    one = prepared[0]
    time.sleep(max(0.0, request["start"] - time.monotonic()))
    for _ in range(request["windows"]):
        begin, passes = time.perf_counter(), 0
        end += request["seconds"]
        while passes == 0 or time.monotonic() < end:
            one.run()
            passes += 1
        rates.append(passes * one.moved_bytes / (time.perf_counter() - begin))
    return {"rates": rates}


def _executed(request: dict[str, Any], report: Send) -> dict[str, Any]:
    """Kernels that a runtime picks for a file, asked here since the answer takes a compilation."""
    from sartor.runtime.base import Settings
    from sartor.runtime.executed import executed_products

    settings = Settings(**request["settings"])
    return {"kernels": executed_products(request["runtime"], Path(request["path"]), settings)}


def main() -> None:
    """Serve until stdin closes."""
    serve({"fill": _fill, "sweep": _sweep, "executed": _executed})


if __name__ == "__main__":
    main()
