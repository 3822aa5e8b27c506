"""Rows as a source gives them: read, but not yet checked."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sartor.errors import DataError

Array = NDArray[Any]


@dataclass(frozen=True)
class Rows:
    """What one source holds.

    Attributes:
        inputs: (n, ...) numbers; (n,) objects: texts, or clips of sound (float32 (samples,)); or (n,) records
            with one field for each input of the model.
        labels: (n,) texts or numbers, as they stand in the source; None without labels.
        groups: (n,) texts or numbers; None when ungrouped.
        given: row numbers of the splits that the source brings with it.
        classes: class names in the source's own order; empty when it has none.
        input_steps: declared steps that turn what a user has into `inputs`.
        notes: what a reader should know about how they were read.
    """

    inputs: Array
    labels: Array | None
    groups: Array | None = None
    given: Mapping[str, NDArray[np.int64]] = field(default_factory=dict)
    classes: tuple[str, ...] = ()
    input_steps: tuple[dict[str, Any], ...] = ()
    notes: tuple[str, ...] = ()


def join(parts: Sequence[tuple[str, Rows]]) -> Rows:
    """One Rows out of several, each under the name of its split.

    Raises:
        DataError: parts whose rows have different shapes.
    """
    for split, part in parts:
        _check_joins(split, part, parts[0][1])
    starts = np.cumsum([0, *(len(part.inputs) for _, part in parts)])
    numbers = [np.arange(low, high, dtype=np.int64) for low, high in pairwise(starts)]
    given = {split: rows for (split, _), rows in zip(parts, numbers, strict=True)}
    every = [part for _, part in parts]
    return Rows(
        inputs=np.concatenate([part.inputs for part in every]),
        labels=_join_optional([part.labels for part in every]),
        groups=_join_optional([part.groups for part in every]),
        given=given,
        classes=every[0].classes,
        input_steps=every[0].input_steps,
        notes=tuple(f"{split}: {note}" for split, part in parts for note in part.notes),
    )


def _join_optional(parts: Sequence[Array | None]) -> Array | None:
    """One array, if every part has one."""
    there = [part for part in parts if part is not None]
    return np.concatenate(there) if len(there) == len(parts) else None


def _check_joins(split: str, part: Rows, first: Rows) -> None:
    if part.labels is not None and len(part.inputs) != len(part.labels):
        raise DataError(
            f"{len(part.inputs)} inputs but {len(part.labels)} labels in {split}",
            "one label per input",
            "check how the two were saved",
        )
    if what(part.inputs) != what(first.inputs):
        raise DataError(
            f"{what(part.inputs)} in {split}, {what(first.inputs)} elsewhere", "one kind of rows in all splits"
        )
    if part.inputs.shape[1:] != first.inputs.shape[1:]:
        raise DataError(
            f"rows of shape {part.inputs.shape[1:]} in {split}, of shape {first.inputs.shape[1:]} elsewhere",
            "one shape for all splits",
            "prepare all splits alike",
        )
    if part.input_steps != first.input_steps:
        raise DataError(
            f"{split} decodes as {_steps(part)}, others as {_steps(first)}",
            "one form for all splits",
            "convert the files alike, or name the form in `preprocess:`, such as [{decode_audio: {rate: 8000}}]",
        )
    if _holds_text(part.labels) != _holds_text(first.labels):
        raise DataError(f"{split} has labels of another type than the other splits", "one kind of labels")


def what(inputs: Array) -> str:
    """The kind of rows in words: numbers, texts, clips of sound, or records of named fields."""
    if inputs.dtype.names is not None:
        return f"records of {', '.join(inputs.dtype.names)}"
    if inputs.dtype.kind == "U" or (inputs.dtype == object and all(isinstance(row, str) for row in inputs.flat)):
        return "texts"
    if inputs.dtype == object:
        clips = all(isinstance(row, np.ndarray) and row.ndim == 1 for row in inputs.flat)
        return "clips of sound" if clips else "objects"
    return "numbers" if inputs.dtype.kind in "biuf" else f"values of type {inputs.dtype}"


def _steps(part: Rows) -> str:
    return ", ".join(map(str, part.input_steps)) or "arrays"


def _holds_text(labels: Array | None) -> bool:
    return labels is not None and labels.dtype.kind in "OU"
