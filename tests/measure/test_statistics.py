"""Properties, published figures and edge cases of the quality bounds; coverage is in test_coverage.py."""

import math
import time
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sartor.measure._paired_drop import score_statistic
from sartor.measure.statistics import (
    Bounds,
    auc_bounds,
    macro_f1_bounds,
    paired_auc_drop_bounds,
    paired_drop_bounds,
    paired_drop_p_value,
    paired_macro_f1_drop_bounds,
    paired_rmse_increase_bounds,
    proportion_bounds,
    provable_drop,
    provable_floor,
    relative_drop_bounds,
    resampled_bounds,
    rmse_bounds,
    samples_for_drop,
    samples_for_floor,
)

ALPHAS = st.sampled_from([0.001, 0.01, 0.05, 0.1, 0.25])
QUICK = settings(max_examples=25, deadline=None)


@st.composite
def paired_counts(draw: st.DrawFn) -> tuple[int, int, int]:
    n = draw(st.integers(1, 300))
    lost = draw(st.integers(0, n))
    return lost, draw(st.integers(0, n - lost)), n


def test_proportion_bounds_match_clopper_and_pearson() -> None:
    # Two-sided 95% interval for 81 of 263: Newcombe (1998), Statistics in Medicine 17, table I, method 5.
    bounds = proportion_bounds(81, 263, 0.025)
    assert (round(bounds.low, 4), round(bounds.high, 4)) == (0.2527, 0.3676)
    # Same table: 15 of 148, 0 of 20 and 1 of 29.
    assert round(proportion_bounds(15, 148, 0.025).low, 4) == 0.0578
    assert round(proportion_bounds(0, 20, 0.025).high, 4) == 0.1684
    assert round(proportion_bounds(1, 29, 0.025).high, 4) == 0.1776


@QUICK
@given(st.integers(1, 2000), st.floats(0, 1), ALPHAS)
def test_proportion_bounds_are_ordered_and_mirror(n: int, share: float, alpha: float) -> None:
    successes = round(share * n)
    bounds, mirrored = proportion_bounds(successes, n, alpha), proportion_bounds(n - successes, n, alpha)
    assert 0.0 <= bounds.low <= bounds.value <= bounds.high <= 1.0
    assert bounds.low < bounds.high
    assert bounds.low == pytest.approx(1.0 - mirrored.high, abs=1e-12)


def testscore_statistic_matches_tango() -> None:
    # Tango (1998), Statistics in Medicine 17, 891: 44 pairs, one discordant, margin 0.1 gives Z = 1.709.
    statistic = score_statistic(np.array(1.0), np.array(1.0), 44, 0.1)
    assert float(statistic) == pytest.approx(-1.709, abs=1e-3)
    # The normal p-value is 0.044; the exact one must lie close to it and not below by much.
    assert paired_drop_p_value(1, 0, 44, 0.1) == pytest.approx(0.044, abs=0.02)


@pytest.mark.parametrize(("lost", "gained", "n"), [(12, 2, 50), (1, 0, 44), (20, 20, 360), (300, 250, 14000)])
def test_paired_drop_lies_near_the_score_interval(lost: int, gained: int, n: int) -> None:
    bounds = paired_drop_bounds(lost, gained, n, 0.025)
    for bound, normal in ((bounds.low, 1.959964), (bounds.high, -1.959964)):
        statistic = score_statistic(np.array(float(lost)), np.array(float(lost + gained)), n, bound)
        assert float(statistic) == pytest.approx(normal, abs=0.25)


@QUICK
@given(paired_counts(), ALPHAS)
def test_paired_drop_is_ordered_and_mirrors(counts: tuple[int, int, int], alpha: float) -> None:
    lost, gained, n = counts
    bounds, mirrored = paired_drop_bounds(lost, gained, n, alpha), paired_drop_bounds(gained, lost, n, alpha)
    assert -1.0 <= bounds.low <= bounds.value <= bounds.high <= 1.0
    assert bounds.low < bounds.high
    assert (bounds.low, bounds.high) == (-mirrored.high, -mirrored.low)


