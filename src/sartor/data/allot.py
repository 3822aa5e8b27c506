"""Allot rows or whole groups to splits by shares, class by class. Pure; whole-number arithmetic.

Letters: n rows, k classes, s splits.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

Numbers = NDArray[np.int64]


def allot_counts(sizes: Sequence[int], shares: Sequence[int]) -> Numbers:
    """(k, s) rows of each class for each split, within one row of the exact share.

    Every class first gets its share rounded down. Its remaining rows go, at most one per split, to the
    splits that so far fell most behind over all classes, so that a small split is not rounded to nothing
    class after class.

    >>> allot_counts([4, 4], [1, 3]).tolist()
    [[1, 3], [1, 3]]
    """
    total = sum(shares)
    counts = np.zeros((len(sizes), len(shares)), dtype=np.int64)
    behind = np.zeros(len(shares), dtype=np.int64)  # in rows times `total`, summed over classes
    for number, size in enumerate(sizes):
        exact = np.asarray(shares, dtype=np.int64) * size
        counts[number] = exact // total
        behind += exact % total
        # Where the share is a whole number an extra row would be a whole row too many.
        order = sorted(np.flatnonzero(exact % total), key=lambda split: -behind[split])
        extra = np.array(order[: size - int(counts[number].sum())], dtype=np.int64)
        counts[number, extra] += 1
        behind[extra] -= total
    return counts


def allot_rows(strata: Numbers, shares: Sequence[int], random: np.random.Generator) -> Numbers:
    """(n,) class numbers -> (n,) number of the split that each row goes to."""
    present = np.unique(strata)
    members = [random.permutation(np.flatnonzero(strata == number)) for number in present]
    counts = allot_counts([len(rows) for rows in members], shares)
    owner = np.empty(len(strata), dtype=np.int64)
    for rows, row_counts in zip(members, counts, strict=True):
        owner[rows] = np.repeat(np.arange(len(shares)), row_counts)
    return owner


def allot_groups(strata: Numbers, groups: Numbers, shares: Sequence[int], random: np.random.Generator) -> Numbers:
    """Like `allot_rows`, but all rows of one group go together: largest group first, to where it fits best.

    There must be at least as many groups as splits; then no split stays empty.
    """
    counts = _class_counts(strata, groups)
    wanted = counts.sum(axis=0) * (np.asarray(shares)[:, np.newaxis] / sum(shares))  # (s, k)
    have = np.zeros_like(wanted)
    shuffled = random.permutation(len(counts))
    order = shuffled[np.argsort(-counts.sum(axis=1)[shuffled], kind="stable")]
    split_of = np.empty(len(counts), dtype=np.int64)
    for done, group in enumerate(order):
        empty = np.flatnonzero(have.sum(axis=1) == 0)
        open_splits = empty if len(empty) >= len(order) - done else np.arange(len(shares))
        best = open_splits[np.argmin(_misfit(have, wanted, counts[group])[open_splits])]
        split_of[group] = best
        have[best] += counts[group]
    return split_of[np.unique(groups, return_inverse=True)[1].reshape(-1)]


def _class_counts(strata: Numbers, groups: Numbers) -> Numbers:
    """(groups, k) rows of each class in each group."""
    _, group = np.unique(groups, return_inverse=True)
    _, stratum = np.unique(strata, return_inverse=True)
    counts = np.zeros((int(group.max()) + 1, int(stratum.max()) + 1), dtype=np.int64)
    np.add.at(counts, (group.reshape(-1), stratum.reshape(-1)), 1)
    return counts


def _misfit(have: NDArray[np.float64], wanted: NDArray[np.float64], group: Numbers) -> NDArray[np.float64]:
    """(s,) change of the squared distance to what is wanted, relative to the size of each split."""
    change = (have + group - wanted) ** 2 - (have - wanted) ** 2
    misfit: NDArray[np.float64] = change.sum(axis=1) / wanted.sum(axis=1)
    return misfit
