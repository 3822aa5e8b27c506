"""The probe: everything about this machine that predictions need, measured within minutes."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Protocol

from sartor.machine.caches import Cache, read_caches
from sartor.machine.device import Machine, this_machine
from sartor.machine.measured import Bandwidth, Noise
from sartor.machine.profile import Profile
from sartor.measure.bandwidth import measure_bandwidth, working_sets
from sartor.measure.call_costs import CallCosts, measure_call_costs
from sartor.measure.gpus import find_gpus
from sartor.measure.machine_noise import measure_noise
from sartor.measure.matrix_rate import QUICK_SHAPES, SHAPES, MatrixRates, Shape, measure_matrix_rates
from sartor.runtime import RUNTIMES, open_runtime


class Watch(Protocol):
    """Receives what happens, in order. The terminal implements it; a silent one is the default."""

    def phase(self, title: str, steps: int | None = None) -> None:
        """A part begins; `steps` is how many `tried` calls it makes at most."""

    def tried(self, what: str, outcome: str) -> None:
        """A step of the part is done."""

    def note(self, text: str) -> None:
        """Something the user should know."""


class Unwatched:
    """Watches nothing."""

    def phase(self, title: str, steps: int | None = None) -> None:
        """Ignored."""

    def tried(self, what: str, outcome: str) -> None:
        """Ignored."""

    def note(self, text: str) -> None:
        """Ignored."""


@dataclass(frozen=True)
class Pace:
    """How thoroughly each part is measured. Seconds are kept to but for the least of launches.

    Attributes:
        step: factor from one working set to the next.
        launches: fresh processes that each figure of bandwidth and of products comes from.
        starts: fresh processes of each runtime, for its start and call costs.
        twins: pairs of identical workers.
        look: seconds of looking for loud moments.
    """

    step: int
    shapes: tuple[Shape, ...]
    launches: int
    starts: int
    twins: int
    look: float
    bandwidth: float
    matrix: float
    calls: float
    seconds: float


FULL = Pace(2, SHAPES, 3, 5, 5, 3.0, bandwidth=30.0, matrix=55.0, calls=15.0, seconds=120.0)
QUICK = Pace(4, QUICK_SHAPES, 2, 2, 2, 0.5, bandwidth=4.0, matrix=8.0, calls=2.5, seconds=20.0)


def runtime_versions() -> dict[str, str]:
    """Version of each runtime's library."""
    return {name: open_runtime(name).version() for name in RUNTIMES}


def this_machines_caches() -> tuple[Cache, ...]:
    """The caches behind the processors that this process may use."""
    allowed = os.sched_getaffinity(0) if hasattr(os, "sched_getaffinity") else range(os.cpu_count() or 1)
    return read_caches(allowed)


def probe(quick: bool = False, watch: Watch | None = None, pace: Pace | None = None) -> Profile:
    """Measure this machine; nothing is stored.

    Args:
        quick: under 30 s in place of under 3 minutes: fewer points, shapes and launches, so wider intervals.
        pace: instead of what `quick` stands for.

    Raises:
        CandidateError: a worker that goes through memory or a twin died.
    """
    begin, machine = time.monotonic(), this_machine()
    part = _Parts(machine, pace or (QUICK if quick else FULL), watch or Unwatched())
    with TemporaryDirectory(prefix="sartor-") as scratch:
        caches = this_machines_caches()
        bandwidth = part.bandwidth(caches)
        matrix = part.matrix(Path(scratch))
        calls = part.calls(Path(scratch))
        noise = part.noise(Path(scratch))
    found = find_gpus()
    unknown = () if caches else ("caches: this system does not describe them; levels are read off the curve",)
    return Profile(
        machine=machine,
        versions=runtime_versions(),
        quick=quick,
        measured_at=time.time(),
        elapsed_s=time.monotonic() - begin,
        caches=caches,
        bandwidth=bandwidth,
        matrix=matrix.rates,
        calls=calls.calls,
        starts=calls.starts,
        noise=noise,
        gpus=found.gpus,
        notes=(*unknown, *matrix.notes, *calls.notes, *found.notes),
    )


@dataclass(frozen=True)
class _Parts:
    """The parts of a probe, each with its share of the time."""

    machine: Machine
    pace: Pace
    watch: Watch

    def bandwidth(self, caches: tuple[Cache, ...]) -> tuple[Bandwidth, ...]:
        pace, sizes = self.pace, working_sets(self.machine, caches, self.pace.step)
        self.watch.phase("Memory: reading and copying working sets", pace.launches)
        return measure_bandwidth(self.machine, sizes, pace.launches, pace.bandwidth, self._said(pace.launches))

    def matrix(self, folder: Path) -> MatrixRates:
        self.watch.phase("Arithmetic: matrix products in every runtime and precision")
        pace = self.pace
        return measure_matrix_rates(
            folder, self.machine.cores, pace.shapes, pace.launches, pace.matrix, self.watch.tried
        )

    def calls(self, folder: Path) -> CallCosts:
        self.watch.phase("Overheads: a call, an operator, a fresh process", self.pace.starts)
        threads = sorted({1, self.machine.cores})
        return measure_call_costs(folder, threads, self.pace.starts, self.pace.calls, self._said(self.pace.starts))

    def noise(self, folder: Path) -> Noise:
        self.watch.phase("Noise: identical workers against each other", self.pace.twins)
        return measure_noise(folder, self.pace.twins, self.pace.look, self._said(self.pace.twins))

    def _said(self, launches: int) -> Callable[[int], None]:
        return lambda done: self.watch.tried(f"launch {done} of {launches}", "done")
