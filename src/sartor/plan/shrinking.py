"""How small a network may become before it loses too much: which size to try next. Pure.

A network is cut to a share of its time. Smaller ones are faster and less likely to be good enough. What is not known is
the smallest share that still is; every one that is tried says on which side of it a share lies.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

# log2 of the share of its time that half of all networks can do with: after training, and where weights were only
# solved for.
TRAINED, SOLVED = -1.25, -0.75
_SPREAD = 1.0  # in halvings
_LEAST_CHANCE = 0.05  # that anything left is better, below which a search ends
_LEAST_GAIN = 0.03  # of the time: a smaller one is not told apart


@dataclass(frozen=True)
class Rung:
    """One size.

    Attributes:
        share: of the time of the whole network, above 0, at most 1.
        seconds: of a call, as measured, or as expected where it was not built yet.
        minutes: that trying it is expected to take.
    """

    share: float
    seconds: float
    minutes: float


@dataclass(frozen=True)
class Step:
    """What to try next.

    Attributes:
        chance: that it will be good enough.
        gain: expected log2 of the speed-up over the best so far, chance included.
    """

    rung: Rung
    chance: float
    gain: float


@dataclass(frozen=True)
class Shrinking:
    """What is known of the smallest share that is good enough.

    Attributes:
        enough: the smallest share that was.
        short: the largest that was not.
        tried: shares that were tried.
        usual: log2 of the share that is enough for half of all networks.
    """

    usual: float = TRAINED
    enough: float = math.inf
    short: float = 0.0
    tried: tuple[float, ...] = field(default=())

    def learn(self, share: float, *, good: bool) -> Shrinking:
        """One more was tried."""
        tried = (*self.tried, share)
        if good:
            return replace(self, enough=min(self.enough, share), tried=tried)
        return replace(self, short=max(self.short, share), tried=tried)

    def chance(self, share: float) -> float:
        """Probability that a network of this share of the time is good enough."""
        if share >= self.enough:
            return 1.0
        if share <= self.short:
            return 0.0
        low, mine, high = (_below(each, self.usual) for each in (self.short, share, self.enough))
        return (mine - low) / (high - low) if high > low else 0.5

    def next(self, rungs: Mapping[float, Rung], best: float) -> Step | None:
        """The size with the largest expected gain per minute; None when nothing left is likely to be better.

        Args:
            rungs: sizes by their share.
            best: seconds of the best so far.
        """
        left = self._left(rungs, best)
        steps = [Step(r, self.chance(r.share), self.chance(r.share) * math.log2(best / r.seconds)) for r in left]
        if not steps or self.chance_left(rungs, best) < _LEAST_CHANCE:
            return None
        return max(steps, key=lambda step: (step.gain / step.rung.minutes, step.rung.share))

    def chance_left(self, rungs: Mapping[float, Rung], best: float) -> float:
        """Probability that any size that was not tried is good enough and faster than the best so far."""
        return max((self.chance(rung.share) for rung in self._left(rungs, best)), default=0.0)

    def _left(self, rungs: Mapping[float, Rung], best: float) -> list[Rung]:
        """Sizes that may be good enough and better; larger than a good one is no faster, whatever a clock says."""
        return [
            rung
            for rung in rungs.values()
            if self.short < rung.share < self.enough and rung.seconds < (1 - _LEAST_GAIN) * best
        ]


def _below(share: float, usual: float) -> float:
    """Prior probability that the smallest share that is good enough is at most this one; normal in its logarithm."""
    if share <= 0:
        return 0.0
    if math.isinf(share):
        return 1.0
    return 0.5 * (1 + math.erf((math.log2(share) - usual) / (_SPREAD * math.sqrt(2))))


def ladder(most: float = 0.8, least: float = 0.12, rungs: int = 10) -> NDArray[np.float64]:
    """(rungs,) shares of the time from large to small, each the same part of the one before.

    >>> ladder(0.8, 0.2, 3).round(2).tolist()
    [0.8, 0.4, 0.2]
    """
    return np.geomspace(most, least, rungs)
