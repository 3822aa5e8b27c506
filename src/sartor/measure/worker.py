"""The measuring worker: loads model files, times calls, writes outputs. `python -m sartor.measure.worker`.

It imports numpy and the runtime, nothing else, so that its peak memory is that of a minimal server.
"""

from __future__ import annotations

import time
from itertools import cycle, islice
from pathlib import Path
from typing import Any

import numpy as np

from sartor.measure.child import Send, serve
from sartor.runtime import open_runtime
from sartor.runtime.base import Array, Session, Settings

_KEPT_BYTES = 64e6  # of inputs that the timed calls cycle through
_BLOCK = 20  # calls
_STEADY = 0.05  # warm when two successive blocks of calls agree within this share

sessions: dict[str, Session] = {}
inputs: dict[str, Array] = {}
batches: list[dict[str, Array]] = []


def _load(request: dict[str, Any], report: Send) -> dict[str, Any]:
    start = time.perf_counter()
    runtime = open_runtime(request["runtime"])
    session = runtime.load(Path(request["path"]), Settings(**request["settings"]))
    sessions[request["id"]] = session
    return {"seconds": time.perf_counter() - start, "precision": session.precision()}


def _unload(request: dict[str, Any], report: Send) -> dict[str, Any]:
    del sessions[request["id"]]
    return {}


def _open_inputs(request: dict[str, Any], report: Send) -> dict[str, Any]:
    """Map the input arrays and keep the batches that timed calls use, in the order drawn."""
    inputs.clear()
    batches.clear()
    rows = np.load(request["rows"])
    batch = request["batch"]
    for name, path in request["arrays"].items():
        inputs[name] = np.load(path, mmap_mode="r")
    size = sum(array[:1].nbytes for array in inputs.values()) * batch
    count = max(1, min(int(_KEPT_BYTES / size), request["most"], len(rows) // batch))
    for index in range(count):
        # Fewer rows than a batch holds are repeated, so that every call has the size asked for.
        chosen = np.resize(rows, max(len(rows), batch))[index * batch : (index + 1) * batch]
        batches.append({name: np.ascontiguousarray(array[chosen]) for name, array in inputs.items()})
    return {"batches": len(batches)}


def _calls(session: Session, count: int, start: int = 0) -> list[float]:
    """Seconds of each call; inputs are taken in their order, beginning at batch `start`."""
    seconds = []
    for batch in islice(cycle(batches), start % len(batches), start % len(batches) + count):
        begin = time.perf_counter_ns()
        session.run(batch)
        seconds.append((time.perf_counter_ns() - begin) * 1e-9)
    return seconds


def _warm(request: dict[str, Any], report: Send) -> dict[str, Any]:
    """Call until two successive blocks agree or the time is over; gives the median seconds of the last block.

    The first block ends early on a slow model: its time may be over after a single call.
    """
    session = sessions[request["id"]]
    deadline = time.perf_counter() + request["seconds"]
    previous = float("nan")
    while True:
        median = float(np.median(_block(session, deadline)))
        if abs(median - previous) <= _STEADY * previous or time.perf_counter() > deadline:
            return {"call_seconds": median}
        previous = median


def _block(session: Session, deadline: float) -> list[float]:
    seconds = _calls(session, 1)
    while len(seconds) < _BLOCK and time.perf_counter() < deadline:
        seconds += _calls(session, 1, len(seconds))
    return seconds


def _round(request: dict[str, Any], report: Send) -> dict[str, Any]:
    return {"seconds": _calls(sessions[request["id"]], request["calls"], request.get("start", 0))}


def _outputs(request: dict[str, Any], report: Send) -> dict[str, Any]:
    """Run rows [start, stop) of the split in calls of the workload's batch and save the first output."""
    session, batch = sessions[request["id"]], request["batch"]
    rows = np.load(request["rows"])[request["start"] : request["stop"]]
    collected = []
    for first in range(0, len(rows), batch):
        chosen = rows[first : first + batch]
        filled = np.resize(chosen, batch) if request["fill"] else chosen
        got = session.run({name: np.ascontiguousarray(array[filled]) for name, array in inputs.items()})
        collected.append(np.array(got[0][: len(chosen)], copy=True))
    np.save(request["to"], np.concatenate(collected))
    return {"rows": len(rows)}


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
        }
    )


if __name__ == "__main__":
    main()
