"""Metrics agree with scikit-learn, know their direction, and refuse what they cannot read."""

import warnings
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn import metrics as sklearn_metrics

from sartor.data import METRICS, class_scores, evaluate, find_metric, predicted_classes
from sartor.errors import CandidateError, DataError, InputError, ModelError, NeedError, UserCodeError
from sartor.steps import probabilities

cases = st.tuples(st.integers(0, 10**6), st.integers(30, 80), st.integers(2, 5), st.booleans())


def case(seed: int, rows: int, classes: int, rounded: bool) -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(seed)
    labels = np.concatenate([np.arange(classes), random.integers(0, classes, rows - classes)])
    logits = random.normal(size=(rows, classes)) + np.eye(classes)[labels]
    return labels, logits.round(0) if rounded else logits  # rounding makes ties


@given(cases)
def test_agrees_with_scikit_learn(drawn: tuple[int, int, int, bool]) -> None:
    labels, logits = case(*drawn)
    predicted, shares = logits.argmax(axis=1), probabilities(logits, "logits")
    assert evaluate("accuracy", labels, logits) == pytest.approx(sklearn_metrics.accuracy_score(labels, predicted))
    expected = sklearn_metrics.f1_score(labels, predicted, average="macro", zero_division=0)
    assert evaluate("f1", labels, logits) == pytest.approx(expected)
    scores = shares[:, 1] if shares.shape[1] == 2 else shares
    area = sklearn_metrics.roc_auc_score(labels, scores, multi_class="ovr", average="macro")
    assert evaluate("auc", labels, shares) == pytest.approx(area)
    if drawn[2] > 2 or not drawn[3]:  # for two classes ties of the logits are ties of their difference
        assert evaluate("auc", labels, logits) == pytest.approx(area)


def test_one_column_means_two_classes() -> None:
    labels = np.array([0, 1, 1, 0])
    for outputs in (np.array([-1.0, 2, 3, -0.5]), np.array([[0.1], [0.6], [0.9], [0.2]])):
        assert predicted_classes(outputs).tolist() == [0, 1, 1, 0]
        assert evaluate("accuracy", labels, outputs) == 1
        assert evaluate("auc", labels, outputs) == 1
        assert evaluate("auc", 1 - labels, outputs) == 0
        assert class_scores(outputs).shape == (4,)
    assert class_scores(np.zeros((4, 2))).tolist() == [0.5] * 4
    assert class_scores(np.zeros((4, 3))).shape == (4, 3)


def test_rmse_of_a_column_or_a_row() -> None:
    labels, outputs = np.array([1.0, 2, 3]), np.array([1.0, 2, 6])
    expected = sklearn_metrics.root_mean_squared_error(labels, outputs)
    assert evaluate("rmse", labels, outputs) == pytest.approx(expected)
    assert evaluate("rmse", labels, outputs[:, np.newaxis]) == pytest.approx(expected)


def test_auc_leaves_out_classes_without_rows() -> None:
    labels = np.array([0, 1, 0, 1])
    logits = np.array([[3.0, 1, 0], [1, 2, 0], [2, 1, 0], [0, 3, 0]])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert evaluate("auc", labels, logits) == 1


def test_every_metric_knows_direction_range_and_kind() -> None:
    assert {name: metric.higher_is_better for name, metric in METRICS.items()} == {
        "accuracy": True,
        "f1": True,
        "auc": True,
        "rmse": False,
    }
    assert all(metric.low == 0 and metric.high >= 1 for metric in METRICS.values())
    assert find_metric("rmse", "regression").kinds == ("regression",)


def test_custom_metric(tmp_path: Path) -> None:
    (tmp_path / "own_metric.py").write_text(
        "def worst(labels, outputs):\n    return abs(labels - outputs).max()\n\n"
        "worst.higher_is_better = False\n\n"
        "def broken(labels, outputs):\n    raise RuntimeError('not today')\n\n"
        "def text(labels, outputs):\n    return 'good'\n",
        encoding="utf-8",
    )
    assert evaluate("own_metric:worst", np.array([1.0, 2]), np.array([1.0, 5]), tmp_path) == 3
    assert not find_metric("own_metric:worst", base=tmp_path).higher_is_better
    with pytest.raises(UserCodeError, match="not today"):
        evaluate("own_metric:broken", np.array([1.0]), np.array([1.0]), tmp_path)
    with pytest.raises(NeedError, match="returned 'good'"):
        evaluate("own_metric:text", np.array([1.0]), np.array([1.0]), tmp_path)
    with pytest.raises(InputError, match="does not exist"):
        evaluate("own_metric:missing", np.array([1.0]), np.array([1.0]), tmp_path)


def test_unknown_or_unfitting_metric() -> None:
    with pytest.raises(NeedError, match="did you mean `accuracy`"):
        evaluate("acuracy", np.array([0, 1]), np.zeros((2, 2)))
    with pytest.raises(NeedError, match="metric `rmse` for classification"):
        find_metric("rmse", "classification")


def test_outputs_that_cannot_be_judged() -> None:
    labels = np.array([0, 1, 2])
    with pytest.raises(DataError, match="3 labels and outputs of shape"):
        evaluate("accuracy", labels, np.zeros((2, 3)))
    with pytest.raises(ModelError, match="labels up to 2"):
        evaluate("accuracy", labels, np.zeros((3, 2)))
    with pytest.raises(ModelError, match="for regression"):
        evaluate("rmse", labels, np.zeros((3, 2)))
    with pytest.raises(CandidateError, match="1 of 3 rows"):
        evaluate("accuracy", labels, np.array([[0, 0, np.nan], [0, 0, 0], [0, 0, 0]]))
    with pytest.raises(DataError, match="one class only"):
        evaluate("auc", np.array([1, 1]), np.array([[0.0, 1], [0, 1]]))
