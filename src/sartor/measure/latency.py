"""Latency: a quick screen of many candidates, and the proof of a few over fresh launches.

Variation between process launches dominates on real machines, so a launch is the unit that the
statistics resample, and every comparison is made inside one launch group: fresh workers for all
variants, alive together, timed in alternating rounds on the same inputs.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sartor.bundle.values import Variant
from sartor.errors import CandidateError
from sartor.measure.noise import NoiseGate
from sartor.measure.process import Child

Seconds = NDArray[np.float64]
_MODULE = "sartor.measure.worker"
_LOAD_LIMIT = 60.0  # seconds to load and warm before a candidate counts as hanging
_START_BYTES = 110e6  # resident with a runtime loaded, as seen with OpenVINO 2026.4 on Linux
_LEAST_CALLS, _LEAST_VARYING = 3, 8  # of a screen's round: where rows vary, a few are not like the rest
_MOST_TRIES = 3  # of one round on a noisy machine


@dataclass(frozen=True)
class Feed:
    """What timed calls are fed with.

    Attributes:
        inputs: prepared rows on disk, as `Prepared.save` described them.
        rows: file with the row numbers of a split, in their order.
        batch: rows per call.
        memory_limit: of the worker, in bytes.
        output: number of the output that is read and judged.
    """

    inputs: Mapping[str, Any]
    rows: Path
    batch: int
    memory_limit: float | None = None
    output: int = 0

    @property
    def varies(self) -> bool:
        """Whether rows differ in length, and so do calls in their time."""
        return self.inputs["lengths"] is not None

    def open_in(self, worker: Child, most: int = 256) -> None:
        """Have a worker map the arrays and keep at most `most` batches."""
        request = {
            "do": "inputs",
            "inputs": dict(self.inputs),
            "rows": str(self.rows),
            "batch": self.batch,
            "most": most,
        }
        worker.ask(request, _LOAD_LIMIT)


def start_worker(feed: Feed, most: int = 256) -> Child:
    """A fresh measuring worker with the inputs of `feed` open."""
    worker = Child(_MODULE, feed.memory_limit, _START_BYTES)
    try:
        feed.open_in(worker, most)
    except BaseException:
        worker.close()
        raise
    return worker


def load(worker: Child, variant: Variant, name: str, warm_seconds: float = 1.0) -> float:
    """Load a variant under a name and warm it; gives the seconds of one warm call."""
    return load_timed(worker, variant, name, warm_seconds)[1]


def load_timed(worker: Child, variant: Variant, name: str, warm_seconds: float) -> tuple[float, float]:
    """As `load`; gives the seconds that loading took as well, before those of a warm call."""
    request = {
        "do": "load",
        "id": name,
        "runtime": variant.candidate.runtime,
        "path": str(variant.path),
        "settings": variant.candidate.settings.as_dict(),
    }
    loaded = worker.ask(request, _LOAD_LIMIT)["seconds"]
    warm = worker.ask({"do": "warm", "id": name, "seconds": warm_seconds}, _LOAD_LIMIT)["call_seconds"]
    return float(loaded), float(warm)


@dataclass(frozen=True)
class Screened:
    """One launch's quick look at a candidate.

    Attributes:
        seconds: median of its calls, scaled by what the reference took in the same rounds against what it
            took when the screen began, so that candidates timed minutes apart on a machine with neighbours
            can be compared.
        start_seconds: to load and warm it.
    """

    seconds: float
    start_seconds: float


def screen(
    reference: Variant,
    variants: Iterable[Variant],
    feed: Feed,
    on_result: Callable[[Variant, Screened | CandidateError], None],
    *,
    rounds: int = 5,
    round_seconds: float = 0.004,
    gate: NoiseGate | None = None,
    keep_going: Callable[[], bool] = lambda: True,
) -> None:
    """Time each variant against the reference in one worker; a dead worker costs one candidate.

    Args:
        variants: taken one by one, so that what comes next may depend on what was found.
        on_result: called after each variant with what was found or why it failed.
        gate: waits a little for a quiet moment before each round; None does not wait.
        keep_going: asked before each variant; False ends the screen early.
    """
    worker: Child | None = None
    anchor = 0.0
    gate = gate or NoiseGate(probe=lambda: 0.0)
    try:
        for variant in variants:
            if not keep_going():
                return
            try:
                if worker is None or not worker.alive:
                    worker = start_worker(feed, most=64)
                    seconds = load(worker, reference, "reference", 0.3)
                    anchor = anchor or seconds
                on_result(variant, _screen_one(worker, variant, anchor, rounds, round_seconds, gate, feed.varies))
            except CandidateError as error:
                if not anchor:
                    raise  # the reference itself does not run, so nothing can be compared with it
                on_result(variant, error)
    finally:
        if worker is not None:
            worker.close()


def _screen_one(
    worker: Child,
    variant: Variant,
    anchor: float,
    rounds: int,
    round_seconds: float,
    gate: NoiseGate,
    varies: bool,
) -> Screened:
    began = time.perf_counter()
    call = load(worker, variant, "candidate", 0.2)
    start_seconds = time.perf_counter() - began
    least = _LEAST_VARYING if varies else _LEAST_CALLS
    calls = int(np.clip(round_seconds / call, least, 60))
    reference_calls = int(np.clip(round_seconds / anchor, least, 60))
    if varies:  # the same rows for both, or a long sentence here would be held against a short one there
        calls = reference_calls = min(calls, reference_calls)
    ratios = []
    for index in range(rounds):
        gate.wait()
        base = timed_round(worker, "reference", reference_calls, index * reference_calls)
        own = timed_round(worker, "candidate", calls, index * calls)
        ratios.append(float(np.median(base) / np.median(own)))
    worker.ask({"do": "unload", "id": "candidate"}, _LOAD_LIMIT)
    return Screened(anchor / float(np.median(ratios)), start_seconds)


def timed_round(worker: Child, name: str, calls: int, start: int, time_limit: float = _LOAD_LIMIT) -> Seconds:
    """Seconds of `calls` consecutive calls, inputs taken in order from batch `start`."""
    answer = worker.ask({"do": "round", "id": name, "calls": calls, "start": start}, time_limit)
    return np.asarray(answer["seconds"], dtype=np.float64)


@dataclass(frozen=True)
class Launches:
    """Calls of several variants over fresh launches: per name one (rounds, calls) array a launch."""

    seconds: Mapping[str, tuple[Seconds, ...]]
    repeated: int
    accepted: int

    @property
    def noisy(self) -> bool:
        """Whether more than a tenth of the rounds had to be accepted above the quiet level."""
        rounds = sum(len(launch) for launches in self.seconds.values() for launch in launches)
        return self.accepted > 0.1 * rounds


def time_launches(
    variants: Mapping[str, Variant],
    feeds: Mapping[str, Feed],
    gate: NoiseGate,
    *,
    launches: int = 5,
    rounds: int = 10,
    calls_wanted: int = 400,
    least_calls: int = 0,
    launch_seconds: float = 2.0,
    on_launch: Callable[[int], None] = lambda done: None,
) -> Launches:
    """Time variants in `launches` groups of fresh workers, in alternating order.

    Args:
        variants: name -> variant; the same variant under two names gives an A/A comparison.
        feeds: name -> what it is fed with; models may take different inputs.
        calls_wanted: calls of each variant in one launch, over all rounds; fewer when a launch of one
            variant would take longer than `launch_seconds`.
        least_calls: never fewer than these in one launch, nor fewer than two a round.

    Raises:
        CandidateError: a variant that ran before does not run now; names it in `candidate`.
    """
    collected: dict[str, list[Seconds]] = {name: [] for name in variants}
    names = list(variants)
    for launch in range(launches):
        order = names if launch % 2 == 0 else names[::-1]
        group = _group_again(variants, order, feeds, gate, rounds, (least_calls, calls_wanted), launch_seconds)
        for name in names:
            collected[name].append(group[name])
        on_launch(launch + 1)
    return Launches({name: tuple(found) for name, found in collected.items()}, gate.repeated, gate.accepted)


def _group_again(variants: Mapping[str, Variant], order: Sequence[str], *settings: Any) -> dict[str, Seconds]:
    """A launch group; once more if a worker died, since something outside may have killed it."""
    try:
        return _one_group(variants, order, *settings)
    except CandidateError as error:
        if error.reason != "crash":
            raise
        return _one_group(variants, order, *settings)


def _one_group(
    variants: Mapping[str, Variant],
    order: Sequence[str],
    feeds: Mapping[str, Feed],
    gate: NoiseGate,
    rounds: int,
    calls_between: tuple[int, int],
    launch_seconds: float,
) -> dict[str, Seconds]:
    with ExitStack() as stack:
        workers, calls = {}, {}
        for name in order:
            with naming(variants[name]):
                workers[name] = stack.enter_context(start_worker(feeds[name]))
                seconds = load(workers[name], variants[name], name)
            least, most = (max(2, -(-count // rounds)) for count in calls_between)
            calls[name] = int(np.clip(launch_seconds / max(seconds, 1e-9) / rounds, least, max(least, most)))
        if any(feeds[name].varies for name in order):  # all are timed on the same rows
            calls = dict.fromkeys(order, min(calls.values()))
        collected: dict[str, list[Seconds]] = {name: [] for name in order}
        for index in range(rounds):
            for name in order if index % 2 == 0 else order[::-1]:
                with naming(variants[name]):
                    collected[name].append(_quiet_round(workers[name], name, calls[name], index, gate))
    return {name: np.stack(found) for name, found in collected.items()}


@contextmanager
def naming(variant: Variant) -> Iterator[None]:
    """Say in the error of a group which of its variants failed."""
    try:
        yield
    except CandidateError as error:
        raise CandidateError(error.reason, error.detail, variant.id) from None


def _quiet_round(worker: Child, name: str, calls: int, index: int, gate: NoiseGate) -> Seconds:
    """A round with a quiet machine before and after it; after three tries the last one is taken."""
    for attempt in range(_MOST_TRIES):
        quiet_before = gate.is_quiet()
        timed_round(worker, name, 2, index * calls)  # caches went cold while another variant ran
        seconds = timed_round(worker, name, calls, index * calls)
        if quiet_before and gate.is_quiet():
            return seconds
        if attempt + 1 < _MOST_TRIES:
            gate.repeated += 1
            time.sleep(0.01)
    gate.accepted += 1
    return seconds
