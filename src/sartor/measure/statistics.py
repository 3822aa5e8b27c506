"""Quality bounds: what a finite number of rows proves about a model, and about a change to it.

Every function returns ``Bounds``: a point value and two ONE-SIDED bounds, each wrong with probability at most
``alpha``. Where a distribution-free exact method exists it is used (proportions, paired drops); elsewhere a
second-order method is used and its coverage is checked by simulation in ``tests/measure/test_coverage.py``.

One rule holds for all of them: data without visible variation never yields a bound without width. Rows that all
agree still leave room for a rare failure nobody has seen, at a rate up to about ``log(1 / alpha) / n``.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import ArrayLike, NDArray

from sartor.measure import _paired_drop, _resampling
from sartor.measure._resampling import RESAMPLES, RESAMPLING_UNITS

Floats = NDArray[np.float64]
Indices = NDArray[np.intp]

# Races look at the same few counts again and again, and these bounds are searched for.
_remembered = lru_cache(maxsize=4096)


@dataclass(frozen=True)
class Bounds:
    """Point value with two ONE-SIDED bounds, each at confidence 1 - alpha."""

    value: float
    low: float
    high: float


@_remembered
def proportion_bounds(successes: int, n: int, alpha: float) -> Bounds:
    """Exact bounds for a probability (Clopper & Pearson 1934), each side at ``1 - alpha``.

    Raises ValueError unless ``0 <= successes <= n``, ``n >= 1`` and ``0 < alpha < 0.5``.
    """
    from scipy import special

    _require_alpha(alpha)
    if not 0 <= successes <= n or n < 1:
        raise ValueError(f"need 0 <= successes <= n and n >= 1, got successes={successes}, n={n}")
    low = 0.0 if successes == 0 else float(special.betaincinv(successes, n - successes + 1, alpha))
    high = 1.0 if successes == n else float(special.betainccinv(successes + 1, n - successes, alpha))
    return Bounds(successes / n, low, high)


def share_bounds(values: ArrayLike, alpha: float) -> Bounds:
    """Bounds for the mean of ``values`` (n,), each in [0, 1], whatever their distribution.

    Hoeffding's (1963, theorem 1) Chernoff bound, which holds for every sample size; for values of 0 and 1 it is a
    little wider than the exact one.

    Raises ValueError if there is no value, one lies outside [0, 1], or alpha outside (0, 0.5).
    """
    _require_alpha(alpha)
    shares = _finite(values)
    if shares.min() < 0.0 or shares.max() > 1.0:
        raise ValueError(f"shares must lie in [0, 1], got {shares.min()} to {shares.max()}")
    value, n = float(shares.mean()), shares.size
    return Bounds(value, _chernoff_low(value, n, alpha), 1.0 - _chernoff_low(1.0 - value, n, alpha))


@_remembered
def paired_drop_bounds(lost: int, gained: int, n: int, alpha: float) -> Bounds:
    """Exact unconditional bounds for the accuracy drop on rows judged by both models.

    ``lost`` rows were right before and wrong now, ``gained`` rows the reverse; the drop is
    P(lost) - P(gained), so positive means worse. The bounds invert ``paired_drop_p_value``.

    Raises ValueError unless ``lost, gained >= 0``, ``lost + gained <= n``, ``n >= 1`` and ``0 < alpha < 0.5``.
    """
    _require_alpha(alpha)
    _require_pairs(lost, gained, n)
    low = -_paired_drop.highest_drop(gained, lost, n, alpha)
    return Bounds((lost - gained) / n, low, _paired_drop.highest_drop(lost, gained, n, alpha))


@_remembered
def paired_drop_p_value(lost: int, gained: int, n: int, limit: float) -> float:
    """Exact p-value of H0: drop >= ``limit`` against drop < ``limit`` (``limit`` as a fraction, 0.01 = 1 pt).

    Outcomes are ordered by Tango's (1998) score statistic. The p-value is the largest probability, over the
    discordance rate psi, of an outcome at least as extreme, with psi held to a ``1 - NUISANCE_ERROR`` interval
    (Berger & Boos 1994). The score statistic rises with ``lost`` at every number of discordant rows, so the
    largest probability under H0 lies on its border (Sidik 2003).

    Raises ValueError unless ``lost, gained >= 0``, ``lost + gained <= n`` and ``n >= 1``.
    """
    _require_pairs(lost, gained, n)
    return _paired_drop.p_value(lost, gained, n, limit)


def relative_drop_bounds(lost: int, gained: int, baseline_correct: int, n: int, alpha: float) -> Bounds:
    """Bounds for (p0 - p1) / p0, the share of the baseline's accuracy p0 that is lost.

    Bonferroni: 95% of ``alpha`` goes to the exact paired drop, 5% to an exact bound on p0. The quotient hangs far
    more on the drop than on p0, so the split widens the bound by about 1%. ``low`` is -inf when the baseline may
    have no correct row at all.

    Raises ValueError as ``paired_drop_bounds`` does, and unless ``lost <= baseline_correct <= n - gained``.
    """
    if not lost <= baseline_correct <= n - gained:
        raise ValueError(f"need lost <= baseline_correct <= n - gained, got baseline_correct={baseline_correct}")
    drop = paired_drop_bounds(lost, gained, n, 0.95 * alpha)
    accuracy = proportion_bounds(baseline_correct, n, 0.05 * alpha)
    low = _quotient(drop.low, accuracy.high if drop.low > 0 else accuracy.low)
    high = _quotient(drop.high, accuracy.low if drop.high > 0 else accuracy.high)
    return Bounds(_quotient(drop.value, accuracy.value), low, min(1.0, high))


def auc_bounds(labels: ArrayLike, scores: ArrayLike, alpha: float) -> Bounds:
    """Bounds for the area under the ROC curve of ``scores`` (n,) against binary ``labels`` (n,), 1 = positive.

    DeLong, DeLong & Clarke-Pearson (1988) by ranks (Sun & Xu 2014), on the logit scale or the plain one,
    whichever is wider, with a Student quantile of ``smaller class - 1`` degrees of freedom. No bound is tighter
    than a perfect result would be. Without variance: Hoeffding's (1963, section 5b) Chernoff bound for
    two-sample U-statistics, which needs no assumption.

    Raises ValueError if shapes differ, a score is not finite, or a class has no row.
    """
    _require_alpha(alpha)
    positive, negative = _auc_placements(labels, scores)
    value = float(positive.mean())
    rarer = min(positive.size, negative.size)
    deviation = math.sqrt(_variance_of_mean(positive) + _variance_of_mean(negative))
    perfect = float(alpha ** (1.0 / rarer))
    if deviation == 0.0 or rarer < 2:
        return Bounds(value, _chernoff_low(value, rarer, alpha), 1.0 - _chernoff_low(1.0 - value, rarer, alpha))
    step = _student(rarer - 1, alpha) * deviation
    low = min(value - step, _logit_shift(value, -step), perfect)
    high = max(value + step, _logit_shift(value, step), 1.0 - perfect)
    return Bounds(value, max(0.0, low), min(1.0, high))


def paired_auc_drop_bounds(
    labels: ArrayLike, baseline_scores: ArrayLike, candidate_scores: ArrayLike, alpha: float
) -> Bounds:
    """Bounds for AUC(baseline) - AUC(candidate) on the same rows; all arguments (n,).

    DeLong et al. (1988) for the paired difference, after adding z^2 / 2 rows of the rarer class on which the
    candidate does as badly as possible (for ``high``) or as well as possible (for ``low``). The added rows are the
    ones that turn a normal bound on a rare count into nearly the exact Poisson bound; without them a candidate
    whose failures are rare would be passed too often, and an identical one would get a bound without width.

    Raises ValueError if shapes differ, a score is not finite, or a class has no row.
    """
    _require_alpha(alpha)
    before, after = _auc_placements(labels, baseline_scores), _auc_placements(labels, candidate_scores)
    positive, negative = before[0] - after[0], before[1] - after[1]
    value = float(positive.mean())
    rarer = min(positive.size, negative.size)
    if rarer < 2:
        return Bounds(value, -1.0, 1.0)
    variance = _variance_of_mean(positive) + _variance_of_mean(negative)
    unseen = _normal_quantile(alpha) ** 2 / 2.0 / rarer
    step = _student(rarer - 1, alpha) * math.sqrt(variance + unseen / rarer)
    return Bounds(
        value,
        max(-1.0, value - unseen * (1.0 + value) - step),
        min(1.0, value + unseen * (1.0 - value) + step),
    )


def macro_f1_bounds(labels: ArrayLike, predicted: ArrayLike, classes: int, alpha: float, seed: int = 0) -> Bounds:
    """Bounds for the macro F1 of ``predicted`` (n,) against ``labels`` (n,), both in 0..classes-1.

    The mean runs over classes that occur in either. Delta method on the confusion cells after adding z^2 / 2
    errors (for ``low``) or hits (for ``high``) to the rarest class, for the reason given in
    ``paired_auc_drop_bounds``; each bound then moves outward by the bias that resampling the cells shows.

    Raises ValueError if shapes differ, there is no row, or a class is out of range.
    """
    rows = _class_rows(labels, predicted, predicted, classes)
    value, low, high = _resampling.macro_f1_contrast(rows, classes, (0.0, 1.0), _normal_quantile(alpha), seed)
    return Bounds(value, max(0.0, low), min(1.0, high))


def paired_macro_f1_drop_bounds(
    labels: ArrayLike, baseline: ArrayLike, candidate: ArrayLike, classes: int, alpha: float, seed: int = 0
) -> Bounds:
    """Bounds for macro F1(baseline) - macro F1(candidate) on the same rows; method as ``macro_f1_bounds``.

    Raises ValueError if shapes differ, there is no row, or a class is out of range.
    """
    rows = _class_rows(labels, baseline, candidate, classes)
    value, low, high = _resampling.macro_f1_contrast(rows, classes, (1.0, -1.0), _normal_quantile(alpha), seed)
    return Bounds(value, max(-1.0, low), min(1.0, high))


def rmse_bounds(errors: ArrayLike, alpha: float) -> Bounds:
    """Bounds for the root mean squared error; ``errors`` (n,) in the unit of the target.

    Studentised bootstrap of the log mean square (Efron & Tibshirani 1993, chapter 12), after repeating the most
    extreme row twice: without it, long-tailed errors are covered at 87 to 93%. Errors have no natural
    limit, so rows too few or too alike leave ``high`` infinite and ``low`` zero.

    Raises ValueError if there is no row or an error is not finite.
    """
    _require_alpha(alpha)
    rows = _finite(errors)
    scale = float(np.abs(rows).max())
    if scale == 0.0:
        return Bounds(0.0, 0.0, math.inf)
    squares = (rows[:, None] / scale) ** 2
    low, high = _resampling.guarded_bootstrap_t(_resampling.pooled_rows(squares), _resampling.log_mean, alpha, 2)
    value = math.sqrt(float(squares.mean()))
    highest = math.exp(high / 2.0) if math.isfinite(high) else math.inf
    return Bounds(scale * value, scale * min(value, math.exp(low / 2.0)), scale * max(value, highest))


def paired_rmse_increase_bounds(baseline_errors: ArrayLike, candidate_errors: ArrayLike, alpha: float) -> Bounds:
    """Bounds for RMSE(candidate) - RMSE(baseline) on the same rows; both arguments (n,), positive is worse.

    Studentised bootstrap of the difference (Efron & Tibshirani 1993, chapter 12), after repeating the most
    extreme row once, for the reason given in ``rmse_bounds``. Where too few rows differ for
    it, the bound adds z^2 / 2 rows on which one model errs as far as any row seen and the other not at all:
    errors have no natural limit, so a rare failure's size must be assumed.

    Raises ValueError if shapes differ, there is no row, or an error is not finite.
    """
    _require_alpha(alpha)
    before, after = _finite(baseline_errors), _finite(candidate_errors)
    if before.shape != after.shape:
        raise ValueError(f"baseline and candidate errors differ in shape: {before.shape}, {after.shape}")
    scale = float(max(np.abs(before).max(), np.abs(after).max()))
    if scale == 0.0:
        return Bounds(0.0, -math.inf, math.inf)
    squares = (np.column_stack((before, after)) / scale) ** 2
    low, high = _resampling.guarded_bootstrap_t(_resampling.pooled_rows(squares), _resampling.root_difference, alpha, 1)
    z = _normal_quantile(alpha)
    if not math.isfinite(low):
        low = -_resampling.worst_seen_increase(squares[:, ::-1], z)
    if not math.isfinite(high):
        high = _resampling.worst_seen_increase(squares, z)
    value = float(_resampling.root_difference(squares.mean(axis=0))[0])
    return Bounds(scale * value, scale * min(low, value), scale * max(high, value))


def resampled_bounds(statistic: Callable[[Indices], float], n: int, alpha: float, seed: int = 0) -> Bounds:
    """Bounds for any metric; ``statistic(indices)`` computes it on the given rows, repeats included.

    Widest of three bootstrap bounds (Efron & Tibshirani 1993, chapters 11 to 14): the studentised one with
    jackknife influence values, which suits skewed metrics, and the percentile and BCa ones, which suit bounded
    or rough ones such as a correlation or a median. Costs about ``RESAMPLES + RESAMPLING_UNITS`` calls. The range
    of the metric is unknown, so data on which it never varies prove nothing: both bounds are then infinite.

    Raises ValueError unless ``n >= 2`` and ``0 < alpha < 0.5``, or if the metric is not finite on all rows.
    """
    _require_alpha(alpha)
    if n < 2:
        raise ValueError(f"resampling needs at least 2 rows, got {n}")
    generator = np.random.default_rng(seed)
    groups = np.array_split(generator.permutation(n), min(n, RESAMPLING_UNITS))
    units = len(groups)
    value = float(statistic(np.arange(n)))
    if not math.isfinite(value):
        raise ValueError(f"the metric is {value} on all rows")
    without = [statistic(np.concatenate(groups[:i] + groups[i + 1 :])) for i in range(units)]
    influence = (units - 1) * (value - np.asarray(without, dtype=np.float64))
    picks = generator.integers(0, units, (RESAMPLES, units))
    values = np.asarray([statistic(np.concatenate([groups[j] for j in row])) for row in picks], dtype=np.float64)
    influence[np.abs(influence) <= 1e-10 * abs(value)] = 0.0  # rounding, not variation
    deviation = float(influence.std(ddof=1)) / math.sqrt(units)
    deviations = influence[picks].std(axis=1, ddof=1) / math.sqrt(units)
    pivot = _resampling.pivot_bounds(value, deviation, values, deviations, alpha)
    percentile = _resampling.percentile_bounds(value, values, influence - influence.mean(), alpha)
    return Bounds(value, min(value, pivot[0], percentile[0]), max(value, pivot[1], percentile[1]))


def provable_floor(n: int, alpha: float) -> float:
    """Highest accuracy that ``n`` rows can prove, all of them right: ``alpha ** (1 / n)``."""
    return proportion_bounds(n, n, alpha).low


def samples_for_floor(floor: float, alpha: float) -> int:
    """Fewest rows that can prove the accuracy ``floor``; raises ValueError unless ``0 < floor < 1``."""
    _require_alpha(alpha)
    if not 0.0 < floor < 1.0:
        raise ValueError(f"floor must lie between 0 and 1, got {floor}")
    return _fewest_rows(lambda n: provable_floor(n, alpha) >= floor, math.log(alpha) / math.log(floor))


def provable_drop(n: int, alpha: float) -> float:
    """Smallest drop that ``n`` rows can prove, candidate and baseline agreeing on each: about ``-log(alpha) / n``."""
    return paired_drop_bounds(0, 0, n, alpha).high


def samples_for_drop(drop: float, alpha: float) -> int:
    """Fewest rows that can prove a drop below ``drop``; raises ValueError unless ``0 < drop < 1``."""
    _require_alpha(alpha)
    if not 0.0 < drop < 1.0:
        raise ValueError(f"drop must lie between 0 and 1, got {drop}")
    return _fewest_rows(lambda n: provable_drop(n, alpha) <= drop, math.log(alpha) / math.log1p(-drop))


def _auc_placements(labels: ArrayLike, scores: ArrayLike) -> tuple[Floats, Floats]:
    """DeLong's structural components: the share of the other class each positive and each negative beats."""
    truth, ranked = np.asarray(labels), _finite(scores)
    if truth.shape != ranked.shape or not np.isin(truth, (0, 1)).all():
        raise ValueError(f"need 0/1 labels shaped like the scores, got {truth.shape} and {ranked.shape}")
    positive, negative = ranked[truth == 1], ranked[truth == 0]
    if not positive.size or not negative.size:
        raise ValueError("AUC needs at least one row of each class")
    above = _share_below(np.sort(negative), positive)
    return above, 1.0 - _share_below(np.sort(positive), negative)


