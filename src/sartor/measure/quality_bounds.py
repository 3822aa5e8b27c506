"""From outputs to bounds: the one place that knows which statistic belongs to which metric."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from sartor.data.metrics import class_scores, evaluate, predicted_classes
from sartor.data.values import Kind
from sartor.measure import statistics
from sartor.measure.statistics import Bounds
from sartor.need import AGREEMENT, Limit
from sartor.need.limit import QUALITY_METRICS
from sartor.runtime.base import Array

_EVALUATIONS = 5  # of a user's function on the same answers, to see whether it always gives the same


@dataclass(frozen=True)
class Outputs:
    """What was seen on the same rows, in the same order.

    Attributes:
        labels: (n,) class numbers or values.
        outputs: (n, k) outputs of the variant.
        baseline: (n, k) outputs of the baseline; None where nothing is compared.
        kind: whether outputs are scores of classes or numbers.
    """

    labels: Array
    outputs: Array
    baseline: Array | None = None
    kind: Kind = "classification"

    def head(self, rows: int) -> Outputs:
        """The first `rows` rows."""
        baseline = None if self.baseline is None else self.baseline[:rows]
        return Outputs(self.labels[:rows], self.outputs[:rows], baseline, self.kind)


def metric_bounds(metric: str, seen: Outputs, alpha: float, base: Path, seed: int = 0) -> Bounds:
    """Bounds of the metric itself, each one-sided at 1 - alpha."""
    if metric == AGREEMENT:
        return _agreement_bounds(seen, alpha)
    if metric == "accuracy":
        return statistics.proportion_bounds(int(_correct(seen.outputs, seen.labels).sum()), len(seen.labels), alpha)
    if metric == "f1":
        classes = _class_count(seen)
        return statistics.macro_f1_bounds(seen.labels, predicted_classes(seen.outputs), classes, alpha, seed)
    if metric == "auc" and class_scores(seen.outputs).ndim == 1:
        return statistics.auc_bounds(seen.labels, class_scores(seen.outputs), alpha)
    if metric == "rmse":
        return statistics.rmse_bounds(_errors(seen.outputs, seen.labels), alpha)
    return _resampled(metric, _statistic(metric, seen, base), len(seen.labels), alpha, seed)


def restlessness(metric: str, seen: Outputs, base: Path) -> float:
    """How far apart the values are that a metric gives for the same answers: 0 for all but a user's own function."""
    return _apart(metric, _statistic(metric, seen, base), len(seen.labels)) if metric != AGREEMENT else 0.0


def limit_bounds(limit: Limit, seen: Outputs, alpha: float, base: Path, seed: int = 0) -> Bounds:
    """Bounds of the quantity that a quality limit speaks of: the metric, or its drop from the baseline.

    A drop is how much worse the variant is than the baseline: a difference, or for a relative limit a
    share of the baseline's value. For `rmse` it is how much the error rises.
    """
    if not limit.is_drop:
        return metric_bounds(limit.metric, seen, alpha, base, seed)
    assert seen.baseline is not None, "a drop needs the baseline's outputs"
    if limit.metric == "accuracy":
        return _accuracy_drop(limit, seen, alpha)
    if limit.relative or limit.metric not in ("f1", "auc", "rmse"):
        return _resampled(limit.metric, _drop_statistic(limit, seen, base), len(seen.labels), alpha, seed)
    return _difference_bounds(limit.metric, seen, alpha, base, seed)


def _difference_bounds(metric: str, seen: Outputs, alpha: float, base: Path, seed: int) -> Bounds:
    labels, baseline = seen.labels, seen.baseline
    assert baseline is not None
    if metric == "f1":
        before, after = predicted_classes(baseline), predicted_classes(seen.outputs)
        return statistics.paired_macro_f1_drop_bounds(labels, before, after, _class_count(seen), alpha, seed)
    if metric == "auc" and class_scores(seen.outputs).ndim == 1:
        scores = class_scores(baseline), class_scores(seen.outputs)
        return statistics.paired_auc_drop_bounds(labels, *scores, alpha)
    if metric == "rmse":
        errors = _errors(baseline, labels), _errors(seen.outputs, labels)
        return statistics.paired_rmse_increase_bounds(*errors, alpha)
    drop = Limit(f"{metric}_drop", "<=", 0.0, "pt")
    return _resampled(metric, _drop_statistic(drop, seen, base), len(labels), alpha, seed)


