"""How far a training is along its schedule, so that it ends within its time limit."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

_WARM_STEPS = 3  # the first steps compile kernels and say nothing about the rest
_WINDOW = 24  # recent steps that speed is read from: neighbours on the machine come and go
_SAFETY = 0.97  # share of the limit that is planned for
_LEAST = 0.05  # of the peak, in the very first steps
_COMPILED_S = 2.0  # no kernel takes longer to compile: a first step that does is as slow as the rest will be


class Pace:
    """Progress from 0 to 1, step by step.

    Each step moves by `remaining progress / remaining steps`, where the remaining steps are those planned
    or those that the remaining time has room for, whichever is fewer. So a schedule that is a function of
    progress always reaches its end, without jumps, and without a time limit (or far from it) it does
    not depend on the clock at all.
    """

    def __init__(
        self,
        steps_per_epoch: int,
        epochs: int,
        limit_s: float | None,
        validation_steps: float,
        clock: Callable[[], float],
        started: float | None = None,
    ) -> None:
        """A pace of `steps_per_epoch * epochs` steps within `limit_s` seconds.

        `validation_steps` is the first guess of what a validation costs, in training steps; `started` is
        when the time limit began to run, by the clock.
        """
        self.steps_per_epoch = steps_per_epoch
        self.progress = 0.0
        self.done = 0
        self.steps_left = float(steps_per_epoch * epochs)
        self._planned = steps_per_epoch * epochs
        self._limit_s = math.inf if limit_s is None else limit_s
        self._deadline_s = self._limit_s * _SAFETY
        self._validation_steps = validation_steps
        self._validation_s: float | None = None
        self._clock = clock
        self._last = clock()
        self._start = self._last if started is None else started
        self._recent: deque[float] = deque(maxlen=_WINDOW)

    @property
    def finished(self) -> bool:
        """Whether the schedule has reached its end."""
        return self.progress >= 1.0

    @property
    def overdue(self) -> bool:
        """Whether the time limit has passed."""
        return self.seconds > self._limit_s

    @property
    def seconds(self) -> float:
        """Since the start."""
        return self._clock() - self._start

    @property
    def step_s(self) -> float:
        """Seconds of a recent step; 0 before any was timed."""
        return sum(self._recent) / len(self._recent) if self._recent else 0.0

    @property
    def validation_s(self) -> float:
        """Seconds of the last validation, or the guess before the first."""
        return self._validation_steps * self.step_s if self._validation_s is None else self._validation_s

    @property
    def seconds_left(self) -> float:
        """Expected until the end."""
        epochs_left = math.ceil(self.steps_left / self.steps_per_epoch)
        return self.steps_left * self.step_s + epochs_left * self.validation_s

    @property
    def epochs_expected(self) -> int:
        """Epochs that there will have been, the last one perhaps incomplete."""
        return max(1, math.ceil((self.done + self.steps_left) / self.steps_per_epoch - 1e-9))

    def begin(self) -> None:
        """The first step begins now: what was prepared before is no part of it, though of the time limit."""
        self._last = self._clock()

    def step_done(self) -> None:
        """Count one training step."""
        now = self._clock()
        taken = now - self._last
        if self.done >= _WARM_STEPS or taken > _COMPILED_S:
            self._recent.append(taken)
        self._last = now
        room = min(float(self._planned - self.done), self._affordable(now - self._start))
        self.progress = 1.0 if room <= 1 else self.progress + (1 - self.progress) / room
        self.done += 1
        self.steps_left = 0.0 if self.finished else room - 1

    def validation_done(self, seconds: float) -> None:
        """Take note of what a validation cost."""
        self._validation_s = seconds
        self._last = self._clock()

    def _affordable(self, elapsed: float) -> float:
        """Steps that fit in the time left, this one included, each epoch's validation paid."""
        left = self._deadline_s - elapsed - self.validation_s
        if left <= 0:
            return 0.0
        if not self._recent or math.isinf(left):
            return math.inf
        # the step that just ended has been paid already
        return 1 + left // (self.step_s + self.validation_s / self.steps_per_epoch)


@dataclass(frozen=True)
class Schedule:
    """Share of the peak learning rate over a training: a linear rise, then a fall to zero.

    Attributes:
        fall: `cosine` (Loshchilov and Hutter 2017, "SGDR", arXiv 1608.03983, eq. 5, one cycle) or `linear`.
        ramp: share of the training that rises.

    >>> [round(Schedule("cosine", 0.05).factor(p), 3) for p in (0.0, 0.05, 0.525, 1.0)]
    [0.05, 1.0, 0.5, 0.0]
    >>> [round(Schedule("linear", 0.1).factor(p), 3) for p in (0.0, 0.05, 0.1, 0.325, 1.0)]
    [0.05, 0.5, 1.0, 0.75, 0.0]
    """

    fall: Literal["cosine", "linear"]
    ramp: float

    def factor(self, progress: float) -> float:
        """The share at a progress from 0 to 1."""
        if progress < self.ramp:
            return max(progress / self.ramp, _LEAST)
        fallen = (progress - self.ramp) / (1 - self.ramp)
        return 1 - fallen if self.fall == "linear" else 0.5 * (1 + math.cos(math.pi * fallen))
