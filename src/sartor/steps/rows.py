"""`prepare_rows`: declared steps over the rows of a data set, whatever kind of rows they are."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from sartor.errors import InputError
from sartor.steps.base import Array, Step
from sartor.steps.prepare import apply_steps
from sartor.steps.prepared import SOLE, Prepared
from sartor.steps.text import Tokenise

_ROWS_A_PART = 256  # what the steps hold in between is bounded; only the result is as long as the data


def prepare_rows(steps: Sequence[Step], inputs: Array) -> Prepared:
    """Rows of a data set as a model takes them.

    Args:
        steps: what `read_steps` or `fit_steps` returned.
        inputs: (n, ...) numbers; (n,) texts; (n,) clips of sound, at the rate of a `decode_audio` step if there
            is one; or (n,) records (a structured array), one field for each input of the model.

    Returns:
        One array without a name; with a `tokenise` step those it declares; for records one for each field.

    Raises:
        InputError: rows that the steps cannot work on, texts without `tokenise`, or records with steps.
    """
    if inputs.dtype.names is not None:
        return _records(steps, inputs)
    tokenise = find_tokenise(steps)
    if tokenise is not None:
        return tokenise.apply(inputs)
    return Prepared({SOLE: _in_parts(steps, inputs)})


def find_tokenise(steps: Sequence[Step]) -> Tokenise | None:
    """The `tokenise` step, which stands alone.

    Raises:
        InputError: other steps beside it.
    """
    found = next((step for step in steps if isinstance(step, Tokenise)), None)
    if found is not None and len(steps) > 1:
        others = ", ".join(name for step in steps if step is not found for name in step.as_dict())
        raise InputError(f"tokenise beside {others}", "tokenise alone: it gives what the model takes", "remove them")
    return found


def _records(steps: Sequence[Step], inputs: Array) -> Prepared:
    fields = inputs.dtype.names or ()
    if steps:
        raise InputError(
            f"steps on rows with several inputs ({', '.join(fields)})",
            "no `preprocess` for them: each field is taken as it is",
            "prepare the arrays before they are read",
        )
    return Prepared({name: np.ascontiguousarray(inputs[name]) for name in fields})


def _in_parts(steps: Sequence[Step], inputs: Array) -> Array:
    """Rows do not depend on each other, so any parts give the same result."""
    if not steps or len(inputs) <= _ROWS_A_PART:
        return apply_steps(steps, inputs)
    first = apply_steps(steps, inputs[:_ROWS_A_PART])
    prepared = np.empty((len(inputs), *first.shape[1:]), dtype=first.dtype)
    prepared[:_ROWS_A_PART] = first
    for start in range(_ROWS_A_PART, len(inputs), _ROWS_A_PART):
        prepared[start : start + _ROWS_A_PART] = apply_steps(steps, inputs[start : start + _ROWS_A_PART])
    return prepared
