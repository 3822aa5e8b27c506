"""Rows out of a table: which columns are the inputs, which holds the labels."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from sartor.data.reading import TEXT_NAMES, Reading
from sartor.data.records import records_of
from sartor.data.rows import Array, Rows
from sartor.data.table import Table
from sartor.data.table_files import read_cells
from sartor.errors import DataError

# Of a table of texts. A table of numbers may well have a feature called `class`.
_LABELS_BESIDE_TEXT = ("labels", "target", "class", "sentiment", "category")


def read_table(path: Path, reading: Reading) -> Rows:
    """Features, or texts, and the label column.

    The inputs are `input:`: one column of texts, numbers or lists; several columns of numbers, in this order, as
    (n, f); or a mapping of model inputs to columns, as records. When it is left out: the column of texts (called
    text, sentence, review, ..., else the only one) for tasks on texts, and all other columns as (n, f) float32.
    The label is `label:`, else the column `label`, else the last that is no input.

    Raises:
        DataError: no header, no rows, rows of several lengths, no such column, or a feature that is no number.
    """
    table = read_cells(path)
    named = [table.known(name) for name in reading.names]
    group = table.known(reading.group) if reading.group else None
    label = _label_column(table, reading, {*named, group})
    left = [name for name in table.header if name not in (label, group)]
    return Rows(
        inputs=_inputs(table, left, reading),
        labels=table.labels(label) if reading.labelled and label else None,
        groups=table.labels(group) if group else None,
    )


def text_column(table: Table, left: Sequence[str], reading: Reading) -> str | None:
    """The column with the texts, out of those that are `left`; None if the rows are numbers.

    Raises:
        DataError: several columns could be it.
    """
    if not reading.takes_text or len(reading.names) > 1:
        return None
    candidates = [*reading.names] or [*left]
    texts = [name for name in candidates if not table.holds_lists(name)]
    # A sentence may happen to be a number: where only texts make sense, a single column is one.
    if reading.task == "text-classification" and len(texts) == len(candidates) == 1:
        return texts[0]
    texts = [name for name in texts if not table.holds_numbers(name)]
    usual = _usual(texts, TEXT_NAMES)
    if usual or len(texts) < 2:
        return usual or next(iter(texts), None)
    raise DataError(
        f"{table.name}: any of the columns {', '.join(texts)} could hold the texts",
        "one column of texts",
        f"name it: `input: {texts[0]}`",
    )


def _usual(columns: Sequence[str], names: Sequence[str]) -> str | None:
    return next((column for name in names for column in columns if column.lower() == name), None)


def _label_column(table: Table, reading: Reading, taken: set[str | None]) -> str | None:
    """None only where no label is wanted."""
    if reading.label:
        return table.known(reading.label)
    if "label" in table.columns:
        return "label"
    if not reading.labelled:
        return None
    text = _usual(table.header, TEXT_NAMES) if reading.takes_text and not reading.names else None
    others = [name for name in table.header if name not in taken and name != text]
    if not others:
        raise DataError(
            f"{table.name} has no column for the label beside {', '.join(table.header)}",
            "a column called label, or one more column",
            'without labels, ask for agreement: `require: {agreement: ">= 0.99"}`',
        )
    return (_usual(others, _LABELS_BESIDE_TEXT) if text else None) or others[-1]


def _inputs(table: Table, left: Sequence[str], reading: Reading) -> Array:
    names = [*reading.names] or [*left]
    if not names:
        raise DataError(f"{table.name} has only the column {', '.join(table.header)}", "at least one feature")
    if reading.fields:
        return records_of({field: table.values(name) for field, name in reading.fields.items()}, table.name)
    text = text_column(table, left, reading)
    if text:
        _check_named(table)
        return table.texts(text)
    if len(names) == 1 and table.holds_lists(names[0]):
        return table.values(names[0])
    if reading.task == "text-classification":
        return _token_ids(table, names)
    return table.numbers(names)


def _token_ids(table: Table, names: Sequence[str]) -> Array:
    """(n, f) int64 if all are whole, as tokens are."""
    whole = [column for name in names if (column := table.whole(name)) is not None]
    return np.stack(whole, axis=1) if len(whole) == len(names) else table.numbers(names)


def _check_named(table: Table) -> None:
    """A first row taken for a header shows by its label: a number is no name of a column."""
    numbers = [name for name in table.header if name.lstrip("-").isdecimal()]
    if numbers:
        raise DataError(
            f"{table.name} begins with a line that has the number {numbers[0]} among the names of its columns",
            "a header with the names of the columns",
            "add a first line such as sentence,label, with the delimiter of the file",
        )
