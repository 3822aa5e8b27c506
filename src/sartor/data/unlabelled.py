"""Rows without labels, for scoring: what a user has, as arrays or image paths."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sartor.data.sources_builtin import BUILTIN
from sartor.errors import DataError

_IMAGES = (".png", ".jpg", ".jpeg", ".bmp", ".webp")
_ALLOWED = ".npz, .npy, .csv, .tsv, an image, a folder of images, or " + ", ".join(BUILTIN)


def read_rows(source: str, drop: Sequence[str] = ()) -> NDArray[Any] | list[str]:
    """Read rows to score.

    Args:
        source: a file, a folder or a built-in name.
        drop: columns of a table that are no features, such as a label.

    Returns:
        (n, ...) array, or a list of image paths.

    Raises:
        DataError: missing, empty, of an unknown kind, or a cell that is no number (row and column are named).
    """
    if source in BUILTIN:
        return BUILTIN[source]().inputs
    path = Path(source)
    if path.is_dir():
        return _some([str(file) for file in sorted(path.rglob("*")) if file.suffix.lower() in _IMAGES], source)
    if not path.is_file():
        raise DataError(f"no file `{source}`", _ALLOWED)
    suffix = path.suffix.lower()
    if suffix in _IMAGES:
        return [source]
    if suffix in (".csv", ".tsv"):
        return _table(path, "," if suffix == ".csv" else "\t", drop)
    if suffix in (".npz", ".npy"):
        return _array(path)
    raise DataError(f"`{source}` is of a kind that cannot be scored", _ALLOWED)


def _some(rows: list[str], source: str) -> list[str]:
    if not rows:
        raise DataError(f"`{source}` holds no images", ", ".join(_IMAGES))
    return rows


def _array(path: Path) -> NDArray[Any]:
    try:
        loaded = np.load(path, allow_pickle=False)
        if isinstance(loaded, np.ndarray):
            return loaded
        with loaded:
            name = next((n for n in ("inputs", "x", "X", "images") if n in loaded.files), loaded.files[0])
            array: NDArray[Any] = loaded[name]
            return array
    except (ValueError, OSError, EOFError, IndexError) as error:
        raise DataError(f"`{path}` cannot be read: {error}", "a NumPy file with an array of numbers") from None


def _table(path: Path, delimiter: str, drop: Sequence[str]) -> NDArray[np.float32]:
    with path.open(newline="", encoding="utf-8-sig") as file:
        header, *rows = list(csv.reader(file, delimiter=delimiter)) or [[]]
    unknown = [column for column in drop if column not in header]
    if unknown:
        raise DataError(f"no column `{unknown[0]}` in `{path}`", ", ".join(header))
    kept = [index for index, column in enumerate(header) if column not in drop]
    if not rows or not kept:
        raise DataError(f"`{path}` has no rows", "a header and at least one row")
    return np.array(
        [[_number(path, header, line, row, index) for index in kept] for line, row in enumerate(rows, 2)],
        dtype=np.float32,
    )


def _number(path: Path, header: list[str], line: int, row: list[str], index: int) -> float:
    try:
        return float(row[index])
    except (ValueError, IndexError):
        came = row[index] if index < len(row) else "nothing"
        raise DataError(
            f"`{path}` line {line}, column `{header[index]}`: `{came}`",
            "a number",
            f"leave the column out with --drop {header[index]}",
        ) from None
