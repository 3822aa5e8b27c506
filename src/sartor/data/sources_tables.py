"""Read `.csv` and `.tsv`: a header, numeric features, one label column."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from sartor.data.rows import Rows
from sartor.errors import DataError, nearest

if TYPE_CHECKING:
    from sartor.need import DataSpec


@dataclass(frozen=True)
class _Table:
    """Text cells by row, with the line of the file that each row began on."""

    name: str
    header: list[str]
    cells: list[list[str]]
    lines: list[int]

    def column(self, name: str) -> int:
        """Position of a column."""
        if name not in self.header:
            raise DataError(f"{self.name} has no column `{name}`", ", ".join(self.header), nearest(name, self.header))
        return self.header.index(name)

    def texts(self, column: int) -> NDArray[np.str_]:
        """One column as text."""
        return np.array([row[column].strip() for row in self.cells], dtype=np.str_)


def read_table(path: Path, spec: DataSpec) -> Rows:
    """(n, f) float32 features and the label column as text.

    The label is `label:`, else the column `label`, else the last. All other columns, without the
    group's, are features, unless `input:` names one.

    Raises:
        DataError: no header, no rows, rows of several lengths, or a feature that is no number.
    """
    table = read_cells(path)
    label = table.column(spec.label) if spec.label else _default_label(table, spec.group)
    group = table.column(spec.group) if spec.group else None
    features = [number for number in range(len(table.header)) if number not in (label, group)]
    if spec.input:
        features = [table.column(spec.input)]
    if not features:
        raise DataError(f"{table.name} has only the column {table.header[label]}", "at least one feature")
    groups = None if group is None else table.texts(group)
    return Rows(numbers_of(table, features), table.texts(label), groups)


def _default_label(table: _Table, group: str | None) -> int:
    if "label" in table.header:
        return table.header.index("label")
    others = [number for number, name in enumerate(table.header) if name != group]
    return others[-1]


def read_cells(path: Path) -> _Table:
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            first = file.readline()
            file.seek(0)
            reader = csv.reader(file, delimiter=_delimiter(path, first), strict=True)
            numbered = [(reader.line_num, row) for row in reader if row]
    except (OSError, UnicodeDecodeError, csv.Error) as reason:
        raise DataError(f"{path.name} cannot be read: {reason}", "a text table in UTF-8") from None
    if len(numbered) < 2:
        raise DataError(f"{path.name} holds no rows", "a header and one line per row")
    (_, header), *rest = numbered
    table = _Table(path.name, [name.strip() for name in header], [row for _, row in rest], [line for line, _ in rest])
    _check_header(table)
    _check_lengths(table)
    return table


def _delimiter(path: Path, header: str) -> str:
    if path.suffix.lower() == ".tsv":
        return "\t"
    # Spreadsheets write semicolons where the comma is the decimal mark.
    return ";" if ";" in header and "," not in header else ","


def _check_header(table: _Table) -> None:
    if all(_is_number(name) for name in table.header):
        raise DataError(
            f"{table.name} begins with a line of numbers",
            "a header with the names of the columns",
            "add a first line such as age,height,label",
        )
    repeated = sorted({name for name in table.header if table.header.count(name) > 1})
    if repeated:
        raise DataError(f"{table.name} has several columns `{repeated[0]}`", "every column name once")


def _check_lengths(table: _Table) -> None:
    for line, row in zip(table.lines, table.cells, strict=True):
        if len(row) != len(table.header):
            raise DataError(
                f"{table.name}, line {line}: {len(row)} cells",
                f"{len(table.header)} cells, as in the header",
                "check the delimiter and quotes on that line",
            )


def numbers_of(table: _Table, features: Sequence[int]) -> NDArray[np.float32]:
    numbers = np.empty((len(table.cells), len(features)), dtype=np.float32)
    for position, feature in enumerate(features):
        column = [row[feature] for row in table.cells]
        try:
            with np.errstate(over="ignore"):  # becomes infinity, which the checks report
                numbers[:, position] = np.array(column, dtype=np.float64)
        except ValueError:
            raise _not_a_number(table, feature) from None
    return numbers


def _not_a_number(table: _Table, feature: int) -> DataError:
    line, cell = next(
        (line, row[feature]) for line, row in zip(table.lines, table.cells, strict=True) if not _is_number(row[feature])
    )
    came = f"`{cell}`" if cell.strip() else "an empty cell"
    return DataError(
        f"{table.name}, line {line}, column `{table.header[feature]}`: {came}",
        "a number",
        "turn categories into numbers first, fill gaps, or leave the column out",
    )


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True
