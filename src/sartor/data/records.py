"""Records: rows of several inputs, as a structured array with one field for each input of the model."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from sartor.data.rows import Array
from sartor.errors import DataError


def records_of(columns: Mapping[str, Array], source: str) -> Array:
    """(n,) records out of one (n, ...) array a field; texts become objects.

    Raises:
        DataError: arrays of several lengths, or a single number.
    """
    lengths = {name: len(column) if column.ndim else 0 for name, column in columns.items()}
    if len(set(lengths.values())) > 1 or any(column.ndim == 0 for column in columns.values()):
        came = ", ".join(f"{count} in {name}" for name, count in lengths.items())
        raise DataError(f"{source}: inputs of several lengths: {came}", "one entry per row in each input")
    form = np.dtype([(name, _element(column), column.shape[1:]) for name, column in columns.items()])
    records = np.empty(next(iter(lengths.values())), dtype=form)
    for name, column in columns.items():
        records[name] = column
    return records


def _element(column: Array) -> np.dtype[np.generic]:
    return np.dtype(object) if column.dtype.kind in "UO" else column.dtype
