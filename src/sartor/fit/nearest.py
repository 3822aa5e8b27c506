"""The nearest that can be met, measured; and whether every declared candidate was built and excluded."""

from __future__ import annotations

from collections.abc import Sequence

from sartor.bundle.values import Variant
from sartor.errors import CandidateError
from sartor.figures import Figure
from sartor.fit.board import Standing
from sartor.fit.feasible import Nearest, better
from sartor.fit.finals import launch_figures
from sartor.fit.run import Run
from sartor.fit.screen_limits import excluded_by
from sartor.fit.screening import feed_for
from sartor.fit.search import Search
from sartor.fit.stages import Source, build_variant, open_source
from sartor.measure.latency import time_launches
from sartor.measure.memory import peak_memory
from sartor.measure.noise import NoiseGate
from sartor.model.values import Model
from sartor.need import Limit
from sartor.plan.candidates import Candidate
from sartor.plan.recipe import Recipe
from sartor.runtime import RUNTIMES
from sartor.runtime.base import Settings

_QUICK_SECONDS = 12.0  # an infeasible Need is answered within 30 s, and opening one model may take half of it


def nearest_to(search: Search, limit: Limit, models: Sequence[Model]) -> Nearest | None:
    """The best that plain candidates reach, built from as many models as a few seconds allow."""
    run = search.run
    best: Nearest | None = None
    for model in models:
        if best is not None and run.clock.spent() > _QUICK_SECONDS:
            break
        try:
            source = open_source(run, model)
            found = [_measure(run, source, limit, runtime) for runtime in RUNTIMES]
        except CandidateError as error:
            run.watch.note(f"{model.name}: {error}")
            continue
        for one in found:
            if best is None or better(limit, one.figure.value, best.figure.value):
                best = one
    return best


def _measure(run: Run, source: Source, limit: Limit, runtime: str) -> Nearest:
    settings = Settings("f32", 1, "fixed", run.need.workload.batch)
    candidate = Candidate(source.model.name, Recipe(), runtime, settings)
    variant = build_variant(run, source, Recipe(), runtime, candidate)
    return Nearest(limit, _figure(run, source, limit, variant, launches=2), candidate.label)


def _figure(run: Run, source: Source, limit: Limit, variant: Variant, launches: int) -> Figure:
    if limit.name == "size":
        return Figure.exact(float(variant.size_bytes), "B")
    feed = feed_for(run, source, "select")
    if limit.name == "memory":
        peak = float(peak_memory(variant, feed))
        return Figure(peak, "B", peak, peak, "measured")
    timed = time_launches({"it": variant}, feed, NoiseGate(), launches=launches, launch_seconds=1.0)
    alpha = 1.0 - run.need.confidence
    return launch_figures(timed.seconds["it"], run.need.workload.batch, alpha, run.need.seed)[limit.name]


def every_candidate_excluded(search: Search) -> tuple[Limit, Nearest] | None:
    """A limit that the measured interval of every declared candidate excludes, with the nearest; or None.

    Candidates that failed, or that nobody built, leave it open: then nothing is said to be infeasible.
    """
    run, board = search.run, search.board
    if board.alive() or any(s.status == "failed" or s.seconds is None for s in board.all()):
        return None
    for limit in run.performance_limits:
        if limit.name != "memory" and all(_excludes(run, limit, s) for s in board.all()) and _all_built(search):
            nearest = _nearest_standing(search, limit)
            source = search.sources[nearest.candidate.model]
            file = build_variant(run, source, nearest.candidate.recipe, nearest.candidate.runtime, nearest.candidate)
            figure = _figure(run, source, limit, file, launches=5)
            return limit, Nearest(limit, figure, nearest.candidate.label)
    return None


def _excludes(run: Run, limit: Limit, standing: Standing) -> bool:
    assert standing.seconds is not None
    return excluded_by((limit,), standing.seconds, standing.size_bytes, run.need.workload.batch) is not None


def _all_built(search: Search) -> bool:
    for standing in search.board.all():
        candidate = standing.candidate
        try:
            file = build_variant(
                search.run, search.sources[candidate.model], candidate.recipe, candidate.runtime, candidate
            )
        except CandidateError:
            return False
        search.board.update(standing.id, size_bytes=file.size_bytes)
    return True


def _nearest_standing(search: Search, limit: Limit) -> Standing:
    if limit.name == "size":
        return min(search.board.all(), key=lambda s: s.size_bytes or 0)
    return min(search.board.all(), key=lambda s: s.seconds or 0.0)
