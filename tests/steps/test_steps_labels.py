"""Outputs become labels with probabilities, or values."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from sartor.errors import CandidateError, ModelError
from sartor.steps import probabilities, scores_kind, to_labels


def test_softmax_over_logits() -> None:
    logits = np.array([[2.0, 1.0, -1.0], [0.0, 9.0, 0.0]])
    first, second = to_labels(logits, ["a", "b", "c"])
    assert (first["label"], second["label"]) == ("a", "b")
    assert first["probability"] == pytest.approx(np.exp(2) / np.exp([2, 1, -1]).sum())


def test_probabilities_are_left_alone() -> None:
    assert to_labels(np.array([[0.2, 0.8], [0.9, 0.1]]), ["no", "yes"]) == [
        {"label": "yes", "probability": 0.8},
        {"label": "no", "probability": 0.9},
    ]


def test_one_column_for_two_classes() -> None:
    assert to_labels(np.array([[0.3], [0.9]]), ["no", "yes"])[0] == {"label": "no", "probability": 0.7}
    assert to_labels(np.array([800.0, -800.0]), ["no", "yes"]) == [
        {"label": "yes", "probability": 1.0},
        {"label": "no", "probability": 1.0},
    ]
    assert to_labels(np.array([0.3]), ["no", "yes"], "logits")[0]["label"] == "yes"


def test_regression_gives_the_value() -> None:
    assert to_labels(np.array([[1.5], [-2.0]]), ()) == [{"value": 1.5}, {"value": -2.0}]


@given(arrays(np.float32, (5, 4), elements=st.floats(-100, 100, width=32)))
def test_probabilities_are_shares_and_recognised_as_such(logits: np.ndarray) -> None:
    shares = probabilities(logits, "logits")
    np.testing.assert_allclose(shares.sum(axis=1), 1)
    assert scores_kind(shares) == "probabilities"
    np.testing.assert_array_equal(probabilities(shares), shares)


def test_wrong_outputs_are_named() -> None:
    with pytest.raises(ModelError, match="3 columns"):
        to_labels(np.zeros((2, 3)), ["a", "b"])
    with pytest.raises(ModelError, match="for regression"):
        to_labels(np.zeros((2, 3)), ())
    with pytest.raises(ModelError, match=r"\(2, 3, 4\)"):
        to_labels(np.zeros((2, 3, 4)), ["a", "b"])
    with pytest.raises(CandidateError, match="1 of 2 rows"):
        to_labels(np.array([[0.0, np.nan], [0, 0]]), ["a", "b"])
