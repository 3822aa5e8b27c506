"""Read `.npz` files: inputs, labels and groups by name, with or without splits of their own."""

from __future__ import annotations

import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from sartor.data.rows import Array, Rows, join
from sartor.errors import DataError, nearest

if TYPE_CHECKING:
    from sartor.need import DataSpec

# What a split may be called, the house's word first.
SPLIT_WORDS: dict[str, tuple[str, ...]] = {
    "train": ("train", "training"),
    "calibrate": ("calibrate", "calibration"),
    "select": ("select", "val", "valid", "validation", "dev"),
    "confirm": ("confirm", "test"),
}
_INPUTS = ("inputs", "x", "X", "images")
_LABELS = ("labels", "y", "Y", "targets")

Arrays = dict[str, Array]


def read_npz(path: Path, spec: DataSpec) -> Rows:
    """Arrays `inputs` (or x, X, images) and `labels` (or y), or per split: `train_inputs`, `x_train`.

    Raises:
        DataError: unreadable, pickled objects, or no array of the name that is looked for.
    """
    arrays = _load(path)
    inputs = (spec.input,) if spec.input else _INPUTS
    labels = (spec.label,) if spec.label else _LABELS
    splits = {split: _find(arrays, inputs, words) for split, words in SPLIT_WORDS.items()}
    if not any(splits.values()):
        return _plain(path, arrays, inputs, labels, spec.group)
    parts: list[tuple[str, Rows]] = []
    for split, name in splits.items():
        if name is not None:
            parts.append((split, _split(path, arrays, split, name, labels, spec.group)))
    return join(parts)


def _load(path: Path) -> Arrays:
    try:
        with np.load(path, allow_pickle=False) as file:
            return {name: file[name] for name in file.files}
    except (OSError, EOFError, ValueError, zipfile.BadZipFile) as reason:
        raise DataError(
            f"{path.name} cannot be read: {reason}",
            "arrays of numbers or text saved with numpy.savez",
            "save it again without pickled objects",
        ) from None


def _find(arrays: Arrays, names: Sequence[str], words: Sequence[str]) -> str | None:
    candidates = (form for word in words for name in names for form in (f"{word}_{name}", f"{name}_{word}"))
    return next((name for name in candidates if name in arrays), None)


def _plain(path: Path, arrays: Arrays, inputs: Sequence[str], labels: Sequence[str], group: str | None) -> Rows:
    groups = _required(path, arrays, [group]) if group else None
    return Rows(_required(path, arrays, inputs), _required(path, arrays, labels), groups)


def _split(path: Path, arrays: Arrays, split: str, inputs: str, labels: Sequence[str], group: str | None) -> Rows:
    words = SPLIT_WORDS[split]
    found = _find(arrays, labels, words)
    groups = _find(arrays, [group], words) if group else None
    if found is None:
        raise _missing(path, arrays, [f"{words[0]}_{name}" for name in labels])
    if group and groups is None:
        raise _missing(path, arrays, [f"{words[0]}_{group}"])
    return Rows(arrays[inputs], arrays[found], arrays[groups] if groups else None)


def _required(path: Path, arrays: Arrays, names: Sequence[str]) -> Array:
    found = next((name for name in names if name in arrays), None)
    if found is None:
        raise _missing(path, arrays, names)
    return arrays[found]


def _missing(path: Path, arrays: Arrays, names: Sequence[str]) -> DataError:
    return DataError(
        f"{path.name} has no array called {' or '.join(names)}; it has {', '.join(arrays) or 'none'}",
        f"an array called {' or '.join(names)}",
        nearest(names[0], arrays) or "name the arrays with `input:` and `label:`",
    )