@QUICK
@given(paired_counts(), ALPHAS)
def test_more_lost_rows_never_lower_a_bound(counts: tuple[int, int, int], alpha: float) -> None:
    lost, gained, n = counts
    if lost + gained < n:
        fewer, more = (
            paired_drop_bounds(lost, gained, n, alpha),
            paired_drop_bounds(lost + 1, gained, n, alpha),
        )
        assert more.high >= fewer.high
        assert more.low >= fewer.low


@QUICK
@given(paired_counts(), st.floats(-0.5, 0.5))
def test_p_value_and_bound_agree(counts: tuple[int, int, int], limit: float) -> None:
    lost, gained, n = counts
    high = paired_drop_bounds(lost, gained, n, 0.05).high
    if abs(high - limit) > 1e-3:
        assert (paired_drop_p_value(lost, gained, n, limit) <= 0.05) == (high < limit)


def test_paired_drop_refuses_impossible_limits_and_counts() -> None:
    assert paired_drop_p_value(3, 1, 10, -1.0) == 1.0
    assert paired_drop_p_value(3, 1, 10, 1.0) == 0.0
    assert paired_drop_p_value(3, 1, 10, 1.5) == 0.0
    for lost, gained, n in ((-1, 0, 5), (0, -1, 5), (3, 3, 5), (0, 0, 0)):
        with pytest.raises(ValueError, match="lost"):
            paired_drop_p_value(lost, gained, n, 0.01)
    with pytest.raises(ValueError, match="alpha"):
        paired_drop_bounds(0, 0, 5, 0.0)


def test_paired_drop_is_fast_enough() -> None:
    # Targets are 5, 30, 100 and 500 ms; the allowance of 4 keeps a busy machine from failing the test.
    paired_drop_p_value(1, 1, 10, 0.1)
    assert seconds(lambda: paired_drop_p_value(20, 10, 360, 0.05)) < 0.02
    assert seconds(lambda: paired_drop_p_value(300, 250, 14000, 0.01)) < 0.12
    assert seconds(lambda: paired_drop_bounds(20, 10, 360, 0.05)) < 0.4
    assert seconds(lambda: paired_drop_bounds(300, 250, 14000, 0.05)) < 2.0


def seconds(call: Callable[[], object]) -> float:
    best = math.inf
    for _ in range(3):
        start = time.process_time()
        call()
        best = min(best, time.process_time() - start)
    return best


@QUICK
@given(paired_counts(), ALPHAS, st.floats(0, 1))
def test_relative_drop_is_ordered(counts: tuple[int, int, int], alpha: float, share: float) -> None:
    lost, gained, n = counts
    correct = lost + round(share * (n - gained - lost))
    bounds = relative_drop_bounds(lost, gained, correct, n, alpha)
    assert bounds.low <= bounds.value <= bounds.high <= 1.0


def test_relative_drop_divides_by_the_baseline_accuracy() -> None:
    absolute, relative = paired_drop_bounds(12, 4, 400, 0.05), relative_drop_bounds(12, 4, 320, 400, 0.05)
    assert relative.value == pytest.approx(absolute.value / 0.8)
    assert absolute.high / 0.8 < relative.high < 1.12 * absolute.high / 0.8
    with pytest.raises(ValueError, match="baseline_correct"):
        relative_drop_bounds(12, 4, 11, 400, 0.05)


def test_auc_matches_pair_counting_and_delong() -> None:
    generator = np.random.default_rng(3)
    labels = np.repeat([1, 0], [40, 60])
    scores = np.round(generator.normal(size=100) + labels, 1)
    pairs = np.sign(scores[:40, None] - scores[None, 40:]) / 2 + 0.5
    variance = pairs.mean(axis=1).var(ddof=1) / 40 + pairs.mean(axis=0).var(ddof=1) / 60
    bounds = auc_bounds(labels, scores, 0.05)
    assert bounds.value == pytest.approx(pairs.mean())
    # Plain DeLong with z, against the Student and logit version: same width to a few per cent.
    assert bounds.high - bounds.low == pytest.approx(2 * 1.645 * math.sqrt(variance), rel=0.08)


