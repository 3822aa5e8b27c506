"""Bandwidth over the working set: how fast each level of memory is read and copied, by one core and by all."""

from __future__ import annotations

import time
from collections.abc import Callable, Generator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing
from dataclasses import dataclass
from typing import Any

import numpy as np

from sartor.machine.caches import Cache
from sartor.machine.device import Machine
from sartor.machine.measured import Bandwidth, Operation
from sartor.measure.process import Child
from sartor.measure.repeats import OVERTIME, figure_of_launches, launches_within

_MODULE = "sartor.measure.probe_worker"
_ANSWER_LIMIT = 60.0  # seconds
_SMALLEST = 16 << 10
_LARGEST = 256 << 20  # beyond the caches of most machines; of others, four times their last cache
_MEMORY_SHARE = 8  # never more than one eighth of the memory
_LEAD = 0.005  # seconds from the request to the common start
_WINDOWS = 2  # of one point in one launch


@dataclass(frozen=True)
class _Point:
    operation: Operation
    threads: int
    working_set: int


def working_sets(machine: Machine, caches: Sequence[Cache], step: int) -> tuple[int, ...]:
    """Bytes from 16 kB on, each `step` times the one before, until memory is what answers."""
    last = max((cache.size_bytes * cache.instances for cache in caches), default=0)
    largest = max(_SMALLEST, min(max(_LARGEST, 4 * last), machine.memory_bytes // _MEMORY_SHARE))
    sizes = [_SMALLEST]
    while sizes[-1] * step <= largest:
        sizes.append(sizes[-1] * step)
    return tuple(sizes)


def measure_bandwidth(
    machine: Machine,
    sizes: Sequence[int],
    launches: int,
    seconds: float,
    on_launch: Callable[[int], None] = lambda done: None,
) -> tuple[Bandwidth, ...]:
    """Read and copy working sets of these sizes with one worker and with one a core.

    Each launch visits all points; a point's figure is over the launches, in each the median of its windows.

    Raises:
        CandidateError: a worker died.
    """
    points = _points(machine.cores, sizes)
    window = float(np.clip(0.6 * seconds / (launches * len(points) * _WINDOWS), 0.004, 0.1))
    end = time.monotonic() + OVERTIME * seconds
    rates: dict[_Point, list[float]] = {point: [] for point in points}
    for launch in launches_within(launches, seconds):
        with closing(_one_launch(points, window)) as visits:
            for point, rate in visits:
                rates[point].append(rate)
                if launch and time.monotonic() > end:
                    break
        on_launch(launch + 1)
    return tuple(
        Bandwidth(point.operation, point.threads, point.working_set, figure_of_launches(found, "B/s"))
        for point, found in rates.items()
    )


def _points(cores: int, sizes: Sequence[int]) -> list[_Point]:
    """Each size for one worker, then for every core that much, as long as all of them stay within the largest."""
    operations: tuple[Operation, ...] = ("read", "copy")
    return [
        _Point(operation, count, size * count)
        for count in sorted({1, cores})
        for operation in operations
        for size in sizes
        if size * count <= max(sizes[-1], count * sizes[0])
    ]


def _one_launch(points: Sequence[_Point], window: float) -> Generator[tuple[_Point, float], None, None]:
    with ExitStack() as stack:
        count = max(point.threads for point in points)
        workers = [stack.enter_context(Child(_MODULE)) for _ in range(count)]
        asking = stack.enter_context(ThreadPoolExecutor(count))
        for point in points:
            yield point, _rate(workers[: point.threads], asking, point, window)


def _rate(workers: Sequence[Child], asking: ThreadPoolExecutor, point: _Point, window: float) -> float:
    """B/s of all workers together: the median over windows that they go through side by side."""

    def ask(request: dict[str, Any]) -> list[dict[str, Any]]:
        return list(asking.map(lambda worker: worker.ask(request, _ANSWER_LIMIT), workers))

    ask({"do": "fill", "operation": point.operation, "bytes": point.working_set // point.threads})
    start = time.monotonic() + _LEAD
    answers = ask({"do": "sweep", "start": start, "seconds": window, "windows": _WINDOWS})
    return float(np.median(np.sum([answer["rates"] for answer in answers], axis=0)))
