"""A table as a file holds it: named columns of cells, and what they are as numbers, texts or labels."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sartor.data.rows import Array
from sartor.errors import DataError, nearest

_SHOWN = 40  # characters of a cell in a message
_NESTED = (list, tuple, dict, np.ndarray)


@dataclass(frozen=True)
class Table:
    """Cells by column: text (.csv, .tsv) or values (.jsonl, .parquet), with the place of each row in the file.

    Attributes:
        name: of the file, for messages.
        columns: name -> (n,) cells.
        places: (n,) where each row stands in the file.
        unit: what `places` counts: `line` or `row`.
    """

    name: str
    columns: Mapping[str, Sequence[Any] | Array]
    places: Sequence[int]
    unit: str = "line"

    def __len__(self) -> int:
        return len(self.places)

    @property
    def header(self) -> tuple[str, ...]:
        """Names of the columns, in order."""
        return tuple(self.columns)

    def known(self, name: str) -> str:
        """The name itself.

        Raises:
            DataError: there is no such column.
        """
        if name not in self.columns:
            raise DataError(f"{self.name} has no column `{name}`", ", ".join(self.header), nearest(name, self.header))
        return name

    def holds_numbers(self, name: str) -> bool:
        """Whether every cell of a column is a number."""
        return all(map(_is_number, self.columns[name]))

    def holds_lists(self, name: str) -> bool:
        """Whether the cells of a column are lists, judged by the first."""
        return isinstance(self.columns[name][0], (list, tuple, np.ndarray))

    def numbers(self, names: Sequence[str]) -> NDArray[np.float32]:
        """(n, f) of f columns.

        Raises:
            DataError: a cell that is no number; its line and column are named.
        """
        found = np.empty((len(self), len(names)), dtype=np.float32)
        for position, name in enumerate(names):
            with np.errstate(over="ignore"):  # becomes infinity, which the checks report
                found[:, position] = self._floats(name)
        return found

    def values(self, name: str) -> Array:
        """(n,) int64 if all are whole, else float32; (n, ...) where the cells are lists; else (n,) texts."""
        if self.holds_lists(name):
            return self._stacked(name)
        whole = self.whole(name)
        if whole is not None:
            return whole
        return self.numbers([name])[:, 0] if self.holds_numbers(name) else self.texts(name)

    def whole(self, name: str) -> NDArray[np.int64] | None:
        """(n,) whole numbers; None if a cell is something else."""
        cells = self.columns[name]
        if isinstance(cells, np.ndarray):
            return cells.astype(np.int64) if cells.dtype.kind in "iu" else None
        if not all(isinstance(cell, (str, int)) and not isinstance(cell, bool) for cell in cells):
            return None
        try:
            return np.array(cells, dtype=np.int64)
        except (ValueError, OverflowError):
            return None

    def texts(self, name: str) -> Array:
        """(n,) objects of type str; what is missing is empty.

        Raises:
            DataError: a cell that holds a list or an object.
        """
        cells = self.columns[name]
        self._refuse(name, (isinstance(cell, _NESTED) for cell in cells), "a text")
        return np.array(["" if cell is None else str(cell) for cell in cells], dtype=object)

    def labels(self, name: str) -> Array:
        """(n,) texts or numbers, as they stand in the file.

        Raises:
            DataError: a cell that holds a list or an object.
        """
        cells = self.columns[name]
        self._refuse(name, (isinstance(cell, _NESTED) for cell in cells), "a class name or a number")
        if isinstance(cells, np.ndarray):
            return cells
        kinds = {type(cell) for cell in cells}
        if kinds == {bool} or (kinds <= {int, float} and kinds):
            return np.array(cells)
        return np.array([cell.strip() if isinstance(cell, str) else cell for cell in cells], dtype=object)

    def _floats(self, name: str) -> NDArray[np.float64]:
        cells = self.columns[name]
        if isinstance(cells, np.ndarray):
            return cells.astype(np.float64)
        # numpy would read a missing value as NaN, and a column of equal lists as a matrix.
        if not any(cell is None or isinstance(cell, _NESTED) for cell in cells):
            try:
                return np.array(cells, dtype=np.float64)
            except (ValueError, TypeError):
                pass
        self._refuse(name, (not _is_number(cell) for cell in cells), "a number", _TO_NUMBERS)
        return np.array([float(cell) for cell in cells], dtype=np.float64)

    def _stacked(self, name: str) -> Array:
        rows = [np.asarray(cell) for cell in self.columns[name]]
        first = rows[0].shape
        self._refuse(name, (row.shape != first for row in rows), f"a list of shape {first}, as in the first row")
        found = np.stack(rows)
        if found.dtype.kind not in "biuf":
            raise DataError(f"{self.name}, column `{name}`: lists of type {found.dtype}", "lists of numbers")
        return found

    def _refuse(self, name: str, wrong: Any, allowed: str, hint: str = "") -> None:
        """An error about the first cell that is wrong, if there is one."""
        for place, cell, is_wrong in zip(self.places, self.columns[name], wrong, strict=True):
            if is_wrong:
                raise DataError(f"{self.name}, {self.unit} {place}, column `{name}`: {_shown(cell)}", allowed, hint)


_TO_NUMBERS = (
    "turn categories into numbers first, fill gaps, or name the columns to use with `input: [a, b]`; "
    "texts are read for text-classification"
)


def _shown(cell: Any) -> str:
    if isinstance(cell, _NESTED):
        return "an object" if isinstance(cell, dict) else "a list"
    text = "" if cell is None else str(cell)
    if not text.strip():
        return "an empty cell"
    return f"`{text[:_SHOWN]}{'...' if len(text) > _SHOWN else ''}`"


def _is_number(cell: Any) -> bool:
    if cell is None or isinstance(cell, _NESTED):
        return False
    try:
        float(cell)
    except (ValueError, TypeError):
        return False
    return True
