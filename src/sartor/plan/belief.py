"""What is believed of the times of one network's candidates, and what a measurement of one says of the others.

Before anything is timed the belief is the calibration's prediction, with the errors that it made on other networks.
Those errors go together: a network whose convolutions are faster than predicted with one thread is so with two. So the
logarithms of the times are taken to be jointly normal with the covariance of past errors, and each measured time
conditions the others (Rasmussen and Williams 2006, "Gaussian processes for machine learning", appendix A.2).
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sartor.figures import Figure
from sartor.machine.calibration import Calibration
from sartor.machine.samples import Network
from sartor.plan.calibrated import arithmetic_of, predict_latency, spread_left
from sartor.plan.candidates import Candidate

Values = NDArray[np.float64]
_NOISE = 0.05  # standard deviation of the logarithm of a screened time about that of many launches
_DYNAMIC = 0.05  # logarithm by which a free shape may differ from a fixed one; never to its advantage on the whole
# Mean and standard deviation of the logarithm by which one scale a matrix differs from one a column, which the
# calibration takes for the same: MiniLM-L6 took 0.91 of the time, an LSTM 0.83, LeViT-128S 1.04.
_COARSE, _COARSE_SPREAD = -0.08, 0.1
# The same of attention in one operator: six transformers took 0.88 to 0.95 (`benchmarks/compress/attention.py`).
_FUSED, _FUSED_SPREAD = -0.08, 0.05
_Z = 1.6448536269514722  # of a normal distribution: 5% lie beyond


@dataclass(frozen=True)
class Belief:
    """Of the logarithms of the times of some candidates.

    Attributes:
        rows: row of each candidate, by id.
        mean: (candidates,).
        covariance: (candidates, candidates).
    """

    rows: Mapping[str, int]
    mean: Values
    covariance: Values

    def __contains__(self, candidate: Candidate) -> bool:
        return candidate.id in self.rows

    def expected(self, candidate: Candidate) -> float:
        """The median time in seconds."""
        return math.exp(self.mean[self.rows[candidate.id]])

    def figure(self, candidate: Candidate) -> Figure:
        """The median time with the interval that it lies in nine times of ten."""
        row = self.rows[candidate.id]
        middle, spread = self.mean[row], _Z * math.sqrt(self.covariance[row, row])
        return Figure(math.exp(middle), "s", math.exp(middle - spread), math.exp(middle + spread), "calibrated")

    def chance_faster(self, candidate: Candidate, other: Candidate, share: float) -> float:
        """The probability that it takes less than this share of what the other takes, whatever that is."""
        one, two = self.rows[candidate.id], self.rows[other.id]
        variance = self.covariance[one, one] + self.covariance[two, two] - 2.0 * self.covariance[one, two]
        return _below(math.log(share) + self.mean[two] - self.mean[one], max(0.0, variance))

    def after(self, candidate: Candidate, seconds: float) -> Belief:
        """The belief once this candidate took `seconds`."""
        row = self.rows[candidate.id]
        column = self.covariance[:, row]
        variance = column[row] + _NOISE**2
        gain = column / variance
        mean = self.mean + gain * (math.log(seconds) - self.mean[row])
        covariance = self.covariance - np.outer(gain, column)
        return Belief(self.rows, mean, covariance)


def _below(difference: float, variance: float) -> float:
    if variance <= 0:
        return float(difference > 0)
    return 0.5 * math.erfc(-difference / math.sqrt(2.0 * variance))


def believe(calibration: Calibration, network: Network, candidates: list[Candidate]) -> Belief:
    """The belief before anything was timed; candidates that the calibration knows nothing of are not in it."""
    keys = {(one.runtime, one.arithmetic, one.threads): number for number, one in enumerate(calibration.efficiencies)}
    errors = np.array(calibration.covariance)
    rows: dict[str, int] = {}
    mean: list[float] = []
    shares: list[Values] = []
    extra: list[float] = []
    for candidate in candidates:
        runtime, arithmetic, threads = candidate.runtime, arithmetic_of(candidate), candidate.settings.threads
        predicted = predict_latency(calibration, network, runtime, arithmetic, threads)
        if predicted is None:
            continue
        rows[candidate.id] = len(mean)
        free = candidate.settings.shape != "fixed"
        coarse = any(step.setting("scales", "") == "tensor" for step in candidate.recipe.steps)
        fused = any(step.name == "fused" for step in candidate.recipe.steps)
        mean.append(math.log(predicted.seconds.value) + _DYNAMIC * free + _COARSE * coarse + _FUSED * fused)
        extra.append(_DYNAMIC**2 * free + _COARSE_SPREAD**2 * coarse + _FUSED_SPREAD**2 * fused)
        row = _shares(calibration.threads(runtime, arithmetic), threads, (runtime, arithmetic), keys)
        shares.append(row * spread_left(predicted.trust) * predicted.record.width(predicted.seconds.value))
    table = np.array(shares).reshape(len(shares), len(keys))
    return Belief(rows, np.array(mean), table @ errors @ table.T + np.diag(extra))


def _shares(
    learnt: tuple[int, ...], threads: int, what: tuple[str, str], keys: Mapping[tuple[str, str, int], int]
) -> Values:
    """How much of each efficiency's error is in an interpolated prediction; see `predict_latency`."""
    row = np.zeros(len(keys))
    fewer = max((count for count in learnt if count <= threads), default=learnt[0])
    more = min((count for count in learnt if count >= threads), default=learnt[-1])
    share = 0.0 if fewer == more else math.log(threads / fewer) / math.log(more / fewer)
    row[keys[(*what, fewer)]] += 1.0 - share
    row[keys[(*what, more)]] += share
    return row
