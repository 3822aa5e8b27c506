"""Checks: what a source gave becomes a Dataset that holds, or one clear error."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from sartor.data.classes import encode_classes
from sartor.data.rows import Array, Rows
from sartor.data.values import Dataset, Kind
from sartor.errors import DataError

_SHOWN = 5


def kind_of(task: str) -> Kind:
    """Whether the task's labels are classes or numbers.

    Raises:
        DataError: a task whose data cannot be read yet.
    """
    if task.endswith("-classification"):
        return "classification"
    if task.endswith("-regression"):
        return "regression"
    raise DataError(f"data for the task `{task}`", "a classification or regression task")


def clean(rows: Rows, task: str, labels: tuple[str, ...], source: str) -> Dataset:
    """Check everything and settle types.

    Returns:
        inputs float32 or uint8 (whole numbers stay int64 for text-classification: token ids), labels
        int64 class numbers or float64 targets.

    Raises:
        DataError: empty, lengths that differ, NaN or infinity, one class only, labels that do not
            match the task or are not covered by `labels:`.
    """
    kind = kind_of(task)
    classes: tuple[str, ...] = ()
    numbers: NDArray[Any]
    _check_lengths(rows, source)
    inputs = _clean_inputs(rows.inputs, task, source)
    if kind == "regression":
        numbers = _targets(rows.labels, labels, source)
    else:
        classes, numbers = encode_classes(rows.labels, labels, rows.classes, source)
    return Dataset(
        inputs=inputs,
        labels=numbers,
        classes=classes,
        kind=kind,
        source=source,
        groups=_group_numbers(rows.groups),
        given=rows.given,
        input_steps=rows.input_steps or _decoding(inputs, task),
    )


def _check_lengths(rows: Rows, source: str) -> None:
    if rows.inputs.ndim == 0 or rows.labels.ndim == 0:
        raise DataError(f"{source}: a single number for inputs or labels", "arrays with one entry per row")
    if rows.labels.size != len(rows.labels):
        raise DataError(
            f"{source}: labels of shape {rows.labels.shape}",
            "one label per row, shape (n,)",
            "give class numbers or names instead of one column per class",
        )
    lengths = {"inputs": len(rows.inputs), "labels": len(rows.labels)}
    if rows.groups is not None:
        lengths["groups"] = len(rows.groups)
    if len(set(lengths.values())) > 1:
        came = ", ".join(f"{count} {name}" for name, count in lengths.items())
        raise DataError(f"{source}: {came}", "one label (and group) per input", "check how they were saved")
    if lengths["inputs"] == 0 or rows.inputs.size == 0:
        raise DataError(f"{source} holds no rows", "at least some rows per class", "check the source")


def _clean_inputs(inputs: Array, task: str, source: str) -> Array:
    if inputs.dtype.kind not in "biuf":
        raise DataError(
            f"{source}: inputs of type {inputs.dtype}",
            "numbers",
            "turn text and categories into numbers first; text is not read yet",
        )
    if inputs.dtype == np.uint8:
        return inputs
    if inputs.dtype.kind in "iu" and task == "text-classification":
        return inputs.astype(np.int64, copy=False)
    with np.errstate(over="ignore"):  # what float32 cannot hold becomes infinity and is reported below
        numbers = inputs.astype(np.float32, copy=False)
    _check_finite(numbers, "inputs", source)
    return numbers


def _check_finite(numbers: Array, what: str, source: str) -> None:
    finite = np.isfinite(numbers)
    if finite.all():
        return
    broken = np.flatnonzero(~finite.reshape(len(numbers), -1).all(axis=1))
    raise DataError(
        f"{source}: NaN or infinity in the {what} of {len(broken)} of {len(numbers)} rows: {show_rows(broken)}",
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
