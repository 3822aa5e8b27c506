"""The nearest that can be met, measured; and whether every declared candidate was built and excluded."""

from __future__ import annotations

from collections.abc import Sequence

from sartor.bundle.values import Variant
from sartor.compress.applicable import recipes, why_not
from sartor.errors import CandidateError
from sartor.figures import Figure
from sartor.fit.board import Standing
from sartor.fit.building import build_variant
from sartor.fit.feasible import Nearest, better
from sartor.fit.finals import launch_figures
from sartor.fit.run import Run
from sartor.fit.screen_limits import excluded_by
from sartor.fit.screening import feed_for
from sartor.fit.search import Search
from sartor.fit.stages import Source, open_source
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
            found = _measure_plain(run, open_source(run, model), limit)
        except CandidateError as error:
            run.watch.note(f"{model.name}: {error}")
            continue
        if best is None or better(limit, found.figure.value, best.figure.value):
            best = found
    return best


def _measure_plain(run: Run, source: Source, limit: Limit) -> Nearest:
    """The best of the two runtimes with the model as it is, one thread; for a size, also compressed."""
    shape = source.rows.policies(next(iter(RUNTIMES)))[0]
    settings = Settings("f32", 1, shape, run.need.workload.batch, source.rows.length if shape == "fixed" else 0)
    if limit.name == "size":
        variants = _quick_files(run, source, settings)
    else:
        plain = [Candidate(source.model.name, Recipe(), runtime, settings) for runtime in RUNTIMES]
        variants = [build_variant(run, source, Recipe(), candidate.runtime, candidate) for candidate in plain]
    figures = _figures(run, source, (limit,), variants)
    best = (min if limit.op == "<=" else max)(variants, key=lambda variant: figures[variant.id][limit.name].value)
    return _nearest(run, source, limit, figures[best.id][limit.name], best)


def _nearest(run: Run, source: Source, limit: Limit, figure: Figure, file: Variant) -> Nearest:
    """With the other limits that the file breaks."""
    others = tuple(one for one in run.performance_limits if one != limit)
    measured = _figures(run, source, others, [file])[file.id]
    also = tuple((one, measured[one.name]) for one in others if not one.allows(measured[one.name].value))
    return Nearest(limit, figure, file.candidate.label, also)


def _quick_files(run: Run, source: Source, settings: Settings) -> list[Variant]:
    """The files that take seconds to build: f32, weights in fp16 or int8, int8 static; those that fail are left out.

    Raises:
        CandidateError: none could be built.
    """
    built: list[Variant] = []
    failed: CandidateError | None = None
    for runtime in RUNTIMES:
        for recipe in _quick_recipes(run, runtime):
            candidate = Candidate(source.model.name, recipe, runtime, settings)
            try:
                built.append(build_variant(run, source, recipe, runtime, candidate))
            except CandidateError as error:
                failed = error
    if not built and failed is not None:
        raise failed
    return built


def _quick_recipes(run: Run, runtime: str) -> list[Recipe]:
    """Of each kind the first that applies here; calibrations differ in numbers, hardly in bytes."""
    quick, kinds = ("", "fp16-weights", "int8-weights", "int8-static"), dict[str, Recipe]()
    for recipe in recipes(runtime, for_bytes=True):
        kind = "+".join(step.name for step in recipe.effective)
        if kind in quick and why_not(recipe, runtime, run.machine) is None:
            kinds.setdefault(kind, recipe)
    return list(kinds.values())


def _figures(
    run: Run, source: Source, limits: Sequence[Limit], variants: Sequence[Variant]
) -> dict[str, dict[str, Figure]]:
    """Of each variant, by its id, what the limits ask about, by their names."""
    names = {limit.name for limit in limits}
    feed, alpha = feed_for(run, source, "select"), 1.0 - run.need.confidence
    found: dict[str, dict[str, Figure]] = {variant.id: {} for variant in variants}
    for variant in variants:
        if "size" in names:
            found[variant.id]["size"] = Figure.exact(float(variant.size_bytes), "B")
        if "memory" in names:
            peak = float(peak_memory(variant, feed))
            found[variant.id]["memory"] = Figure(peak, "B", peak, peak, "measured")
    if names - {"size", "memory"}:
        named = {variant.id: variant for variant in variants}
        timed = time_launches(named, dict.fromkeys(named, feed), NoiseGate(), launch_seconds=0.5)
        batch, seed = run.need.workload.batch, run.need.seed
        for name, seconds in timed.seconds.items():
            found[name] |= launch_figures(seconds, batch, alpha, seed)
    return found


def every_candidate_excluded(search: Search) -> tuple[Limit, Nearest] | None:
    """A limit that the measured interval of every declared candidate excludes, with the nearest; or None.

    A recipe that changes nothing in a model is no candidate; one that failed otherwise, or that nobody
    built, leaves the question open: then nothing is said to be infeasible.
    """
    run = search.run
    declared = [s for s in search.board.all() if not s.why.startswith("unsupported")]
    if not declared or any(s.alive or s.status == "failed" for s in declared):
        return None
    for limit in run.performance_limits:
        if limit.name != "memory" and all(_excludes(run, limit, s) for s in declared) and _all_built(search, declared):
            nearest = _nearest_standing(declared, limit)
            source = search.sources[nearest.candidate.model]
            file = build_variant(run, source, nearest.candidate.recipe, nearest.candidate.runtime, nearest.candidate)
            figure = _figures(run, source, (limit,), [file])[file.id][limit.name]
            return limit, _nearest(run, source, limit, figure, file)
    return None


def _excludes(run: Run, limit: Limit, standing: Standing) -> bool:
    return excluded_by((limit,), standing.seconds, standing.size_bytes, run.need.workload.batch) is not None


def _all_built(search: Search, declared: Sequence[Standing]) -> bool:
    for standing in declared:
        candidate = standing.candidate
        try:
            file = build_variant(
                search.run, search.sources[candidate.model], candidate.recipe, candidate.runtime, candidate
            )
        except CandidateError:
            return False
        search.board.update(standing.id, size_bytes=file.size_bytes)
    return True


def _nearest_standing(declared: Sequence[Standing], limit: Limit) -> Standing:
    if limit.name == "size":
        return min(declared, key=lambda s: s.size_bytes or 0)
    return min(declared, key=lambda s: s.seconds or 0.0)
