"""Labels as they stand in a source -> class names and class numbers."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sartor.data.rows import Array
from sartor.errors import DataError

_SHOWN = 8


def encode_classes(
    given: Array, labels: tuple[str, ...], own: tuple[str, ...], source: str
) -> tuple[tuple[str, ...], NDArray[np.int64]]:
    """Class names and (n,) class numbers.

    The order is that of `labels`, else the source's own, else sorted (by value when all are numbers).
    Whole numbers that are no names in `labels` are positions in it.

    Raises:
        DataError: fractions or missing labels, one class only, a label that `labels` does not cover.
    """
    texts, numbers = np.unique(_texts(given.reshape(len(given)), source), return_inverse=True)
    present = [str(text) for text in texts]
    if not labels:
        present = _plain_names(present, len(given), source)
    distinct = sorted(set(present))
    if len(distinct) < 2:
        raise DataError(
            f"{source}: every label is {distinct[0]}",
            "at least two classes",
            "check the label column, or name it with `label:`",
        )
    order = labels or own or _sorted(distinct)
    positions = _positions(distinct, order, source)
    table = np.array([positions[name] for name in present], dtype=np.int64)
    return order, table[numbers.reshape(-1)]


def order_of_model(
    given: Array, model_classes: tuple[str, ...], source: str
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The model's own class names as the order of classes, if every label is one of them or they are its positions.

    Numbers are positions only if there is one for each name: digits are not the first ten of a thousand classes.

    Returns:
        The order, empty if the names do not cover the labels, and then a note that says so.
    """
    present = [str(text) for text in np.unique(_texts(given.reshape(len(given)), source))]
    distinct = sorted(set(_plain_names(present, len(given), source)))
    named = all(name in model_classes for name in distinct)
    numbered = len(distinct) == len(model_classes) and _covered(distinct, model_classes) is not None
    if len(set(model_classes)) == len(model_classes) and (named or numbered):
        return model_classes, ()
    note = (
        f"the model calls its classes {_some(model_classes)}; the labels are {_some(distinct)}: "
        "their own order was taken, so check it, or name the order with `labels:`"
    )
    return (), (note,)


def _texts(given: Array, source: str) -> NDArray[np.str_]:
    if given.dtype.kind not in "biufUO":
        raise DataError(f"{source}: labels of type {given.dtype}", "class names or whole numbers")
    values = given.astype(np.int64) if given.dtype.kind == "b" else given
    texts = np.array([_text(value) for value in values.tolist()], dtype=np.str_)
    missing = np.flatnonzero(texts == "")
    if len(missing):
        raise DataError(
            f"{source}: no label (empty, NaN or infinity) in {len(missing)} of {len(texts)} rows,"
            f" first in row {missing[0]} (the first row is 0)",
            "a label for every row",
            "leave these rows out",
        )
    return texts


def _text(value: Any) -> str:
    """The class name; empty for what is no label."""
    if value is None or (isinstance(value, float) and not math.isfinite(value)):
        return ""
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return str(value).strip()


def _plain_names(present: list[str], rows: int, source: str) -> list[str]:
    """Whole numbers written alike (`1.0` is the class 1); quantities are refused.

    Whoever does have classes called 0.5 and 1.5 names them in `labels:`, and is not asked.
    """
    values = [_number(text) for text in present]
    if any(value is None for value in values):
        return present
    numbers = [value for value in values if value is not None]
    fractions = [value for value in numbers if not value.is_integer()]
    if fractions:
        raise _quantity(source, f"fractions such as {fractions[0]:.6g}")
    if len(set(numbers)) > max(20, rows // 2):
        raise _quantity(source, f"{len(set(numbers))} different numbers in {rows} rows")
    return [str(int(value)) for value in numbers]


def _number(text: str) -> float | None:
    try:
        value = float(text)
    except ValueError:
        return None
    return value if math.isfinite(value) else None


def _quantity(source: str, seen: str) -> DataError:
    return DataError(
        f"{source}: the labels are {seen}, for a classification task",
        "class names or whole numbers",
        "for quantities use the task tabular-regression; for classes of such names list them in `labels:`",
    )


def _sorted(names: list[str]) -> tuple[str, ...]:
    return tuple(sorted(names, key=int) if all(map(_is_whole, names)) else sorted(names))


def _positions(present: list[str], order: tuple[str, ...], source: str) -> dict[str, int]:
    if len(set(order)) < len(order):
        raise DataError(f"`labels:` repeats a name: {_some(order)}", "every class once")
    found = _covered(present, order)
    if found is not None:
        return found
    raise DataError(
        f"{source}: labels that `labels:` does not name: {_some([name for name in present if name not in order])}",
        _some(order),
        "add them to `labels:`, or leave `labels:` out",
    )


def _covered(present: list[str], order: tuple[str, ...]) -> dict[str, int] | None:
    """Class number of each label, as a name in `order` or as a position in it; None if one is neither."""
    if all(name in order for name in present):
        return {name: order.index(name) for name in present}
    if all(_is_whole(name) and 0 <= int(name) < len(order) for name in present):
        return {name: int(name) for name in present}
    return None


def _is_whole(text: str) -> bool:
    return text.removeprefix("-").isdecimal()


def _some(names: Sequence[str]) -> str:
    return ", ".join(names[:_SHOWN]) + (", ..." if len(names) > _SHOWN else "")
