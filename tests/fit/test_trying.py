"""Candidates that are thought of while the search runs."""

from __future__ import annotations

import pytest

from sartor.fit.trying import believed


@pytest.mark.parametrize(
    ("first", "second", "counts", "asked"),
    [
        (0.9, 0.5, 0.9, 0),
        (1.0, 0.5, 1.0, 0),
        (1.4, 0.7, 0.7, 1),
        (1.4, 2.0, 1.4, 1),
        (1.4, None, 1.4, 1),
        (None, 1.0, None, 0),
    ],
)
def test_a_part_that_takes_longer_than_the_whole_is_timed_once_more(
    first: float | None, second: float | None, counts: float | None, asked: int
) -> None:
    calls = []

    def again() -> float | None:
        calls.append(second)
        return second

    assert believed(first, 1.0, again) == counts
    assert len(calls) == asked