def _resampled(
    metric: str, statistic: Callable[[NDArray[np.intp]], float], rows: int, alpha: float, seed: int
) -> Bounds:
    """Bounds for any metric, wider by how far apart its values for the same answers are."""
    bounds = statistics.resampled_bounds(statistic, rows, alpha, seed)
    apart = _apart(metric, statistic, rows)
    return Bounds(bounds.value, bounds.low - apart, bounds.high + apart)


def _apart(metric: str, statistic: Callable[[NDArray[np.intp]], float], rows: int) -> float:
    if metric in QUALITY_METRICS:
        return 0.0
    values = [statistic(np.arange(rows)) for _ in range(_EVALUATIONS)]
    return max(values) - min(values)


def _agreement_bounds(seen: Outputs, alpha: float) -> Bounds:
    """Share of rows with the baseline's class, or mean agreement of rows that hold numbers.

    Without a baseline the outputs are the baseline's own.
    """
    baseline = seen.outputs if seen.baseline is None else seen.baseline
    if seen.kind == "classification":
        same = predicted_classes(baseline) == predicted_classes(seen.outputs)
        return statistics.proportion_bounds(int(same.sum()), len(same), alpha)
    rows = row_agreement(baseline, seen.outputs)
    return statistics.share_bounds(rows, alpha)


def row_agreement(baseline: Array, outputs: Array) -> NDArray[np.float64]:
    """(n,) one minus the relative error of each row, ``|y - b| / |b|`` in the Euclidean norm, but not below 0."""
    before, after = (np.asarray(array, dtype=np.float64).reshape(len(array), -1) for array in (baseline, outputs))
    size = np.maximum(np.linalg.norm(before, axis=1), np.finfo(np.float32).tiny)
    return np.asarray(np.clip(1.0 - np.linalg.norm(after - before, axis=1) / size, 0.0, 1.0))


def paired_counts(seen: Outputs) -> tuple[int, int, int]:
    """(lost, gained, baseline right): rows only the baseline gets right, only the variant, the baseline."""
    assert seen.baseline is not None
    before, after = _correct(seen.baseline, seen.labels), _correct(seen.outputs, seen.labels)
    return int((before & ~after).sum()), int((~before & after).sum()), int(before.sum())


def _accuracy_drop(limit: Limit, seen: Outputs, alpha: float) -> Bounds:
    lost, gained, right = paired_counts(seen)
    if limit.relative:
        return statistics.relative_drop_bounds(lost, gained, right, len(seen.labels), alpha)
    return statistics.paired_drop_bounds(lost, gained, len(seen.labels), alpha)


def _correct(outputs: Array, labels: Array) -> NDArray[np.bool_]:
    return np.asarray(predicted_classes(outputs) == labels)


def _errors(outputs: Array, labels: Array) -> NDArray[np.float64]:
    return np.asarray(outputs, dtype=np.float64).reshape(len(labels), -1)[:, 0] - labels


def _class_count(seen: Outputs) -> int:
    columns = seen.outputs.shape[1] if seen.outputs.ndim > 1 else 1
    return max(columns, 2, int(seen.labels.max()) + 1)


def _statistic(metric: str, seen: Outputs, base: Path) -> Callable[[NDArray[np.intp]], float]:
    return lambda rows: evaluate(metric, seen.labels[rows], seen.outputs[rows], base)


def _drop_statistic(limit: Limit, seen: Outputs, base: Path) -> Callable[[NDArray[np.intp]], float]:
    baseline = seen.baseline
    assert baseline is not None
    sign = -1.0 if limit.metric == "rmse" else 1.0

    def drop(rows: NDArray[np.intp]) -> float:
        before = evaluate(limit.metric, seen.labels[rows], baseline[rows], base)
        after = evaluate(limit.metric, seen.labels[rows], seen.outputs[rows], base)
        return sign * (before - after) / (abs(before) if limit.relative else 1.0)

    return drop
