"""Resampling and delta-method engines behind ``statistics``; private to it, which documents the methods."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Indices = NDArray[np.intp]

RESAMPLES = 999
"""Bootstrap replicates: (RESAMPLES + 1) * alpha is whole for the usual levels."""

BIAS_RESAMPLES = 400
"""Draws of the confusion cells that estimate the bias of macro F1."""

RESAMPLING_UNITS = 200
"""Most units that are resampled; beyond that, rows are first pooled at random into this many groups."""


def bootstrap_t(units: Floats, metric: Callable[[Floats], tuple[Floats, Floats]], alpha: float) -> tuple[float, float]:
    """Low and high of ``metric``, which maps column means (..., c) to its value and gradient (..., c)."""
    size = len(units)
    share = np.full(size, 1.0 / size)
    counts = np.random.default_rng(0).multinomial(size, share, size=RESAMPLES)
    counts = np.vstack((np.ones(size, dtype=counts.dtype), counts))
    means = counts @ units / size
    values, gradients = metric(means)
    influence = gradients @ units.T - (gradients * means).sum(axis=1, keepdims=True)
    deviations = np.sqrt((counts * influence**2).sum(axis=1) / (size * max(size - 1.0, 1.0)))
    # Rounding leaves a trace of deviation where there is none.
    deviations[deviations <= 1e-12 * (np.abs(gradients) * means).sum(axis=1)] = 0.0
    return pivot_bounds(float(values[0]), float(deviations[0]), values[1:], deviations[1:], alpha)


def guarded_bootstrap_t(
    units: Floats, metric: Callable[[Floats], tuple[Floats, Floats]], alpha: float, repeats: int
) -> tuple[float, float]:
    """``bootstrap_t``, each side taken after repeating the unit that moves the metric furthest that way.

    Squared errors have long tails and few rows show too little of them, so plain bootstrap bounds sit too close.
    """
    gradient = metric(units.mean(axis=0))[1]
    influence = units @ gradient
    lowest, highest = units[[influence.argmin()] * repeats], units[[influence.argmax()] * repeats]
    low = bootstrap_t(np.vstack((units, lowest)), metric, alpha)[0]
    return low, bootstrap_t(np.vstack((units, highest)), metric, alpha)[1]


def pivot_bounds(
    value: float, deviation: float, values: Floats, deviations: Floats, alpha: float
) -> tuple[float, float]:
    """Low and high from bootstrap replicates; those without deviation or value count against both."""
    rank = math.floor((len(values) + 1) * alpha + 1e-9)
    if not deviation > 0.0 or rank < 1:
        return -math.inf, math.inf
    usable = np.isfinite(values) & (deviations > 0.0)
    pivots = np.divide(values - value, deviations, out=np.full(len(values), np.nan), where=usable)
    lowest = np.sort(np.where(usable, pivots, -np.inf))[rank - 1]
    highest = np.sort(np.where(usable, pivots, np.inf))[-rank]
    low, high = value - highest * deviation, value - lowest * deviation
    return min(value, float(low)), max(value, float(high))


def percentile_bounds(value: float, values: Floats, influence: Floats, alpha: float) -> tuple[float, float]:
    """Low and high percentile of bootstrap replicates, plain or BCa, whichever is wider.

    BCa: Efron & Tibshirani (1993), chapter 14. Levels are first lowered for few units as in Hesterberg (2015),
    The American Statistician 69, 371. Replicates without value count against both bounds.
    """
    from scipy import special

    units = influence.size
    z = math.sqrt(units / (units - 1.0)) * float(special.stdtrit(units - 1, alpha))
    usable = np.isfinite(values)
    below = float((values[usable] < value).sum() + 0.5 * (values[usable] == value).sum()) + 0.5
    shift = float(special.ndtri(below / (usable.sum() + 1.0)))
    power = float((influence**2).sum()) ** 1.5
    skew = float((influence**3).sum()) / (6.0 * power) if power > 0.0 else 0.0
    tilted = [shift + (shift + x) / max(1.0 - skew * (shift + x), 1e-3) for x in (z, -z)]
    low = _order_value(np.where(usable, values, -np.inf), float(special.ndtr(min(z, tilted[0]))))
    high = -_order_value(np.where(usable, -values, -np.inf), float(special.ndtr(min(z, -tilted[1]))))
    return low, high


def _order_value(values: Floats, level: float) -> float:
    rank = math.floor((len(values) + 1) * level + 1e-9)
    return float(np.sort(values)[rank - 1]) if rank >= 1 else -math.inf


def pooled_rows(rows: Floats) -> Floats:
    """Means of at most RESAMPLING_UNITS random groups of ``rows`` (n, c), to keep the resampling cheap."""
    each = -(-len(rows) // RESAMPLING_UNITS)
    if each == 1:
        return rows
    shuffled = rows[np.random.default_rng(0).permutation(len(rows))]
    starts = np.arange(0, len(rows), each)
    sizes = np.diff(np.append(starts, len(rows)))
    return np.asarray(np.add.reduceat(shuffled, starts, axis=0) / sizes[:, None])


def root_difference(means: Floats) -> tuple[Floats, Floats]:
    roots = np.sqrt(np.maximum(means, 1e-100))
    return roots[..., 1] - roots[..., 0], np.array([-0.5, 0.5]) / roots


def log_mean(means: Floats) -> tuple[Floats, Floats]:
    safe = np.maximum(means, 1e-100)
    return np.log(safe[..., 0]), 1.0 / safe


def worst_seen_increase(squares: Floats, z: float) -> float:
    """Normal bound on the root difference after adding z^2 / 2 rows with squares (0, 1), the worst there are."""
    counts = np.append(np.ones(len(squares)), z**2 / 2.0)
    rows = np.vstack((squares, (0.0, 1.0)))
    means = counts @ rows / counts.sum()
    value, gradient = root_difference(means)
    influence = (rows - means) @ gradient / counts.sum()
    return float(value + z * np.sqrt(counts @ influence**2))


def macro_f1(
    cells: Indices, counts: Floats, classes: int, weights: tuple[float, float], present: list[Indices]
) -> tuple[Floats, Floats]:
    """Contrast (b,) and its delta-method deviation (b,); ``counts`` (b, cells) of (label, before, after)."""
    value, influence = np.zeros(len(counts)), np.zeros(counts.shape)
    identity, label = np.eye(classes), cells[:, 0]
    for weight, predicted, among in zip(weights, cells.T[1:], present, strict=True):
        hit = (label == predicted).astype(np.float64)
        support = counts @ (identity[label] + identity[predicted])
        support = np.where(support > 0.0, support, np.inf)
        score = 2.0 * (counts * hit) @ identity[label] / support
        counted = np.isin(np.arange(classes), among) * weight / len(among)
        value += score @ counted
        slope, share = counted / support, score * counted / support
        influence += 2.0 * hit * slope[:, label] - share[:, label] - share[:, predicted]
    return value, np.sqrt((counts * influence**2).sum(axis=1))


def extreme_cells(
    cells: Indices, counts: Floats, classes: int, weights: tuple[float, float]
) -> tuple[Indices, Indices]:
    """The (label, before, after) row that lifts the contrast most and the one that lowers it most."""
    support = np.bincount(cells[:, 0], weights=counts, minlength=classes)
    by_rarity = np.argsort(np.where(support > 0, support, np.inf), kind="stable")
    rarest, other = int(by_rarity[0]), int(by_rarity[min(1, classes - 1)])
    best = [rarest, rarest if weights[0] > 0 else other, rarest if weights[1] > 0 else other]
    worst = [rarest, other if weights[0] > 0 else rarest, other if weights[1] > 0 else rarest]
    return np.array([best]), np.array([worst])


def macro_f1_contrast(
    rows: Indices, classes: int, weights: tuple[float, float], z: float, seed: int
) -> tuple[float, float, float]:
    """Value, low and high of ``weights[0] * F1(before) + weights[1] * F1(after)``; rows (n, 3), z a normal quantile."""
    cells, unique_counts = np.unique(rows, axis=0, return_counts=True)
    counts = unique_counts.astype(np.float64)
    present = [np.union1d(cells[:, 0], cells[:, column]) for column in (1, 2)]
    value = float(macro_f1(cells, counts[None, :], classes, weights, present)[0][0])
    draws = np.random.default_rng(seed).multinomial(len(rows), counts / len(rows), size=BIAS_RESAMPLES)
    bias = float(macro_f1(cells, draws.astype(np.float64), classes, weights, present)[0].mean()) - value
    unseen = np.append(counts, z**2 / 2.0)[None, :]
    best, worst = extreme_cells(cells, counts, classes, weights)
    top, top_deviation = macro_f1(np.vstack((cells, best)), unseen, classes, weights, present)
    bottom, bottom_deviation = macro_f1(np.vstack((cells, worst)), unseen, classes, weights, present)
    low = min(value, float(bottom[0] - z * bottom_deviation[0])) - max(bias, 0.0)
    high = max(value, float(top[0] + z * top_deviation[0])) - min(bias, 0.0)
    return value, low, high
