"""Rows without labels, for scoring: what a user has, as arrays or image paths."""

from __future__ import annotations

import zipfile
import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sartor.data.sources_builtin import BUILTIN
from sartor.data.sources_tables import numbers_of, read_cells
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
        DataError: missing, empty, of an unknown kind, or a cell that is no number (line and column are named).
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
        return _table(path, drop)
    if suffix in (".npz", ".npy"):
        return _array(path)
    raise DataError(f"`{source}` is of a kind that cannot be scored", _ALLOWED)


def _some(rows: list[str], source: str) -> list[str]:
    if not rows:
        raise DataError(f"`{source}` holds no images", ", ".join(_IMAGES))
    return rows


def _array(path: Path) -> NDArray[Any]:
    try:
        with path.open("rb") as file:
            loaded = np.load(file, allow_pickle=False)
            if not isinstance(loaded, np.ndarray):
                name = next((n for n in ("inputs", "x", "X", "images") if n in loaded.files), loaded.files[0])
                loaded = loaded[name]
    except (ValueError, OSError, EOFError, IndexError, zipfile.BadZipFile, zlib.error) as error:
        raise DataError(f"`{path}` cannot be read: {error}", "a NumPy file with an array of numbers") from None
    array: NDArray[Any] = loaded
    if array.size == 0:
        raise DataError(f"`{path}` holds no rows: an array of shape {array.shape}", "at least one row")
    return array


def _table(path: Path, drop: Sequence[str]) -> NDArray[np.float32]:
    table = read_cells(path)
    dropped = {table.column(name) for name in drop}
    kept = [number for number in range(len(table.header)) if number not in dropped]
    if not kept:
        raise DataError(f"`{path}` has no columns left", "at least one feature", "leave out a --drop")
    try:
        return numbers_of(table, kept)
    except DataError as error:
        raise DataError(error.came, error.allowed, "leave the column out with --drop NAME") from None
