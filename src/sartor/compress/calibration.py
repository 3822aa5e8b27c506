"""Calibration rows in pieces.

R rows of all inputs, B rows of one piece.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import numpy as np

from sartor.errors import DataError
from sartor.model.values import ExportedModel
from sartor.runtime.base import Array


def checked_rows(source: ExportedModel, inputs: Mapping[str, Array], limit: int) -> dict[str, Array]:
    """The first `limit` rows of every input, or an error.

    Raises:
        DataError: an input is missing, has no rows, or another number of rows or dtype than it should.
    """
    rows: dict[str, Array] = {}
    for spec in source.signature.inputs:
        if spec.name not in inputs:
            raise DataError(f"calibration rows have no input `{spec.name}`", ", ".join(inputs) or "at least one row")
        array = inputs[spec.name]
        if str(array.dtype) != spec.dtype:
            raise DataError(f"calibration input `{spec.name}` is {array.dtype}", spec.dtype)
        rows[spec.name] = array[:limit]
    counts = {name: len(array) for name, array in rows.items()}
    if len(set(counts.values())) != 1 or min(counts.values()) < fixed_rows(source):
        listed = ", ".join(f"{name}: {count}" for name, count in counts.items())
        raise DataError(f"calibration rows per input: {listed}", f"equal numbers, at least {fixed_rows(source)}")
    return rows


def fixed_rows(source: ExportedModel) -> int:
    """Rows that one call must have: the file's fixed batch, or 1 where the batch is symbolic."""
    fixed = [spec.shape[0] for spec in source.signature.inputs if spec.shape]
    return max((size for size in fixed if isinstance(size, int)), default=1)


def is_fixed(source: ExportedModel) -> bool:
    """Whether the file takes one number of rows only."""
    return any(isinstance(spec.shape[0], int) for spec in source.signature.inputs if spec.shape)


def pieces(source: ExportedModel, rows: Mapping[str, Array], at_most: int) -> Iterator[dict[str, Array]]:
    """Pieces of at most `at_most` rows [B, ...]; of a fixed batch exactly that many, and the rest is left."""
    size = fixed_rows(source) if is_fixed(source) else at_most
    total = len(next(iter(rows.values())))
    for start in range(0, total, size):
        piece = {name: np.ascontiguousarray(array[start : start + size]) for name, array in rows.items()}
        if not is_fixed(source) or len(next(iter(piece.values()))) == size:
            yield piece
