"""Time the networks of a calibration: a round of them side by side in one worker, at several moments."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from sartor.bundle.values import Variant
from sartor.errors import CandidateError
from sartor.fit.calibration_building import ROWS, Built, name_of
from sartor.machine.device import Machine
from sartor.machine.samples import Sample
from sartor.measure.latency import load_timed, start_worker
from sartor.measure.process import Child
from sartor.measure.reference import Beside, Reference, Timed
from sartor.plan.calibrated import arithmetic_of

_MOST_BYTES = 1e9  # of files that one worker holds; runtimes keep copies of what they load
_WARM, _ROUND_SECONDS, _ROUNDS, _PASSES = 0.02, 0.006, 2, 3
_LEAST_CALLS, _MOST_CALLS = 2, 40


class Timer:
    """Times networks, all of a round in one worker, each beside the reference."""

    def __init__(self, scratch: Path, machine: Machine) -> None:
        self._machine = machine
        self._threads = sorted({1, machine.cores})
        self._reference = Reference(scratch / "reference")

    def measure(self, networks: Sequence[Built]) -> Iterator[tuple[Built, list[Sample]]]:
        """Everything that can be measured of each network."""
        for together in _packs(networks):
            loaded = self._loaded_and_timed(together)
            for one in together:
                yield one, [_sample(form) for form in loaded if form.of is one]

    def _loaded_and_timed(self, together: Sequence[Built]) -> list[_Form]:
        """Every form of the networks, loaded side by side and timed in passes that go through all of them."""
        forms: list[_Form] = []
        worker = self._worker()
        try:
            for one in together:
                one.feed.open_in(worker, most=ROWS)
                for variant in one.variants(self._machine, self._threads):
                    try:
                        name = f"{name_of(one.drawn.number)} {variant.candidate.id}"
                        loading, call = load_timed(worker, variant, name, _WARM)
                    except CandidateError:  # refused by the runtime
                        if not worker.alive:  # and what was loaded before is lost
                            return self._without(together, one)
                        continue
                    calls = int(np.clip(_ROUND_SECONDS / call, _LEAST_CALLS, _MOST_CALLS))
                    forms.append(_Form(one, variant, loading, Timed(name, variant.candidate.settings.threads, calls)))
            found = self._reference.beside(worker, [form.timed for form in forms], _PASSES, _ROUNDS)
        finally:
            worker.close()
        return [replace(form, found=beside) for form, beside in zip(forms, found, strict=True)]

    def _without(self, together: Sequence[Built], killer: Built) -> list[_Form]:
        rest = [one for one in together if one is not killer]
        return self._loaded_and_timed(rest) if rest else []

    def _worker(self) -> Child:
        worker = start_worker(self._reference.feed)
        for threads in self._threads:
            self._reference.load(worker, threads)
        return worker


@dataclass(frozen=True)
class _Form:
    """A network as one runtime, arithmetic and number of threads has it.

    Attributes:
        loading: seconds to load it and make the first call.
    """

    of: Built
    variant: Variant
    loading: float
    timed: Timed
    found: Beside | None = None


def _packs(networks: Sequence[Built]) -> Iterator[list[Built]]:
    """Networks that are held in one worker: all, unless that takes too much memory."""
    pack: list[Built] = []
    for one in networks:
        if pack and sum(other.size_bytes for other in pack) + one.size_bytes > _MOST_BYTES:
            yield pack
            pack = []
        pack.append(one)
    if pack:
        yield pack


def _sample(form: _Form) -> Sample:
    candidate, found = form.variant.candidate, form.found
    assert found is not None
    name, arithmetic, threads = name_of(form.of.drawn.number), arithmetic_of(candidate), candidate.settings.threads
    times = (found.seconds, found.reference, form.loading)
    peak = form.of.peaks.get(form.variant.path) if threads == 1 else None
    return Sample(name, candidate.runtime, arithmetic, threads, *times, form.variant.size_bytes, peak)
