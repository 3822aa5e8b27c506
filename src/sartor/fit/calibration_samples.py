"""Collect samples: draw networks, build each in every arithmetic, time it, and store what was found at once."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from itertools import count, islice
from pathlib import Path
from queue import SimpleQueue
from tempfile import TemporaryDirectory
from typing import Any, Protocol

import numpy as np

from sartor.bundle.values import Variant
from sartor.cost.capture import capture
from sartor.errors import CandidateError
from sartor.fit.candidates import computable
from sartor.machine.device import Machine
from sartor.machine.samples import Network, Sample, Samples
from sartor.measure.calibration_networks import Drawn, draw
from sartor.measure.latency import Feed, load_timed, start_worker
from sartor.measure.memory import peak_memory
from sartor.measure.process import Child
from sartor.measure.reference import Beside, Reference
from sartor.model.onnx import parameter_count, read_signature
from sartor.plan.calibrated import arithmetic_of
from sartor.plan.candidates import Candidate
from sartor.plan.outline import describe
from sartor.plan.recipe import Recipe
from sartor.runtime.base import Settings
from sartor.steps.prepared import Prepared

ROUND = 24  # networks that are built together, and then timed one by one on a machine that does nothing else
_FIRST = 4
_BUILDERS = 4  # at most: each holds a quantizer, some 300 MB
_ROWS = 2  # made-up rows of each network: ranges do not matter for speed
_BUILD_LIMIT = 30.0  # seconds
_EVERY_COMPRESSED = 2  # of so many networks, one is compressed: quantizers take longer than everything else together
# Of so many networks, one is loaded in fresh workers for its peak memory; more of large ones, which tell weights apart
# from what a worker holds anyway.
_EVERY_MEMORY, _EVERY_LARGE, _LARGE_BYTES = 16, 3, 15e6
_MOST_TIMED = 60  # networks in one worker: runtimes keep some memory of each
_WARM, _ROUND_SECONDS, _ROUNDS = 0.02, 0.006, 3
_LEAST_CALLS, _MOST_CALLS = 2, 40


class Watch(Protocol):
    """Receives what happens. The terminal implements it."""

    def phase(self, title: str, steps: int | None = None) -> None:
        """A part begins; `steps` is how many `tried` calls it makes at most."""

    def tried(self, what: str, outcome: str) -> None:
        """A step of the part is done."""


def collect(samples: Samples, machine: Machine, goes_on: Callable[[], bool], watch: Watch) -> int:
    """Add networks while `goes_on`; gives how many were added. What is stored holds whatever happens next.

    Raises:
        OutputError: the samples cannot be stored.
    """
    known, added = samples.families(), 0
    numbers = (number for number in count() if _name(number) not in known)
    with (
        TemporaryDirectory(prefix="sartor-") as scratch,
        _Builders(machine) as builders,
        _Timer(Path(scratch), machine) as timer,
    ):
        while goes_on():
            # Few at first, so that a short calibration has some that were timed.
            drawn = [draw(number) for number in islice(numbers, min(ROUND, max(_FIRST, added)))]
            for one in builders.build(Path(scratch), drawn):
                if goes_on():
                    found = list(timer.measure(one))
                    samples.keep(_name(one.drawn.number), one.drawn.family, one.network, found)
                    added += 1
                    watch.tried(f"network {one.drawn.number}, {one.drawn.family}", f"{len(found)} times")
                shutil.rmtree(one.folder)
    return added


def _name(number: int) -> str:
    return f"drawn-{number}"


@dataclass(frozen=True)
class _Built:
    """A network in every form that could be built.

    Attributes:
        files: by runtime and recipe: the file, and the bytes of all that belongs to it.
    """

    drawn: Drawn
    folder: Path
    network: Network
    inputs: Mapping[str, Any]
    files: Mapping[tuple[str, Recipe], tuple[Path, int]]

    @property
    def feed(self) -> Feed:
        """One row a call, the same few in turn."""
        return Feed(self.inputs, self.folder / "rows.npy", 1)


class _Builders:
    """Workers that quantize, one a core."""

    def __init__(self, machine: Machine) -> None:
        self._machine = machine
        self._count = min(_BUILDERS, machine.cores)
        self._idle: SimpleQueue[Child] = SimpleQueue()
        self._stack = ExitStack()

    def __enter__(self) -> _Builders:
        for _ in range(self._count):
            self._idle.put(Child("sartor.fit.job", closely=True))
        return self

    def __exit__(self, *error: object) -> None:
        while not self._idle.empty():
            self._idle.get().close()

    def build(self, scratch: Path, drawn: Sequence[Drawn]) -> list[_Built]:
        """All networks in all their forms; a form that cannot be built is left out."""
        with ThreadPoolExecutor(self._count) as pool:
            return list(pool.map(lambda one: self._build(scratch / _name(one.number), one), drawn))

    def _build(self, folder: Path, drawn: Drawn) -> _Built:
        import onnx

        folder.mkdir()
        source = folder / "network.onnx"
        onnx.save(drawn.model, source)
        inputs = _rows(drawn).save(folder / "inputs")
        np.save(folder / "rows.npy", np.arange(_ROWS))
        graph = capture(source, {"batch": 1})
        network = describe(graph, source.stat().st_size)
        request = {
            "do": "build",
            "source": str(source),
            "signature": read_signature(source).as_dict(),
            "parameters": parameter_count(source),
            "inputs": inputs,
            "rows": str(folder / "rows.npy"),
            "most_rows": _ROWS,
        }
        files = {}
        forms = dict.fromkeys((one.runtime, one.recipe) for one in computable(self._machine))
        for runtime, recipe in forms:
            if recipe.effective and drawn.number % _EVERY_COMPRESSED:
                continue
            to = folder / f"{runtime}.{recipe.slug}"
            built = self._ask({**request, "recipe": recipe.as_dict(), "runtime": runtime, "to": str(to)})
            if built is not None:
                files[runtime, recipe] = (Path(built["path"]), int(built["size_bytes"]))
        return _Built(drawn, folder, network, inputs, files)

    def _ask(self, request: dict[str, Any]) -> dict[str, Any] | None:
        worker = self._idle.get()
        try:
            if not worker.alive:
                worker.close()
                worker = Child("sartor.fit.job", closely=True)
            return worker.ask(request, _BUILD_LIMIT)
        except CandidateError:
            return None  # this form does not exist for this network, as for many models of users
        finally:
            self._idle.put(worker)


def _rows(drawn: Drawn) -> Prepared:
    random = np.random.default_rng(drawn.number)
    shape = (_ROWS, *drawn.shape)
    if drawn.vocabulary:
        return Prepared({"x": random.integers(0, drawn.vocabulary, shape)})
    return Prepared({"x": random.normal(size=shape).astype(np.float32)})


class _Timer:
    """One worker that times network after network, each beside the reference."""

    def __init__(self, scratch: Path, machine: Machine) -> None:
        self._machine = machine
        self._threads = sorted({1, machine.cores})
        self._reference = Reference(scratch / "reference")
        self._worker: Child | None = None
        self._timed = 0

    def __enter__(self) -> _Timer:
        return self

    def __exit__(self, *error: object) -> None:
        if self._worker is not None:
            self._worker.close()

    def measure(self, one: _Built) -> Iterator[Sample]:
        """Everything that can be measured of a network."""
        self._timed += 1
        large = one.network.file_bytes > _LARGE_BYTES
        with_memory = one.drawn.number % (_EVERY_LARGE if large else _EVERY_MEMORY) == 0
        for candidate in computable(self._machine):
            file = one.files.get((candidate.runtime, candidate.recipe))
            if file is None:
                continue
            for threads in self._threads:
                settings = Settings(candidate.settings.precision, threads, "fixed", 1)
                variant = Variant(Candidate("network", candidate.recipe, candidate.runtime, settings), *file)
                try:
                    found, loading = self._time(variant, one.feed)
                    peak = peak_memory(variant, one.feed) if with_memory and threads == 1 else None
                except CandidateError:
                    continue  # refused by the runtime, or the worker died: no sample
                arithmetic = arithmetic_of(candidate)
                name = _name(one.drawn.number)
                times = (found.seconds, found.reference, loading)
                yield Sample(name, candidate.runtime, arithmetic, threads, *times, file[1], peak)

    def _time(self, variant: Variant, feed: Feed) -> tuple[Beside, float]:
        """A call beside the reference, and seconds to load."""
        worker, threads = self._ready(), variant.candidate.settings.threads
        feed.open_in(worker, most=_ROWS)
        loaded, call = load_timed(worker, variant, "it", _WARM)
        calls = int(np.clip(_ROUND_SECONDS / call, _LEAST_CALLS, _MOST_CALLS))
        found = self._reference.beside(worker, "it", calls, _ROUNDS, threads)
        worker.ask({"do": "unload", "id": "it"}, _BUILD_LIMIT)
        return found, loaded

    def _ready(self) -> Child:
        worker = self._worker
        if worker is None or not worker.alive or self._timed > _MOST_TIMED:
            if worker is not None:
                worker.close()
            worker = self._worker = start_worker(self._reference.feed)
            self._timed = 0
            for threads in self._threads:
                self._reference.load(worker, threads)
        return worker
