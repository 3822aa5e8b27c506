"""Run steps over arrays: `apply_steps` over rows that are there, `prepare` over what a user has for one input."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import DTypeLike

from sartor.errors import InputError
from sartor.steps.arithmetic import Standardise, fit_standardise
from sartor.steps.audio import one_length
from sartor.steps.base import Array, Step
from sartor.steps.images import CHANNELS, DecodeImage, is_image
from sartor.steps.prepared import Prepared
from sartor.steps.resize import CenterCrop, Resize, ResizeShortest
from sartor.steps.specs import RowShape, cast_to, fits, wrong_shape

_ON_IMAGES = (DecodeImage, Resize, ResizeShortest, CenterCrop)


def apply_steps(steps: Sequence[Step], inputs: Array) -> Array:
    """Run `steps` over a batch (n, ...), or over (n,) clips of sound.

    Returns:
        (n, ...) float32; arrays of int32 or int64 that no step turned into float stay as they are,
        since those are token ids.

    Raises:
        InputError: a step cannot work on the shape it meets, clips that no step brought to one length, texts,
            or a `tokenise` step, which gives several arrays (`prepare_rows` takes it).
    """
    batch = inputs
    for step in steps:
        batch = _applied(step, batch)
    batch = one_length(_no_texts(batch))
    return batch if batch.dtype in (np.int32, np.int64) else batch.astype(np.float32, copy=False)


def fit_steps(steps: Sequence[Step], train_inputs: Array) -> tuple[Step, ...]:
    """Fit every `standardise` that has no values yet on train rows, after the steps before it."""
    fitted: list[Step] = list(steps)
    waiting = [position for position, step in enumerate(steps) if isinstance(step, Standardise) and not step.fitted]
    batch, done = train_inputs, 0
    for position in waiting:
        for step in fitted[done:position]:
            batch = _applied(step, batch)
        fitted[position], done = fit_standardise(one_length(_no_texts(batch))), position
    return tuple(fitted)


def _applied(step: Step, batch: Array) -> Array:
    result = step.apply(batch)
    if isinstance(result, Prepared):
        raise InputError(
            "tokenise beside other steps", "tokenise alone: it gives what the model takes", "remove the other steps"
        )
    return result


def _no_texts(batch: Array) -> Array:
    if batch.dtype.kind == "U" or (batch.dtype == object and any(isinstance(item, str) for item in batch[:1])):
        raise InputError("texts where numbers are expected", "numbers", "let `preprocess` be a tokenise step")
    return batch


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
    if not fits(prepared.shape[1:], row_shape):
        raise wrong_shape(prepared.shape[1:], row_shape)
    return cast_to(prepared, dtype)


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
            f"a file or text ({shown}) where numbers are expected",
            "an array or nested lists of numbers",
            "for images let `preprocess` begin with decode_image, for sounds with decode_audio; for texts let it be "
            "tokenise",
        )
    # One by one: files of several sizes only fit into one array after a resize.
    rows = [apply_steps(steps[1:], steps[0].apply([image])) for image in images]
    if len({row.shape for row in rows}) > 1:
        raise InputError("images of several sizes", "images of one size", "add a resize step")
    return np.concatenate(rows)


def _prepare_numbers(steps: Sequence[Step], value: Any, row_shape: RowShape | None) -> Array:
    found = numbers(value)
    problems: list[InputError] = []
    for batch in _readings(steps, found, row_shape):
        try:
            prepared = apply_steps(steps, batch)
        except InputError as problem:
            problems.append(problem)
            continue
        if fits(prepared.shape[1:], row_shape):
            return prepared
    if row_shape is None:
        raise problems[0]
    raise wrong_shape(found.shape, row_shape, problems[0].came if problems else "")


def _readings(steps: Sequence[Step], found: Array, row_shape: RowShape | None) -> list[Array]:
    """The ways to read numbers as a batch, the first that fits wins."""
    one_row = found[np.newaxis]
    if steps and isinstance(steps[0], _ON_IMAGES):
        return _image_readings(found, steps[0])
    if row_shape is not None:
        return [found, one_row] if found.ndim else [one_row, one_row[np.newaxis]]
    if found.ndim == 0:
        return [found.reshape(1, 1)]
    return [one_row] if found.ndim == 1 else [found]


def _image_readings(found: Array, step: Step) -> list[Array]:
    channels = CHANNELS[step.mode] if isinstance(step, DecodeImage) else None
    if found.ndim == 2:
        return [found[np.newaxis, np.newaxis]]
    if found.ndim == 3 and channels in (None, found.shape[0]):
        return [found[np.newaxis]]
    if found.ndim == 3 and found.shape[2] == channels:
        return [found.transpose(2, 0, 1)[np.newaxis]]
    if found.ndim == 4 and found.shape[3] == channels != found.shape[1]:
        return [found.transpose(0, 3, 1, 2)]
    return [found]


def numbers(value: Any) -> Array:
    """An array, or nested lists of one shape.

    Raises:
        InputError: lists of several shapes, no numbers, no rows, or NaN or infinity.
    """
    try:
        found = np.asarray(value)
    except (ValueError, TypeError) as reason:
        raise InputError(
            f"rows that do not form an array: {reason}", "rows of one shape", "give every row the same length"
        ) from None
    if found.dtype.kind not in "biuf":
        raise InputError(f"values of type {found.dtype}", "numbers", "the steps here take numbers only")
    if found.size == 0:
        raise InputError(f"an empty array of shape {found.shape}", "at least one row")
    if not np.isfinite(found).all():
        raise InputError("NaN or infinity in the input", "finite numbers", "fill or remove such values")
    return found
