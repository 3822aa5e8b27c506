"""The reference beside what is timed, and what a time is worth that was taken at a loud moment."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sartor.machine.samples import Sample
from sartor.measure.latency import start_worker
from sartor.measure.reference import Reference, Timed
from sartor.plan.calibrate import at_a_quiet_moment, quiet_references


def sample(seconds: float, reference: float | None) -> Sample:
    return Sample("net", "onnxruntime", "f32", 1, seconds, reference)


def test_everything_is_timed_at_several_moments(tmp_path: Path) -> None:
    """The reference against itself: it takes what it takes."""
    reference = Reference(tmp_path)
    with start_worker(reference.feed) as worker:
        for threads in (1, 2):
            reference.load(worker, threads)
        # As many single calls as the reference makes beside them, so that the quickest of both are alike.
        timed = [Timed("reference-1", 1, 1), Timed("reference-2", 2, 1)]
        found = reference.beside(worker, timed, passes=20, rounds=6)
    assert [one.seconds > 0 for one in found] == [True, True]
    for one in found:
        assert one.seconds == pytest.approx(one.reference, rel=0.3)


def test_a_quiet_moment_is_that_of_the_quietest_references() -> None:
    quiet = quiet_references(sample(1e-3, seconds) for seconds in np.linspace(1e-3, 2e-3, 101))
    assert quiet == {1: pytest.approx(1.05e-3)}
    assert quiet_references([sample(1e-3, None)]) == {}


@given(st.floats(1e-6, 10.0), st.floats(0.5, 4.0))
def test_times_are_scaled_only_where_even_the_quietest_round_was_slow(seconds: float, loudness: float) -> None:
    found = at_a_quiet_moment(sample(seconds, loudness * 1e-3), {1: 1e-3})
    if loudness <= 1.15:
        assert found == seconds
    elif loudness <= 2.0:
        assert found is not None
        assert seconds / loudness <= found <= seconds
    if loudness > 2.3:
        assert found is None


def test_a_time_without_a_reference_stands() -> None:
    assert at_a_quiet_moment(sample(0.5, None), {}) == 0.5
