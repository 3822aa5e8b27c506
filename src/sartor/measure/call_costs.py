"""What a runtime costs before it computes anything: a call, one more operator, a process from nothing."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from sartor.bundle.values import Variant
from sartor.errors import CandidateError
from sartor.machine.measured import CallCost, StartCost
from sartor.measure.floor import write_identity
from sartor.measure.latency import Feed, load, start_worker, timed_round
from sartor.measure.matrix_model import write_operators
from sartor.measure.process import Child
from sartor.measure.repeats import figure_of_launches, launches_within
from sartor.plan.candidates import Candidate
from sartor.plan.recipe import Recipe
from sartor.runtime import RUNTIMES
from sartor.runtime.base import Settings
from sartor.steps.prepared import Prepared

_ANSWER_LIMIT = 60.0  # seconds
_CALLS = 300
_OPERATORS = 64  # of the chain
_LEAST_SECONDS = 1e-9  # that an operator takes, should noise give less


@dataclass(frozen=True)
class CallCosts:
    """What was measured, and what was not and why."""

    calls: tuple[CallCost, ...]
    starts: tuple[StartCost, ...]
    notes: tuple[str, ...]


@dataclass(frozen=True)
class _Samples:
    """One launch of one runtime: seconds to the first answer, and (call, operator) seconds by threads."""

    start: float
    calls: dict[int, tuple[float, float]]


def measure_call_costs(
    folder: Path,
    threads: Sequence[int],
    launches: int,
    seconds: float,
    on_launch: Callable[[int], None] = lambda done: None,
) -> CallCosts:
    """Start fresh workers, each of which answers, then times an identity model and a chain of tiny operators."""
    models = _Models(folder)
    samples: dict[str, list[_Samples]] = {name: [] for name in RUNTIMES}
    notes: dict[str, str] = {}
    for launch in launches_within(launches, seconds):
        for name in RUNTIMES:
            try:
                samples[name].append(_one_launch(models, name, threads))
            except CandidateError as error:
                notes[name] = f"{name}: call overhead and start: {error}"
        on_launch(launch + 1)
    measured = {name: found for name, found in samples.items() if found}
    starts = tuple(
        StartCost(name, figure_of_launches([one.start for one in found], "s")) for name, found in measured.items()
    )
    calls = tuple(_call_cost(name, count, found) for name, found in measured.items() for count in threads)
    return CallCosts(calls, starts, tuple(notes.values()))


def _call_cost(runtime: str, threads: int, launches: Sequence[_Samples]) -> CallCost:
    call, operator = (figure_of_launches([one.calls[threads][which] for one in launches], "s") for which in range(2))
    return CallCost(runtime, threads, call, operator)


class _Models:
    """An identity model and a chain of tiny operators, with their inputs."""

    def __init__(self, folder: Path) -> None:
        rows = folder / "one-row.npy"
        np.save(rows, np.zeros(100, dtype=np.int64))
        self.identity, self.chain = folder / "identity.onnx", folder / "operators.onnx"
        write_identity(self.identity)
        write_operators(self.chain, _OPERATORS)
        self.feeds = {
            path: Feed(Prepared({"x": np.zeros(shape, dtype=np.float32)}).save(folder / path.stem), rows, 1)
            for path, shape in ((self.identity, (1, 1)), (self.chain, (1, 8, 1, 1)))
        }


def _one_launch(models: _Models, runtime: str, threads: Sequence[int]) -> _Samples:
    begin = time.perf_counter()
    with start_worker(models.feeds[models.identity]) as worker:
        variant = _variant(runtime, models.identity, 1)
        request = {"do": "load", "id": "first", "runtime": runtime, "path": str(variant.path)}
        worker.ask({**request, "settings": variant.candidate.settings.as_dict()}, _ANSWER_LIMIT)
        timed_round(worker, "first", 1, 0)
        start = time.perf_counter() - begin
        single = {count: _call_seconds(worker, runtime, models.identity, count) for count in threads}
        models.feeds[models.chain].open_in(worker)
        chained = {count: _call_seconds(worker, runtime, models.chain, count) for count in threads}
    operators = {count: max((chained[count] - single[count]) / _OPERATORS, _LEAST_SECONDS) for count in threads}
    return _Samples(start, {count: (single[count], operators[count]) for count in threads})


def _call_seconds(worker: Child, runtime: str, path: Path, threads: int) -> float:
    load(worker, _variant(runtime, path, threads), "it", 0.05)
    seconds = float(np.median(timed_round(worker, "it", _CALLS, 0)))
    worker.ask({"do": "unload", "id": "it"}, _ANSWER_LIMIT)
    return seconds


def _variant(runtime: str, path: Path, threads: int) -> Variant:
    return Variant(Candidate(path.stem, Recipe(()), runtime, Settings(threads=threads)), path, 0)
