"""Beliefs and the order to try candidates in."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sartor.plan.belief import Belief, believe
from sartor.plan.candidates import Candidate
from sartor.plan.order import CLOSE, WORTH, Asked, Choice, choose
from sartor.plan.recipe import CompressionStep, Recipe
from sartor.runtime.base import Settings
from tests.plan.learning import learnt, network

INT8 = Recipe((CompressionStep("int8-static", (("calibration", "minmax"),)),))
SPEED = Asked(speed_only=True)


def candidate(runtime: str = "onnxruntime", threads: int = 1, recipe: Recipe | None = None, **more: str) -> Candidate:
    return Candidate("net", recipe or Recipe(), runtime, Settings(threads=threads, shape="fixed", **more))  # type: ignore[arg-type]


def belief(means: dict[Candidate, float], spread: float = 0.1, together: float = 0.9) -> Belief:
    """Times in seconds with one spread of their logarithms, all as correlated with each other."""
    count = len(means)
    correlation = together * np.ones((count, count)) + (1 - together) * np.eye(count)
    rows = {one.id: number for number, one in enumerate(means)}
    return Belief(rows, np.log(list(means.values())), spread**2 * correlation)


ONE, TWO = candidate(), candidate(threads=2)
OTHER, QUANTIZED = candidate("openvino", threads=2), candidate("openvino", threads=2, recipe=INT8)


def chosen(choice: Choice) -> Candidate:
    assert choice.candidate is not None
    return choice.candidate


def test_the_fastest_form_of_the_model_as_it_is_comes_first() -> None:
    believed = belief({ONE: 4.0, TWO: 2.0, OTHER: 3.0, QUANTIZED: 0.5})
    assert chosen(choose(believed, [ONE, TWO, OTHER, QUANTIZED], {}, SPEED)) == TWO


def test_rivals_that_cannot_be_faster_are_left_out_and_said_so() -> None:
    believed = belief({ONE: 4.0, TWO: 2.0, QUANTIZED: 0.5}).after(TWO, 2.1)
    found = choose(believed, [ONE, QUANTIZED], {TWO: 2.1}, SPEED)
    assert chosen(found) == QUANTIZED
    assert "another setting took 2.1 s" in found.dropped[ONE.id]


def test_rivals_that_may_be_faster_are_timed() -> None:
    believed = belief({ONE: 2.05, TWO: 2.0}, spread=0.2, together=0.5).after(TWO, 2.0)
    assert chosen(choose(believed, [ONE], {TWO: 2.0}, SPEED)) == ONE


def test_a_measurement_moves_what_goes_together_with_it() -> None:
    """With one thread it took half more than predicted: so will two, and they need not be timed to know it."""
    before = belief({ONE: 4.0, TWO: 2.0}, spread=0.4)
    after = before.after(ONE, 6.0)
    assert after.expected(TWO) == pytest.approx(3.0, rel=0.1)
    assert after.figure(TWO).high / after.figure(TWO).low < before.figure(TWO).high / before.figure(TWO).low
    assert after.expected(ONE) == pytest.approx(6.0, rel=0.05)


def test_a_file_that_is_slower_than_the_model_as_it_is_is_not_built() -> None:
    believed = belief({TWO: 2.0, QUANTIZED: 4.0}).after(TWO, 2.0)
    found = choose(believed, [QUANTIZED], {TWO: 2.0}, SPEED)
    assert found.candidate is None
    assert "the uncompressed model took 2 s" in found.dropped[QUANTIZED.id]


def test_a_slow_file_is_built_where_its_size_may_be_asked_for() -> None:
    believed = belief({TWO: 2.0, QUANTIZED: 4.0}).after(TWO, 2.0)
    assert chosen(choose(believed, [QUANTIZED], {TWO: 2.0}, Asked(speed_only=False))) == QUANTIZED


def test_a_limit_that_not_even_the_edge_meets_leaves_a_file_out() -> None:
    believed = belief({TWO: 2.0, QUANTIZED: 1.5}).after(TWO, 2.0)
    out = choose(believed, [QUANTIZED], {TWO: 2.0}, Asked(True, 1.0, "latency_p50 <= 1 s"))
    assert out.dropped[QUANTIZED.id].startswith("latency_p50 <= 1 s: predicted 1.5 s [")
    close = choose(believed, [QUANTIZED], {TWO: 2.0}, Asked(True, 1.45, "latency_p50 <= 1.45 s"))
    assert close.candidate == QUANTIZED


def test_the_model_as_it_is_is_timed_whatever_the_limit() -> None:
    assert chosen(choose(belief({ONE: 4.0}), [ONE], {}, Asked(True, 0.1, "latency_p50 <= 0.1 s"))) == ONE


@given(st.lists(st.floats(0.001, 10.0), min_size=1, max_size=8), st.integers(0, 1000))
def test_every_candidate_is_timed_or_left_out_with_a_reason(times: list[float], seed: int) -> None:
    random = np.random.default_rng(seed)
    means = {candidate(threads=number + 1, recipe=INT8 if number % 3 else None): t for number, t in enumerate(times)}
    believed, waiting = belief(means, 0.3, 0.6), list(means)
    timed: dict[Candidate, float] = {}
    dropped: dict[str, str] = {}
    for _ in range(2 * len(times) + 1):
        found = choose(believed, waiting, timed, SPEED)
        dropped |= found.dropped
        waiting = [one for one in waiting if one.id not in found.dropped and one != found.candidate]
        if found.candidate is None:
            break
        seconds = means[found.candidate] * math.exp(random.normal(0.0, 0.3))
        timed[found.candidate] = seconds
        believed = believed.after(found.candidate, seconds)
    assert not waiting
    assert len(timed) + len(dropped) == len(means)
    assert all(dropped.values())


def test_a_belief_is_what_the_calibration_predicts() -> None:
    one = network(np.random.default_rng(4))
    free = Candidate("net", Recipe(), "onnxruntime", Settings(threads=1))
    believed = believe(learnt(), one, [ONE, TWO, free, QUANTIZED])
    assert QUANTIZED not in believed, "int8 was not learnt"
    assert believed.expected(TWO) < believed.expected(ONE)
    assert believed.expected(free) == pytest.approx(believed.expected(ONE), rel=0.06)
    figure = believed.figure(ONE)
    assert figure.low < figure.value < figure.high
    assert figure.source == "calibrated"


def test_one_scale_a_matrix_may_be_faster_than_one_a_column() -> None:
    fine, coarse = (
        candidate(recipe=Recipe((CompressionStep("int8-dynamic", settings),)))
        for settings in ((), (("scales", "tensor"),))
    )
    known = learnt()
    named = tuple(replace(one, arithmetic="int8-dynamic") for one in known.efficiencies)
    believed = believe(replace(known, efficiencies=named), network(np.random.default_rng(4)), [fine, coarse])
    assert believed.expected(coarse) < believed.expected(fine)
    assert 0.5 < believed.chance_faster(coarse, fine, CLOSE) < 0.9
    assert believed.chance_faster(fine, coarse, CLOSE) > WORTH


def test_a_shape_that_a_screen_could_not_tell_from_another_is_left_to_the_finals() -> None:
    free = Candidate("net", Recipe(), "onnxruntime", Settings(threads=1))
    believed = believe(learnt(), network(np.random.default_rng(4)), [ONE, free])
    seconds = believed.expected(ONE)
    found = choose(believed.after(ONE, seconds), [free], {ONE: seconds}, SPEED)
    assert found.candidate is None
    assert "another setting took" in found.dropped[free.id]


def test_a_chance_is_a_probability_and_falls_with_the_time() -> None:
    believed = belief({ONE: 1.0, TWO: 1.0})
    chances = [believed.chance_faster(ONE, TWO, share) for share in (0.5, 0.9, 1.0, 1.1, 2.0)]
    assert chances == sorted(chances)
    assert chances[2] == pytest.approx(0.5)
    assert all(0 <= chance <= 1 for chance in chances)


def test_what_cannot_be_faster_than_one_that_is_sure_is_not_built() -> None:
    other = candidate("onnxruntime", threads=2, recipe=INT8)
    believed = belief({TWO: 2.0, QUANTIZED: 0.5, other: 0.9}).after(TWO, 2.0).after(QUANTIZED, 0.5)
    timed = {TWO: 2.0, QUANTIZED: 0.5}
    assert chosen(choose(believed, [other], timed, SPEED)) == other, "its quality may be the only one that holds"
    found = choose(believed, [other], timed, SPEED, sure=QUANTIZED)
    assert found.candidate is None
    assert "one that is almost sure to be proved took 500 ms" in found.dropped[other.id]


def test_a_free_shape_is_no_reason_to_build_a_file_that_is_beaten_in_its_best_setting() -> None:
    """The shape alone scatters enough for a chance of its own."""
    fixed = candidate("onnxruntime", threads=2, recipe=INT8)
    free = Candidate("net", INT8, "onnxruntime", Settings(threads=2))
    believed = belief({QUANTIZED: 0.5, fixed: 0.5, free: 0.51}, spread=0.001)
    believed = replace(believed, covariance=believed.covariance + np.diag([0.0, 0.0, 0.05**2]))
    assert believed.chance_faster(free, QUANTIZED, CLOSE) > WORTH
    found = choose(believed, [fixed, free], {QUANTIZED: 0.5}, SPEED, sure=QUANTIZED)
    assert found.candidate is None
    assert found.dropped.keys() == {fixed.id, free.id}
    timed = {QUANTIZED: 0.5, fixed: 0.5}
    assert chosen(choose(believed, [free], timed, SPEED, sure=QUANTIZED)) == free, "the file is there, a look is cheap"


def test_what_is_hardly_faster_than_the_model_as_it_is_is_not_built() -> None:
    believed = belief({TWO: 2.0, QUANTIZED: 2.1}, spread=0.05).after(TWO, 2.0)
    assert believed.chance_faster(QUANTIZED, TWO, 1.1) > 0.5, "it may well come close"
    assert choose(believed, [QUANTIZED], {TWO: 2.0}, SPEED).candidate is None


def test_the_model_as_it_is_is_timed_however_sure_another_is() -> None:
    believed = belief({ONE: 4.0, TWO: 2.0, QUANTIZED: 0.5}).after(QUANTIZED, 0.5)
    assert chosen(choose(believed, [ONE, TWO], {QUANTIZED: 0.5}, SPEED, sure=QUANTIZED)) == TWO


def test_what_is_predicted_alike_cannot_be_faster_by_the_noise_of_a_measurement() -> None:
    """Another calibration of the same operators: what was measured of the one says as much of the other."""
    mixed = candidate(
        "openvino", threads=2, recipe=Recipe((CompressionStep("int8-static", (("calibration", "mixed"),)),))
    )
    believed = belief({QUANTIZED: 0.5, mixed: 0.5}, together=1.0).after(QUANTIZED, 0.6)
    assert believed.figure(mixed).low < 0.98 * 0.6
    assert believed.chance_faster(mixed, QUANTIZED, 0.98) == pytest.approx(0.0, abs=1e-6)
    assert believed.chance_faster(mixed, QUANTIZED, 1.02) == pytest.approx(1.0, abs=1e-6)
