"""What one input of a model takes, and whether rows fit it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import DTypeLike

from sartor.errors import InputError, nearest
from sartor.steps.base import Array
from sartor.steps.prepared import SOLE, Prepared

RowShape = Sequence[int | str | None]  # a name or None stands for any size


@dataclass(frozen=True)
class InputSpec:
    """Name, element type (numpy name) and shape of one row of one input; None where the shape is not known yet."""

    name: str
    dtype: str
    row_shape: tuple[int | str | None, ...] | None = None


def fits(row: tuple[int, ...], row_shape: RowShape | None) -> bool:
    """Whether a row of shape `row` is what `row_shape` asks for; None takes any."""
    if row_shape is None:
        return True
    sizes = zip(row, row_shape, strict=False)
    return len(row) == len(row_shape) and all(not isinstance(want, int) or got == want for got, want in sizes)


def wrong_shape(got: tuple[int, ...], row_shape: RowShape | None, problem: str = "", name: str = "") -> InputError:
    """The error that shows expected and got; `name` where a model has several inputs."""
    expected = ", ".join(str(size) if size is not None else "any" for size in row_shape or ())
    reason = f" ({problem})" if problem else ""
    where = f" for `{name}`" if name else ""
    return InputError(
        f"got shape {got}{where}{reason}",
        f"expected rows of shape ({expected}), one or many",
        "check the input's shape",
    )


def cast_to(batch: Array, dtype: DTypeLike) -> Array:
    """`batch` as `dtype`.

    Raises:
        InputError: a whole-number type that does not hold the values: fractions, or too large.
    """
    wanted = np.dtype(dtype)
    if batch.dtype == wanted:
        return batch
    with np.errstate(invalid="ignore"):  # a number too large is found below
        cast = batch.astype(wanted)
    if wanted.kind in "iub" and not np.array_equal(cast, batch):
        problem = "fractions" if batch.dtype.kind == "f" and (batch % 1).any() else "numbers out of range"
        raise InputError(f"{problem} where the model takes whole numbers", f"{wanted} values")
    return cast


def for_model(prepared: Prepared, specs: Sequence[InputSpec]) -> Prepared:
    """Rows named, typed and restricted as a model takes them; the sole array takes the sole input's name.

    Rows of several lengths are padded to a length that a spec fixes.

    Raises:
        InputError: an input that the rows lack, rows of another shape or longer than a fixed length, or numbers
            that the input's type does not hold.
    """
    named = _named(prepared, specs)
    fixed = next((spec.row_shape[0] for spec in specs if spec.name in named.padding and spec.row_shape), None)
    if isinstance(fixed, int) and named.longest <= fixed:
        named = Prepared(named.of_length(fixed).arrays)
    for spec in specs:
        if not fits(named.row_shapes[spec.name], spec.row_shape):
            raise wrong_shape(named.row_shapes[spec.name], spec.row_shape, name=spec.name if len(specs) > 1 else "")
    arrays = {spec.name: cast_to(named.arrays[spec.name], spec.dtype) for spec in specs}
    return Prepared(arrays, named.lengths, named.padding)


def check_names(given: Sequence[Any], specs: Sequence[InputSpec]) -> None:
    """The names are those of the model's inputs, in any order.

    Raises:
        InputError: an unknown name (the nearest is in the hint), or one that is missing.
    """
    names = [spec.name for spec in specs]
    unknown = next((name for name in given if name not in names), None)
    if unknown is not None:
        raise InputError(f"no input is called `{unknown}`", ", ".join(names), nearest(str(unknown), names))
    missing = next((name for name in names if name not in given), None)
    if missing is not None:
        raise InputError(f"nothing for the input `{missing}`", f"all of {', '.join(names)}", f"add `{missing}`")


def _named(prepared: Prepared, specs: Sequence[InputSpec]) -> Prepared:
    names = [spec.name for spec in specs]
    try:
        return prepared.renamed(names)
    except KeyError:
        have = ", ".join(f"`{name}`" for name in prepared.arrays if name != SOLE) or "one array without a name"
        wants = ", ".join(f"`{name}`" for name in names)
        hint = "name them: {input: rows}, or let `inputs` of tokenise list them"
        raise InputError(f"the rows have {have}", f"the inputs of the model: {wants}", hint) from None
