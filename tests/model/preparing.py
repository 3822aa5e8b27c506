"""Prepared rows for the tests of this room."""

from __future__ import annotations

import numpy as np

from sartor.steps.prepared import SOLE, Prepared


def numbers(*row_shape: int, rows: int = 8) -> Prepared:
    """Random float32 rows of one unnamed array."""
    return Prepared({SOLE: np.random.default_rng(0).standard_normal((rows, *row_shape), dtype=np.float32)})


def sentences(lengths: tuple[int, ...] = (5, 2, 7, 1, 3, 6), vocabulary: int = 50) -> Prepared:
    """Random token numbers from 1 with their mask, padded with 0."""
    used = np.arange(max(lengths)) < np.array(lengths)[:, None]
    tokens = np.random.default_rng(0).integers(1, vocabulary, used.shape) * used
    arrays = {"input_ids": tokens.astype(np.int64), "attention_mask": used.astype(np.int64)}
    return Prepared(arrays, np.array(lengths), dict.fromkeys(arrays, 0.0))
