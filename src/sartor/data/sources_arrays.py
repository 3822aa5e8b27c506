"""Read `.npz` files: inputs, labels and groups by name, with or without splits of their own."""

from __future__ import annotations

import zipfile
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from sartor.data.reading import TEXT_NAMES, Reading
from sartor.data.records import records_of
from sartor.data.rows import Array, Rows, join
from sartor.data.sound import at_one_rate
from sartor.data.sources_sounds import flat_sounds, is_flat
from sartor.data.trees import SPLIT_WORDS
from sartor.errors import DataError, nearest

INPUTS = ("inputs", "x", "X", "images", "audio", *TEXT_NAMES)
_LABELS = ("labels", "y", "Y", "targets", "label")

_SHOWN = 4

Arrays = dict[str, Array]


@dataclass(frozen=True)
class _Part:
    """The arrays of one split: those with a word for it in their name; without words, all of them."""

    file: str
    arrays: Arrays
    words: tuple[str, ...] = ()

    def find(self, names: Sequence[str]) -> Array | None:
        """The first array of one of these names."""
        forms = [form for word in self.words for name in names for form in (f"{word}_{name}", f"{name}_{word}")]
        return next((self.arrays[name] for name in (forms if self.words else names) if name in self.arrays), None)

    def get(self, names: Sequence[str]) -> Array:
        """Like `find`.

        Raises:
            DataError: there is none.
        """
        found = self.find(names)
        if found is None:
            raise self._missing([f"{self.words[0]}_{name}" if self.words else name for name in names])
        return found

    def _missing(self, names: Sequence[str]) -> DataError:
        shown = " or ".join(names[:_SHOWN])
        return DataError(
            f"{self.file} has no array called {shown}; it has {', '.join(self.arrays) or 'none'}",
            f"an array called {shown}",
            nearest(names[0], self.arrays) or "name the arrays with `input:` and `label:`",
        )


def read_npz(path: Path, reading: Reading) -> Rows:
    """Arrays `inputs` (or x, X, images, audio, text) and `labels` (or y), or per split: `train_inputs`, `x_train`.

    With several names in `input:`, or a mapping of model inputs to names, rows are records. Sound may be stored as
    clips end to end; see `sources_sounds`.

    Raises:
        DataError: unreadable, pickled objects, or no array of the name that is looked for.
    """
    arrays = load_arrays(path)
    sound = reading.names[0] if reading.names else "audio"
    if is_flat(arrays, sound) and len(reading.names) < 2:
        return _flat(path, arrays, sound, reading)
    first = reading.names[:1] or INPUTS
    parts = {split: _Part(path.name, arrays, words) for split, words in SPLIT_WORDS.items()}
    parts = {split: part for split, part in parts.items() if part.find(first) is not None}
    if not parts:
        return _rows(_Part(path.name, arrays), reading)
    return join([(split, _rows(part, reading)) for split, part in parts.items()])


def load_arrays(path: Path) -> Arrays:
    """Every array of a file.

    Raises:
        DataError: unreadable, or pickled objects.
    """
    try:
        with np.load(path, allow_pickle=False) as file:
            return {name: file[name] for name in file.files}
    except (OSError, EOFError, ValueError, AttributeError, zipfile.BadZipFile, zlib.error) as reason:
        raise DataError(
            f"{path.name} cannot be read: {reason}",
            "arrays of numbers or text saved with numpy.savez",
            "save it again without pickled objects",
        ) from None


def _rows(part: _Part, reading: Reading) -> Rows:
    labels = [reading.label] if reading.label else _LABELS
    return Rows(
        inputs=_inputs(part, reading),
        labels=part.get(labels) if reading.labelled else None,
        groups=part.get([reading.group]) if reading.group else None,
    )


def _inputs(part: _Part, reading: Reading) -> Array:
    fields = reading.fields or {name: name for name in reading.names}
    if len(fields) > 1 or reading.fields:
        return records_of({field: part.get([name]) for field, name in fields.items()}, part.file)
    return part.get(reading.names or INPUTS)


def _flat(path: Path, arrays: Arrays, sound: str, reading: Reading) -> Rows:
    clips, steps = at_one_rate(flat_sounds(arrays, sound, path.name), reading.audio_rate, path.name)
    part = _Part(path.name, arrays)
    return Rows(
        inputs=clips,
        labels=part.get([reading.label] if reading.label else _LABELS) if reading.labelled else None,
        groups=part.get([reading.group]) if reading.group else None,
        input_steps=steps,
    )
