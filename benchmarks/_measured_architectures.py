"""Export, quantize and time the architectures that predictions are judged on."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from _architectures import ARCHITECTURES, Architecture, export
from sartor.bundle.values import Variant
from sartor.compress.build import build
from sartor.errors import CandidateError, SartorError
from sartor.fit.candidates import computable
from sartor.machine.device import Machine
from sartor.machine.samples import Sample
from sartor.measure.latency import Feed, load_timed, start_worker, timed_round
from sartor.measure.process import Child
from sartor.measure.reference import Reference, Timed
from sartor.model.onnx import parameter_count, read_signature
from sartor.model.values import ExportedModel
from sartor.plan.calibrate import at_a_quiet_moment
from sartor.plan.calibrated import arithmetic_of
from sartor.plan.candidates import Candidate
from sartor.runtime.base import Settings

LAUNCHES, PASSES, ROUND_SECONDS = 2, 4, 0.06
BATCHES = {"resnet18": 4, "mobilenet-v2": 4, "vit-tiny": 4, "bert-mini": 8, "minilm-l6": 8, "gru-keywords": 8}
"""Architectures that are timed with more rows a call as well."""


@dataclass(frozen=True)
class Measured:
    """One architecture in one runtime, arithmetic, number of threads and rows a call; seconds and bytes."""

    name: str
    runtime: str
    arithmetic: str
    threads: int
    batch: int
    seconds: float
    start_seconds: float | None
    size_bytes: float
    memory_bytes: float | None

    @property
    def key(self) -> tuple[str, str, str, int, int]:
        return self.name, self.runtime, self.arithmetic, self.threads, self.batch


class Files:
    """The files of one architecture, made when they are not there yet."""

    def __init__(self, name: str, folder: Path) -> None:
        self.one: Architecture = ARCHITECTURES[name]
        self.folder = folder / name
        self.source = self.folder / "network.onnx"

    def exported(self) -> ExportedModel:
        if not self.source.exists():
            export(self.one, self.source)
        return ExportedModel(self.source, read_signature(self.source), parameter_count(self.source))

    def variant(self, candidate: Candidate, settings: Settings) -> Variant:
        """Raises: CandidateError where the recipe or the runtime refuses the model."""
        to = self.folder / f"{candidate.runtime}.{candidate.recipe.slug}"
        refused = self.folder / f"{to.name}.refused"
        if refused.exists():
            raise CandidateError("unsupported", refused.read_text())
        if not to.exists():
            try:
                build(candidate.recipe, self.exported(), candidate.runtime, self.one.rows(6), to)
            except CandidateError as error:
                refused.write_text(error.detail)
                raise
        main = next(path for path in sorted(to.iterdir()) if path.suffix in (".onnx", ".xml"))
        size = sum(path.stat().st_size for path in to.iterdir())
        return Variant(Candidate("it", candidate.recipe, candidate.runtime, settings), main, size)

    def feed(self, batch: int) -> Feed:
        rows = self.folder / f"rows-{batch}.npy"
        np.save(rows, np.arange(batch))
        return Feed(self.one.rows(batch).save(self.folder / f"inputs-{batch}"), rows, batch)


def measure(names: Sequence[str], folder: Path, machine: Machine, quiet: Mapping[int, float]) -> Iterator[Measured]:
    """Everything that is not in the folder's file yet, and what is.

    Args:
        quiet: seconds of the reference at a quiet moment, by threads.
    """
    kept = folder / "measured.jsonl"
    known = [Measured(**json.loads(line)) for line in kept.read_text().splitlines()] if kept.exists() else []
    yield from (one for one in known if one.name in names)
    have, reference = {(one.name, one.batch) for one in known}, Reference(folder)
    with kept.open("a") as file:
        for name in names:
            for batch in (1, *([BATCHES[name]] if name in BATCHES else [])):
                if (name, batch) in have:
                    continue
                print(f"measuring {name}, {batch} rows", flush=True)
                found = list(_measured(Files(name, folder), name, batch, machine, reference, quiet))
                file.writelines(json.dumps(asdict(one)) + "\n" for one in found)
                file.flush()
                yield from found


Key = tuple[str, str, int]


def _measured(
    files: Files, name: str, batch: int, machine: Machine, reference: Reference, quiet: Mapping[int, float]
) -> Iterator[Measured]:
    """The mean over fresh launches of a worker, in each the quietest round."""
    variants, feed = dict(_variants(files, name, batch, machine)), files.feed(batch)
    launches: dict[Key, list[float]] = {}
    for _ in range(LAUNCHES):
        for key, seconds in _launch(name, variants, feed, machine, reference, quiet):
            launches.setdefault(key, []).append(seconds)
    for key, each in launches.items():
        start, peak = _fresh(variants[key], feed) if key[2] == 1 and batch == 1 else (None, None)
        yield Measured(name, *key, batch, float(np.mean(each)), start, float(variants[key].size_bytes), peak)


def _variants(files: Files, name: str, batch: int, machine: Machine) -> Iterator[tuple[Key, Variant]]:
    for candidate in computable(machine):
        if arithmetic_of(candidate) == "int8-dynamic":
            continue
        for threads in sorted({1, machine.cores}):
            try:
                variant = files.variant(candidate, Settings(candidate.settings.precision, threads, "fixed", batch))
                yield (candidate.runtime, arithmetic_of(candidate), threads), variant
            except SartorError as error:
                print(f"   {name}, {candidate.label}: skipped, {str(error)[:150]}", flush=True)


def _launch(
    name: str,
    variants: dict[Key, Variant],
    feed: Feed,
    machine: Machine,
    reference: Reference,
    quiet: Mapping[int, float],
) -> Iterator[tuple[Key, float]]:
    """Seconds of one call of each variant at a quiet moment; what does not run is taken out of `variants`."""
    with start_worker(reference.feed) as worker:
        for threads in sorted({1, machine.cores}):
            reference.load(worker, threads)
        feed.open_in(worker, most=2)
        timed = {}
        for key, variant in list(variants.items()):
            try:
                timed[key] = _loaded(worker, key, variant)
            except CandidateError as error:
                print(f"   {name}, {key}: skipped, {str(error)[:150]}", flush=True)
                del variants[key]
        found = reference.beside(worker, list(timed.values()), PASSES, 1)
    for key, beside in zip(timed, found, strict=True):
        seconds = at_a_quiet_moment(Sample(name, *key, beside.seconds, beside.reference), quiet)
        if seconds is None:
            print(f"   {name}, {key}: skipped, the machine was too loud", flush=True)
        else:
            yield key, seconds


def _loaded(worker: Child, key: Key, variant: Variant) -> Timed:
    name = " ".join(map(str, key))
    _, call = load_timed(worker, variant, name, 0.1)
    return Timed(name, variant.candidate.settings.threads, int(np.clip(ROUND_SECONDS / call, 2, 50)))


def _fresh(variant: Variant, feed: Feed) -> tuple[float, float]:
    """Seconds from the start of a process to its first answer, and its peak of memory half a second of calls later."""
    begin = time.perf_counter()
    with start_worker(feed, most=4) as worker:
        _, call = load_timed(worker, variant, "it", 0.0)
        start = time.perf_counter() - begin
        timed_round(worker, "it", int(np.clip(0.5 / call, 3, 100)), 0)
        return start, float(worker.ask({"do": "peak"}, 60.0)["bytes"])
