"""Checks: what a source gave becomes a Dataset that holds, or one clear error."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sartor.data.classes import encode_classes, order_of_model
from sartor.data.records import records_of
from sartor.data.rows import Array, Rows, what
from sartor.data.values import Dataset, Kind
from sartor.errors import DataError

_SHOWN = 5
# What rows that are no numbers are for; the features of anything can be extracted.
_TASKS = {"texts": "text-classification", "clips of sound": "audio-classification"}


@dataclass(frozen=True)
class Asked:
    """What the Need says about the rows of a source.

    Attributes:
        source: as the Need names it, for messages.
        task: the Need's task.
        labels: class names in the order of the model's outputs; empty if the Need gives none.
        model_classes: the class names that the model itself brings; used where they cover the labels.
        labelled: whether labels are wanted.
    """

    source: str
    task: str
    labels: tuple[str, ...] = ()
    model_classes: tuple[str, ...] = ()
    labelled: bool = True


def kind_of(task: str) -> Kind:
    """Whether the task's labels are classes or numbers; features are numbers, and never have labels.

    Raises:
        DataError: a task whose data cannot be read yet.
    """
    if task.endswith("-classification"):
        return "classification"
    if task.endswith("-regression") or task == "feature-extraction":
        return "regression"
    raise DataError(f"data for the task `{task}`", "a classification or regression task, or feature-extraction")


def clean(rows: Rows, asked: Asked) -> Dataset:
    """Check everything and settle types.

    Returns:
        inputs float32 or uint8 (whole numbers stay int64 where they may be token ids), texts, clips or
        records; labels int64 class numbers or float64 targets, zeros without labels.

    Raises:
        DataError: empty, lengths that differ, NaN or infinity, an empty text or clip, one class only, rows or
            labels that do not match the task, or labels that are not covered by `labels:`.
    """
    kind = kind_of(asked.task)
    _check_lengths(rows, asked.source)
    inputs = _clean_inputs(rows.inputs, asked.task, asked.source)
    classes, numbers, notes = _clean_labels(rows, kind, asked)
    return Dataset(
        inputs=inputs,
        labels=numbers,
        classes=classes,
        kind=kind,
        source=asked.source,
        groups=_group_numbers(rows.groups),
        given=rows.given,
        input_steps=rows.input_steps or _decoding(inputs, asked.task),
        labelled=asked.labelled,
        notes=rows.notes + notes,
    )


def _clean_labels(rows: Rows, kind: Kind, asked: Asked) -> tuple[tuple[str, ...], NDArray[Any], tuple[str, ...]]:
    """Class names, numbers, and what a reader should know about their order."""
    if not asked.labelled or rows.labels is None:
        return (), np.zeros(len(rows.inputs), dtype=np.int64), ()
    if kind == "regression":
        return (), _targets(rows.labels, asked.labels, asked.source), ()
    order, notes = asked.labels, tuple[str, ...]()
    if asked.model_classes and not order:
        order, notes = order_of_model(rows.labels, asked.model_classes, asked.source)
    classes, numbers = encode_classes(rows.labels, order, rows.classes, asked.source)
    return classes, numbers, notes


def _check_lengths(rows: Rows, source: str) -> None:
    if rows.inputs.ndim == 0 or (rows.labels is not None and rows.labels.ndim == 0):
        raise DataError(f"{source}: a single number for inputs or labels", "arrays with one entry per row")
    lengths = {"inputs": len(rows.inputs)}
    if rows.labels is not None:
        if rows.labels.size != len(rows.labels):
            raise DataError(
                f"{source}: labels of shape {rows.labels.shape}",
                "one label per row, shape (n,)",
                "give class numbers or names instead of one column per class",
            )
        lengths["labels"] = len(rows.labels)
    if rows.groups is not None:
        lengths["groups"] = len(rows.groups)
    if len(set(lengths.values())) > 1:
        came = ", ".join(f"{count} {name}" for name, count in lengths.items())
        raise DataError(f"{source}: {came}", "one label (and group) per input", "check how they were saved")
    if lengths["inputs"] == 0 or rows.inputs.size == 0:
        raise DataError(f"{source} holds no rows", "at least some rows per class", "check the source")


def _clean_inputs(inputs: Array, task: str, source: str) -> Array:
    kind = what(inputs)
    if kind.startswith("records"):
        return _clean_records(inputs, source)
    if kind in _TASKS and task not in (_TASKS[kind], "feature-extraction"):
        raise DataError(
            f"{source}: {kind} for the task `{task}`",
            "numbers",
            f"use {_TASKS[kind]}, or name arrays or columns of numbers with `input:`",
        )
    if kind == "texts":
        return _clean_texts(inputs, source)
    if kind == "clips of sound":
        return _clean_clips(inputs, source)
    if kind != "numbers":
        raise DataError(f"{source}: inputs that are {kind}", "numbers, texts, clips of sound, or records of numbers")
    return _clean_numbers(inputs, "inputs", source, whole=task in ("text-classification", "feature-extraction"))


def _clean_numbers(inputs: Array, what: str, source: str, whole: bool) -> Array:
    """uint8 as it is; other whole numbers as int64 if they may stay `whole`; else float32."""
    if inputs.dtype == np.uint8:
        return inputs
    if inputs.dtype.kind in "iu" and whole:
        return inputs.astype(np.int64, copy=False)
    with np.errstate(over="ignore"):  # what float32 cannot hold becomes infinity and is reported below
        numbers = inputs.astype(np.float32, copy=False)
    _check_finite(numbers, what, source)
    return numbers


def _clean_records(records: Array, source: str) -> Array:
    """Whole numbers stay whole in every field, since they may be the numbers of users or tokens."""
    fields: dict[str, Array] = {}
    for name in records.dtype.names or ():
        column = np.ascontiguousarray(records[name])
        if column.dtype == object:
            fields[name] = _clean_texts(column, f"{source}, input `{name}`")
        else:
            fields[name] = _clean_numbers(column, f"input `{name}`", source, whole=True)
    return records_of(fields, source)


def _clean_texts(texts: Array, source: str) -> Array:
    if texts.ndim != 1:
        raise DataError(f"{source}: texts of shape {texts.shape}", "one text per row, shape (n,)")
    held = texts.astype(object)
    empty = np.flatnonzero([not text.strip() for text in held])
    if len(empty):
        raise DataError(
            f"{source}: an empty text in {len(empty)} of {len(held)} rows: {show_rows(empty)}",
            "a text in every row",
            "leave these rows out",
        )
    return held


def _clean_clips(clips: Array, source: str) -> Array:
    empty = np.flatnonzero([not len(clip) for clip in clips])
    if len(empty):
        raise DataError(
            f"{source}: no samples in {len(empty)} of {len(clips)} clips: {show_rows(empty)}",
            "at least one sample per clip",
            "leave these clips out",
        )
    broken = np.flatnonzero([not np.isfinite(clip).all() for clip in clips])
    if len(broken):
        raise _not_finite(broken, "inputs", len(clips), source)
    return clips


def _check_finite(numbers: Array, what: str, source: str) -> None:
    finite = np.isfinite(numbers)
    if finite.all():
        return
    raise _not_finite(np.flatnonzero(~finite.reshape(len(numbers), -1).all(axis=1)), what, len(numbers), source)


def _not_finite(broken: NDArray[Any], what: str, count: int, source: str) -> DataError:
    return DataError(
        f"{source}: NaN or infinity in the {what} of {len(broken)} of {count} rows: {show_rows(broken)}",
        "finite numbers",
        "fill such values or leave these rows out",
    )


def show_rows(rows: NDArray[Any]) -> str:
    """The first few row numbers, for a message.

    >>> show_rows(np.array([3, 4]))
    'rows 3, 4 (the first row is 0)'
    """
    shown = ", ".join(map(str, rows[:_SHOWN].tolist()))
    return f"rows {shown}{', ...' if len(rows) > _SHOWN else ''} (the first row is 0)"


def _targets(given: Array, labels: tuple[str, ...], source: str) -> NDArray[np.float64]:
    if labels:
        raise DataError(
            f"class names in `labels:` ({', '.join(labels[:_SHOWN])}) for a regression task",
            "no `labels:`",
            "leave it out, or use a classification task",
        )
    try:
        numbers = given.reshape(len(given)).astype(np.float64)
    except (ValueError, TypeError):
        raise DataError(
            f"{source}: the label `{_first_text(given)}` for a regression task",
            "numbers",
            "use a classification task, or name the column of numbers with `label:`",
        ) from None
    _check_finite(numbers, "labels", source)
    return numbers


def _first_text(given: Array) -> str:
    """The first label that is no number."""
    for label in given.reshape(-1).tolist():
        try:
            float(label)
        except (ValueError, TypeError):
            return str(label)
    return str(given.reshape(-1)[0])


def _group_numbers(groups: Array | None) -> NDArray[np.int64] | None:
    if groups is None:
        return None
    _, numbers = np.unique(groups.astype(str), return_inverse=True)
    return numbers.reshape(-1).astype(np.int64)


def _decoding(inputs: Array, task: str) -> tuple[dict[str, Any], ...]:
    """Byte images decode from files, so a bundle can take image files even if the rows came as an array."""
    if task != "image-classification" or inputs.dtype != np.uint8 or inputs.ndim != 4:
        return ()
    mode = {1: "L", 3: "RGB"}.get(inputs.shape[1])
    return ({"decode_image": {"mode": mode, "size": list(inputs.shape[2:])}},) if mode else ()
