"""What is tried next: beliefs follow from what was seen, and the search ends when nothing is likely left."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sartor.plan.shrinking import ENOUGH, Line, Minutes, Shrinking, Size, ladder

SHARES = [float(share) for share in ladder()]
ONE = tuple(Size("channels", share) for share in SHARES)
BOTH = (*ONE, *(Size("low rank", share) for share in SHARES))


def start(sizes: tuple[Size, ...] = ONE, train: float | None = 5.0) -> Shrinking:
    return Shrinking(1.0, sizes, Minutes(0.2, train))


def searched(known: Shrinking, half: float, left: float) -> tuple[Shrinking, float]:
    """A whole search of a network that loses `half` of what it may at half its time, of which training leaves `left`.

    Every network is as fast as was asked, and a loss grows fourfold with each third of a halving.
    """
    best = 1.0
    while (step := known.next(best)) is not None:
        share = step.size.share
        loss = half * 2 ** (6 * (-math.log2(share) - 1)) * (1.0 if step.way == "look" else left)
        known = known.look(step.size, share, loss) if step.way == "look" else known.train(step.size, loss)
        best = min(best, share) if loss <= ENOUGH else best
    return known, best


@given(st.floats(0.01, 100), st.floats(0.01, 1.0))
def test_the_smallest_good_size_is_found_or_was_unlikely(half: float, left: float) -> None:
    known, best = searched(start(), half, left)
    assert all(step.chance < 0.05 for step in known.steps(best))
    as_cut = [share for share in SHARES if half * 2 ** (6 * (-math.log2(share) - 1)) <= ENOUGH]
    assert best <= min(as_cut, default=1.0) * (1 + 1e-9)


def test_where_few_rows_prove_little_less_is_believed_in() -> None:
    known = start().look(ONE[3], 0.4, 0.5)
    assert known.proves(None).chance(ONE[3], "look") == 1.0
    few = known.proves(0.3)
    assert few.chance(ONE[3], "look") == 0.0
    assert all(few.chance(size, "train") < known.chance(size, "train") for size in ONE)
    assert few.proves(-2.0).chance(ONE[3], "train") > 0.0, "training may gain"


def test_few_are_trained() -> None:
    known, best = searched(start(), half=4.0, left=0.02)
    assert best < 0.5
    assert 1 <= len(known.trained) <= 4


def test_before_anything_was_seen_a_larger_network_is_more_likely_to_be_good() -> None:
    for way in ("look", "train"):
        chances = [start().chance(size, way) for size in ONE]
        assert chances == sorted(chances, reverse=True)
        assert all(0.0 < chance < 1.0 for chance in chances)


def test_training_is_believed_in_as_far_as_it_helped_before() -> None:
    known = start().look(ONE[3], 0.4, 3.0).look(ONE[5], 0.25, 6.0)
    helped, failed = (known.train(ONE[3], lost) for lost in (0.1, 3.0))
    assert failed.chance(ONE[5], "train") < known.chance(ONE[5], "train") < helped.chance(ONE[5], "train")


def test_where_time_is_short_a_size_that_lost_less_is_trained() -> None:
    small, large = ONE[6], ONE[4]
    known = start(train=30.0).look(small, 0.2, 4.0).look(large, 0.4, 1.2)
    ample, short = known.allow(30.0), known.allow(1.5)
    assert short.chance(small, "train") < ample.chance(small, "train")
    assert ample.next(1.0) is not None
    trainings = [step for step in short.steps(1.0) if step.way == "train" and step.size in known.seen]
    assert max(trainings, key=lambda step: step.gain / step.minutes).size == large


def test_a_short_training_that_helped_little_says_little_of_a_full_one() -> None:
    known = start(train=30.0).look(ONE[4], 0.4, 3.0).look(ONE[6], 0.2, 6.0)
    short, full = (known.allow(allowed).train(ONE[4], 2.5).allow(30.0) for allowed in (0.5, 30.0))
    assert full.chance(ONE[6], "train") < short.chance(ONE[6], "train")


def test_a_training_of_which_nothing_was_read_teaches_nothing_and_is_not_done_again() -> None:
    known = start().look(ONE[4], 0.4, 3.0).look(ONE[6], 0.2, 6.0)
    unread = known.train(ONE[4], None)
    assert unread.chance(ONE[6], "train") == known.chance(ONE[6], "train")
    assert (ONE[4], "train") not in {(step.size, step.way) for step in unread.steps(1.0)}


def test_a_cut_that_hardly_becomes_faster_makes_way_for_one_that_does() -> None:
    # Low rank at half of the time loses less, but takes three quarters of it.
    slow, fast = Size("low rank", SHARES[2]), Size("channels", SHARES[2])
    known = start(BOTH).look(slow, 0.75, 0.4).look(fast, 0.45, 1.5)
    step = known.next(0.75)
    assert step is not None
    assert step.size.cut == "channels"


def test_while_nothing_will_do_the_likely_and_quick_come_first() -> None:
    known = start().look(ONE[3], 0.4, 100.0).look(ONE[0], 0.8, 0.9)
    steps = known.steps(math.inf)
    assert all(math.isfinite(step.gain) for step in steps)
    step = known.next(math.inf)
    assert step is not None
    assert step.chance > 0.2


def test_in_a_faster_form_all_sizes_are_expected_to_be_faster() -> None:
    known = start().look(ONE[0], 0.8, 0.2)
    faster = known.scaled(0.5)
    assert all(abs(faster.seconds(size) / known.seconds(size) - 0.5) < 1e-9 for size in ONE)
    assert [faster.chance(size, "look") for size in ONE] == [known.chance(size, "look") for size in ONE]


def test_minutes_count() -> None:
    known = start(ONE, train=1000.0).look(ONE[3], 0.4, 2.0)
    step, cheap = known.next(1.0), start(ONE, train=0.01).look(ONE[3], 0.4, 2.0).next(1.0)
    assert step is not None
    assert cheap is not None
    assert (step.way, cheap.way) == ("look", "train")


def test_without_rows_to_train_on_sizes_are_only_looked_at() -> None:
    known, _ = searched(start(train=None), half=4.0, left=0.1)
    assert known.seen
    assert not known.trained
    assert known.whole_search(1.0)[1] == 0.0


def test_what_is_trained_is_looked_at_before() -> None:
    step = start(ONE, train=0.01).next(1.0)
    assert step is not None
    assert step.way == "look"


def test_nothing_that_is_no_faster_is_tried() -> None:
    assert start().next(best=0.1) is None
    assert start().chance_left(best=0.1) == 0.0


def test_the_chance_left_is_that_of_any_kind_of_cut() -> None:
    kinds = start(ONE), start(BOTH[len(ONE) :])
    one, other = (known.chance_left(1.0) for known in kinds)
    assert 0.05 < one < 1.0
    assert start(BOTH).chance_left(1.0) == pytest.approx(1.0 - (1.0 - one) * (1.0 - other))


def test_a_size_that_was_not_read_tells_its_time_only() -> None:
    known = start().look(ONE[0], 0.99, None)
    assert known.seconds(ONE[1]) > start().seconds(ONE[1])
    assert known.chance(ONE[1], "look") == start().chance(ONE[1], "look")


def test_a_size_that_cannot_be_made_takes_the_smaller_ones_of_its_kind_with_it() -> None:
    known = start(BOTH).look(ONE[2], 0.5, 1.0).without(ONE[4])
    assert [size for size in known.sizes if size.cut == "channels"] == list(ONE[:4])
    assert len([size for size in known.sizes if size.cut == "low rank"]) == len(SHARES)


def test_a_kind_of_which_nothing_can_be_made_is_given_up_after_a_few_sizes() -> None:
    known = start(BOTH).without(ONE[6]).without(ONE[4])
    assert [size for size in known.sizes if size.cut == "channels"] == list(ONE[:4])
    assert {size.cut for size in known.without(ONE[3]).sizes} == {"low rank"}


@given(st.lists(st.tuples(st.floats(0, 3), st.floats(-5, 5)), min_size=1, max_size=8))
def test_a_line_is_that_of_ridge_regression(points: list[tuple[float, float]]) -> None:
    line = Line.of(((1.0, 2.0), (0.5, 3.0)), 0.7)
    for halvings, value in points:
        line = line.learn(halvings, value)
    rows = np.array([[1.0, halvings] for halvings, _ in points])
    values = np.array([value for _, value in points])
    weights = np.diag([1 / 0.5, 1 / 3.0])
    stacked = np.vstack([rows / 0.7, weights])
    expected = np.linalg.lstsq(stacked, np.concatenate([values / 0.7, weights @ [1.0, 2.0]]), rcond=None)[0]
    np.testing.assert_allclose(line.mean, expected, atol=1e-6)
