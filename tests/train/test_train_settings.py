"""Derived settings, rows held back, shifted pictures."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from sartor.errors import DataError
from sartor.train.rows import batches, hold_out, shift
from sartor.train.settings import derive
from sartor.train.values import TrainingJob, TrainingSettings


def job(labels: NDArray[Any], rows: NDArray[Any] | None = None) -> TrainingJob:
    def build() -> Any:
        raise AssertionError("not needed to split rows")

    return TrainingJob(build, np.zeros((len(labels), 2)), labels, 2, rows=rows)


def test_what_the_user_fixed_is_kept() -> None:
    fixed = TrainingSettings(epochs=3, learning_rate=0.5, batch=7)
    derived = derive(fixed, 1000, 1e6, 1, True)
    assert (derived.epochs, derived.learning_rate, derived.batch) == (3, 0.5, 7)
    assert not [reason for reason in derived.why if "epochs" in reason]


def test_heavy_models_get_bfloat16_and_light_ones_one_thread() -> None:
    assert derive(TrainingSettings(), 50_000, 5e7, 2, True).bfloat16
    assert not derive(TrainingSettings(), 50_000, 5e7, 2, False).bfloat16
    assert derive(TrainingSettings(), 1000, 1e4, 2, True).threads == 1


def test_the_slice_held_back_is_stratified_and_disjoint() -> None:
    labels = np.repeat([0, 1], [180, 20])
    rows = np.arange(0, 200, 2)
    fitted, held = hold_out(job(labels, rows=rows))
    assert sorted([*fitted, *held]) == rows.tolist()
    assert np.bincount(labels[held]).tolist() == [9, 1]


def test_very_few_rows_are_fitted_and_scored_alike() -> None:
    fitted, held = hold_out(job(np.array([0, 1, 0])))
    assert fitted.tolist() == held.tolist()
    with pytest.raises(DataError, match="1 rows"):
        hold_out(job(np.array([0])))


def test_batches_are_full_and_each_row_comes_at_most_once() -> None:
    got = list(batches(np.arange(10), 3, np.random.default_rng(0)))
    assert [len(rows) for rows in got] == [3, 3, 3]
    assert len({int(row) for rows in got for row in rows}) == 9


def test_a_shift_moves_each_picture_as_a_whole() -> None:
    pictures = np.zeros((50, 2, 6, 6), dtype=np.float32)
    pictures[:, :, 3, 3] = 1
    moved = shift(pictures, 1, np.random.default_rng(0))
    assert moved.shape == pictures.shape
    assert moved.sum() == pictures.sum()
    assert (moved[:, 0] == moved[:, 1]).all()
    assert moved[:, :, 2:5, 2:5].sum() == pictures.sum()
    assert len({int(picture[0].argmax()) for picture in moved}) == 9
