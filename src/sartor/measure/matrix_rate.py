"""The matrix-product rate of each runtime, precision and number of threads: the roof of arithmetic."""

from __future__ import annotations

import time
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from contextlib import closing, suppress
from dataclasses import dataclass
from itertools import groupby, product
from pathlib import Path

import numpy as np

from sartor.bundle.values import Variant
from sartor.errors import CandidateError
from sartor.machine.measured import MatrixRate
from sartor.measure.latency import Feed, load, start_worker, timed_round
from sartor.measure.matrix_model import INT8_FORMS, Form, chain_flop, write_chain
from sartor.measure.process import Child
from sartor.measure.repeats import OVERTIME, figure_of_launches, launches_within
from sartor.plan.candidates import Candidate
from sartor.plan.recipe import Recipe
from sartor.runtime import RUNTIMES, open_runtime
from sartor.runtime.base import Precision, Settings
from sartor.runtime.executed import computes_in_int8
from sartor.steps.prepared import Prepared
from sartor.units import format_value

Shape = tuple[int, int]  # rows of activations, width of the square weight
Outcome = float | CandidateError  # a rate in FLOP/s, or why there is none
SHAPES: tuple[Shape, ...] = ((256, 512), (512, 512), (256, 1024), (1024, 1024))
QUICK_SHAPES: tuple[Shape, ...] = ((512, 512), (512, 1024))
_PROBE_WORKER = "sartor.measure.probe_worker"
_ANSWER_LIMIT = 60.0  # seconds
_MOST_CALLS = 1000


@dataclass(frozen=True)
class _Item:
    """One thing to time."""

    runtime: str
    precision: str
    threads: int
    shape: Shape

    @property
    def kind(self) -> tuple[str, str, int]:
        return self.runtime, self.precision, self.threads


@dataclass(frozen=True)
class MatrixRates:
    """What was measured, and what was not and why."""

    rates: tuple[MatrixRate, ...]
    notes: tuple[str, ...]


def thread_counts(cores: int) -> tuple[int, ...]:
    """Powers of two up to the cores, and all cores.

    >>> thread_counts(6)
    (1, 2, 4, 6)
    """
    return tuple(sorted({*(1 << power for power in range(cores.bit_length())), cores}))


def measure_matrix_rates(
    folder: Path,
    cores: int,
    shapes: Sequence[Shape],
    launches: int,
    seconds: float,
    on_item: Callable[[str, str], None] = lambda what, outcome: None,
) -> MatrixRates:
    """Time chains of products in every runtime, precision and number of threads.

    All shapes are timed on one thread and on all cores, between them the last one only. A rate that a runtime
    does not have on this machine, or whose worker died, becomes a note.
    """
    notes = list(_refused())
    files = _Files(folder)
    items = _items(cores, shapes)
    seconds_each = seconds / (launches * len(items))
    found: dict[_Item, list[float]] = {item: [] for item in items}
    end = time.monotonic() + OVERTIME * seconds
    for launch in launches_within(launches, seconds):
        with closing(_one_launch(files, list(found), seconds_each)) as visits:
            for kind, group in groupby(visits, lambda visit: visit[0].kind):
                outcomes = dict(group)
                notes += _failures(outcomes)
                _collect(outcomes, found)
                on_item(f"{_words(kind)}, launch {launch + 1}", _said(outcomes))
                if launch and time.monotonic() > end:
                    break
    kernels = _kernels(files, tuple(dict.fromkeys(item.kind[:2] for item in found)), shapes[0])
    notes += [
        f"{runtime} int8: its products ran in {' and '.join(names) or 'kernels that it does not name'}, not in 8 bits"
        for (runtime, precision), names in kernels.items()
        if precision == "int8" and not computes_in_int8(names)
    ]
    rates = tuple(_best(kind, found, kernels[kind[:2]]) for kind in dict.fromkeys(item.kind for item in found))
    return MatrixRates(rates, tuple(notes))


def _collect(outcomes: Mapping[_Item, Outcome], found: dict[_Item, list[float]]) -> None:
    """Keep the rates; an item that failed once is not tried again."""
    for item, outcome in outcomes.items():
        if isinstance(outcome, CandidateError):
            del found[item]
        else:
            found[item].append(outcome)


def _failures(outcomes: Mapping[_Item, Outcome]) -> list[str]:
    errors = {item: outcome for item, outcome in outcomes.items() if isinstance(outcome, CandidateError)}
    return [f"{_words(item.kind)}, {item.shape[0]} x {item.shape[1]}: {error}" for item, error in errors.items()]


def _said(outcomes: Mapping[_Item, Outcome]) -> str:
    best = max((outcome for outcome in outcomes.values() if isinstance(outcome, float)), default=None)
    return "failed" if best is None else format_value(best, "FLOP/s")


