"""What confirm is opened for: who is timed for the finals, who is tested first, and who stands behind."""

from __future__ import annotations

import math
from collections.abc import Sequence

from sartor.fit.board import Standing
from sartor.fit.finals import Finals, objective, rank
from sartor.fit.judge import (
    LONG_SHOT,
    TESTS,
    Finalist,
    chance,
    reliability,
    safety,
    will_do_as_fallback,
    with_fallback,
    with_spare,
)
from sartor.fit.racing import proving_of
from sartor.fit.search import Search, screened_objective

_FASTEST = 2  # finalists by the objective; one more stands for safety


def finalists_of(search: Search) -> list[Standing]:
    """Fastest first by the screen, and another to fall back on; without hope, the best so far.

    Beside the baseline, which is among the finalists anyway.
    """
    run = search.run
    passed = [s for s in search.board.alive() if s.variant is not None and s.seen is not None]
    hopeful = sorted((s for s in passed if s.likely), key=lambda s: screened_objective(run, s))
    spare = _worth_a_spare_test(search, passed, _apart(hopeful))
    if hopeful:
        fastest = hopeful[:_FASTEST]
        others = [s for s in hopeful if not search.is_baseline(s) and s is not fastest[0]]
        standby = max(others or hopeful, key=lambda s: _reliable(search, s, fastest[0]))
        return [*fastest, *([] if any(s.id == standby.id for s in fastest) else [standby]), *spare]
    if spare:
        return spare
    # A race may have dropped them all: the best of them is still what the bundle holds, marked as not met.
    raced = passed or [s for s in search.board.all() if s.variant is not None and s.seen is not None]
    return sorted(raced, key=lambda s: inside(search, s), reverse=True)[:_FASTEST]


def _worth_a_spare_test(search: Search, passed: Sequence[Standing], hopeful: Sequence[Standing]) -> list[Standing]:
    """The best of those that confirm may prove, for the tests that the hopeful leave over.

    Where they leave none, one that is better than all of them.
    """
    tests = TESTS - sum(bool(entry(search, s).tested) for s in hopeful)
    bars = [s for s in hopeful if tests <= 0 or not entry(search, s).tested]
    best = min((screened_objective(search.run, s) for s in bars), default=math.inf)
    # The cheap question first: some metrics are evaluated a thousand times for their bounds.
    found = [s for s in passed if screened_objective(search.run, s) < best and may_do(search, s)]
    costs = {s.id: screened_objective(search.run, s) for s in found}
    by_promise = sorted(found, key=lambda s: (-_promise(search, s, costs[s.id], best), costs[s.id]))
    return _apart(by_promise)[: max(tests, 1)]


def may_do(search: Search, standing: Standing) -> bool:
    """Whether a candidate that is not hopeful has a chance that is worth a test."""
    if standing.likely or standing.status == "rejected" or standing.seen is None:
        return False
    return _chance(search, standing) >= LONG_SHOT


def _chance(search: Search, standing: Standing) -> float:
    """Of being proved."""
    assert standing.seen is not None
    run, limits = search.run, entry(search, standing).tested
    return chance(limits, standing.seen, proving_of(run, standing.candidate), run.base, run.need.seed)


def _promise(search: Search, standing: Standing, cost: float, behind: float) -> float:
    """The logarithm of what is gained over what stands behind, as much as is to be expected."""
    return _chance(search, standing) * math.log(behind / cost) if behind < math.inf else 0.0


def inside(search: Search, standing: Standing) -> float:
    """How far inside its limits."""
    assert standing.seen is not None
    run = search.run
    return safety(entry(search, standing).tested, standing.seen, run.base, run.need.seed)


def akin(standing: Standing, other: Standing) -> bool:
    """Whether one fails where the other does, and for its reason: another form of a network that was cut, or the same
    arithmetic with other ranges."""
    one, two = standing.candidate, other.candidate
    if one.model != two.model or one.recipe.reshaping != two.recipe.reshaping:
        return False
    kinds = [(each.runtime, [step.name for step in each.recipe.storing.effective]) for each in (one, two)]
    return bool(one.recipe.reshaping.steps) or (kinds[0] == kinds[1] and not one.is_uncompressed)


