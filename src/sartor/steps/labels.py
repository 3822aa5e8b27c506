"""Outputs of a model -> what a user reads: a label with its probability, or a value."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from sartor.errors import CandidateError, ModelError
from sartor.steps.base import Array

Scores = Literal["auto", "logits", "probabilities"]
# float16 rounds each of a thousand probabilities; their sum still lies this close to 1.
_SUM_TOLERANCE = 1e-2


def as_columns(outputs: Array) -> NDArray[np.float64]:
    """(n,) or (n, k) -> (n, k) float64.

    Raises:
        ModelError: another number of dimensions.
        CandidateError: NaN or infinity in the outputs (`wrong-output`).
    """
    if outputs.ndim not in (1, 2):
        raise ModelError(
            f"an output of shape {outputs.shape}",
            "(n, classes), (n, 1) or (n,)",
            "give the model one flat head",
        )
    columns = outputs.reshape(outputs.shape[0], -1).astype(np.float64)
    broken = int(np.count_nonzero(~np.isfinite(columns).all(axis=1)))
    if broken:
        raise CandidateError("wrong-output", f"NaN or infinity in {broken} of {len(columns)} rows of the output")
    return columns


def scores_kind(outputs: Array) -> Literal["logits", "probabilities"]:
    """What the columns are, judged on all rows together.

    Probabilities lie in [0, 1] and, with more than one column, each row adds up to 1. On one row with
    one column this is a guess: decide it once on many rows and pass the answer on.
    """
    columns = as_columns(outputs)
    inside = bool(((columns >= 0) & (columns <= 1)).all())
    sums_up = columns.shape[1] == 1 or bool((np.abs(columns.sum(axis=1) - 1) <= _SUM_TOLERANCE).all())
    return "probabilities" if inside and sums_up else "logits"


def probabilities(outputs: Array, scores: Scores = "auto") -> NDArray[np.float64]:
    """(n, k) outputs -> (n, k) probabilities; (n,) and (n, 1) -> (n, 2).

    Softmax, or sigmoid for one column, unless the outputs are probabilities already.
    """
    columns = as_columns(outputs)
    already = (scores_kind(outputs) if scores == "auto" else scores) == "probabilities"
    if columns.shape[1] == 1:
        second = columns[:, 0] if already else _sigmoid(columns[:, 0])
        return np.stack([1 - second, second], axis=1)
    return columns if already else _softmax(columns)


def _softmax(logits: NDArray[np.float64]) -> NDArray[np.float64]:
    powers = np.exp(logits - logits.max(axis=1, keepdims=True))
    shares: NDArray[np.float64] = powers / powers.sum(axis=1, keepdims=True)
    return shares


def _sigmoid(logits: NDArray[np.float64]) -> NDArray[np.float64]:
    # tanh does not overflow where exp(-x) would.
    shares: NDArray[np.float64] = 0.5 * (1 + np.tanh(0.5 * logits))
    return shares


def to_labels(outputs: Array, classes: Sequence[str], scores: Scores = "auto") -> list[dict[str, Any]]:
    """One prediction per row.

    Args:
        outputs: (n, k) logits or probabilities, (n, 1) or (n,) for two classes or for regression.
        classes: names in the order of the columns; empty for regression.
        scores: what the outputs are; `auto` asks `scores_kind`.

    Returns:
        `{"label": name, "probability": p}` per row, or `{"value": v}` for regression.

    Raises:
        ModelError: the columns do not match the classes.
        CandidateError: NaN or infinity in the outputs.
    """
    columns = as_columns(outputs)
    if not classes:
        return _values(columns)
    shares = probabilities(columns, scores)
    if shares.shape[1] != len(classes):
        raise ModelError(
            f"an output with {columns.shape[1]} columns",
            f"{len(classes)} columns, one per class" + (" (or 1 for two classes)" if len(classes) == 2 else ""),
            "the classes are those of the data; name more or fewer with `labels:`",
        )
    best = shares.argmax(axis=1)
    return [
        {"label": classes[number], "probability": float(row[number])} for number, row in zip(best, shares, strict=True)
    ]


def _values(columns: NDArray[np.float64]) -> list[dict[str, Any]]:
    if columns.shape[1] != 1:
        raise ModelError(f"an output with {columns.shape[1]} columns for regression", "one column")
    return [{"value": float(value)} for value in columns[:, 0]]
