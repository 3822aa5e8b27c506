"""The choice of threads follows the machine, on steps whose time the tests decide."""

from __future__ import annotations

from collections.abc import Callable

from sartor.train.threads import thread_choice


def chosen(most: int, step_s: Callable[[int, int], float], steps: int) -> list[int]:
    """Threads of each step, on a machine where step `number` takes `step_s(threads, number)` seconds."""
    choice = thread_choice(most)
    used = [next(choice)]
    for number in range(steps):
        used.append(choice.send(step_s(used[-1], number)))
    return used


def test_a_quiet_machine_uses_all_threads_but_for_one_trial() -> None:
    used = chosen(2, lambda threads, number: 1 / threads, 200)
    assert used.count(1) == 4
    assert used == chosen(2, lambda threads, number: 1.2 / threads, 200)


def test_a_contested_machine_uses_one() -> None:
    used = chosen(2, lambda threads, number: 1.6 if threads == 2 else 0.3, 180)
    assert used.count(1) > 160


def test_a_neighbour_that_comes_is_noticed_and_one_that_goes_too() -> None:
    def step_s(threads: int, number: int) -> float:
        contested = 50 <= number < 200
        return 1.6 if contested and threads == 2 else 0.6 / threads

    used = chosen(2, step_s, 500)
    assert set(used[20:50]) == {2}
    assert used[80:140].count(1) > 50
    assert used[400:].count(2) > 90


def test_one_thread_stays_one() -> None:
    assert set(chosen(1, lambda threads, number: 1.0, 20)) == {1}
