"""Smaller networks: the model is pruned to a share of its time, trained back, and tried like any candidate.

How fast a smaller network is needs no training, and its weights are solved for within seconds: the larger ones often
do as they are. Others are trained. What comes next, a look at a size or training one back, is what gains most speed per
minute by all that was seen so far (`sartor.plan.shrinking`), until nothing left is likely to be better.
"""

from __future__ import annotations

import math

from sartor.compress.onnx_file import looks_like_transformer, read_whole
from sartor.errors import CandidateError
from sartor.fit.board import Standing
from sartor.fit.forms import candidate_in, forms_of
from sartor.fit.reshaping import RECOVERY_SHARE, importance_of, recovery, reshaped
from sartor.fit.search import Search
from sartor.fit.stages import Source
from sartor.fit.trying import fastest_likely, lost_share, provable_share, try_candidate
from sartor.plan.candidates import Candidate, Refusal
from sartor.plan.recipe import CompressionStep
from sartor.plan.shrinking import Minutes, Shrinking, Size, ladder
from sartor.train.settings import recovery_rows
from sartor.units import format_value

SHRINKS_FOR = ("latency", "throughput")
"""What a Need minimises, so that smaller networks are tried."""
_FASTER_FORM = 0.95  # of the time in the form that sizes are looked at in, for which they are looked at in another
_WORTH = 2e-5  # seconds of a call; below it calls take the time and not arithmetic
_LOOK_SECONDS, _LOOK_ROWS = 6.0, 3000  # of a look: cutting, building and timing, and rows read by most
_MUCH = 4.0  # of what may be lost, where a training was given up and nothing was read
_PASSES = 4.0  # of a row: forward, two products backward, and the teacher's share


def shrink(search: Search) -> None:
    """Prune what may become faster than what will probably be proved by now, and train it back where rows allow it."""
    run = search.run
    if run.need.minimise not in SHRINKS_FOR:
        return
    for source in _promising(search):
        if not run.clock.search_goes_on():
            search.in_time = False
            return
        if not source.rows.dynamic_batch:
            why = "the batch is a constant of the file, so that nothing can be learnt from several rows"
            search.board.refusals.append(Refusal(f"pruning {source.model.name}", why))
            continue
        forms = forms_of(search, source)
        if not forms or (forms[0].seconds or 0.0) < _WORTH:
            continue
        run.watch.phase(f"{source.model.name}: smaller networks")
        refused = _search_by_forms(search, source, forms)
        if refused:
            run.watch.note(f"{source.model.name}: no smaller network: {refused}")
            search.board.refusals.append(Refusal(f"pruning {source.model.name}", refused))


def _promising(search: Search) -> list[Source]:
    """The model of the fastest candidate that will probably be proved; without one, the most accurate model."""
    likely = [s for s in search.board.alive() if s.likely and s.seconds is not None]
    best = min(likely, key=lambda s: s.seconds or 0.0, default=None)
    name = best.candidate.model if best else search.baseline
    return [source for source in search.ready() if source.model.name == name]


IMPORTANCE = "activation"
CUTS = ("channels", "layers", "low rank")
"""What a network can lose."""


def _cut(form: Standing, size: Size) -> CompressionStep:
    """Cutting to a share of the time that layers take in one form, whatever the network is stored in later."""
    time, stored = ("time", size.share), ("for", f"{form.candidate.runtime} {form.candidate.recipe.slug}")
    if size.cut == "low rank":
        return CompressionStep("low-rank", (time, stored))
    how = ("importance", IMPORTANCE) if size.cut == "channels" else ("cut", "layers")
    return CompressionStep("prune", (time, how, stored))


def _search_by_forms(search: Search, source: Source, forms: list[Standing]) -> str:
    """Cut by the times of layers in the fastest form, or where nothing can be made by those in the next; else why not.

    A call in one runtime may be overhead, whatever is cut, where in another it is arithmetic.
    """
    refused = ""
    for lead in forms:
        try:
            _search(search, source, [lead, *(form for form in forms if form is not lead)])
        except CandidateError as error:
            refused = refused or str(error)
        else:
            return ""
    return refused


def _search(search: Search, source: Source, forms: list[Standing]) -> None:
    """Look at sizes and train them back until nothing left is likely to be better, or the time is over.

    Raises:
        CandidateError: the network cannot be cut.
    """
    run, whole = search.run, forms[0].seconds or 0.0
    sizes = tuple(Size(cut, round(float(share), 3)) for cut in CUTS for share in ladder())
    known = Shrinking(whole, sizes, _minutes(search, source))
    _say_what_it_takes(search, known)
    while True:
        known = known.allow(_allowed(search)).proves(provable_share(search))
        step = known.next(fastest_likely(search))
        if step is None:
            break
        if not run.clock.search_goes_on():
            search.in_time = False
            search.sizes_ended = f"the time ended before another size was {_better_and_chance(search, known)}"
            return
        if step.way == "look":
            began = run.clock.spent()
            known, forms = _look(search, source, forms, known, step.size)
            known = known.took(run.clock.spent() - began)
        else:
            run.watch.phase(
                f"{source.model.name}: cut to {step.size.share:.0%} of its time ({step.size.cut}) and trained back; "
                f"it will do with a probability of {step.chance:.0%}",
                len(forms),
            )
            known = known.train(step.size, _trained_back(search, source, forms, step.size))
    search.sizes_ended = f"no other size is likely to be {_better_and_chance(search, known)}"
    run.watch.note(search.sizes_ended)