def _words(kind: tuple[str, str, int]) -> str:
    runtime, precision, threads = kind
    return f"{runtime} {precision}, {threads} thread{'' if threads == 1 else 's'}"


def _items(cores: int, shapes: Sequence[Shape]) -> list[_Item]:
    counts = thread_counts(cores)
    return [
        _Item(runtime, precision, threads, shape)
        for runtime, precision, threads in product(RUNTIMES, ("f32", "bf16", "int8"), counts)
        if _why_not(runtime, precision) is None
        for shape in (shapes if threads in (counts[0], counts[-1]) else shapes[-1:])
    ]


def _why_not(runtime: str, precision: str) -> str | None:
    asked: Precision = "bf16" if precision == "bf16" else "f32"
    return open_runtime(runtime).why_not(asked)


def _refused() -> Iterator[str]:
    for runtime, precision in product(RUNTIMES, ("f32", "bf16", "int8")):
        why = _why_not(runtime, precision)
        if why is not None:
            yield f"{runtime} {precision}: {why}"


class _Files:
    """Model files and inputs by shape, written when first asked for."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._feeds: dict[Shape, Feed] = {}

    def model(self, shape: Shape, form: Form) -> Path:
        path = self._folder / f"chain-{shape[0]}x{shape[1]}-{form}.onnx"
        return path if path.exists() else write_chain(path, *shape, form)

    def feed(self, shape: Shape) -> Feed:
        if shape not in self._feeds:
            rows = self._folder / f"rows-{shape[0]}.npy"
            np.save(rows, np.arange(shape[0]))
            inputs = np.random.default_rng(1).normal(size=shape).astype(np.float32)
            saved = Prepared({"x": inputs}).save(self._folder / f"inputs-{shape[0]}x{shape[1]}")
            self._feeds[shape] = Feed(saved, rows, shape[0])
        return self._feeds[shape]

    def variant(self, item: _Item) -> Variant:
        precision: Precision = "bf16" if item.precision == "bf16" else "f32"
        settings = Settings(precision=precision, threads=item.threads, batch=item.shape[0])
        candidate = Candidate(f"chain-{item.precision}", Recipe(()), item.runtime, settings)
        form = INT8_FORMS[item.runtime] if item.precision == "int8" else "float"
        return Variant(candidate, self.model(item.shape, form), 0)


def _one_launch(
    files: _Files, items: Sequence[_Item], seconds_each: float
) -> Generator[tuple[_Item, Outcome], None, None]:
    worker: Child | None = None
    try:
        for item in items:
            try:
                if worker is None or not worker.alive:
                    worker = start_worker(files.feed(item.shape))
                yield item, _flop_per_second(worker, files, item, seconds_each)
            except CandidateError as error:
                yield item, error
    finally:
        if worker is not None:
            worker.close()


def _flop_per_second(worker: Child, files: _Files, item: _Item, seconds: float) -> float:
    """Rate of the median call; loading, warming and timing take about `seconds` together."""
    deadline = time.monotonic() + seconds
    files.feed(item.shape).open_in(worker)
    call = load(worker, files.variant(item), "chain", 0.2 * seconds)
    calls = int(np.clip((deadline - time.monotonic()) / call, 3, _MOST_CALLS))
    median = float(np.median(timed_round(worker, "chain", calls, 0)))
    worker.ask({"do": "unload", "id": "chain"}, _ANSWER_LIMIT)
    return chain_flop(*item.shape) / median


def _kernels(files: _Files, kinds: Sequence[tuple[str, str]], shape: Shape) -> dict[tuple[str, str], tuple[str, ...]]:
    """What each runtime says that it runs in each precision; nothing where it does not say."""
    kernels: dict[tuple[str, str], tuple[str, ...]] = dict.fromkeys(kinds, ())
    with suppress(CandidateError), Child(_PROBE_WORKER) as worker:
        for runtime, precision in kinds:
            variant = files.variant(_Item(runtime, precision, 1, shape))
            request = {"do": "executed", "runtime": runtime, "path": str(variant.path)}
            answer = worker.ask({**request, "settings": variant.candidate.settings.as_dict()}, _ANSWER_LIMIT)
            kernels[runtime, precision] = tuple(answer["kernels"])
    return kernels


def _best(kind: tuple[str, str, int], found: dict[_Item, list[float]], kernels: tuple[str, ...]) -> MatrixRate:
    rates = {item.shape: figure_of_launches(values, "FLOP/s") for item, values in found.items() if item.kind == kind}
    rows, width = max(rates, key=lambda shape: rates[shape].value)
    return MatrixRate(*kind, rates[rows, width], (rows, width, width), ", ".join(kernels))
