"""Rows of a training: the slice kept for early stopping, batches in random order, shifted pictures."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from sartor.errors import DataError
from sartor.train.values import TrainingJob

Rows = NDArray[np.int64]
_HELD_SHARE = 0.1
_FEWEST_ROWS = 2
_POOL = 50  # batches whose rows are sorted by length together


def hold_out(job: TrainingJob) -> tuple[Rows, Rows]:
    """(rows to fit, rows held for early stopping): a tenth, stratified by class.

    With too few rows to hold any back, the same rows are in both.

    Raises:
        DataError: fewer than two rows.
    """
    rows = np.arange(len(job.labels)) if job.rows is None else np.asarray(job.rows, dtype=np.int64)
    if len(rows) < _FEWEST_ROWS:
        raise DataError(f"{len(rows)} rows to train on", f"at least {_FEWEST_ROWS} rows")
    order = np.random.default_rng(job.seed).permutation(rows)
    labels = job.labels[order]
    strata = labels if job.kind == "classification" else np.zeros(len(order))
    held = np.zeros(len(order), dtype=bool)
    for stratum in np.unique(strata):
        members = np.flatnonzero(strata == stratum)
        held[members[: round(_HELD_SHARE * len(members))]] = True
    if not held.any():
        return order, order
    return order[~held], order[held]


def batches(
    rows: Rows, batch: int, generator: np.random.Generator, lengths: NDArray[np.int64] | None = None
) -> Iterator[Rows]:
    """One epoch in random order; an incomplete last batch is left out, other rows fall in it each time.

    Rows that differ in length are sorted by it within pools of 50 batches, and the batches then shuffled:
    a batch is padded to its longest row, and the padding costs as much time as the rest. Who shares a
    batch with whom stays random, among rows of similar length.

    Args:
        rows: (r,) row numbers.
        batch: rows of one batch.
        generator: of the order.
        lengths: (n,) of all rows of the data, not only of `rows`; None when all rows have one shape.
    """
    order = generator.permutation(rows)[: len(rows) // batch * batch]
    if lengths is not None:
        pools = [order[start : start + _POOL * batch] for start in range(0, len(order), _POOL * batch)]
        order = np.concatenate([pool[np.argsort(lengths[pool], kind="stable")] for pool in pools])
        order = generator.permutation(order.reshape(-1, batch)).reshape(-1)
    for start in range(0, len(order), batch):
        yield order[start : start + batch]


def in_chunks(rows: Rows, size: int, lengths: NDArray[np.int64] | None = None) -> list[Rows]:
    """All rows in chunks of at most `size`, each of similar lengths."""
    order = rows if lengths is None else rows[np.argsort(lengths[rows], kind="stable")]
    return [order[start : start + size] for start in range(0, len(order), size)]


def typical(rows: Rows, count: int, lengths: NDArray[np.int64] | None = None) -> Rows:
    """A few rows to judge the cost of all by: those whose length is nearest to the mean."""
    if lengths is None:
        return rows[:count]
    return rows[np.argsort(np.abs(lengths[rows] - lengths[rows].mean()), kind="stable")[:count]]


def shift(images: NDArray[np.float32], pixels: int, generator: np.random.Generator) -> NDArray[np.float32]:
    """Move each picture by up to `pixels` in both directions; edges are repeated.

    Args:
        images: (rows, channels, height, width).
        pixels: the largest shift; 0 returns the pictures as they are.
        generator: of the shifts.
    """
    if pixels == 0:
        return images
    count, _, height, width = images.shape
    padded = np.pad(images, ((0, 0), (0, 0), (pixels, pixels), (pixels, pixels)), mode="edge")
    windows = np.lib.stride_tricks.sliding_window_view(padded, (height, width), axis=(2, 3))
    down, right = generator.integers(0, 2 * pixels + 1, (2, count))
    moved: NDArray[np.float32] = np.ascontiguousarray(windows[np.arange(count), :, down, right])
    return moved
