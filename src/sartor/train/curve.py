"""Where a training will end, from its first epochs. Pure.

The error that a training still has falls like a power of the epochs (Cortes, Jackel, Solla, Vapnik and Denker 1993,
"Learning curves: asymptotic values and rate of convergence"); extrapolating it to stop what is hopeless is that of
Domhan, Springenberg and Hutter 2015, "Speeding up automatic hyperparameter optimization of deep neural networks by
extrapolation of learning curves", IJCAI.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

_FEWEST = 3  # epochs that a curve is drawn through
_EARLIEST = 0.25  # of a training: before it the learning rate has hardly begun to fall
_POWERS = np.array([0.25, 0.5, 1.0, 2.0])
# What the end gains beyond the curve, since the last epochs take the smallest steps, as a share of what was still
# missing; trainings that were hopeless in the end were further off than this, those that were not came closer.
_ANNEALING = 0.5
_DOUBT = 3.0  # standard errors of a score that the end may be better than drawn


def expected_end(scores: Sequence[float], progress: float) -> float:
    """The score at the end, were it to go on like this.

    Args:
        scores: after each epoch, larger is better.
        progress: share of the training that is done, above 0.

    Returns:
        The best of the curves `end - c * epoch ** -power` that fit about equally well.
    """
    values = np.maximum.accumulate(np.asarray(scores, dtype=np.float64))
    epochs = np.arange(1.0, len(values) + 1)
    last = len(values) / progress
    ends, errors = [], []
    for power in _POWERS:
        falling = epochs**-power
        slope, end = np.polyfit(falling, values, 1)
        errors.append(float(np.mean((end + slope * falling - values) ** 2)))
        ends.append(end + min(slope, 0.0) * last**-power if slope < 0 else values[-1])
    close = np.array(errors) <= 2 * min(errors) + 1e-12
    return float(max(values[-1], *np.array(ends)[close]))


def falls_short(scores: Sequence[float], progress: float, needed: float, noise: float) -> str:
    """Why a training is given up, in one sentence; empty while it may reach what is needed.

    Args:
        scores: after each epoch, larger is better.
        progress: share of the training that is done, above 0.
        needed: the score that it must end with.
        noise: standard error of one score.

    >>> falls_short([0.10, 0.11, 0.11, 0.11], 0.4, 0.90, 0.01)
    'stopped at 40%: 0.110 and likely to end near 0.111, where 0.900 is needed'
    >>> falls_short([0.60, 0.75, 0.82, 0.86], 0.4, 0.90, 0.01)
    ''
    """
    if len(scores) < _FEWEST or progress < _EARLIEST:
        return ""
    end = expected_end(scores, progress)
    if end + _ANNEALING * (needed - max(scores)) * (1 - progress) + _DOUBT * noise >= needed:
        return ""
    best = max(scores)
    return f"stopped at {progress:.0%}: {best:.3f} and likely to end near {end:.3f}, where {needed:.3f} is needed"
