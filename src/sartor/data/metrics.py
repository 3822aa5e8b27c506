"""The metrics: one table, each with its direction, range and the kind of labels it is for.

Letters: n rows, k classes. Outputs are what a model returns: logits or probabilities (n, k), a score
for two classes or a value (n, 1) or (n,).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sartor.data.callables import call_user, is_callable_target, load_callable
from sartor.data.values import Kind
from sartor.errors import DataError, ModelError, NeedError, nearest
from sartor.steps.labels import as_columns, probabilities, scores_kind

Array = NDArray[Any]


@dataclass(frozen=True)
class Metric:
    """How a quality is computed and read.

    Attributes:
        name: as the Need says it.
        higher_is_better: direction.
        low: smallest possible value.
        high: largest possible value.
        kinds: labels it is for.
        function: (labels (n,), outputs) -> value.
    """

    name: str
    higher_is_better: bool
    low: float
    high: float
    kinds: tuple[Kind, ...]
    function: Callable[[Array, Array], float]


def predicted_classes(outputs: Array) -> NDArray[np.int64]:
    """(n, k) -> (n,) class with the largest output; (n,) or (n, 1) -> 0 or 1, split at probability 0.5.

    Raises:
        CandidateError: NaN or infinity in the outputs.
    """
    columns = as_columns(outputs)
    if columns.shape[1] > 1:
        best: NDArray[np.int64] = columns.argmax(axis=1).astype(np.int64)
        return best
    threshold = 0.5 if scores_kind(outputs) == "probabilities" else 0.0
    return (columns[:, 0] > threshold).astype(np.int64)


def class_scores(outputs: Array) -> NDArray[np.float64]:
    """Probabilities: (n,) of the second class for two classes (k of 1 or 2), else (n, k)."""
    shares = probabilities(outputs)
    return shares[:, 1] if shares.shape[1] == 2 else shares


def find_metric(name: str, kind: Kind | None = None, base: Path | None = None) -> Metric:
    """The metric of that name; `package.module:function` is the user's own.

    A custom metric counts as higher-is-better unless the function has an attribute `higher_is_better`
    that says otherwise.

    Args:
        name: a name in the table, or `package.module:function`.
        kind: of the labels; None skips the check.
        base: folder that custom metrics can be imported from, beside the current one.

    Raises:
        NeedError: unknown (the nearest name is in the hint), or not for this kind of labels.
        InputError: a custom metric that does not exist.
    """
    if is_callable_target(name):
        return _custom(name, base or Path.cwd())
    if name not in METRICS:
        raise NeedError(
            f"unknown metric `{name}`",
            f"{', '.join(METRICS)}, or package.module:function",
            nearest(name, METRICS),
        )
    metric = METRICS[name]
    if kind is not None and kind not in metric.kinds:
        fitting = [other.name for other in METRICS.values() if kind in other.kinds]
        raise NeedError(f"metric `{name}` for {kind}", ", ".join(fitting), f"`{name}` is for {metric.kinds[0]}")
    return metric


def evaluate(name: str, labels: Array, outputs: Array, base: Path | None = None) -> float:
    """The value of a metric.

    Args:
        name: a name in the table, or `package.module:function`, called with (labels, outputs).
        labels: (n,) class numbers or targets.
        outputs: (n, k) logits or probabilities, (n, 1) or (n,).
        base: see `find_metric`.

    Raises:
        NeedError: unknown metric.
        DataError: lengths differ, no rows, or a metric that these labels leave undefined.
        ModelError: outputs of the wrong shape.
        CandidateError: NaN or infinity in the outputs.
        UserCodeError: a custom metric raised.
    """
    labels, outputs = np.asarray(labels), np.asarray(outputs)
    if outputs.ndim == 0 or len(labels) != len(outputs) or len(labels) == 0:
        raise DataError(
            f"{labels.size} labels and outputs of shape {outputs.shape}",
            "one output for each label, at least one",
        )
    return find_metric(name, base=base).function(labels, outputs)


def _custom(target: str, base: Path) -> Metric:
    function = load_callable(target, base)

    def value(labels: Array, outputs: Array) -> float:
        returned = call_user(target, function, labels, outputs)
        try:
            number = float(returned)
        except (TypeError, ValueError):
            number = math.nan
        if not math.isfinite(number):
            raise NeedError(f"metric `{target}` returned {returned!r}", "a finite number")
        return number

    higher = bool(getattr(function, "higher_is_better", True))
    return Metric(target, higher, -math.inf, math.inf, ("classification", "regression"), value)


def _check_columns(labels: Array, outputs: Array) -> None:
    """A label beyond the columns would count as an error of the model, though it cannot be right."""
    columns = as_columns(outputs).shape[1]
    classes = max(columns, 2)
    if int(labels.max()) >= classes:
        raise ModelError(
            f"outputs for {classes} classes, but labels up to {int(labels.max())}",
            "one column per class",
            "the model was made for fewer classes than the data has",
        )


def _accuracy(labels: Array, outputs: Array) -> float:
    _check_columns(labels, outputs)
    return float(np.mean(predicted_classes(outputs) == labels))


def _f1(labels: Array, outputs: Array) -> float:
    """Mean of 2 TP / (2 TP + FP + FN) over the classes that occur in the labels or the predictions."""
    _check_columns(labels, outputs)
    predicted = predicted_classes(outputs)
    size = int(max(labels.max(), predicted.max())) + 1
    right = np.bincount(labels[predicted == labels].astype(np.int64), minlength=size)
    seen = np.bincount(labels.astype(np.int64), minlength=size) + np.bincount(predicted, minlength=size)
    occurs = seen > 0
    return float(np.mean(2 * right[occurs] / seen[occurs]))


def _auc(labels: Array, outputs: Array) -> float:
    """Area under the ROC curve; for more than two classes the mean of each class against the rest.

    Classes without rows are left out of the mean.
    """
    _check_columns(labels, outputs)
    columns = as_columns(outputs)
    if columns.shape[1] == 1:
        return _area(labels == 1, columns[:, 0])
    if columns.shape[1] == 2:
        # The difference orders rows as the probability does, and does not round off at 0 and 1.
        return _area(labels == 1, columns[:, 1] - columns[:, 0])
    shares = probabilities(outputs)
    present = np.unique(labels).astype(np.int64)
    return float(np.mean([_area(labels == number, shares[:, number]) for number in present]))


def _area(positive: NDArray[np.bool_], scores: NDArray[np.float64]) -> float:
    """Share of (positive, negative) pairs in the right order, ties half: the Mann-Whitney statistic."""
    positives, negatives = int(positive.sum()), int((~positive).sum())
    if positives == 0 or negatives == 0:
        raise DataError("auc on labels of one class only", "rows of at least two classes", "use accuracy")
    _, inverse, counts = np.unique(scores, return_inverse=True, return_counts=True)
    ranks = np.cumsum(counts) - (counts - 1) / 2
    above = float(ranks[inverse.reshape(-1)][positive].sum()) - positives * (positives + 1) / 2
    return above / (positives * negatives)


def _rmse(labels: Array, outputs: Array) -> float:
    columns = as_columns(outputs)
    if columns.shape[1] != 1:
        raise ModelError(f"an output of shape {outputs.shape} for regression", "(n,) or (n, 1)")
    return float(np.sqrt(np.mean((columns[:, 0] - labels) ** 2)))


METRICS: dict[str, Metric] = {
    metric.name: metric
    for metric in (
        Metric("accuracy", True, 0.0, 1.0, ("classification",), _accuracy),
        Metric("f1", True, 0.0, 1.0, ("classification",), _f1),
        Metric("auc", True, 0.0, 1.0, ("classification",), _auc),
        Metric("rmse", False, 0.0, math.inf, ("regression",), _rmse),
    )
}
