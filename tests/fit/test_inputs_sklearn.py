"""scikit-learn without labels, and as the user fitted it: what is opened to be trained, and what as it is."""

from __future__ import annotations

import textwrap
from pathlib import Path
from typing import Any

import pytest

from sartor import Need
from sartor.errors import NeedError
from sartor.fit.inputs import open_inputs, trains

AGREEMENT = {"agreement": ">= 98%"}


def need(model: str, **asked: Any) -> Need:
    return Need(task="image-classification", model=model, data="digits", **asked)


def test_a_clustering_learns_without_labels(tmp_path: Path) -> None:
    asked = need("sklearn:KMeans(n_clusters=10)", require=AGREEMENT)
    opened = open_inputs(asked, tmp_path)
    assert trains(asked, opened.models[0])
    assert len(opened.splits.train) > 0
    assert not opened.dataset.classes


def test_a_classifier_does_not(tmp_path: Path) -> None:
    with pytest.raises(NeedError, match="is to be trained"):
        open_inputs(need("sklearn:LogisticRegression", require=AGREEMENT), tmp_path)


def test_a_callable_without_training_is_taken_as_fitted(tmp_path: Path) -> None:
    (tmp_path / "fitted_before.py").write_text(
        textwrap.dedent("""
        def load():
            raise AssertionError("called while the Need was opened")
        """)
    )
    asked = need("sklearn:fitted_before:load", train=False, require=AGREEMENT)
    opened = open_inputs(asked, tmp_path)
    assert not trains(asked, opened.models[0])
    assert len(opened.splits.train) == 0


def test_a_class_without_training_is_a_contradiction(tmp_path: Path) -> None:
    with pytest.raises(NeedError, match="`train: false`"):
        open_inputs(need("sklearn:KMeans(n_clusters=10)", train=False, require=AGREEMENT), tmp_path)
