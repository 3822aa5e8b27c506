"""Latency bounds: what a few process launches prove about a quantile, a speed-up or a mean.

A process launch is the unit of variation: memory layout, thread placement and clock state are drawn once per
launch and shift every call in it by some per cent (Kalibera & Jones 2013). Calls inside a launch are neither
independent of each other nor a sample of other launches, so intervals that pool them as if they were are too
narrow, however many calls there are.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from sartor.measure.statistics import Bounds

Floats = NDArray[np.float64]

DRAWS = 999
"""Draws of the generalised pivotal quantity: (DRAWS + 1) * alpha is whole for the usual levels."""

LOW_SHARE = 0.8
"""Share of alpha at which the lower bound is read off the draws, calibrated as in Loh (1987), JASA 82, 155: at the
whole of it, p90 was covered by 93.85% (6,000 replays, launches that differ by 2%)."""

BINS = 160
"""Bins that summarise residual log latencies, finest in both tails."""


def quantile_bounds(launches: Sequence[Floats], q: float, alpha: float, seed: int = 0) -> Bounds:
    """Bounds for the ``q`` quantile of latency over all launches and calls; each launch is (rounds, calls) seconds.

    ``value`` is the pooled quantile. The bounds come from a one-way random-effects generalised pivotal quantity
    on log latency (Krishnamoorthy & Mathew 2009, chapter 5): the launch medians give pivots for the location and
    for the spread between launches; residuals inside launches are resampled by launch, then by round, and each
    draw takes the quantile of residual + Normal(0, spread). No bound is tighter than the order statistic of the
    pooled calls. One launch, or fewer than ``calls_needed`` calls, prove nothing: ``high`` is then infinite (and
    ``low`` zero, if the calls are too few for it).

    Raises ValueError for no launch, an empty launch, a latency that is not positive and finite, or ``q`` or
    ``alpha`` outside (0, 1) and (0, 0.5).
    """
    _require_levels(q, alpha)
    rounds = [_log_rounds(launch) for launch in launches]
    if not rounds:
        raise ValueError("need at least one launch")
    pooled = np.sort(np.concatenate([launch.ravel() for launch in rounds]))
    value = float(np.exp(np.quantile(pooled, q)))
    if len(rounds) < 2:
        return Bounds(value, 0.0, math.inf)
    draws = _mixture_quantiles(rounds, q, np.random.default_rng(seed))
    low_rank, rank = (math.floor((DRAWS + 1) * level + 1e-9) for level in (LOW_SHARE * alpha, alpha))
    ordered = np.concatenate(([-math.inf], np.sort(draws), [math.inf]))
    below, above = _order_statistics(pooled, q, alpha)
    low, high = min(float(ordered[low_rank]), below), max(float(ordered[-1 - rank]), above)
    return Bounds(value, min(value, float(np.exp(low))), max(value, float(np.exp(high))))


def ratio_bounds(pairs: Sequence[tuple[Floats, Floats]], alpha: float) -> Bounds:
    """Bounds for the speed-up, median baseline latency / median candidate latency, from paired launches.

    Each pair holds the seconds of a baseline launch and of the candidate launch run beside it, of any shape.
    Student's t on the log ratios, with the pair as the unit: pairing removes what both share, and a percentile
    bootstrap over about five pairs would cover well below its level because it ignores how little five values
    say about their own spread. Fewer than two pairs give 0 and infinity.

    Raises ValueError for no pair, an empty launch, a latency that is not positive and finite, or ``alpha``
    outside (0, 0.5).
    """
    if not pairs:
        raise ValueError("need at least one pair of launches")
    ratios = [_log_median(baseline) - _log_median(candidate) for baseline, candidate in pairs]
    bounds = mean_bounds_of_launches(ratios, alpha)
    return Bounds(*(float(np.exp(bound)) for bound in (bounds.value, bounds.low, bounds.high)))


def mean_bounds_of_launches(values: Sequence[float], alpha: float) -> Bounds:
    """Student's t bounds for the mean of one figure per launch, such as peak memory or throughput.

    Launches that agree exactly, as memory peaks often do, give bounds without width. A single launch gives
    infinite bounds.

    Raises ValueError for no value, a value that is not finite, or ``alpha`` outside (0, 0.5).
    """
    from scipy import special

    _require_levels(0.5, alpha)
    figures = np.asarray(values, dtype=np.float64)
    if figures.ndim != 1 or not figures.size or not np.isfinite(figures).all():
        raise ValueError(f"need one finite figure per launch, got shape {figures.shape}")
    mean = float(figures.mean())
    if figures.size < 2:
        return Bounds(mean, -math.inf, math.inf)
    step = -float(special.stdtrit(figures.size - 1, alpha)) * float(figures.std(ddof=1)) / math.sqrt(figures.size)
    return Bounds(mean, mean - step, mean + step)


def resolution(pairs_of_identical_workers: Sequence[tuple[Floats, Floats]], alpha: float) -> float:
    """Largest deviation from 1 in the speed-up interval of a worker against itself; 0.03 means 3%.

    No comparison on this machine with as many launches can show less than that. Infinite for fewer than two
    pairs; raises ValueError as ``ratio_bounds`` does.
    """
    bounds = ratio_bounds(pairs_of_identical_workers, alpha)
    return max(abs(bounds.high - 1.0), abs(1.0 - bounds.low))


def calls_needed(q: float, alpha: float) -> int:
    """Fewest calls whose largest bounds the ``q`` quantile: smallest n with ``q ** n <= alpha``; 299 for p99 at 5%.

    Raises ValueError unless ``0 < q < 1`` and ``0 < alpha < 0.5``.
    """
    _require_levels(q, alpha)
    calls = max(1, math.floor(math.log(alpha) / math.log(q)))
    while q**calls > alpha:
        calls += 1
    return calls


def _mixture_quantiles(launches: list[Floats], q: float, generator: np.random.Generator) -> Floats:
    """Draws of the log quantile of a call in a launch yet to come."""
    locations = np.array([float(np.median(launch)) for launch in launches])
    count = locations.size
    residuals = [launch - location for launch, location in zip(launches, locations, strict=True)]
    normal, chi_square = _pivots(count - 1)
    spread = locations.std(ddof=1) * np.sqrt((count - 1) / chi_square)
    centre = locations.mean() + spread * normal / math.sqrt(count)
    points, shares = _histograms(residuals)
    drawn = _resampled_round_weights([len(launch) for launch in launches], generator) @ shares
    return np.asarray(centre + _smoothed_quantile(points, drawn / drawn.sum(axis=1, keepdims=True), spread, q))


def _pivots(degrees: int) -> tuple[Floats, Floats]:
    """Standard normal and chi-square draws (DRAWS,), jointly spread evenly by a golden-ratio lattice.

    Random draws would leave the level of a bound off by its simulation error, the same way in every call.
    """
    from scipy import special

    steps = np.arange(DRAWS) + 0.5
    chances = steps * (math.sqrt(5.0) - 1.0) / 2.0 % 1.0
    return special.ndtri(steps / DRAWS), 2.0 * special.gammaincinv(degrees / 2.0, chances)


def _histograms(residuals: list[Floats]) -> tuple[Floats, Floats]:
    """Bin means (bins,) and each round's count per bin (rounds, bins), rounds of all launches stacked."""
    pooled = np.concatenate([launch.ravel() for launch in residuals])
    # Even steps in log odds: the tail beyond p99 gets as many bins as the middle.
    levels = 1.0 / (1.0 + np.exp(-np.linspace(-1.0, 1.0, BINS - 1) * math.log(pooled.size + 1.0)))
    edges = np.quantile(pooled, levels)
    place = np.searchsorted(edges, pooled)
    counts = np.bincount(place, minlength=BINS)
    points = np.bincount(place, weights=pooled, minlength=BINS) / np.maximum(counts, 1)
    sizes = np.concatenate([np.full(len(launch), launch.shape[1]) for launch in residuals])
    row = np.repeat(np.arange(sizes.size), sizes)
    shares = np.bincount(row * BINS + place, minlength=sizes.size * BINS).reshape(sizes.size, BINS)
    used = counts > 0
    return points[used], shares[:, used].astype(np.float64)


