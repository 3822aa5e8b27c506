"""Properties and edge cases of the latency bounds; coverage is in test_coverage.py."""

import math
import time

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from sartor.measure.quantiles import (
    calls_needed,
    mean_bounds_of_launches,
    quantile_bounds,
    ratio_bounds,
    resolution,
)

Floats = NDArray[np.float64]
QUICK = settings(max_examples=8, deadline=None)


def make_launches(seed: int, launches: int = 5, rounds: int = 20, calls: int = 50) -> list[Floats]:
    generator = np.random.default_rng(seed)
    centres = 1e-3 * np.exp(generator.normal(0, 0.05, launches))
    return [centre * np.exp(0.03 * generator.normal(size=(rounds, calls))) for centre in centres]


@QUICK
@given(st.integers(0, 10_000), st.sampled_from([0.5, 0.9, 0.99]), st.integers(2, 8))
def test_quantile_bounds_are_ordered(seed: int, q: float, launches: int) -> None:
    bounds = quantile_bounds(make_launches(seed, launches, 4, 40), q, 0.05)
    assert 0.0 <= bounds.low <= bounds.value <= bounds.high


@QUICK
@given(st.integers(0, 10_000), st.floats(1e-4, 1e4), st.sampled_from([0.5, 0.99]))
def test_quantile_bounds_scale_with_the_unit(seed: int, scale: float, q: float) -> None:
    launches = make_launches(seed, 4, 10, 30)
    plain = quantile_bounds(launches, q, 0.05, seed)
    scaled = quantile_bounds([scale * launch for launch in launches], q, 0.05, seed)
    for before, after in ((plain.value, scaled.value), (plain.low, scaled.low), (plain.high, scaled.high)):
        assert after == pytest.approx(scale * before, rel=1e-5)


@QUICK
@given(st.integers(0, 10_000))
def test_a_stricter_alpha_or_higher_quantile_never_lowers_the_bound(seed: int) -> None:
    launches = make_launches(seed)
    loose, strict = (quantile_bounds(launches, 0.9, alpha, 1) for alpha in (0.1, 0.01))
    assert strict.low <= loose.low <= loose.high <= strict.high
    assert quantile_bounds(launches, 0.99, 0.1, 1).high >= loose.high


def test_value_is_the_pooled_quantile() -> None:
    launches = make_launches(1)
    pooled = np.concatenate([launch.ravel() for launch in launches])
    assert quantile_bounds(launches, 0.9, 0.05).value == pytest.approx(float(np.quantile(pooled, 0.9)), rel=1e-4)


def test_too_little_data_proves_no_high_quantile() -> None:
    assert quantile_bounds(make_launches(0, 1), 0.99, 0.05).high == math.inf
    assert quantile_bounds(make_launches(0, 1), 0.5, 0.05).low == 0.0
    few = make_launches(0, 2, 10, 14)
    assert quantile_bounds(few, 0.99, 0.05).high == math.inf
    assert quantile_bounds(few, 0.9, 0.05).high < math.inf
    assert quantile_bounds(make_launches(0, 2, 10, 15), 0.99, 0.05).high < math.inf


def test_launches_may_differ_in_rounds() -> None:
    launches = make_launches(0)
    launches[2] = launches[2][:7]
    bounds = quantile_bounds(launches, 0.9, 0.05)
    assert bounds.low < bounds.value < bounds.high < math.inf


def test_quantile_bounds_are_fast_enough() -> None:
    # Target 200 ms; the allowance of 4 keeps a busy machine from failing the test.
    launches = make_launches(0)
    quantile_bounds(launches, 0.99, 0.05)
    start = time.process_time()
    quantile_bounds(launches, 0.99, 0.05)
    assert time.process_time() - start < 0.8


def test_bad_latencies_are_refused() -> None:
    for launches in ([], [np.ones(5)], [np.zeros((2, 2))], [np.ones((0, 3))], [np.array([[1.0, math.nan]])]):
        with pytest.raises(ValueError, match="launch"):
            quantile_bounds(launches, 0.5, 0.05)
    with pytest.raises(ValueError, match="q="):
        quantile_bounds([np.ones((2, 2))], 1.0, 0.05)


def test_ratio_bounds_are_student_on_the_log_ratios() -> None:
    pairs = [(np.full(3, 2.0), np.full(3, 1.0)), (np.full(3, 4.0), np.full(3, 1.0))]
    bounds = ratio_bounds(pairs, 0.05)
    assert bounds.value == pytest.approx(math.sqrt(8.0))
    # t(1 degree, 95%) = 6.3138; the half difference of the logs is the standard error of two.
    assert math.log(bounds.high / bounds.value) == pytest.approx(6.3138 * math.log(2.0) / 2.0, rel=1e-4)
    swapped = ratio_bounds([(after, before) for before, after in pairs], 0.05)
    assert swapped.low == pytest.approx(1.0 / bounds.high)
    assert ratio_bounds(pairs[:1], 0.05).high == math.inf
    with pytest.raises(ValueError, match="pair"):
        ratio_bounds([], 0.05)
    with pytest.raises(ValueError, match="positive"):
        ratio_bounds([(np.zeros(2), np.ones(2))], 0.05)


def test_mean_bounds_of_launches() -> None:
    bounds = mean_bounds_of_launches([1.0, 2.0, 3.0, 4.0, 5.0], 0.05)
    # t(4 degrees, 95%) = 2.1318 (Student's table), standard error sqrt(2.5 / 5).
    assert bounds.high == pytest.approx(3.0 + 2.1318 * math.sqrt(0.5), abs=1e-4)
    assert bounds.low == pytest.approx(3.0 - 2.1318 * math.sqrt(0.5), abs=1e-4)
    assert mean_bounds_of_launches([7.0], 0.05).high == math.inf
    with pytest.raises(ValueError, match="finite"):
        mean_bounds_of_launches([math.inf], 0.05)


def test_resolution_is_the_farther_end_of_the_self_comparison() -> None:
    pairs = list(zip(make_launches(1), make_launches(2), strict=True))
    bounds = ratio_bounds(pairs, 0.05)
    assert resolution(pairs, 0.05) == max(bounds.high - 1.0, 1.0 - bounds.low)
    assert resolution(pairs[:1], 0.05) == math.inf


@pytest.mark.parametrize(("q", "calls"), [(0.5, 5), (0.9, 29), (0.95, 59), (0.99, 299), (0.999, 2995)])
def test_calls_needed_match_wilks(q: float, calls: int) -> None:
    assert calls_needed(q, 0.05) == calls
