"""`prepare_for`: what a user has (a sentence, an image file, a WAV file, arrays) -> what a model takes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from sartor.errors import InputError
from sartor.steps.audio import DecodeAudio, FitLength, as_clips, is_sound_file
from sartor.steps.base import Array, Step
from sartor.steps.filter_bank import FilterBank
from sartor.steps.prepare import apply_steps, numbers, prepare
from sartor.steps.prepared import SOLE, Prepared
from sartor.steps.rows import find_tokenise
from sartor.steps.specs import InputSpec, check_names, fits, for_model, wrong_shape
from sartor.steps.text import Tokenise


def prepare_for(steps: Sequence[Step], value: Any, specs: Sequence[InputSpec]) -> Prepared:
    """A batch for the model out of what a user has: one row, or many.

    `value` is one of:

    - a sentence or a list of them, if there is a `tokenise` step;
    - a WAV file, its bytes, samples, or a list of those, if the steps begin with `decode_audio`;
    - an image or numbers: see `prepare`;
    - {input name: numbers}, or a structured array, for a model with several inputs. They are taken as the model
      takes them, so token ids may come in place of sentences. The steps are applied to a sole input even if named.

    Args:
        steps: what `read_steps` returned.
        value: the row or rows.
        specs: the inputs of the model, in order.

    Returns:
        The arrays under the names of `specs`, of their types.

    Raises:
        InputError: the value does not fit the model; shows expected and got.
    """
    tokenise, fields = find_tokenise(steps), _fields(value)
    value = value.tolist() if _is_array_of_texts(value) else value
    if fields is not None:
        check_names(list(fields), specs)
        if tokenise is not None or len(specs) > 1:
            return for_model(_by_name(fields, specs), specs)
        value = fields[specs[0].name]
    if tokenise is not None:
        return for_model(_from_texts(tokenise, value), specs)
    if len(specs) > 1:
        names = ", ".join(spec.name for spec in specs)
        raise InputError(f"a {type(value).__name__} for a model that takes {names}", "{name: rows, ...}, all of them")
    if _is_sound(steps, value):
        return for_model(Prepared({SOLE: _from_sounds(steps, value)}), specs)
    return Prepared({specs[0].name: prepare(steps, value, specs[0].row_shape, specs[0].dtype)})


def _fields(value: Any) -> Mapping[str, Any] | None:
    if isinstance(value, Mapping):
        return value
    if isinstance(value, np.ndarray) and value.dtype.names is not None:
        return {name: value[name] for name in value.dtype.names}
    return None


def _is_array_of_texts(value: Any) -> bool:
    return isinstance(value, np.ndarray) and all(isinstance(item, str) for item in value.flat[:1])


def _by_name(fields: Mapping[str, Any], specs: Sequence[InputSpec]) -> Prepared:
    arrays = {spec.name: _many(numbers(fields[spec.name]), spec) for spec in specs}
    counts = {name: len(array) for name, array in arrays.items()}
    if len(set(counts.values())) > 1:
        shown = ", ".join(f"{count} of `{name}`" for name, count in counts.items())
        raise InputError(f"rows: {shown}", "as many rows of every input")
    return Prepared(arrays)


def _many(array: Array, spec: InputSpec) -> Array:
    """One row or many -> (n, *row_shape)."""
    one_row = spec.row_shape is not None and array.ndim == len(spec.row_shape)
    batch = array[np.newaxis] if one_row else array
    if not fits(batch.shape[1:], spec.row_shape):
        raise wrong_shape(array.shape, spec.row_shape, name=spec.name)
    return batch


def _from_texts(tokenise: Tokenise, value: Any) -> Prepared:
    texts = [value] if isinstance(value, str) else value
    if not isinstance(texts, (list, tuple)):
        raise InputError(f"a {type(value).__name__} for a sentence", "a sentence, or a list of sentences")
    return tokenise.apply(texts)


def _is_sound(steps: Sequence[Step], value: Any) -> bool:
    clips = isinstance(value, np.ndarray) and value.dtype == object
    return clips or (bool(steps) and isinstance(steps[0], (DecodeAudio, FitLength, FilterBank)))


def _from_sounds(steps: Sequence[Step], value: Any) -> Array:
    sounds = _sounds(value)
    if steps and isinstance(steps[0], DecodeAudio):
        return apply_steps(steps, steps[0].apply(sounds))
    if any(is_sound_file(sound) for sound in sounds):
        raise InputError("a file where samples are expected", "samples", "let `preprocess` begin with decode_audio")
    return apply_steps(steps, as_clips(sounds))


def _sounds(value: Any) -> list[Any]:
    """One sound or many -> a list of them; numbers of one dimension are one clip, of two are many."""
    if is_sound_file(value):
        return [value]
    if not isinstance(value, (list, tuple, np.ndarray)) or not len(value):
        raise InputError(f"{value!r} for a sound", "a WAV file, its bytes, samples, or a list of those")
    one_clip = not any(isinstance(item, (list, tuple, np.ndarray)) or is_sound_file(item) for item in value[:1])
    return [np.asarray(value)] if one_clip else list(value)
