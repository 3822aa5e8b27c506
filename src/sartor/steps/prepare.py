"""Run steps: over arrays (`apply_steps`), or over what a user has (`prepare`)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import DTypeLike

from sartor.errors import InputError
from sartor.steps.arithmetic import Standardise, fit_standardise
from sartor.steps.base import Array, Step
from sartor.steps.images import CHANNELS, DecodeImage, Resize, is_image

RowShape = Sequence[int | str | None]  # a name or None stands for any size


def apply_steps(steps: Sequence[Step], inputs: Array) -> Array:
    """Run `steps` over a batch (n, ...).

    Returns:
        (n, ...) float32; arrays of int32 or int64 that no step turned into float stay as they are,
        since those are token ids.

    Raises:
        InputError: a step cannot work on the shape it meets.
    """
    batch = inputs
    for step in steps:
        batch = step.apply(batch)
    return batch if batch.dtype in (np.int32, np.int64) else batch.astype(np.float32, copy=False)


def fit_steps(steps: Sequence[Step], train_inputs: Array) -> tuple[Step, ...]:
    """Fit every `standardise` that has no values yet on train rows, after the steps before it."""
    fitted: list[Step] = []
    batch = train_inputs
    for position, step in enumerate(steps):
        known = fit_standardise(batch) if isinstance(step, Standardise) and not step.fitted else step
        fitted.append(known)
        if position + 1 < len(steps):
            batch = known.apply(batch)
    return tuple(fitted)


def prepare(
    steps: Sequence[Step],
    value: Any,
    row_shape: RowShape | None = None,
    dtype: DTypeLike = np.float32,
) -> Array:
    """A batch for the model out of what a user has.

    `value` is one row or many rows:

    - an image (path, bytes, Pillow image) or a list of them, if the steps begin with `decode_image`;
    - numbers (array, nested lists). With `row_shape` they are read as many rows if that gives rows of
      this shape, else as one row. Without it, numbers of one dimension are one row and more
      dimensions are many rows; for steps on images four dimensions are many rows, fewer are one.
      One grey image may come as (h, w), one colour image as (h, w, 3).

    Args:
        steps: what `read_steps` returned.
        value: the row or rows.
        row_shape: shape of one prepared row, what the model takes; a name or None fits any size.
        dtype: element type that the model takes.

    Returns:
        (n, *row_shape) of `dtype`.

    Raises:
        InputError: wrong shape (expected and got are shown), not numbers, NaN or infinity, or an image
            that cannot be read.
    """
    images = _images(value)
    prepared = _prepare_images(steps, images) if images else _prepare_numbers(steps, value, row_shape)
    if not _fits(prepared.shape[1:], row_shape):
        raise _wrong_shape(prepared.shape[1:], row_shape)
    return _cast(prepared, np.dtype(dtype))


def _images(value: Any) -> list[Any]:
    if is_image(value):
        return [value]
    if isinstance(value, (list, tuple)) and value and all(is_image(item) for item in value):
        return list(value)
    return []


def _prepare_images(steps: Sequence[Step], images: list[Any]) -> Array:
    if not steps or not isinstance(steps[0], DecodeImage):
        shown = "bytes" if isinstance(images[0], (bytes, bytearray)) else repr(images[0])
        raise InputError(
            f"an image or text ({shown}) where numbers are expected",
            "an array or nested lists of numbers",
            "if these are images, let `preprocess` begin with decode_image",
        )
    # One by one: files of several sizes only fit into one array after a resize.
    rows = [apply_steps(steps[1:], steps[0].apply([image])) for image in images]
    if len({row.shape for row in rows}) > 1:
        raise InputError("images of several sizes", "images of one size", "add a resize step")
    return np.concatenate(rows)


def _prepare_numbers(steps: Sequence[Step], value: Any, row_shape: RowShape | None) -> Array:
    numbers = _numbers(value)
    problems: list[InputError] = []
    for batch in _readings(steps, numbers, row_shape):
        try:
            prepared = apply_steps(steps, batch)
        except InputError as problem:
            problems.append(problem)
            continue
        if _fits(prepared.shape[1:], row_shape):
            return prepared
    if row_shape is None:
        raise problems[0]
    raise _wrong_shape(numbers.shape, row_shape, problems[0].came if problems else "")


def _readings(steps: Sequence[Step], numbers: Array, row_shape: RowShape | None) -> list[Array]:
    """The ways to read `numbers` as a batch, the first that fits wins."""
    one_row = numbers[np.newaxis]
    if steps and isinstance(steps[0], (DecodeImage, Resize)):
        return _image_readings(numbers, steps[0])
    if row_shape is not None:
        return [numbers, one_row] if numbers.ndim else [one_row, one_row[np.newaxis]]
    if numbers.ndim == 0:
        return [numbers.reshape(1, 1)]
    return [one_row] if numbers.ndim == 1 else [numbers]


def _image_readings(numbers: Array, step: Step) -> list[Array]:
    channels = CHANNELS[step.mode] if isinstance(step, DecodeImage) else None
    if numbers.ndim == 2:
        return [numbers[np.newaxis, np.newaxis]]
    if numbers.ndim == 3 and channels in (None, numbers.shape[0]):
        return [numbers[np.newaxis]]
    if numbers.ndim == 3 and numbers.shape[2] == channels:
        return [numbers.transpose(2, 0, 1)[np.newaxis]]
    if numbers.ndim == 4 and numbers.shape[3] == channels != numbers.shape[1]:
        return [numbers.transpose(0, 3, 1, 2)]
    return [numbers]


def _numbers(value: Any) -> Array:
    try:
        numbers = np.asarray(value)
    except (ValueError, TypeError) as reason:
        raise InputError(
            f"rows that do not form an array: {reason}", "rows of one shape", "give every row the same length"
        ) from None
    if numbers.dtype.kind not in "biuf":
        raise InputError(f"values of type {numbers.dtype}", "numbers", "the steps here take numbers only")
    if numbers.size == 0:
        raise InputError(f"an empty array of shape {numbers.shape}", "at least one row")
    if not np.isfinite(numbers).all():
        raise InputError("NaN or infinity in the input", "finite numbers", "fill or remove such values")
    return numbers


def _fits(row: tuple[int, ...], row_shape: RowShape | None) -> bool:
    if row_shape is None:
        return True
    sizes = zip(row, row_shape, strict=False)
    return len(row) == len(row_shape) and all(not isinstance(want, int) or got == want for got, want in sizes)


def _wrong_shape(got: tuple[int, ...], row_shape: RowShape | None, problem: str = "") -> InputError:
    expected = ", ".join(str(size) if size is not None else "any" for size in row_shape or ())
    reason = f" ({problem})" if problem else ""
    return InputError(
        f"got shape {got}{reason}",
        f"expected rows of shape ({expected}), one or many",
        "check the input's shape",
    )


def _cast(batch: Array, dtype: np.dtype[Any]) -> Array:
    if batch.dtype == dtype:
        return batch
    cast = batch.astype(dtype)
    if dtype.kind in "iu" and not np.array_equal(cast, batch):
        raise InputError("fractions where the model takes whole numbers", f"{dtype} values")
    return cast
