"""Trainings that cannot reach what is needed are stopped; those that can go on."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from sartor.train.curve import expected_end, falls_short


def curve(start: float, end: float, power: float, epochs: int) -> list[float]:
    """Scores that come from `start` to `end` as a power of the epochs."""
    return [end - (end - start) * epoch**-power for epoch in range(1, epochs + 1)]


@given(st.floats(0.1, 0.6), st.floats(0.65, 0.99), st.sampled_from([0.25, 0.5, 1.0, 2.0]), st.integers(4, 12))
def test_the_end_of_a_power_curve_is_seen_from_its_first_third(
    start: float, end: float, power: float, seen: int
) -> None:
    scores = curve(start, end, power, 3 * seen)
    assert expected_end(scores[:seen], 1 / 3) >= scores[-1] - 1e-6


@given(st.lists(st.floats(0, 1), min_size=3, max_size=10), st.floats(0.25, 0.9), st.floats(0, 1))
def test_what_has_reached_it_is_never_stopped(scores: list[float], progress: float, needed: float) -> None:
    if max(scores) >= needed:
        assert not falls_short(scores, progress, needed, 0.0)


def test_a_flat_curve_far_below_is_stopped_and_says_why() -> None:
    said = falls_short([0.50, 0.51, 0.505, 0.51], 0.4, 0.9, 0.01)
    assert "stopped at 40%" in said
    assert "0.900 is needed" in said


def test_nothing_is_stopped_early_or_within_the_noise() -> None:
    assert not falls_short([0.1, 0.1, 0.1], 0.1, 0.9, 0.0)
    assert not falls_short([0.1, 0.1], 0.5, 0.9, 0.0)
    assert not falls_short([0.880, 0.881, 0.881, 0.881], 0.5, 0.9, 0.01)
    assert falls_short([0.880, 0.881, 0.881, 0.881], 0.5, 0.9, 0.001)


def test_errors_that_fall_are_scores_that_rise() -> None:
    errors = np.array([3.0, 2.9, 2.89, 2.89])
    assert falls_short((-errors).tolist(), 0.5, -1.0, 0.05)
    assert not falls_short((-errors).tolist(), 0.5, -2.85, 0.05)