def _apart(standings: Sequence[Standing]) -> list[Standing]:
    """Those that are not akin to one before them."""
    return [s for place, s in enumerate(standings) if not any(akin(s, other) for other in standings[:place])]


def _reliable(search: Search, standing: Standing, first: Standing) -> float:
    """How well a candidate stands in where the first fails."""
    if akin(standing, first):
        return inside(search, standing)
    assert standing.seen is not None
    run = search.run
    proving = proving_of(run, standing.candidate)
    return reliability(entry(search, standing).tested, standing.seen, proving, run.base, run.need.seed)


def prefer_zero(order: list[Standing], finals: Finals) -> list[Standing]:
    """Never slower: the best goes first only if it is proved faster than candidate zero, else zero does."""
    if not order or order[0].id == finals.zeros[order[0].candidate.model]:
        return order
    zero = [s for s in order if s.id == finals.zeros[order[0].candidate.model]]
    return [*zero, *order] if zero and finals.timed[order[0].id].speedup.low <= 1.0 else order


def with_tests(search: Search, order: Sequence[Standing], others: Sequence[Standing], finals: Finals) -> list[Standing]:
    """What is tested, and what stands behind it: see `with_fallback` and `with_spare`."""
    by_id = {s.id: s for s in [*order, *others]}
    exempt = {s.id for s in order if not entry(search, s).tested}
    reliable = {s.id: _reliable(search, s, order[0]) for s in order if s.id not in exempt}
    untested = [s for s in order if s.id in exempt]
    better = [s for s in rank(search.run, others, finals) if all(_better(search, s, one, finals) for one in untested)]
    behind = min((_cost(search, s, finals) for s in untested), default=math.inf)
    spare = [s.id for s in sorted(better, key=lambda s: -_promise(search, s, _cost(search, s, finals), behind))]
    alike = {s.id for s in order[1:] if akin(s, order[0])}
    finalists = with_fallback([s.id for s in order], reliable, exempt, alike, spare)
    ahead = bool(spare and finalists) and _goes_ahead(search, by_id[spare[0]], by_id[finalists[0]], finals)
    return [by_id[name] for name in with_spare(finalists, spare, exempt, ahead=ahead)]


def _goes_ahead(search: Search, spare: Standing, first: Standing, finals: Finals) -> bool:
    """Whether nothing much is lost by trying this one first: it does more, and the other will do as a fallback too."""
    run, limits, proving = search.run, entry(search, first).tested, proving_of(search.run, first.candidate)
    if not limits or first.seen is None or not _better(search, spare, first, finals):
        return False
    return will_do_as_fallback(limits, first.seen, proving, run.base, run.need.seed)


def _better(search: Search, standing: Standing, other: Standing, finals: Finals) -> bool:
    """Whether a candidate does more of what the Need asks for, beyond what cannot be told apart where that is speed."""
    run = search.run
    mine, its = (_cost(search, s, finals) for s in (standing, other))
    if run.need.minimise in ("size", "memory"):
        return mine < its
    if other.id == finals.zeros.get(standing.candidate.model):
        return finals.timed[standing.id].speedup.low > 1.0
    return mine * (1 + finals.resolution) < its


def _cost(search: Search, standing: Standing, finals: Finals) -> float:
    """What the Need minimises, for speed the median time of a call: smaller is better, and above 0."""
    figures = finals.timed[standing.id].figures
    sized = search.run.need.minimise in ("size", "memory")
    return objective(search.run, standing, figures) if sized else figures["latency_p50"].value


def entry(search: Search, standing: Standing) -> Finalist:
    """A finalist with the limits that it is tested for: of the baseline only those that do not compare with it."""
    baseline = search.is_baseline(standing)
    limits = tuple(limit for limit in search.run.quality_limits if not (limit.compares and baseline))
    return Finalist(standing.id, limits)
