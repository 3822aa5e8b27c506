"""The time budget: what is kept back for the finals."""

from __future__ import annotations

import pytest

from sartor.fit.clock import clock_for
from sartor.fit.finals import expected_seconds


def test_models_that_load_slowly_keep_more_time_for_the_finals() -> None:
    clock = clock_for(600)
    before = clock.left()
    clock.keep_for_finals(expected_seconds(0.1))
    assert clock.left() > before - 1  # small models: what is kept anyway is enough
    clock.keep_for_finals(expected_seconds(3.0))
    assert clock.reserve == expected_seconds(3.0) > 100
    clock.keep_for_finals(expected_seconds(0.1))
    assert clock.reserve > 100


def test_the_search_keeps_its_share_of_a_small_budget() -> None:
    clock = clock_for(60)
    clock.keep_for_finals(expected_seconds(5.0))
    assert clock.reserve == 0.4 * 60
    assert clock.search_goes_on()


def test_time_to_read_confirm_is_kept_besides_as_far_as_the_budget_allows() -> None:
    clock = clock_for(480.0)
    before = clock.left()
    clock.keep_for_confirm(60.0)
    clock.keep_for_confirm(50.0)
    assert before - clock.left() == pytest.approx(60.0, abs=0.1)
    clock.keep_for_confirm(1e6)
    assert clock.left() == pytest.approx(0.6 * 480.0, abs=0.1)
