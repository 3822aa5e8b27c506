"""Time the networks of a calibration: a round of them side by side in one worker, at several moments."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from sartor.bundle.values import Variant
from sartor.errors import CandidateError
from sartor.fit.calibration_building import ROWS, Built
from sartor.machine.device import Machine
from sartor.machine.samples import Sample
from sartor.measure.latency import load_timed, start_worker
from sartor.measure.process import Child
from sartor.measure.reference import Beside, Reference, Timed
from sartor.plan.calibrated import arithmetic_of

_MOST_BYTES, _MEMORY_SHARE = 1e9, 1 / 16  # of files that one worker holds; runtimes keep copies of what they load
_WARM, _ROUND_SECONDS, _ROUNDS, _PASSES = 0.02, 0.006, 2, 3
_LEAST_CALLS, _MOST_CALLS = 2, 40


class Timer:
    """Times networks, all of a round in one worker, each beside the reference."""

    def __init__(self, scratch: Path, machine: Machine) -> None:
        self._machine = machine
        self._threads = sorted({1, machine.cores})
        self._most_bytes = min(_MOST_BYTES, _MEMORY_SHARE * machine.memory_bytes)
        self._reference = Reference(scratch / "reference")

    def measure(self, networks: Sequence[Built]) -> Iterator[tuple[Built, list[Sample]]]:
        """Everything that can be measured of each network; deep ones are not timed."""
        for one in networks:
            if one.drawn.deep:
                yield one, [_sample(_Form(one, variant)) for variant in one.variants(self._machine, [1])]
        for together in _packs([one for one in networks if not one.drawn.deep], self._most_bytes):
            forms = self._forms(together)
            for one in together:
                yield one, [_sample(form) for form in forms if form.of is one]

    def _forms(self, together: Sequence[Built]) -> list[_Form]:
        """Every form of the networks. A worker that dies takes along what it had loaded: each half is timed again."""
        try:
            return self._side_by_side(together)
        except CandidateError:
            if len(together) == 1:
                return []
            half = len(together) // 2
            return [*self._forms(together[:half]), *self._forms(together[half:])]

    def _side_by_side(self, together: Sequence[Built]) -> list[_Form]:
        """Load every form in one worker and time them in passes that go through all of them.

        Raises:
            CandidateError: the worker died.
        """
        forms: list[_Form] = []
        timed: list[Timed] = []
        with self._worker() as worker:
            for one in together:
                one.feed.open_in(worker, most=ROWS)
                for variant in one.variants(self._machine, self._threads):
                    name = f"{one.drawn.name} {variant.candidate.id}"
                    try:
                        loading, call = load_timed(worker, variant, name, _WARM)
                    except CandidateError:
                        if not worker.alive:
                            raise
                        continue  # refused by the runtime
                    calls = int(np.clip(_ROUND_SECONDS / call, _LEAST_CALLS, _MOST_CALLS))
                    forms.append(_Form(one, variant, loading))
                    timed.append(Timed(name, variant.candidate.settings.threads, calls))
            found = self._reference.beside(worker, timed, _PASSES, _ROUNDS)
        return [replace(form, found=beside) for form, beside in zip(forms, found, strict=True)]

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
    loading: float | None = None
    found: Beside | None = None


def _packs(networks: Sequence[Built], most_bytes: float) -> Iterator[list[Built]]:
    """Networks that are held in one worker: all, unless that takes too much memory."""
    pack: list[Built] = []
    for one in networks:
        if pack and sum(other.size_bytes for other in pack) + one.size_bytes > most_bytes:
            yield pack
            pack = []
        pack.append(one)
    if pack:
        yield pack


def _sample(form: _Form) -> Sample:
    candidate, found = form.variant.candidate, form.found
    threads = candidate.settings.threads
    return Sample(
        *(form.of.drawn.name, candidate.runtime, arithmetic_of(candidate), threads),
        seconds=found.seconds if found else None,
        reference_seconds=found.reference if found else None,
        load_seconds=form.loading,
        size_bytes=form.variant.size_bytes,
        memory_bytes=form.of.peaks.get(form.variant.path) if threads == 1 else None,
    )