def _say_what_stays_whole(search: Search, source: Source) -> None:
    """Operators whose channels nothing is known of stay as they are, and the rest is cut."""
    refused = importance_of(search.run, source, IMPORTANCE)["refused"]
    search.board.add((), (Refusal(f"channels in {source.model.name}", said) for said in refused))


def _better_and_chance(search: Search, known: Shrinking) -> str:
    best = fastest_likely(search)
    better = f"better than {format_value(best, 's')}" if math.isfinite(best) else "good enough"
    return f"{better}: the probability is {known.chance_left(best):.0%}"


def _say_what_it_takes(search: Search, known: Shrinking) -> None:
    looks, trainings = known.whole_search(fastest_likely(search))
    train = f" and to train them all back about {format_value(60 * trainings, 's')}" if trainings else ""
    left = format_value(max(0.0, search.run.clock.left()), "s")
    took = format_value(60 * looks, "s")
    search.run.watch.note(f"to look at all smaller networks would take about {took}{train}; {left} are left")


def _look(
    search: Search, source: Source, forms: list[Standing], known: Shrinking, size: Size
) -> tuple[Shrinking, list[Standing]]:
    """Cut, time and read one size, and where it will do try it in every form; the fastest form comes first from now on.

    Raises:
        CandidateError: it was the last that might have been made.
    """
    step = _cut(forms[0], size)
    standing = try_candidate(search, source, candidate_in(forms[0], step), believed_up_to=known.whole)
    if standing.seconds is None:
        known = known.without(size)
        if not known.sizes:
            raise CandidateError("failed", standing.why)
        return known, forms
    if size.cut == "channels":
        _say_what_stays_whole(search, source)
    known = known.look(size, standing.seconds, lost_share(search, standing))
    if not standing.likely:
        return known, forms
    others = [(try_candidate(search, source, candidate_in(form, step)).seconds, form) for form in forms[1:]]
    timed = [(seconds, form) for seconds, form in others if seconds is not None]
    seconds, quickest = min(timed, key=lambda one: one[0], default=(math.inf, forms[0]))
    if seconds > _FASTER_FORM * standing.seconds:
        return known, forms
    rest = [form for form in forms if form is not quickest]
    return known.scaled(seconds / standing.seconds), [quickest, *rest]


def _minutes(search: Search, source: Source) -> Minutes:
    """What a look takes, and a training of the whole network, from how long its calls take in f32."""
    plain = [
        s.seconds
        for s in search.board.all()
        if s.candidate.model == source.model.name and s.candidate.is_uncompressed and s.seconds is not None
    ]
    call = min(plain, default=0.0) / search.run.need.workload.batch
    look = (_LOOK_SECONDS + _LOOK_ROWS * call) / 60
    rows = len(search.run.data.rows("train"))
    if not rows:
        return Minutes(look, None)
    passed = recovery_rows(rows, pretrained=looks_like_transformer(read_whole(source.path)))
    return Minutes(look, passed * _PASSES * call / 60)


def _allowed(search: Search) -> float:
    """Minutes that a training which begins now may take."""
    return max(1.0, RECOVERY_SHARE * search.run.clock.left()) / 60


def _trained_back(search: Search, source: Source, forms: list[Standing], size: Size) -> float | None:
    """Train one size and try it in every form; what the best of them lost, as a share of what may be lost.

    None where it was not trained, or no form of it was read: that says nothing of what training wins back.
    """
    run, cut = search.run, _cut(forms[0], size)
    candidates = [candidate_in(form, cut, recovery(source)) for form in forms]
    try:
        network = reshaped(run, source, candidates[0].recipe)
    except CandidateError as error:
        _reject(search, candidates, str(error))
        return None
    hopeless = network.training.get("hopeless")
    if hopeless:
        _reject(search, candidates, f"trained back: {hopeless}")
        return _MUCH
    lost = [lost_share(search, try_candidate(search, source, candidate)) for candidate in candidates]
    return min((each for each in lost if each is not None), default=None)


def _reject(search: Search, candidates: list[Candidate], why: str) -> None:
    for candidate in candidates:
        if search.board.get(candidate.id) is None:
            search.board.add((candidate,), ())
        search.board.reject(candidate.id, why)
    search.run.watch.tried(candidates[0].label, why)
