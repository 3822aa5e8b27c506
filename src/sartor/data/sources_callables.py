"""Rows that the user's own function returns."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from sartor.data.callables import call_user, load_callable
from sartor.data.reading import Reading
from sartor.data.records import records_of
from sartor.data.rows import Array, Rows
from sartor.data.sound import as_objects
from sartor.errors import DataError, InputError
from sartor.steps.audio import DecodeAudio, as_clips


def read_callable(target: str, base: Path, reading: Reading) -> Rows:
    """(inputs, labels) as `package.module:function` returns them; without labels, inputs alone will do.

    Inputs are an array or what numpy makes of it, a list of texts, a mapping of model inputs to arrays, or for tasks
    on sound a list of clips at the rate of the step `decode_audio`.

    Raises:
        DataError: it returned something else.
        InputError: no such function.
        UserCodeError: it raised.
    """
    given = call_user(target, load_callable(target, base))
    inputs, labels = _parted(target, given, reading.labelled)
    clips = _clips(target, inputs, reading)
    if clips is not None:
        rate = DecodeAudio(reading.audio_rate or 0).as_dict()
        return Rows(clips, labels, input_steps=(rate,))
    if isinstance(inputs, Mapping):
        return Rows(records_of({name: _array(target, column) for name, column in inputs.items()}, target), labels)
    return Rows(_array(target, inputs), labels)


def _parted(target: str, given: Any, labelled: bool) -> tuple[Any, Array | None]:
    if isinstance(given, (tuple, list)) and len(given) == 2:
        return given[0], _array(target, given[1]) if labelled else None
    if not labelled and not isinstance(given, tuple):
        return given, None
    came = f"{len(given)} values" if isinstance(given, (tuple, list)) else f"a {type(given).__name__}"
    raise DataError(f"`{target}` returned {came}", "(inputs, labels)", "return both as arrays")


def _clips(target: str, inputs: Any, reading: Reading) -> Array | None:
    """Clips of several lengths, which are no array."""
    if not reading.takes_sound or isinstance(inputs, Mapping) or not isinstance(inputs, (list, np.ndarray)):
        return None
    if not all(isinstance(clip, np.ndarray) and clip.ndim == 1 for clip in inputs):
        return None
    if isinstance(inputs, np.ndarray) and inputs.dtype != object:
        return None
    if reading.audio_rate is None:
        raise DataError(
            f"`{target}` returned clips, whose sample rate is not known",
            "a step that says it",
            "begin with it: preprocess: [{decode_audio: {rate: 8000}}, ...]",
        )
    try:
        return as_clips(inputs) if len(inputs) else as_objects([])
    except InputError as problem:
        raise DataError(f"`{target}` returned {problem.came}", problem.allowed, problem.hint) from None


def _array(target: str, values: Any) -> Array:
    try:
        return np.asarray(values)
    except (ValueError, TypeError) as reason:
        raise DataError(
            f"`{target}` returned rows that do not form an array: {reason}",
            "rows of one shape",
            "pad or cut them",
        ) from None
