"""Which size is trained next: chances follow from what was seen, and the search ends when nothing is likely left."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from sartor.plan.shrinking import Rung, Shrinking, ladder

SHARES = [float(share) for share in ladder()]
RUNGS = {share: Rung(share, share, 1 + 4 * share) for share in SHARES}


def searched(smallest: float, best: float = 1.0) -> tuple[Shrinking, float]:
    """A whole search in which a share is good enough from `smallest` on."""
    known = Shrinking()
    while (step := known.next(RUNGS, best)) is not None:
        good = step.rung.share >= smallest
        known = known.learn(step.rung.share, good=good)
        best = min(best, step.rung.seconds) if good else best
    return known, best


@given(st.floats(0.05, 1.2))
def test_the_smallest_good_size_is_found_or_very_unlikely(smallest: float) -> None:
    known, best = searched(smallest)
    right = min((share for share in SHARES if share >= smallest), default=1.0)
    missed = [share for share in SHARES if share < best and share not in known.tried]
    assert best >= right
    assert all(known.chance(share) < 0.05 for share in missed)
    assert len(known.tried) == len(set(known.tried)) <= len(SHARES)


@given(st.floats(0.05, 1.2), st.floats(0.05, 1.2), st.floats(0.01, 2), st.floats(0.01, 2))
def test_a_larger_network_is_never_less_likely_to_be_good(short: float, enough: float, one: float, two: float) -> None:
    known = Shrinking(enough=max(short, enough), short=min(short, enough))
    small, large = sorted((one, two))
    assert 0.0 <= known.chance(small) <= known.chance(large) <= 1.0


def test_what_was_seen_decides() -> None:
    known = Shrinking().learn(0.5, good=True).learn(0.25, good=False)
    assert known.chance(0.5) == 1.0
    assert known.chance(0.25) == 0.0
    assert 0.0 < known.chance(0.3) < known.chance(0.4) < 1.0


def test_a_size_larger_than_a_good_one_is_not_tried_though_a_clock_said_it_is_faster() -> None:
    known = Shrinking().learn(0.3, good=True)
    assert known.next({0.4: Rung(0.4, 0.1, 1.0)}, best=0.3) is None


def test_minutes_count() -> None:
    cheap, dear = Rung(0.4, 0.4, 1.0), Rung(0.39, 0.39, 50.0)
    step = Shrinking().next({0.4: cheap, 0.39: dear}, best=1.0)
    assert step is not None
    assert step.rung == cheap


def test_nothing_that_is_no_faster_is_trained() -> None:
    assert Shrinking().next(RUNGS, best=0.1) is None
    assert Shrinking().chance_left(RUNGS, best=0.1) == 0.0
