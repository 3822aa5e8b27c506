"""The schedule ends on time and at zero, on a clock that the tests turn."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from sartor.train.pace import Pace, Schedule


class Clock:
    """Seconds that pass only when told."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def run(step_s: list[float], steps: int, limit_s: float | None) -> tuple[Pace, Clock, list[float]]:
    clock = Clock()
    pace = Pace(10, steps // 10, limit_s, 0.0, clock)
    positions = []
    while not pace.finished:
        positions.append(pace.progress)
        clock.now += step_s[min(pace.done, len(step_s) - 1)]
        pace.step_done()
    return pace, clock, positions


def test_without_a_limit_every_step_counts_alike() -> None:
    pace, _, positions = run([1.0], 50, None)
    assert pace.done == 50
    assert all(abs(position - step / 50) < 1e-9 for step, position in enumerate(positions))


def test_a_distant_limit_changes_nothing() -> None:
    assert run([1.0], 50, 500.0)[2] == run([1.0], 50, None)[2]


@given(st.floats(0.5, 2.0), st.floats(40, 400), st.floats(1.0, 3.0))
def test_the_schedule_ends_within_the_limit_and_smoothly(step_s: float, limit: float, slow: float) -> None:
    # The machine becomes slower after a while, as a neighbour starts.
    _, clock, positions = run([step_s] * 8 + [step_s * slow], 1000, limit)
    assert clock.now <= limit + step_s * slow
    assert positions == sorted(positions)
    assert Schedule("cosine", 0.05).factor(positions[-1]) < 0.35


def test_a_steady_machine_ends_the_cosine_at_zero() -> None:
    _, clock, positions = run([1.0], 1000, 100.0)
    assert 90 <= clock.now <= 100
    assert Schedule("cosine", 0.05).factor(positions[-1]) < 0.01


def test_the_expected_epochs_shrink_with_the_limit() -> None:
    clock = Clock()
    pace = Pace(10, 100, 100.0, 0.0, clock)
    for _ in range(6):
        clock.now += 1.0
        pace.step_done()
    assert 9 <= pace.epochs_expected <= 11
    assert 80 <= pace.seconds_left <= 100


def test_first_steps_that_take_seconds_count_at_once() -> None:
    pace, clock, _ = run([30.0], 1000, 100.0)
    assert pace.done == 3
    assert clock.now == 90
    assert not pace.overdue
    clock.now += 20
    assert pace.overdue


def test_what_is_prepared_before_the_first_step_is_no_slow_step() -> None:
    # A recovery reads its teacher and its student once before it trains; twelve seconds are twelve, not one step's.
    clock = Clock()
    pace = Pace(100, 7, 60.0, 5.0, clock)
    clock.now += 12.0
    pace.begin()
    while not pace.finished:
        clock.now += 0.1
        pace.step_done()
    assert pace.done > 400
    assert clock.now <= 60.0
