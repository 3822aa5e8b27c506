"""Rows of a training: the slice kept for early stopping, batches in random order, shifted pictures."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sartor.errors import DataError
from sartor.train.values import TrainingJob

Rows = NDArray[np.int64]
_HELD_SHARE = 0.1
_FEWEST_ROWS = 2


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


def batches(rows: Rows, batch: int, generator: np.random.Generator) -> Iterator[Rows]:
    """One epoch in random order; an incomplete last batch is left out, other rows fall in it each time."""
    order = generator.permutation(rows)
    for start in range(0, len(order) - batch + 1, batch):
        yield order[start : start + batch]


def gather(inputs: NDArray[Any], rows: Rows) -> NDArray[np.float32]:
    """(rows, ...) float32, contiguous, read from an array that may be memory-mapped."""
    return np.ascontiguousarray(inputs[rows], dtype=np.float32)


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
