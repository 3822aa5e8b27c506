"""Calibration rows in pieces.

R rows of all inputs, B rows of one piece, L the length of rows that differ in it.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from sartor.errors import DataError
from sartor.model.values import ExportedModel
from sartor.runtime.base import Array
from sartor.steps.prepared import Prepared

_EXAMPLE_ROWS = 2  # one row would be taken for a dimension that repeats


def checked_rows(source: ExportedModel, inputs: Prepared, limit: int) -> Prepared:
    """The first `limit` rows of every input, under the file's names and in its order, or an error.

    Raises:
        DataError: an input is missing, has no rows, or another number of rows or dtype than it should.
    """
    names = [spec.name for spec in source.signature.inputs]
    try:
        rows = inputs.renamed(names)
    except KeyError as missing:
        given = ", ".join(inputs.arrays) or "at least one row"
        raise DataError(f"calibration rows have no input `{missing.args[0]}`", given) from None
    for spec in source.signature.inputs:
        dtype = str(rows.arrays[spec.name].dtype)
        if dtype != spec.dtype:
            raise DataError(f"calibration input `{spec.name}` is {dtype}", spec.dtype)
    counts = {name: len(array[:limit]) for name, array in rows.arrays.items()}
    if len(set(counts.values())) != 1 or min(counts.values()) < fixed_rows(source):
        listed = ", ".join(f"{name}: {count}" for name, count in counts.items())
        raise DataError(f"calibration rows per input: {listed}", f"equal numbers, at least {fixed_rows(source)}")
    return rows.take(slice(0, limit))


def example_rows(inputs: Prepared) -> dict[str, Array]:
    """Few rows, of which only shapes count."""
    return dict(inputs.take(slice(0, _EXAMPLE_ROWS)).trimmed().arrays)


def fixed_rows(source: ExportedModel) -> int:
    """Rows that one call must have: the file's fixed batch, or 1 where the batch is symbolic."""
    fixed = [spec.shape[0] for spec in source.signature.inputs if spec.shape]
    return max((size for size in fixed if isinstance(size, int)), default=1)


def is_fixed(source: ExportedModel) -> bool:
    """Whether the file takes one number of rows only."""
    return any(isinstance(spec.shape[0], int) for spec in source.signature.inputs if spec.shape)


def pieces(source: ExportedModel, rows: Prepared, at_most: int) -> Iterator[dict[str, Array]]:
    """Pieces of at most `at_most` rows [B, ...]; of a fixed batch exactly that many, and the rest is left.

    Rows that differ in length come shortest first and as short as they are, since what a model makes of padding
    would widen its ranges: a piece holds rows of one length L, unless a fixed batch needs more of them. A file
    whose L is fixed gets that length.
    """
    for numbers in _grouped(source, rows, at_most):
        piece = rows.take(numbers)
        length = _fixed_length(source, rows)
        shaped = piece.of_length(length) if length else piece.trimmed()
        yield {name: np.ascontiguousarray(array) for name, array in shaped.arrays.items()}


def _grouped(source: ExportedModel, rows: Prepared, at_most: int) -> Iterator[Array]:
    """Numbers of the rows of each piece."""
    if rows.lengths is None:
        groups = [np.arange(len(rows))]
    else:
        order = np.argsort(rows.lengths, kind="stable")
        ends = np.flatnonzero(np.diff(rows.lengths[order])) + 1
        groups = [order] if is_fixed(source) else np.split(order, ends)
    size = fixed_rows(source) if is_fixed(source) else at_most
    for group in groups:
        for start in range(0, len(group), size):
            numbers = group[start : start + size]
            if not is_fixed(source) or len(numbers) == size:
                yield numbers


def _fixed_length(source: ExportedModel, rows: Prepared) -> int:
    """The dimension 1 that the file insists on for inputs whose rows differ in it; 0 where it is free."""
    shapes = [spec.shape for spec in source.signature.inputs if spec.name in rows.padding and len(spec.shape) > 1]
    return max((shape[1] for shape in shapes if isinstance(shape[1], int)), default=0)
