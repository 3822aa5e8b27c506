"""The measuring worker: loads model files, times calls, writes outputs. `python -m sartor.measure.worker`.

It imports numpy and the runtime, nothing else, so that its peak memory is that of a minimal server.
"""

from __future__ import annotations

import time
from itertools import cycle, islice
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from sartor.measure.child import Send, serve
from sartor.runtime import open_runtime
from sartor.runtime.base import Array, Session, Settings
from sartor.runtime.shapes import shaped
from sartor.steps.prepared import Prepared

_KEPT_BYTES = 64e6  # of inputs that the timed calls cycle through
_BLOCK = 20  # calls
_STEADY = 0.05  # warm when two successive blocks of calls agree within this share


class _Loaded(NamedTuple):
    """A session with its settings and the batches in the shapes that it takes."""

    session: Session
    settings: Settings
    batches: list[dict[str, Array]]


class _Rows(NamedTuple):
    """All prepared rows, mapped, and the batches that timed calls use, in the order drawn."""

    prepared: Prepared
    batches: list[Prepared]


loaded: dict[str, _Loaded] = {}
rows_of_all: list[_Rows] = []


def _load(request: dict[str, Any], report: Send) -> dict[str, Any]:
    start = time.perf_counter()
    runtime = open_runtime(request["runtime"])
    settings = Settings(**request["settings"])
    session = runtime.load(Path(request["path"]), settings)
    seconds = time.perf_counter() - start
    batches = [shaped(batch, settings) for batch in rows_of_all[0].batches]
    loaded[request["id"]] = _Loaded(session, settings, batches)
    return {"seconds": seconds, "precision": session.precision()}


def _unload(request: dict[str, Any], report: Send) -> dict[str, Any]:
    del loaded[request["id"]]
    return {}


def _open_inputs(request: dict[str, Any], report: Send) -> dict[str, Any]:
    """Map the input arrays and keep the batches that timed calls use, in the order drawn."""
    rows, batch = np.load(request["rows"]), request["batch"]
    prepared = Prepared.load(request["inputs"])
    size = sum(array[:1].nbytes for array in prepared.arrays.values()) * batch
    count = max(1, min(int(_KEPT_BYTES / size), request["most"], len(rows) // batch))
    # Fewer rows than a batch holds are repeated, so that every call has the size asked for.
    filled = np.resize(rows, max(len(rows), batch))
    batches = [prepared.take(filled[index * batch : (index + 1) * batch]) for index in range(count)]
    rows_of_all[:] = [_Rows(prepared, batches)]
    return {"batches": len(batches)}


def _calls(one: _Loaded, count: int, start: int = 0) -> list[float]:
    """Seconds of each call; inputs are taken in their order, beginning at batch `start`."""
    seconds, run = [], one.session.run
    first = start % len(one.batches)
    for batch in islice(cycle(one.batches), first, first + count):
        begin = time.perf_counter_ns()
        run(batch)
        seconds.append((time.perf_counter_ns() - begin) * 1e-9)
    return seconds


def _warm(request: dict[str, Any], report: Send) -> dict[str, Any]:
    """Call until two successive blocks agree or the time is over; gives the median seconds of the last block.

    The first block ends early on a slow model: its time may be over after a single call. Rows of several
    lengths are run once in each shape before that, since a runtime compiles or plans for every new one.
    """
    session = loaded[request["id"]]
    for batch in _one_of_each_shape(session.batches):
        session.session.run(batch)
    deadline = time.perf_counter() + request["seconds"]
    previous = float("nan")
    while True:
        median = float(np.median(_block(session, deadline)))
        if abs(median - previous) <= _STEADY * previous or time.perf_counter() > deadline:
            return {"call_seconds": median}
        previous = median


def _one_of_each_shape(batches: list[dict[str, Array]]) -> list[dict[str, Array]]:
    shapes = {tuple(array.shape for array in batch.values()): batch for batch in batches}
    return list(shapes.values()) if len(shapes) > 1 else []


def _block(session: _Loaded, deadline: float) -> list[float]:
    seconds = _calls(session, 1)
    while len(seconds) < _BLOCK and time.perf_counter() < deadline:
        seconds += _calls(session, 1, len(seconds))
    return seconds


def _round(request: dict[str, Any], report: Send) -> dict[str, Any]:
    return {"seconds": _calls(loaded[request["id"]], request["calls"], request.get("start", 0))}


def _outputs(request: dict[str, Any], report: Send) -> dict[str, Any]:
    """Run rows [start, stop) of the split in calls of the workload's batch and save the output asked for."""
    (session, settings, _), batch = loaded[request["id"]], request["batch"]
    prepared = rows_of_all[0].prepared
    rows = np.load(request["rows"])[request["start"] : request["stop"]]
    collected = []
    for first in range(0, len(rows), batch):
        chosen = rows[first : first + batch]
        filled = np.resize(chosen, batch) if request["fill"] else chosen
        got = session.run(shaped(prepared.take(filled), settings))
        collected.append(np.array(got[request["output"]][: len(chosen)], copy=True))
    np.save(request["to"], np.concatenate(collected))
    return {"rows": len(rows)}


def _loadgen(request: dict[str, Any], report: Send) -> dict[str, Any]:
    from sartor.measure.loadgen_worker import drive  # an extra, and nothing that other requests should carry

    one = loaded[request["id"]]
    return drive(one.session, one.batches, request)


def _peak(request: dict[str, Any], report: Send) -> dict[str, Any]:
    return {"bytes": peak_resident_bytes()}


def peak_resident_bytes() -> int:
    """Peak resident memory of this process since it started.

    Read from /proc where there is one: `ru_maxrss` is inherited from the process that started us.
    """
    status = Path("/proc/self/status")
    if status.exists():
        line = next(row for row in status.read_text().splitlines() if row.startswith("VmHWM:"))
        return int(line.split()[1]) * 1024
    import resource

    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


def main() -> None:
    """Serve until stdin closes."""
    serve(
        {
            "load": _load,
            "unload": _unload,
            "inputs": _open_inputs,
            "warm": _warm,
            "round": _round,
            "outputs": _outputs,
            "peak": _peak,
            "loadgen": _loadgen,
        }
    )


if __name__ == "__main__":
    main()
