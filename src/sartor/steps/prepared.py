"""Rows as a model takes them: one array a model input, padded along their length where rows differ in it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sartor.steps.base import Array

SOLE = ""
"""Name of the array when the steps give one and do not name it; the model's only input takes it."""


@dataclass(frozen=True)
class Prepared:
    """A batch, or all rows of a data set.

    Attributes:
        arrays: model input -> (n, ...).
        lengths: (n,) how much of dimension 1 each row uses; None when all rows have one shape.
        padding: the arrays whose dimension 1 is that length, with the number they are padded with.
    """

    arrays: Mapping[str, Array]
    lengths: NDArray[np.int64] | None = None
    padding: Mapping[str, float] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(next(iter(self.arrays.values())))

    @property
    def row_shapes(self) -> dict[str, tuple[int, ...]]:
        """Shape of one row of each array; where rows differ in length, that of the longest."""
        return {name: array.shape[1:] for name, array in self.arrays.items()}

    def take(self, rows: Any) -> Prepared:
        """Some rows, by number or slice; arrays that are memory-mapped are read here."""
        lengths = None if self.lengths is None else self.lengths[rows]
        return Prepared({name: array[rows] for name, array in self.arrays.items()}, lengths, self.padding)

    def of_length(self, length: int) -> Prepared:
        """Dimension 1 of the arrays that vary cut or padded to `length`."""
        if self.lengths is None:
            return self
        arrays = {
            name: _of_length(array, length, self.padding[name]) if name in self.padding else array
            for name, array in self.arrays.items()
        }
        return Prepared(arrays, self.lengths, self.padding)

    def trimmed(self) -> Prepared:
        """As short as the longest of its rows."""
        return self if self.lengths is None else self.of_length(self.longest)

    @property
    def longest(self) -> int:
        """Length of the longest row; 0 when all rows have one shape."""
        return 0 if self.lengths is None else int(self.lengths.max())

    def renamed(self, names: Iterable[str]) -> Prepared:
        """The arrays that a model takes, in its order; the sole array takes the sole name.

        Raises:
            KeyError: a name that the rows do not have.
        """
        wanted = list(names)
        if SOLE in self.arrays and len(wanted) == 1:
            return Prepared({wanted[0]: self.arrays[SOLE]}, self.lengths, _only_key(self.padding, wanted[0]))
        padding = {name: self.padding[name] for name in wanted if name in self.padding}
        return Prepared({name: self.arrays[name] for name in wanted}, self.lengths, padding)

    def save(self, folder: Path) -> dict[str, Any]:
        """Write the arrays into `folder`; returns what `load` opens them with, as plain values."""
        folder.mkdir(parents=True, exist_ok=True)
        files = {}
        for number, (name, array) in enumerate(self.arrays.items()):
            files[name] = str(folder / f"{number}.npy")
            np.save(files[name], array)
        if self.lengths is not None:
            np.save(folder / "lengths.npy", self.lengths)
        lengths = None if self.lengths is None else str(folder / "lengths.npy")
        return {"arrays": files, "lengths": lengths, "padding": dict(self.padding)}

    @classmethod
    def load(cls, saved: Mapping[str, Any]) -> Prepared:
        """What `save` wrote, memory-mapped."""
        arrays = {name: np.load(path, mmap_mode="r") for name, path in saved["arrays"].items()}
        lengths = np.load(saved["lengths"]) if saved["lengths"] else None
        return cls(arrays, lengths, saved["padding"])


def _only_key(padding: Mapping[str, float], name: str) -> dict[str, float]:
    return {name: padding[SOLE]} if SOLE in padding else {}


def _of_length(array: Array, length: int, pad: float) -> Array:
    missing = length - array.shape[1]
    if missing <= 0:
        return array[:, :length]
    widths = [(0, 0), (0, missing), *((0, 0) for _ in array.shape[2:])]
    return np.pad(array, widths, constant_values=pad)
