"""Build the networks of a calibration in every form that this machine can compute."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from queue import SimpleQueue
from threading import Event
from typing import Any

import numpy as np

from sartor.bundle.values import Variant
from sartor.cost.capture import capture
from sartor.errors import CandidateError
from sartor.fit.candidates import computable
from sartor.machine.device import Machine
from sartor.machine.samples import Network
from sartor.measure.calibration_networks import Drawn
from sartor.measure.latency import Feed
from sartor.measure.memory import peak_memory
from sartor.measure.process import Child
from sartor.model.onnx import parameter_count, read_signature
from sartor.plan.candidates import Candidate
from sartor.plan.outline import describe
from sartor.plan.recipe import Recipe
from sartor.runtime.base import Settings
from sartor.steps.prepared import Prepared

_BUILDERS = 4  # at most: each holds a quantizer, some 300 MB
ROWS = 2  # made-up rows that a network is quantized with: ranges do not matter for speed
_BUILD_LIMIT = 30.0  # seconds
# Of so many networks, one is loaded in fresh workers for its peak memory, and so is each with larger files, which tell
# weights apart from what a worker holds anyway.
_EVERY_MEMORY, _LARGE_BYTES = 4, 15e6
_MEMORY_CALLS = 3  # the peak of a fixed shape is reached in the first


@dataclass(frozen=True)
class Built:
    """A network in every form that could be built.

    Attributes:
        files: by runtime and recipe: the file, and the bytes of all that belongs to it.
        peaks: bytes of a fresh worker, by file, of some.
    """

    drawn: Drawn
    folder: Path
    network: Network
    inputs: Mapping[str, Any]
    files: Mapping[tuple[str, Recipe], tuple[Path, int]]
    peaks: Mapping[Path, int] = field(default_factory=dict)

    @property
    def feed(self) -> Feed:
        """The same few rows in turn."""
        return Feed(self.inputs, self.folder / "rows.npy", self.drawn.batch)

    @property
    def size_bytes(self) -> int:
        """Of all its files."""
        return sum(size for _, size in self.files.values())

    def variants(self, machine: Machine, threads: Sequence[int]) -> Iterator[Variant]:
        """Everything that there is to load."""
        for candidate in computable(machine):
            file = self.files.get((candidate.runtime, candidate.recipe))
            if file is None:
                continue
            for count in threads:
                settings = Settings(candidate.settings.precision, count, "fixed", self.drawn.batch)
                yield Variant(Candidate("network", candidate.recipe, candidate.runtime, settings), *file)


class Builders:
    """Workers that quantize, one a core."""

    def __init__(self, machine: Machine) -> None:
        self._machine = machine
        self._count = min(_BUILDERS, machine.cores)
        self._idle: SimpleQueue[Child] = SimpleQueue()
        self._busy: set[Child] = set()
        self._stopped = Event()

    def __enter__(self) -> Builders:
        for _ in range(self._count):
            self._idle.put(Child("sartor.fit.job", closely=True))
        return self

    def __exit__(self, *error: object) -> None:
        while not self._idle.empty():
            self._idle.get().close()

    def build(self, scratch: Path, drawn: Sequence[Drawn]) -> list[Built]:
        """All networks in all their forms; a form that cannot be built is left out."""
        with ThreadPoolExecutor(self._count) as pool:
            try:
                return list(pool.map(lambda one: self._build(scratch / one.name, one), drawn))
            except BaseException:
                self._stop()  # the pool waits for its threads: an interrupt for all forms of the networks begun
                raise

    def _stop(self) -> None:
        self._stopped.set()
        for worker in list(self._busy):
            worker.kill()

    def _build(self, folder: Path, drawn: Drawn) -> Built:
        import onnx

        folder.mkdir()
        source = folder / "network.onnx"
        onnx.save(drawn.model, source)
        inputs = _rows(drawn).save(folder / "inputs")
        np.save(folder / "rows.npy", np.arange(ROWS))
        graph = capture(source, {"batch": drawn.batch})
        network = describe(graph, source.stat().st_size)
        request = {
            "do": "build",
            "source": str(source),
            "signature": read_signature(source).as_dict(),
            "parameters": parameter_count(source),
            "inputs": inputs,
            "rows": str(folder / "rows.npy"),
            "most_rows": ROWS,
        }
        files = {}
        forms = dict.fromkeys((one.runtime, one.recipe) for one in computable(self._machine))
        for runtime, recipe in forms:
            to = folder / f"{runtime}.{recipe.slug}"
            built = self._ask({**request, "recipe": recipe.as_dict(), "runtime": runtime, "to": str(to)})
            if built is not None:
                files[runtime, recipe] = (Path(built["path"]), int(built["size_bytes"]))
        whole = Built(drawn, folder, network, inputs, files)
        if self._stopped.is_set():
            return whole
        if drawn.deep or drawn.number % _EVERY_MEMORY == 0 or network.file_bytes > _LARGE_BYTES:
            return replace(whole, peaks=dict(_peaks(whole, self._machine)))
        return whole

    def _ask(self, request: dict[str, Any]) -> dict[str, Any] | None:
        worker = self._idle.get()
        try:
            if self._stopped.is_set():
                return None
            if not worker.alive:
                worker.close()
                worker = Child("sartor.fit.job", closely=True)
            self._busy.add(worker)
            return worker.ask(request, _BUILD_LIMIT)
        except CandidateError:
            return None  # this form does not exist for this network, as for many models of users
        finally:
            self._busy.discard(worker)
            self._idle.put(worker)


def _peaks(built: Built, machine: Machine) -> Iterator[tuple[Path, int]]:
    # While others are built: memory does not depend on how loud the machine is.
    for variant in built.variants(machine, [1]):
        with suppress(CandidateError):
            yield variant.path, peak_memory(variant, built.feed, _MEMORY_CALLS)


def _rows(drawn: Drawn) -> Prepared:
    random = np.random.default_rng(drawn.number)
    shape = (ROWS, *drawn.shape)
    if drawn.vocabulary:
        return Prepared({"x": random.integers(0, drawn.vocabulary, shape)})
    return Prepared({"x": random.normal(size=shape).astype(np.float32)})
