"""A figure out of repeats over fresh launches of a process."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator, Sequence

from sartor.figures import Figure
from sartor.measure.quantiles import mean_bounds_of_launches

ALPHA = 0.05  # one-sided
OVERTIME = 1.5
"""A part that takes this many times its share ends, once everything was measured in one launch: on a slow or busy
machine figures lose their intervals rather than the probe its time."""


def figure_of_launches(values: Sequence[float], unit: str) -> Figure:
    """The geometric mean of one positive value a launch, with Student's t bounds on the logarithms, 95% each side.

    The launch is the unit, since it is what varies (see `quantiles`). A single launch says nothing of others: its
    bounds are 0 and infinity.

    Raises ValueError for no value, or one that is not positive and finite.
    """
    if not values or min(values) <= 0:
        raise ValueError(f"need positive values, got {list(values)}")
    bounds = mean_bounds_of_launches([math.log(value) for value in values], ALPHA)
    return Figure(math.exp(bounds.value), unit, _power(bounds.low), _power(bounds.high), "measured")


def _power(logarithm: float) -> float:
    """Two launches far apart have bounds beyond any number that there is."""
    return math.exp(logarithm) if logarithm < 700.0 else math.inf


def launches_within(wanted: int, seconds: float, least: int = 2) -> Iterator[int]:
    """Count launches: `wanted` of them, fewer once the time is over, but not fewer than `least`."""
    deadline = time.monotonic() + seconds
    for launch in range(wanted):
        if launch >= least and time.monotonic() > deadline:
            return
        yield launch
