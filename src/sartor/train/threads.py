"""How many threads the next step should use, from how long past steps took."""

from __future__ import annotations

import statistics
from collections import deque
from collections.abc import Generator

_WARM_STEPS = 3  # the first steps compile kernels
_TIMED_STEPS = 3
_MARGIN = 1.1  # one thread must win clearly: then on a quiet machine the choice is always the same
_SLOWER = 1.6  # times the expected time that raises doubt
_AGAIN_S = 60.0  # seconds after which a contested machine may have become quiet


def thread_choice(most: int) -> Generator[int, float, None]:
    """Yield the threads for the next step; send the seconds that it took.

    Threads of one step wait for each other by spinning. Where a neighbour takes a core, two threads were
    seen to need 1.58 s for a step that one thread alone did in 0.33 s. So both are timed, and again when
    steps become slow, or after a while on one thread.
    """
    for _ in range(_WARM_STEPS):
        yield most
    while most > 1:
        together = yield from _timed(most)
        alone = yield from _timed(1)
        if alone * _MARGIN < together:
            yield from _until_doubtful(1, alone, _AGAIN_S)
        else:
            yield from _until_doubtful(most, together, float("inf"))
    while True:
        yield 1


def _timed(threads: int) -> Generator[int, float, float]:
    yield threads  # the first step with another count prepares its kernels anew
    taken = []
    for _ in range(_TIMED_STEPS):
        taken.append((yield threads))  # noqa: PERF401 - a comprehension cannot yield
    return statistics.median(taken)


def _until_doubtful(threads: int, expected_s: float, longest_s: float) -> Generator[int, float, None]:
    recent: deque[float] = deque(maxlen=_TIMED_STEPS)
    total = 0.0
    while total < longest_s:
        recent.append((yield threads))
        total += recent[-1]
        if len(recent) == _TIMED_STEPS and min(recent) > _SLOWER * expected_s:
            return