def test_auc_of_a_perfect_or_constant_score_keeps_width() -> None:
    labels = np.repeat([1, 0], [30, 50])
    perfect = auc_bounds(labels, labels + 0.0, 0.05)
    assert (perfect.value, perfect.high) == (1.0, 1.0)
    assert perfect.low == pytest.approx(0.05 ** (1 / 30))
    constant = auc_bounds(labels, np.zeros(80), 0.05)
    assert constant.low < 0.35 < 0.65 < constant.high
    single = auc_bounds([1, 0, 0], [1.0, 0.5, 0.2], 0.05)
    assert single.low == pytest.approx(0.05)


def test_auc_drop_of_an_identical_candidate_is_about_the_provable_drop() -> None:
    labels = np.repeat([1, 0], [300, 500])
    scores = np.random.default_rng(0).normal(size=800) + labels
    bounds = paired_auc_drop_bounds(labels, scores, 2 * scores + 1, 0.05)
    assert bounds.value == 0.0
    assert provable_drop(300, 0.05) < bounds.high < 1.25 * provable_drop(300, 0.05)
    assert bounds.low == pytest.approx(-bounds.high)


@QUICK
@given(st.integers(0, 10_000), st.integers(2, 60), st.integers(2, 60), ALPHAS)
def test_auc_bounds_are_ordered_and_mirror(seed: int, positive: int, negative: int, alpha: float) -> None:
    generator = np.random.default_rng(seed)
    labels = np.repeat([1, 0], [positive, negative])
    scores, other = np.round(generator.normal(size=(2, labels.size)) + labels, 1)
    bounds, flipped = auc_bounds(labels, scores, alpha), auc_bounds(labels, -scores, alpha)
    assert 0.0 <= bounds.low <= bounds.value <= bounds.high <= 1.0
    assert bounds.low == pytest.approx(1.0 - flipped.high, abs=1e-9)
    drop, mirrored = (
        paired_auc_drop_bounds(labels, scores, other, alpha),
        paired_auc_drop_bounds(labels, other, scores, alpha),
    )
    assert -1.0 <= drop.low <= drop.value <= drop.high <= 1.0
    assert drop.low == pytest.approx(-mirrored.high, abs=1e-9)


def test_auc_refuses_bad_input() -> None:
    for labels, scores in (
        ([1, 1], [0.1, 0.2]),
        ([0, 2], [0.1, 0.2]),
        ([0, 1], [0.1]),
        ([0, 1], [0.1, math.nan]),
    ):
        with pytest.raises(ValueError, match=r"need|class"):
            auc_bounds(labels, scores, 0.05)


def test_macro_f1_matches_its_definition() -> None:
    from sklearn.metrics import f1_score

    generator = np.random.default_rng(1)
    labels = generator.integers(0, 4, 200)
    predicted = np.where(generator.random(200) < 0.8, labels, generator.integers(0, 4, 200))
    expected = float(f1_score(labels, predicted, average="macro"))
    assert macro_f1_bounds(labels, predicted, 4, 0.05).value == pytest.approx(expected)
    assert macro_f1_bounds(labels, predicted, 9, 0.05).value == pytest.approx(expected)


@QUICK
@given(st.integers(0, 10_000), st.integers(1, 80), st.integers(1, 5), ALPHAS)
def test_macro_f1_bounds_are_ordered(seed: int, n: int, classes: int, alpha: float) -> None:
    labels, before, after = np.random.default_rng(seed).integers(0, classes, (3, n))
    bounds = macro_f1_bounds(labels, after, classes, alpha, seed)
    assert 0.0 <= bounds.low <= bounds.value <= bounds.high <= 1.0
    drop = paired_macro_f1_drop_bounds(labels, before, after, classes, alpha, seed)
    assert -1.0 <= drop.low <= drop.value <= drop.high <= 1.0


def test_macro_f1_of_a_perfect_or_identical_candidate_keeps_width() -> None:
    labels = np.repeat([0, 1, 2], [50, 30, 20])
    assert 0.8 < macro_f1_bounds(labels, labels, 3, 0.05).low < 0.97
    drop = paired_macro_f1_drop_bounds(labels, labels, labels, 3, 0.05)
    assert drop.value == 0.0
    assert 0.03 < drop.high < 0.2


