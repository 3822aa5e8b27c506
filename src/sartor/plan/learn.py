"""Learn efficiencies from the times of whole networks.

Two stages, both of the logarithm of time, so that a microsecond and a second count alike:

1. Non-negative least squares (Lawson and Hanson 1974, "Solving least squares problems", chapter 23) of time over the
   amounts of a network, by Gauss-Newton steps on the logarithm, with Huber's weights (Huber 1964) against times that
   a neighbour's load has spoilt. It is a physical sum, so it extrapolates.
2. Regression trees, boosted (Friedman 2001, "Greedy function approximation", Annals of Statistics 29(5)), that
   multiply the time of each group by what its shape is known to change. A network's time is a sum over its groups, so
   each tree is grown on groups weighted by their share of the time, and its leaves are fitted to whole networks by
   ridge regression: no group is ever timed alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sartor.machine.calibration import Tree

Values = NDArray[np.float64]

TREES = 100
_DEPTH, _LEAST_GROUPS, _RATE = 4, 15, 0.12
_SHARE_OF_NETWORKS, _SHARE_OF_FEATURES = 0.7, 0.6  # that one tree sees (Friedman 2002, "Stochastic gradient boosting")
_RIDGE = 0.3  # networks' worth of evidence against a correction
_SHRINKAGE = 0.01  # of coefficients towards zero, per network
_STEPS, _DAMPED = 10, 6  # Gauss-Newton steps, and those that go half the way
_HUBER = 0.3  # logarithm beyond which a residual counts less
_MOST = 0.6  # logarithm that one tree may be shown
_LEAST_SHARE = 1e-3  # of a network's time, below which a group teaches nothing
_EXACT, _EXACT_SHRINKAGE = 0.02, 1e-3  # relative residual of bytes beyond which one counts less; as above
_FLOOR = 1e-9  # seconds


@dataclass(frozen=True)
class Example:
    """One network that was timed.

    Attributes:
        amounts: (groups, amounts).
        features: (groups, features).
        seconds: of a call.
    """

    amounts: Values
    features: Values
    seconds: float


def learn(examples: Sequence[Example], seed: int = 0, trees: int = TREES) -> tuple[Values, tuple[Tree, ...]]:
    """Coefficients of the amounts, the last of which is a call, and the corrections.

    Raises:
        ValueError: no examples.
    """
    if not examples:
        raise ValueError("nothing to learn from")
    seconds = np.array([example.seconds for example in examples])
    sums = np.array([example.amounts.sum(axis=0) for example in examples])
    sums[:, -1] = 1.0
    coefficients = coefficients_of(sums, seconds)
    return coefficients, _corrections(examples, coefficients, seed, trees)


def coefficients_of(sums: Values, seconds: Values, worth: Values | float = 1.0) -> Values:
    """Non-negative coefficients of amounts; see the first stage.

    Args:
        sums: (networks, amounts).
        seconds: (networks,), positive; of bytes as well.
        worth: of each network's residual, against that of others.
    """
    from scipy.optimize import nnls

    scale = _typical(sums / seconds[:, None])
    scaled = sums / scale
    shrink = np.sqrt(_SHRINKAGE) * np.eye(sums.shape[1])
    logarithm, predicted = np.log(seconds), seconds
    found = np.zeros(sums.shape[1])
    for step in range(_STEPS):
        off = logarithm - np.log(predicted)
        weight = worth * np.sqrt(1.0 / np.maximum(1.0, np.abs(off) / _HUBER))
        left = scaled / predicted[:, None] * weight[:, None]
        right = (1.0 + np.clip(off, -1.0, 1.0)) * weight
        found, _ = nnls(np.vstack([left, shrink]), np.concatenate([right, np.zeros(len(shrink))]), maxiter=100_000)
        new = np.maximum(scaled @ found, _FLOOR)
        predicted = np.sqrt(new * predicted) if 0 < step < _DAMPED else new
    return found / scale


def exact_coefficients_of(sums: Values, values: Values, worth: Values) -> Values:
    """Non-negative coefficients of amounts whose sum hardly varies, such as bytes: relative least squares, reweighted
    so that what follows another rule does not move the others' (Huber 1964).

    Args:
        sums: (networks, amounts).
        values: (networks,), positive.
        worth: of each network's relative residual.
    """
    from scipy.optimize import nnls

    table = sums / values[:, None] * worth[:, None]
    scale = np.linalg.norm(table, axis=0)
    scale[scale == 0] = 1.0
    table, shrink = table / scale, _EXACT_SHRINKAGE * np.eye(sums.shape[1])
    weight, found = np.ones(len(values)), np.zeros(sums.shape[1])
    for _ in range(_STEPS):
        left = np.vstack([table * weight[:, None], shrink])
        found, _ = nnls(left, np.concatenate([worth * weight, np.zeros(len(shrink))]), maxiter=100_000)
        off = np.abs(table @ found - worth)
        weight = np.sqrt(1.0 / np.maximum(1.0, off / max(_EXACT, 1.5 * float(np.median(off)))))
    exact: Values = found / scale
    return exact


def _typical(ratios: Values) -> Values:
    """The mean of each column where it is not zero, 1 for a column of zeros."""
    present = ratios > 0
    return np.where(present.any(axis=0), ratios.sum(axis=0) / np.maximum(1, present.sum(axis=0)), 1.0)


def _corrections(examples: Sequence[Example], coefficients: Values, seed: int, trees: int) -> tuple[Tree, ...]:
    from sklearn.tree import DecisionTreeRegressor

    random = np.random.default_rng(seed)
    count = len(examples)
    plain = np.concatenate([example.amounts @ coefficients for example in examples])
    features = np.vstack([example.features for example in examples])
    owner = np.repeat(np.arange(count), [len(example.amounts) for example in examples])
    logarithm = np.log([example.seconds for example in examples])
    correction = np.zeros(len(plain))
    found = []
    for number in range(trees):
        seconds = plain * np.exp(correction)
        whole = np.bincount(owner, seconds, count) + coefficients[-1]
        off = np.clip(logarithm - np.log(whole), -_MOST, _MOST)
        share = seconds / whole[owner]
        seen = (random.random(count) < _SHARE_OF_NETWORKS)[owner] & (share > _LEAST_SHARE)
        if not seen.any():
            break
        tree = DecisionTreeRegressor(
            max_depth=_DEPTH, min_samples_leaf=_LEAST_GROUPS, max_features=_SHARE_OF_FEATURES, random_state=number
        )
        tree.fit(features[seen], off[owner[seen]], sample_weight=share[seen])
        leaves = tree.apply(features)
        values = _leaf_values(leaves, owner, share, off, tree.tree_.node_count)
        correction += values[leaves]
        found.append(_tree(tree.tree_, values))
    return tuple(found)


def _leaf_values(leaves: NDArray[Any], owner: NDArray[Any], share: Values, off: Values, nodes: int) -> Values:
    """What each leaf adds: the ridge regression of the networks' residuals on the shares that lie in it."""
    used, place = np.unique(leaves, return_inverse=True)
    shares = np.zeros((len(off), len(used)))
    np.add.at(shares, (owner, place), share)
    values = np.zeros(nodes)
    values[used] = _RATE * np.linalg.solve(shares.T @ shares + _RIDGE * np.eye(len(used)), shares.T @ off)
    return values


def _tree(grown: Any, values: Values) -> Tree:
    inner = grown.children_left >= 0
    feature = np.where(inner, grown.feature, -1)
    left, right = (np.where(inner, side, 0).tolist() for side in (grown.children_left, grown.children_right))
    return Tree(
        tuple(feature.tolist()),
        tuple(np.where(inner, grown.threshold, 0.0).tolist()),
        tuple(left),
        tuple(right),
        tuple(values.tolist()),
    )