def _share_below(ordered: Floats, values: Floats) -> Floats:
    """Share of ``ordered`` below each value, ties counting half."""
    ranks = np.searchsorted(ordered, values, "left") + np.searchsorted(ordered, values, "right")
    return np.asarray(ranks / (2.0 * ordered.size))


def _variance_of_mean(values: Floats) -> float:
    return float(values.var(ddof=1)) / values.size if values.size > 1 else 0.0


def _logit_shift(value: float, step: float) -> float:
    odds = value / (1.0 - value) * math.exp(step / (value * (1.0 - value)))
    return odds / (1.0 + odds)


def _chernoff_low(value: float, pairs: int, alpha: float) -> float:
    """Smallest mean that ``pairs`` independent values in [0, 1] averaging ``value`` leave possible."""
    from scipy import special

    low, high = 0.0, value
    for _ in range(60):
        middle = 0.5 * (low + high)
        divergence = special.rel_entr(value, middle) + special.rel_entr(1.0 - value, 1.0 - middle)
        low, high = (middle, high) if pairs * divergence > -math.log(alpha) else (low, middle)
    return low


def _class_rows(labels: ArrayLike, baseline: ArrayLike, candidate: ArrayLike, classes: int) -> Indices:
    columns = [np.asarray(column) for column in (labels, baseline, candidate)]
    if columns[0].ndim != 1 or not columns[0].size or any(c.shape != columns[0].shape for c in columns):
        raise ValueError(f"need equally long, non-empty class columns, got {[c.shape for c in columns]}")
    rows = np.column_stack(columns).astype(np.intp)
    if rows.min() < 0 or rows.max() >= classes:
        raise ValueError(f"classes must lie in 0..{classes - 1}, got {rows.min()}..{rows.max()}")
    return rows