def test_macro_f1_refuses_bad_input() -> None:
    for labels, predicted in (([], []), ([0, 3], [0, 1]), ([0, 1], [0]), ([0, -1], [0, 1])):
        with pytest.raises(ValueError, match="class"):
            macro_f1_bounds(labels, predicted, 3, 0.05)


@QUICK
@given(st.integers(0, 10_000), st.integers(1, 60), st.floats(1e-6, 1e6))
def test_rmse_bounds_are_ordered_and_scale(seed: int, n: int, scale: float) -> None:
    errors, other = np.random.default_rng(seed).normal(size=(2, n))
    one, scaled = rmse_bounds(errors, 0.05), rmse_bounds(scale * errors, 0.05)
    assert 0.0 <= one.low <= one.value <= one.high
    assert scaled.high == pytest.approx(scale * one.high, rel=1e-6)
    increase = paired_rmse_increase_bounds(errors, other, 0.05)
    assert increase.low <= increase.value <= increase.high
    assert increase.value == pytest.approx(math.sqrt((other**2).mean()) - math.sqrt((errors**2).mean()))


def test_rmse_without_variation_proves_little() -> None:
    assert rmse_bounds(np.zeros(20), 0.05).high == math.inf
    assert rmse_bounds(np.ones(20), 0.05) == Bounds(1.0, 0.0, math.inf)
    errors = np.random.default_rng(0).normal(size=300)
    same = paired_rmse_increase_bounds(errors, errors, 0.05)
    assert same.value == 0.0
    assert 0.0 < same.high < 0.2
    assert paired_rmse_increase_bounds(np.zeros(9), np.zeros(9), 0.05).high == math.inf
    with pytest.raises(ValueError, match="shape"):
        paired_rmse_increase_bounds(errors, errors[1:], 0.05)


def test_resampled_bounds_are_reproducible_and_ordered() -> None:
    values = np.random.default_rng(0).exponential(size=500)
    first, second = (resampled_bounds(lambda rows: float(values[rows].mean()), 500, 0.05, 7) for _ in range(2))
    assert first == second
    assert first.low < first.value < first.high
    assert first.high - first.low == pytest.approx(2 * 1.645 * values.std() / math.sqrt(500), rel=0.2)


def test_resampled_bounds_prove_nothing_without_variation() -> None:
    assert resampled_bounds(lambda rows: 1.0, 50, 0.05) == Bounds(1.0, -math.inf, math.inf)
    with pytest.raises(ValueError, match="rows"):
        resampled_bounds(lambda rows: 1.0, 1, 0.05)
    with pytest.raises(ValueError, match="metric"):
        resampled_bounds(lambda rows: math.nan, 5, 0.05)


def test_provable_figures() -> None:
    assert provable_floor(299, 0.05) == pytest.approx(0.05 ** (1 / 299))
    assert samples_for_floor(0.99, 0.05) == 299  # Wilks (1941): 59, 299 and 2995 rows for 95, 99 and 99.9%.
    assert samples_for_floor(0.95, 0.05) == 59
    assert samples_for_floor(0.999, 0.05) == 2995
    for call in (samples_for_floor, samples_for_drop):
        with pytest.raises(ValueError, match="between 0 and 1"):
            call(0.0, 0.05)


@settings(max_examples=8, deadline=None)
@given(st.floats(0.005, 0.9), ALPHAS)
def test_samples_are_the_fewest_that_prove(share: float, alpha: float) -> None:
    rows = samples_for_drop(share, alpha)
    assert provable_drop(rows, alpha) <= share
    assert rows == 1 or provable_drop(rows - 1, alpha) > share
    assert provable_drop(rows, alpha) == paired_drop_bounds(0, 0, rows, alpha).high
    rows = samples_for_floor(1.0 - share, alpha)
    assert provable_floor(rows, alpha) >= 1.0 - share
    assert rows == 1 or provable_floor(rows - 1, alpha) < 1.0 - share
