"""What a fit found of its models' times, kept for later predictions: as samples, and as corrections at once."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import replace

from sartor.errors import OutputError
from sartor.fit.board import Standing
from sartor.fit.prediction import network_of
from sartor.fit.search import Search
from sartor.fit.stages import Source
from sartor.machine.calibration import Calibration, Experience
from sartor.machine.calibration_file import find_calibration, samples_path, save_calibration
from sartor.machine.samples import Network, Sample, Samples
from sartor.plan.calibrated import arithmetic_of, predict_latency
from sartor.plan.experience import likeness

_MOST = 200  # networks whose corrections are kept; a new calibration learns from all samples
_FAMILY = "fit"


def remember(search: Search) -> None:
    """Keep what was timed of each model. Nothing here may spoil a fit: what cannot be stored is said and left."""
    run = search.run
    if run.calibration is None:
        return
    try:
        for source in search.sources.values():
            network = None if run.compressed.get(source.model.name) else network_of(run, source)
            if network is not None:
                _keep(search, source, network)
    except OutputError as error:
        run.watch.note(f"what was timed is not kept for later predictions: {error}")


def _keep(search: Search, source: Source, network: Network) -> None:
    run = search.run
    name = f"fit-{source.content[:12]}-{run.need.workload.batch}"
    samples = list(_samples(search, source, name))
    # Another fit may have added to the file since this one began.
    calibration = find_calibration(run.machine, run.versions).calibration
    if not samples or calibration is None:
        return
    with Samples(samples_path(run.machine), run.versions) as kept:
        kept.keep(name, _FAMILY, network, samples)
    off = dict(_off(replace(calibration, experience=()), network, samples))
    others = [one for one in calibration.experience if one.network != name]
    added = Experience(name, tuple(likeness(network).tolist()), off)
    save_calibration(replace(calibration, experience=(*others, added)[-_MOST:]), run.machine)


def _samples(search: Search, source: Source, name: str) -> Iterator[Sample]:
    """The best time of each runtime, arithmetic and number of threads, whatever the shape policy."""
    best: dict[tuple[str, str, int], Standing] = {}
    for standing in search.board.all():
        candidate = standing.candidate
        if candidate.model != source.model.name or standing.seconds is None or standing.status == "failed":
            continue
        if candidate.recipe.reshaping.steps or any(step.keeps for step in candidate.recipe.steps):
            continue  # another network, or neither f32 nor int8: it teaches nothing of this one
        key = candidate.runtime, arithmetic_of(candidate), candidate.settings.threads
        if key not in best or _seconds(standing) < _seconds(best[key]):
            best[key] = standing
    for (runtime, arithmetic, threads), standing in best.items():
        yield Sample(name, runtime, arithmetic, threads, _seconds(standing), size_bytes=standing.size_bytes)


def _seconds(standing: Standing) -> float:
    """Over launches where it was a finalist, else as screened."""
    latency = standing.latency()
    return latency.value if latency is not None else math.inf


def _off(calibration: Calibration, network: Network, samples: list[Sample]) -> Iterator[tuple[str, float]]:
    for sample in samples:
        predicted = predict_latency(calibration, network, sample.runtime, sample.arithmetic, sample.threads)
        if predicted is not None and sample.seconds:
            key = calibration.key(sample.runtime, sample.arithmetic, sample.threads)
            yield key, math.log(sample.seconds / predicted.seconds.value)