def _fewest_rows(enough: Callable[[int], bool], guess: float) -> int:
    short, sufficient = 0, max(1, math.floor(guess))
    while not enough(sufficient):
        short, sufficient = sufficient, sufficient + max(1, sufficient // 8)
    short = short or max(0, sufficient - 2)
    while sufficient - short > 1:
        middle = (short + sufficient) // 2
        short, sufficient = (short, middle) if enough(middle) else (middle, sufficient)
    return sufficient


def _finite(values: ArrayLike) -> Floats:
    array = np.asarray(values, dtype=np.float64)
    if array.ndim != 1 or not array.size or not np.isfinite(array).all():
        raise ValueError(f"need a non-empty column of finite numbers, got shape {array.shape}")
    return array


def _normal_quantile(alpha: float) -> float:
    from scipy import special

    return -float(special.ndtri(alpha))


def _student(degrees: int, alpha: float) -> float:
    from scipy import special

    return -float(special.stdtrit(degrees, alpha))


def _quotient(numerator: float, denominator: float) -> float:
    if denominator > 0.0:
        return numerator / denominator
    return math.copysign(math.inf, numerator) if numerator else 0.0


def _require_alpha(alpha: float) -> None:
    if not 0.0 < alpha < 0.5:
        raise ValueError(f"alpha must lie between 0 and 0.5, got {alpha}")


def _require_pairs(lost: int, gained: int, n: int) -> None:
    if lost < 0 or gained < 0 or n < 1 or lost + gained > n:
        raise ValueError(f"need lost, gained >= 0 and lost + gained <= n, got lost={lost}, gained={gained}, n={n}")
