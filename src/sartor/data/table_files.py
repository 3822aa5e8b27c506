"""Files that hold tables: .csv, .tsv, .jsonl and .parquet, each read into one `Table`."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sartor.data.table import Table
from sartor.errors import DataError, MissingExtraError

_Lines = list[tuple[int, list[str]]]  # the line that each row ended on, and its cells


def read_cells(path: Path) -> Table:
    """The table in a file, by its suffix.

    Raises:
        DataError: unreadable, no header, no rows, or rows of several lengths.
        MissingExtraError: .parquet without pyarrow.
    """
    return TABLES[path.suffix.lower()](path)


def _read_csv(path: Path) -> Table:
    with _opened(path) as file:
        first = file.readline()
        file.seek(0)
        # Spreadsheets write semicolons where the comma is the decimal mark.
        delimiter = ";" if ";" in first and "," not in first else ","
        return _table(path, _quoted(file, delimiter))


def _read_tsv(path: Path) -> Table:
    """Quote marks are letters in the .tsv files of the field; a file written with quoting is seen by its form."""
    with _opened(path) as file:
        plain = [(number, line.split("\t")) for number, line in _numbered(file) if line]
        if not _looks_quoted(plain):
            return _table(path, plain)
        file.seek(0)
        try:
            quoted = _quoted(file, "\t")
        except csv.Error:
            return _table(path, plain)
    return _table(path, quoted if _is_even(quoted) else plain)


def _looks_quoted(lines: _Lines) -> bool:
    """Rows that do not fit the header, a quoted name in it, or cells such as `"so ""plain"" a case"`."""
    if not lines:
        return False
    doubled = (cell for _, row in lines for cell in row if '""' in cell[1:-1] and cell[:1] == cell[-1:] == '"')
    return not _is_even(lines) or lines[0][1][0].startswith('"') or any(doubled)


def _is_even(lines: _Lines) -> bool:
    return len({len(row) for _, row in lines}) == 1


@contextmanager
def _opened(path: Path) -> Iterator[Any]:
    previous = csv.field_size_limit(2**31 - 1)  # a cell may hold a whole document
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            yield file
    except (OSError, UnicodeDecodeError, csv.Error) as reason:
        raise DataError(f"{path.name} cannot be read: {reason}", "a text table in UTF-8") from None
    finally:
        csv.field_size_limit(previous)


def _quoted(file: Any, delimiter: str) -> _Lines:
    reader = csv.reader(file, delimiter=delimiter, strict=True)
    return [(reader.line_num, row) for row in reader if row]


def _numbered(file: Iterable[str]) -> Iterator[tuple[int, str]]:
    for number, line in enumerate(file, 1):
        yield number, line.rstrip("\r\n")


def _table(path: Path, lines: _Lines) -> Table:
    if len(lines) < 2:
        raise DataError(f"{path.name} holds no rows", "a header and one line per row")
    (_, first), *rest = lines
    header = [name.strip() for name in first]
    _check_header(path.name, header)
    for number, row in rest:
        if len(row) != len(header):
            raise DataError(
                f"{path.name}, line {number}: {len(row)} cells",
                f"{len(header)} cells, as in the header",
                "check the delimiter and quotes on that line",
            )
    columns = dict(zip(header, zip(*(row for _, row in rest), strict=True), strict=True))
    return Table(path.name, columns, [number for number, _ in rest])


def _check_header(file: str, header: list[str]) -> None:
    if all(_is_number(name) for name in header):
        raise DataError(
            f"{file} begins with a line of numbers",
            "a header with the names of the columns",
            "add a first line such as age,height,label",
        )
    repeated = sorted({name for name in header if header.count(name) > 1})
    if repeated:
        raise DataError(f"{file} has several columns `{repeated[0]}`", "every column name once")


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def _read_jsonl(path: Path) -> Table:
    """One object a line; a key that a line leaves out is a missing value there."""
    objects: list[tuple[int, dict[str, Any]]] = []
    with _opened(path) as file:
        for number, line in _numbered(file):
            if line.strip():
                objects.append((number, _object(path.name, number, line)))
    if not objects:
        raise DataError(f"{path.name} holds no rows", 'one object a line, such as {"text": "fine", "label": "good"}')
    names = dict.fromkeys(name for _, row in objects for name in row)
    if not names:
        raise DataError(f"{path.name} holds objects without keys", "named fields", "")
    columns = {name: [row.get(name) for _, row in objects] for name in names}
    return Table(path.name, columns, [number for number, _ in objects])


def _object(file: str, number: int, line: str) -> dict[str, Any]:
    try:
        found = json.loads(line)
    except (ValueError, RecursionError) as reason:
        raise DataError(f"{file}, line {number} is no JSON: {reason}", "one object a line") from None
    if not isinstance(found, dict):
        raise DataError(
            f"{file}, line {number}: a {type(found).__name__}",
            'one object a line, such as {"text": "fine", "label": "good"}',
            "write each row on its own line, not as one list",
        )
    return found


def _read_parquet(path: Path) -> Table:
    try:
        import pyarrow as arrow
        import pyarrow.parquet as parquet
    except ImportError:
        raise MissingExtraError("pyarrow", "reading .parquet", "pip install 'sartor[parquet]'") from None
    try:
        with path.open("rb") as file:
            found = parquet.read_table(file)
    except (OSError, arrow.ArrowException) as reason:
        raise DataError(f"{path.name} cannot be read: {reason}", "a Parquet file", "write it again") from None
    if found.num_rows == 0 or found.num_columns == 0:
        raise DataError(f"{path.name} holds no rows", "at least one row")
    _check_header(path.name, list(found.column_names))
    columns = {name: _cells(found.column(name)) for name in found.column_names}
    return Table(path.name, columns, range(found.num_rows), "row")


def _cells(column: Any) -> Any:
    import pyarrow.types as types

    # Plain numbers stay an array: a list of Python numbers would take ten times the memory.
    plain = types.is_integer(column.type) or types.is_floating(column.type) or types.is_boolean(column.type)
    return column.to_numpy() if plain and not column.null_count else column.to_pylist()


TABLES: dict[str, Callable[[Path], Table]] = {
    ".csv": _read_csv,
    ".jsonl": _read_jsonl,
    ".parquet": _read_parquet,
    ".tsv": _read_tsv,
}
