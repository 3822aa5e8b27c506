"""Smaller networks: the model is pruned to a share of its time, trained back, and tried like any candidate.

How fast a pruned network is needs no training, so all sizes are built and timed first. Then one after another is
trained, the one with the largest expected gain per minute first, until nothing left is likely to be better.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from sartor.bundle.values import Variant
from sartor.errors import CandidateError
from sartor.fit.board import Standing
from sartor.fit.building import build_variant
from sartor.fit.reshaping import reshaped
from sartor.fit.screening import time_files
from sartor.fit.search import Search
from sartor.fit.stages import Source
from sartor.fit.trying import fastest_likely, try_candidate
from sartor.plan.candidates import Candidate, Refusal
from sartor.plan.recipe import CompressionStep, Recipe
from sartor.plan.shrinking import Rung, Shrinking, ladder
from sartor.units import format_value

_WORTH = 2e-4  # seconds of a call; below it calls take the time and not arithmetic
_FORMS = 3  # ways to store a network that are tried with each size
_CLOSE = 1.5  # times the fastest form that another may take
_STEPS = 1000  # of one training, as `train.settings` derives them for what recovers
_BATCH = 256
_PASSES = 4.0  # forward passes that a step costs: forward, two products backward, and the teacher's share


def shrink(search: Search) -> None:
    """Prune and train back what may become faster than what will probably be proved by now."""
    run = search.run
    if not _may_learn(search):
        return
    for source in _promising(search):
        run.watch.phase(f"{source.model.name}: smaller networks, built and timed")
        forms = _forms(search, source)
        if not forms or (forms[0].seconds or 0.0) < _WORTH:
            continue
        try:
            rungs = _rungs(search, source, forms[0])
            _train_back(search, source, forms, rungs)
        except CandidateError as error:
            run.watch.note(f"{source.model.name}: no smaller network: {error}")
            search.board.refusals.append(Refusal(f"pruning {source.model.name}", str(error)))


def _may_learn(search: Search) -> bool:
    run = search.run
    rows = len(run.data.rows("train"))
    return rows > 0 and run.need.minimise in ("latency", "throughput") and run.clock.search_goes_on()


def _promising(search: Search) -> list[Source]:
    """The model of the fastest candidate that will probably be proved; without one, the most accurate model."""
    likely = [s for s in search.board.alive() if s.likely and s.seconds is not None]
    best = min(likely, key=lambda s: s.seconds or 0.0, default=None)
    name = best.candidate.model if best else search.baseline
    return [source for source in search.ready() if source.model.name == name]


def _forms(search: Search, source: Source) -> list[Standing]:
    """Ways to store a network and run it, fastest first: of each kind in a runtime the most accurate that was read."""
    kinds: dict[tuple[str, str, str], Standing] = {}
    for standing in search.board.all():
        candidate, steps = standing.candidate, standing.candidate.recipe.effective
        mine = candidate.model == source.model.name and standing.seconds is not None and standing.status != "failed"
        if not mine or len(steps) > 1 or any(step.keeps for step in steps) or candidate.recipe.reshaping.steps:
            continue
        kind = candidate.runtime, steps[0].name if steps else "none", candidate.settings.precision
        if kind not in kinds or _order(standing) < _order(kinds[kind]):
            kinds[kind] = standing
    found = sorted(kinds.values(), key=lambda s: s.seconds or 0.0)
    return [s for s in found if (s.seconds or 0.0) <= _CLOSE * (found[0].seconds or 0.0)][:_FORMS]


def _order(standing: Standing) -> tuple[float, float]:
    quality = standing.quality.value if standing.quality else float("-inf")
    return -quality, standing.seconds or 0.0


def _pruned(form: Standing, share: float) -> CompressionStep:
    """Pruning to a share of the time that layers take in one form, whatever the network is stored in later."""
    stored = f"{form.candidate.runtime} {form.candidate.recipe.slug}"
    return CompressionStep("prune", (("time", round(share, 3)), ("importance", "taylor"), ("for", stored)))


def _candidate(form: Standing, *steps: CompressionStep) -> Candidate:
    return replace(form.candidate, recipe=Recipe((*steps, *form.candidate.recipe.effective)))


def _rungs(search: Search, source: Source, form: Standing) -> dict[float, Rung]:
    """Networks of several sizes, timed before any is trained.

    Raises:
        CandidateError: the network cannot be pruned.
    """
    run, found = search.run, dict[float, Rung]()
    whole = form.seconds or 0.0
    for share in ladder():
        if not run.clock.search_goes_on():
            break
        step = _pruned(form, float(share))
        candidate = _candidate(form, step, CompressionStep("recover"))
        untrained = _candidate(form, step)
        try:
            file = build_variant(run, source, untrained.recipe, untrained.runtime, untrained)
        except CandidateError as error:
            if not found:
                raise
            run.watch.note(f"{untrained.label}: {error}")
            break
        search.board.add((candidate,), ())
        twins = {untrained: [candidate.id]}
        timed = Variant(untrained, file.path, file.size_bytes)
        reference = search.reference(source)
        time_files(run, search.board, source, reference, [timed], twins, lambda *_: None, lambda: True)
        seconds = search.board[candidate.id].seconds
        if seconds is not None:
            found[step_share(step)] = Rung(step_share(step), seconds, _minutes(search, source, seconds / whole))
    return found


def step_share(step: CompressionStep) -> float:
    """The share of the time that a pruning leaves."""
    return float(step.setting("time", 1.0))


def _minutes(search: Search, source: Source, share: float) -> float:
    """What training a network of a share of the time takes, from how long a call of the whole one takes in f32."""
    plain = [
        s.seconds
        for s in search.board.all()
        if s.candidate.model == source.model.name and s.candidate.is_uncompressed and s.seconds is not None
    ]
    seconds = _STEPS * _BATCH * _PASSES * min(plain, default=0.0) * share / search.run.need.workload.batch
    return min(seconds, max(1.0, search.run.clock.left())) / 60


def _train_back(search: Search, source: Source, forms: list[Standing], rungs: dict[float, Rung]) -> None:
    run, known = search.run, Shrinking()
    whole = sum(rung.minutes for rung in rungs.values())
    run.watch.note(
        f"{len(rungs)} smaller networks were timed; to train them all would take about {whole:.0f} min, "
        f"{max(0.0, run.clock.left()) / 60:.0f} min are left"
    )
    while True:
        step = known.next(rungs, fastest_likely(search))
        if step is None:
            run.watch.note(_why_ended(search, known, rungs))
            break
        if not run.clock.search_goes_on():
            search.in_time = False
            break
        share = step.rung.share
        run.watch.phase(
            f"{source.model.name}: pruned to {share:.0%} of its time and trained back; it will do with a "
            f"probability of {step.chance:.0%}",
            len(forms),
        )
        known = known.learn(share, good=_good(search, source, forms, share))
    _drop_untried(search, known)


def _good(search: Search, source: Source, forms: list[Standing], share: float) -> bool:
    """Train one size and try it in every form; whether one will probably be proved."""
    run, good = search.run, False
    prune, back = _pruned(forms[0], share), CompressionStep("recover")
    candidates = [_candidate(form, prune, back) for form in forms]
    try:
        network = reshaped(run, source, candidates[0].recipe)
    except CandidateError as error:
        _reject(search, candidates, str(error))
        return False
    hopeless = network.training.get("hopeless")
    if hopeless:
        _reject(search, candidates, f"trained back: {hopeless}")
        return False
    for candidate in candidates:
        good |= try_candidate(search, source, candidate).likely
    return good


def _reject(search: Search, candidates: list[Candidate], why: str) -> None:
    for candidate in candidates:
        if search.board.get(candidate.id) is None:
            search.board.add((candidate,), ())
        search.board.reject(candidate.id, why)
    search.run.watch.tried(candidates[0].label, why)


def _why_ended(search: Search, known: Shrinking, rungs: dict[float, Rung]) -> str:
    chance = known.chance_left(rungs, fastest_likely(search))
    best = format_value(fastest_likely(search), "s")
    return f"no other size is likely to be better than {best}: the probability is {chance:.0%}"


def _drop_untried(search: Search, known: Shrinking) -> None:
    """Sizes that were timed only say why they were not trained."""
    for standing in list(_untrained(search)):
        share = step_share(standing.candidate.recipe.steps[0])
        if share in known.tried:
            continue
        search.board.reject(standing.id, _why_untried(known, share))


def _untrained(search: Search) -> Iterator[Standing]:
    for standing in search.board.alive():
        names = [step.name for step in standing.candidate.recipe.steps]
        if "recover" in names and standing.seen is None:
            yield standing


def _why_untried(known: Shrinking, share: float) -> str:
    if share <= known.short:
        return f"not trained: a network of {known.short:.0%} of the time already lost too much"
    if share >= known.enough:
        return f"not trained: a network of {known.enough:.0%} of the time was good enough"
    return "not trained: too unlikely to be better, or the time budget ended first"
