"""Rows without labels, for scoring: what a user has, as arrays, texts, or paths of files."""

from __future__ import annotations

import io
import wave
import zipfile
import zlib
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from sartor.data.reading import TEXT_NAMES, Reading
from sartor.data.sources_arrays import INPUTS
from sartor.data.sources_builtin import BUILTIN
from sartor.data.sources_sounds import flat_sounds, is_flat
from sartor.data.sources_tables import text_column
from sartor.data.table import Table
from sartor.data.table_files import TABLES, read_cells
from sartor.data.trees import IMAGES, SOUNDS, place, read_tar
from sartor.errors import DataError

RowKind = Literal["numbers", "text", "audio", "images"]
Scored = NDArray[Any] | list[str] | list[bytes]

_ALLOWED: dict[RowKind, str] = {
    "numbers": f".npz, .npy, {', '.join(sorted(TABLES))}, an image, a folder of images, or {', '.join(BUILTIN)}",
    "images": "an image, a folder or .tar of images, .npz, .npy",
    "text": f".txt with one sentence a line, {', '.join(sorted(TABLES))}, .npz, .npy",
    "audio": "a WAV file, a folder or .tar of them, .npz, .npy",
}
_TEXT_FORM = "a column of texts, one text per row"


def read_rows(source: str, drop: Sequence[str] = (), kind: RowKind = "numbers") -> Scored:
    """Read rows to score.

    Args:
        source: a file, a folder or a built-in name.
        drop: columns of a table that are no features, such as a label.
        kind: what the model's steps begin with: texts, sound, images, or numbers as they are.

    Returns:
        (n, ...) array, a list of texts, or paths or bytes of images or WAV files.

    Raises:
        DataError: missing, empty, of an unknown kind, or a cell that is no number (line and column are named).
        MissingExtraError: .parquet without pyarrow.
    """
    if source in BUILTIN:
        return BUILTIN[source]().inputs
    path = Path(source)
    suffixes = SOUNDS if kind == "audio" else IMAGES
    if path.is_dir():
        return _some([str(file) for file in sorted(path.rglob("*")) if file.suffix.lower() in suffixes], source, kind)
    if not path.is_file():
        raise DataError(f"no file `{source}`", _ALLOWED[kind])
    suffix = path.suffix.lower()
    if suffix in suffixes and kind != "text":
        return [source]
    if suffix == ".tar" and kind in ("audio", "images"):
        return _packed(path, kind)
    if suffix in TABLES:
        return _texts(path, drop) if kind == "text" else _table(path, drop)
    if suffix in (".npz", ".npy"):
        return _array(path, kind)
    if suffix == ".txt" and kind == "text":
        return _sentences(path)
    raise DataError(f"`{source}` is of a kind that cannot be scored", _ALLOWED[kind])


def _some(rows: list[str], source: str, kind: RowKind) -> list[str]:
    suffixes, what = (SOUNDS, "WAV files") if kind == "audio" else (IMAGES, "images")
    if kind == "text":
        raise DataError(f"`{source}` is a folder", _ALLOWED[kind])
    if not rows:
        raise DataError(f"`{source}` holds no {what}", ", ".join(suffixes))
    return rows


def _packed(path: Path, kind: RowKind) -> list[bytes]:
    suffixes, what = (SOUNDS, "WAV files") if kind == "audio" else (IMAGES, "images")
    return [file.read() for file in place(read_tar(path), suffixes, what, labelled=False).files]


def _array(path: Path, kind: RowKind) -> Scored:
    try:
        with path.open("rb") as file:
            loaded = np.load(file, allow_pickle=False)
            arrays = {"": loaded} if isinstance(loaded, np.ndarray) else {name: loaded[name] for name in loaded.files}
    except (ValueError, OSError, EOFError, IndexError, AttributeError, zipfile.BadZipFile, zlib.error) as error:
        raise DataError(f"`{path}` cannot be read: {error}", "a NumPy file with an array of numbers") from None
    if not arrays:
        raise DataError(f"`{path}` cannot be read: it holds no arrays", "a NumPy file with an array of numbers")
    if kind == "audio" and is_flat(arrays, "audio"):
        return [_wav(sound.samples, sound.rate) for sound in flat_sounds(arrays, "audio", path.name)]
    name = next((name for name in INPUTS if name in arrays), next(iter(arrays)))
    array = arrays[name]
    if array.size == 0:
        raise DataError(f"`{path}` holds no rows: an array of shape {array.shape}", "at least one row")
    return _filled([str(text) for text in array.reshape(-1)], path) if array.dtype.kind == "U" else array


def _wav(samples: NDArray[np.float32], rate: int) -> bytes:
    """As a WAV file, which carries its rate: the model's own may be another."""
    held = io.BytesIO()
    with wave.open(held, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(rate)
        file.writeframes(np.clip(np.round(samples * 32768), -32768, 32767).astype("<i2").tobytes())
    return held.getvalue()


def _sentences(path: Path) -> list[str]:
    try:
        lines = path.read_text(encoding="utf-8-sig").split("\n")
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"`{path}` cannot be read: {error}", "text in UTF-8, one sentence a line") from None
    if not any(line.strip() for line in lines):
        raise DataError(f"`{path}` holds no rows", "one sentence a line")
    return _filled(lines[:-1] if not lines[-1] else lines, path)


def _filled(texts: list[str], path: Path) -> list[str]:
    empty = [number for number, text in enumerate(texts, 1) if not text.strip()]
    if empty:
        shown = ", ".join(map(str, empty[:5])) + (", ..." if len(empty) > 5 else "")
        raise DataError(f"`{path}`: {len(empty)} empty texts (number {shown})", "a text in every row", "leave them out")
    return texts


def _kept(table: Table, drop: Sequence[str]) -> Table:
    dropped = {table.known(name) for name in drop}
    kept = {name: cells for name, cells in table.columns.items() if name not in dropped}
    if not kept:
        raise DataError(f"`{table.name}` has no columns left", "at least one feature", "leave out a --drop")
    return replace(table, columns=kept)


def _texts(path: Path, drop: Sequence[str]) -> list[str]:
    table = _kept(read_cells(path), drop)
    usual = [name for name in table.header if name.lower() in TEXT_NAMES]
    left = usual or [name for name in table.header if name != "label"]
    try:
        name = text_column(table, left, Reading("text-classification", labelled=False))
    except DataError as error:
        raise DataError(error.came, error.allowed, "leave the others out with --drop NAME") from None
    if name is None:
        raise DataError(f"`{path}` has no column of texts", _TEXT_FORM, f"columns: {', '.join(table.header)}")
    return _filled([*table.texts(name)], path)


def _table(path: Path, drop: Sequence[str]) -> NDArray[Any]:
    table = _kept(read_cells(path), drop)
    if len(table.columns) == 1 and table.holds_lists(table.header[0]):
        return table.values(table.header[0])
    try:
        return table.numbers(table.header)
    except DataError as error:
        raise DataError(error.came, error.allowed, "leave the column out with --drop NAME") from None