def _resampled_round_weights(rounds: list[int], generator: np.random.Generator) -> Floats:
    """How often each round is drawn (DRAWS, rounds) when launches, then rounds inside them, are resampled."""
    launches = len(rounds)
    # One launch fewer than there are: resampling all of them understates their variance (Rao & Wu 1988).
    picks = generator.multinomial(launches - 1, np.full(launches, 1.0 / launches), size=DRAWS)
    drawn = [generator.multinomial(picks[:, i] * count, np.full(count, 1.0 / count)) for i, count in enumerate(rounds)]
    return np.concatenate(drawn, axis=1).astype(np.float64)


def _smoothed_quantile(points: Floats, shares: Floats, spread: Floats, q: float) -> Floats:
    """The ``q`` quantile (d,) of each discrete distribution ``shares`` (d, bins) plus Normal(0, spread^2)."""
    from scipy import special

    scale = np.maximum(spread, 1e-12)[:, None]
    reach = 9.0 * scale[:, 0]
    low, high = points.min() - reach, points.max() + reach
    for _ in range(20):  # to a millionth of the bracket
        middle = 0.5 * (low + high)
        reached = (shares * special.ndtr((middle[:, None] - points) / scale)).sum(axis=1) >= q
        low, high = np.where(reached, low, middle), np.where(reached, middle, high)
    return np.asarray(high)


def _order_statistics(ordered: Floats, q: float, alpha: float) -> tuple[float, float]:
    """Order statistics that bound the quantile if calls were independent; infinite where there are too few."""
    from scipy import special

    ranks = np.arange(ordered.size + 1.0)
    # P(at most r of n calls lie below the quantile), r = 0..n; the last is 1.
    at_most = np.append(special.betainc(ordered.size - ranks[:-1], ranks[:-1] + 1.0, 1.0 - q), 1.0)
    low_rank = int(np.searchsorted(at_most, alpha, "right"))
    high_rank = int(np.searchsorted(at_most, 1.0 - alpha, "left"))
    low = float(ordered[low_rank - 1]) if low_rank > 0 else -math.inf
    return low, float(ordered[high_rank]) if high_rank < ordered.size else math.inf


def _log_rounds(launch: Floats) -> Floats:
    rounds = np.asarray(launch, dtype=np.float64)
    if rounds.ndim != 2 or not rounds.size or not np.isfinite(rounds).all() or rounds.min() <= 0.0:
        raise ValueError(f"a launch must be (rounds, calls) positive finite seconds, got shape {rounds.shape}")
    return np.asarray(np.log(rounds))


def _log_median(launch: Floats) -> float:
    seconds = np.asarray(launch, dtype=np.float64)
    if not seconds.size or not np.isfinite(seconds).all() or seconds.min() <= 0.0:
        raise ValueError(f"a launch must hold positive finite seconds, got shape {seconds.shape}")
    return math.log(float(np.median(seconds)))


def _require_levels(q: float, alpha: float) -> None:
    if not (0.0 < q < 1.0 and 0.0 < alpha < 0.5):
        raise ValueError(f"need 0 < q < 1 and 0 < alpha < 0.5, got q={q}, alpha={alpha}")
