"""The exact unconditional test of a paired drop: Tango's (1998) score order, Berger & Boos's (1994) nuisance set.

Private to ``statistics``, which documents it; ``lost``, ``gained`` and ``n`` arrive checked.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

NUISANCE_ERROR = 1e-5
"""Error probability spent on bounding the discordance rate; it is added to each p-value, so the test cannot
reject at an ``alpha`` below it."""


def p_value(lost: int, gained: int, n: int, drop: float) -> float:
    """Largest probability, over plausible discordance rates, of data as extreme when the drop is ``drop``."""
    if drop <= -1.0:
        return 1.0
    if drop >= 1.0:
        return float(drop == 1.0 and lost == n)
    rates = _plausible_discordance(lost + gained, n, drop)
    if rates is None:
        # No plausible discordance rate allows this drop: the data refute it, from whichever side they lie on.
        return NUISANCE_ERROR if lost - gained < n * drop else 1.0
    region = _rejection_region(lost, gained, n, drop, rates)
    largest = 0.0
    for _ in range(3):
        probability = _rejection_probability(rates, region, n, drop)
        best = int(np.argmax(probability))
        largest = max(largest, float(probability[best]))
        rates = np.linspace(rates[max(best - 1, 0)], rates[min(best + 1, rates.size - 1)], 7)
    return min(1.0, largest + NUISANCE_ERROR)


def highest_drop(lost: int, gained: int, n: int, alpha: float) -> float:
    """Largest drop that the test keeps, rounded up by at most 1e-4 of its distance from the estimate."""
    start = (lost - gained) / n
    step = (2.0 * math.sqrt(lost + gained + 3.0) + 3.0) / n
    low, high = start, min(1.0, start + step)
    kept, rejected = _excess(lost, gained, n, low, alpha), _excess(lost, gained, n, high, alpha)
    while high < 1.0 and rejected > 0.0:
        low, kept, high = high, rejected, min(1.0, high + step)
        rejected = _excess(lost, gained, n, high, alpha)
    for turn in range(100):
        tolerance = 1e-4 * (high - start) + 1e-12
        if high - low <= tolerance or rejected > 0.0:
            break
        # The normal deviate of the p-value is nearly linear in the drop, so false position lands close. Staying
        # half a tolerance inside makes both ends close in; each third turn halves the bracket whatever happens.
        share = 0.5 if turn % 3 == 2 else kept / (kept - rejected)
        middle = min(max(low + share * (high - low), low + 0.5 * tolerance), high - 0.5 * tolerance)
        excess = _excess(lost, gained, n, middle, alpha)
        low, kept, high, rejected = (middle, excess, high, rejected) if excess > 0.0 else (low, kept, middle, excess)
    return high


def _excess(lost: int, gained: int, n: int, drop: float, alpha: float) -> float:
    """Normal deviate of the p-value less that of ``alpha``: positive where the test keeps ``drop``."""
    from scipy import special

    p = p_value(lost, gained, n, drop)
    difference = float(special.ndtri(min(max(p, 1e-12), 1.0 - 1e-12)) - special.ndtri(alpha))
    return max(difference, 1e-9) if p > alpha else min(difference, -1e-9)


def score_statistic(lost: Floats, discordant: Floats, n: int, drop: float) -> Floats:
    """Tango's (1998) statistic: the drop's distance from its hypothesised value in standard errors under it."""
    spread = drop * (1.0 - drop)
    linear = (2.0 * n - 2.0 * lost + discordant) * drop - discordant
    radicand = linear**2 + 8.0 * n * (discordant - lost) * spread
    gained_rate = (np.sqrt(np.maximum(radicand, 0.0)) - linear) / (4.0 * n)
    variance = n * np.maximum(2.0 * gained_rate + spread, 0.0)
    distance = 2.0 * lost - discordant - n * drop
    # Variance vanishes only where nothing is discordant under drop = 0, where the distance is zero too.
    return np.asarray(distance / np.sqrt(np.maximum(variance, 1e-300)))


def _plausible_discordance(discordant: int, n: int, drop: float) -> Floats | None:
    """Grid of discordance rates inside their confidence interval that allow ``drop``; None if there is none."""
    from scipy import special

    tail = NUISANCE_ERROR / 2.0
    lowest = special.betaincinv(discordant, n - discordant + 1, tail) if discordant else 0.0
    highest = special.betainccinv(discordant + 1, n - discordant, tail) if discordant < n else 1.0
    low, high = max(float(lowest), abs(drop)), float(highest)
    if low > high:
        return None
    # Even steps on the arcsine scale are even steps in standard errors: 24 steps of about 0.4 here.
    grid = np.sin(np.linspace(math.asin(math.sqrt(low)), math.asin(math.sqrt(high)), 25)) ** 2
    return np.asarray(np.clip(grid, low, high))


def _rejection_region(lost: int, gained: int, n: int, drop: float, rates: Floats) -> tuple[Floats, Floats]:
    """Discordant counts D (m,) that can occur, and the largest ``lost`` at each that is as extreme as the data."""
    spread = 7.0 * np.sqrt(n * rates * (1.0 - rates)) + 20.0
    first, last = max(0.0, (n * rates - spread).min()), min(float(n), (n * rates + spread).max())
    discordant = np.arange(math.floor(first), math.ceil(last) + 1.0)
    observed = score_statistic(np.array(float(lost)), np.array(float(lost + gained)), n, drop)
    border = float(observed) + 1e-9 * (1.0 + abs(float(observed)))
    inside, outside = np.full(discordant.size, -1.0), discordant + 1.0
    while (outside - inside > 1.0).any():
        middle = np.floor(0.5 * (inside + outside))
        extreme = score_statistic(middle, discordant, n, drop) <= border
        inside, outside = np.where(extreme, middle, inside), np.where(extreme, outside, middle)
    return discordant, inside


def _rejection_probability(rates: Floats, region: tuple[Floats, Floats], n: int, drop: float) -> Floats:
    """P(lost <= k(D)) for each discordance rate, with D ~ Binomial(n, rate) and lost | D binomial."""
    from scipy import special

    discordant, most_lost = region
    choose = special.gammaln(n + 1.0) - special.gammaln(discordant + 1.0) - special.gammaln(n - discordant + 1.0)
    column = rates[:, None]
    weight = np.exp(choose + special.xlogy(discordant, column) + special.xlog1py(n - discordant, -column))
    lost_share = np.clip(0.5 + 0.5 * drop / np.maximum(column, 1e-300), 0.0, 1.0)
    inner = (most_lost >= 0.0) & (most_lost < discordant)
    row, place = np.nonzero((weight > 1e-12) & inner)
    k, total = most_lost[place], discordant[place]
    below = np.where(most_lost < 0.0, 0.0, 1.0) * weight
    below[:, inner] = 0.0
    below[row, place] = weight[row, place] * special.betainc(total - k, k + 1.0, 1.0 - lost_share[row, 0])
    # Whatever probability the cut-offs left out counts as extreme: the p-value errs upward.
    missing = 1.0 - weight.sum(axis=1) + np.where((weight <= 1e-12) & inner, weight, 0.0).sum(axis=1)
    return np.asarray(below.sum(axis=1) + np.maximum(missing, 0.0))
