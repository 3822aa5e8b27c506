"""Agreement with the uncompressed model: exact for classes, for numbers a bound that needs no distribution."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sartor.measure.quality_bounds import Outputs, limit_bounds, metric_bounds, restlessness, row_agreement
from sartor.measure.statistics import proportion_bounds, share_bounds
from sartor.need import Limit

BASE = Path()
LIMIT = Limit("agreement", ">=", 0.9, "")


def scores(classes: list[int]) -> np.ndarray:
    return np.eye(3)[classes]


@given(st.lists(st.tuples(st.integers(0, 2), st.integers(0, 2)), min_size=1, max_size=60))
def test_classes_agree_where_both_models_answer_alike_whatever_the_label(pairs: list[tuple[int, int]]) -> None:
    before, after = (scores([pair[side] for pair in pairs]) for side in (0, 1))
    seen = Outputs(np.zeros(len(pairs), dtype=np.int64), after, before)
    same = sum(one == other for one, other in pairs)
    assert limit_bounds(LIMIT, seen, 0.05, BASE) == proportion_bounds(same, len(pairs), 0.05)


def test_a_model_agrees_with_itself() -> None:
    seen = Outputs(np.zeros(50, dtype=np.int64), scores([0] * 50))
    bounds = metric_bounds("agreement", seen, 0.05, BASE)
    assert (bounds.value, bounds.high) == (1.0, 1.0)
    assert bounds.low < 1.0


def test_numbers_agree_by_their_relative_error() -> None:
    before = np.array([[3.0, 4.0], [1.0, 0.0], [2.0, 0.0], [0.0, 0.0]])
    after = np.array([[3.0, 4.5], [1.0, 0.0], [-2.0, 0.0], [0.0, 0.0]])
    assert row_agreement(before, after) == pytest.approx([0.9, 1.0, 0.0, 1.0])
    seen = Outputs(np.zeros(4), after, before, "regression")
    assert metric_bounds("agreement", seen, 0.05, BASE).value == pytest.approx(2.9 / 4)


@pytest.mark.parametrize("shape", ["few wrong", "spread", "all or nothing"])
@pytest.mark.parametrize("n", [20, 200])
def test_bounds_of_shares_cover(shape: str, n: int) -> None:
    generator = np.random.default_rng(0)
    draws: dict[str, Callable[[], np.ndarray]] = {
        "few wrong": lambda: 1.0 - 0.9 * (generator.random(n) < 0.04),
        "spread": lambda: generator.beta(8.0, 2.0, n),
        "all or nothing": lambda: (generator.random(n) < 0.8).astype(np.float64),
    }
    truth = {"few wrong": 1.0 - 0.9 * 0.04, "spread": 0.8, "all or nothing": 0.8}[shape]
    bounds = [share_bounds(draws[shape](), 0.05) for _ in range(400)]
    assert np.mean([bound.low <= truth for bound in bounds]) >= 0.95
    assert np.mean([bound.high >= truth for bound in bounds]) >= 0.95


@pytest.mark.parametrize("values", [[], [0.5, 1.1], [-0.1], [float("nan")]])
def test_what_is_no_share_is_refused(values: list[float]) -> None:
    with pytest.raises(ValueError, match=r"shares|finite"):
        share_bounds(values, 0.05)


CALLS = """
import itertools
_CALLS = itertools.count()

def restless(labels, outputs):
    return float((outputs.argmax(1) == labels).mean()) + 0.01 * (next(_CALLS) % 2)

def steady(labels, outputs):
    return float((outputs.argmax(1) == labels).mean())
"""


def test_a_metric_that_gives_other_values_each_time_has_wider_bounds(tmp_path: Path) -> None:
    (tmp_path / "own_measures.py").write_text(CALLS)
    random = np.random.default_rng(0)
    labels = random.integers(0, 3, 200)
    seen = Outputs(labels, scores(np.where(random.random(200) < 0.8, labels, 0).tolist()))
    steady, restless = (metric_bounds(f"own_measures:{name}", seen, 0.05, tmp_path) for name in ("steady", "restless"))
    assert restlessness("own_measures:steady", seen, tmp_path) == 0.0
    assert restlessness("own_measures:restless", seen, tmp_path) == pytest.approx(0.01)
    assert restless.high - restless.low > steady.high - steady.low + 0.015
    assert restlessness("accuracy", seen, tmp_path) == 0.0
