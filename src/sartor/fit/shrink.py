"""Smaller networks: the model is pruned to a share of its time, trained back, and tried like any candidate.

How fast a pruned network is needs no training, and its weights are solved for within seconds, so all sizes are built,
timed and read first: the larger ones often do as they are. Of the others one after another is trained, the one with the
largest expected gain per minute first, until nothing left is likely to be better.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Literal, get_args

from sartor.errors import CandidateError
from sartor.fit.board import Standing
from sartor.fit.reshaping import reshaped
from sartor.fit.search import Search
from sartor.fit.stages import Source
from sartor.fit.trying import fastest_likely, try_candidate
from sartor.plan.candidates import Candidate, Refusal
from sartor.plan.recipe import CompressionStep, Recipe
from sartor.plan.shrinking import SOLVED, Rung, Shrinking, ladder
from sartor.units import format_value

_WORTH = 5e-5  # seconds of a call; below it calls take the time and not arithmetic
_FASTER = ("int8-static", "int8-dynamic")  # forms that may be faster than f32
_FORMS = 3  # ways to store a network that are tried with each size
_CLOSE = 1.5  # times the fastest form that another may take
_STEPS = 1000  # of one training, as `train.settings` derives them for what recovers
_BATCH = 256
_PASSES = 4.0  # forward passes that a step costs: forward, two products backward, and the teacher's share


def shrink(search: Search) -> None:
    """Prune what may become faster than what will probably be proved by now, and train it back where rows allow it."""
    run = search.run
    if run.need.minimise not in ("latency", "throughput"):
        return
    for source in _promising(search):
        if not run.clock.search_goes_on():
            search.in_time = False
            return
        if not source.rows.dynamic_batch:
            why = "the batch is a constant of the file, so that nothing can be learnt from several rows"
            search.board.refusals.append(Refusal(f"pruning {source.model.name}", why))
            continue
        forms = _forms(search, source)
        if not forms or (forms[0].seconds or 0.0) < _WORTH:
            continue
        run.watch.phase(f"{source.model.name}: smaller networks")
        try:
            known, cut, rungs = _without_training(search, source, forms)
            if len(run.data.rows("train")):
                _train_back(search, source, forms, cut, known, rungs)
        except CandidateError as error:
            run.watch.note(f"{source.model.name}: no smaller network: {error}")
            search.board.refusals.append(Refusal(f"pruning {source.model.name}", str(error)))


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
        if not mine or len(steps) > 1 or any(step.keeps or step.name not in _FASTER for step in steps):
            continue
        kind = candidate.runtime, steps[0].name if steps else "none", candidate.settings.precision
        if kind not in kinds or _order(standing) < _order(kinds[kind]):
            kinds[kind] = standing
    found = sorted(kinds.values(), key=lambda s: s.seconds or 0.0)
    return [s for s in found if (s.seconds or 0.0) <= _CLOSE * (found[0].seconds or 0.0)][:_FORMS]


def _order(standing: Standing) -> tuple[float, float]:
    quality = standing.quality.value if standing.quality else float("-inf")
    return -quality, standing.seconds or 0.0


Cut = Literal["channels", "layers", "low rank"]
CUTS: tuple[Cut, ...] = get_args(Cut)
"""What a network can lose."""


def _cut(form: Standing, share: float, cut: Cut) -> CompressionStep:
    """Cutting to a share of the time that layers take in one form, whatever the network is stored in later."""
    time, stored = ("time", share), ("for", f"{form.candidate.runtime} {form.candidate.recipe.slug}")
    if cut == "low rank":
        return CompressionStep("low-rank", (time, stored))
    how = ("importance", "activation") if cut == "channels" else ("cut", "layers")
    return CompressionStep("prune", (time, how, stored))


def _candidate(form: Standing, *steps: CompressionStep) -> Candidate:
    return replace(form.candidate, recipe=Recipe((*steps, *form.candidate.recipe.effective)))


def _without_training(
    search: Search, source: Source, forms: list[Standing]
) -> tuple[Shrinking, Cut, dict[float, Rung]]:
    """Networks whose weights were solved for and not trained: the smallest that is good enough, how, and all sizes.

    Raises:
        CandidateError: the network cannot be cut.
    """
    known, whole = Shrinking(SOLVED), forms[0].seconds or 0.0
    rungs = {round(float(share), 3): Rung(round(float(share), 3), float(share) * whole, 1.0) for share in ladder()}
    cut: Cut | None = None
    settled = False  # once a size will do: before that, each is cut in every way, for what is best depends on the size
    while (step := known.next(rungs, fastest_likely(search))) is not None:
        if not search.run.clock.search_goes_on():
            search.in_time = False
            break
        share = step.rung.share
        if cut is not None and settled:
            standing = try_candidate(search, source, _candidate(forms[0], _cut(forms[0], share, cut)))
        else:
            best, standing = _best_cut(search, source, forms[0], share)
            cut = best or cut
        if cut is None or standing.seconds is None:
            # What is smaller cannot be made either.
            rungs = {other: rung for other, rung in rungs.items() if other > share}
            if not rungs:
                raise CandidateError("failed", standing.why)
            continue
        rungs[share] = replace(rungs[share], seconds=standing.seconds)
        if standing.likely:
            for form in forms[1:]:
                try_candidate(search, source, _candidate(form, _cut(forms[0], share, cut)))
        settled |= standing.likely
        known = known.learn(share, good=standing.likely)
    training = {share: replace(rung, minutes=_minutes(search, source, share)) for share, rung in rungs.items()}
    return Shrinking(enough=known.enough), cut or "channels", training


def _best_cut(search: Search, source: Source, form: Standing, share: float) -> tuple[Cut | None, Standing]:
    """What the network loses least by at one size, before any training; None where no cut comes to it."""
    found: dict[Cut, Standing] = {}
    for cut in CUTS:
        if found and not search.run.clock.search_goes_on():
            break
        found[cut] = try_candidate(search, source, _candidate(form, _cut(form, share, cut)))
    read = {cut: standing for cut, standing in found.items() if standing.quality is not None}
    if not read:
        return None, found["channels"]
    best = min(read, key=lambda cut: (not read[cut].likely, _order(read[cut])))
    return best, read[best]


def _minutes(search: Search, source: Source, share: float) -> float:
    """What training a network of a share of the time takes, from how long a call of the whole one takes in f32."""
    plain = [
        s.seconds
        for s in search.board.all()
        if s.candidate.model == source.model.name and s.candidate.is_uncompressed and s.seconds is not None
    ]
    seconds = _STEPS * _BATCH * _PASSES * min(plain, default=0.0) * share / search.run.need.workload.batch
    return min(seconds, max(1.0, search.run.clock.left())) / 60


def _train_back(
    search: Search, source: Source, forms: list[Standing], cut: Cut, known: Shrinking, rungs: dict[float, Rung]
) -> None:
    run = search.run
    left = [rung for rung in rungs.values() if rung.share < known.enough]
    if left:
        wanted = format_value(60 * sum(rung.minutes for rung in left), "s")
        there = format_value(max(0.0, run.clock.left()), "s")
        run.watch.note(
            f"to train back all {len(left)} sizes that may be faster would take about {wanted} of {there} left"
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
        known = known.learn(share, good=_good(search, source, forms, _cut(forms[0], share, cut)))


def _good(search: Search, source: Source, forms: list[Standing], cut: CompressionStep) -> bool:
    """Train one size and try it in every form; whether one will probably be proved."""
    run, good = search.run, False
    candidates = [_candidate(form, cut, CompressionStep("recover")) for form in forms]
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
