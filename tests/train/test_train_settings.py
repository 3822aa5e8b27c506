"""Derived settings, rows held back, shifted pictures."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from sartor.errors import DataError
from sartor.steps.prepared import Prepared
from sartor.train.rows import batches, hold_out, in_chunks, shift, typical
from sartor.train.settings import derive, recovery_rows
from sartor.train.values import TrainingJob, TrainingSettings


def job(labels: NDArray[Any], rows: NDArray[Any] | None = None) -> TrainingJob:
    def build() -> Any:
        raise AssertionError("not needed to split rows")

    return TrainingJob(build, Prepared({"": np.zeros((len(labels), 2))}), labels, 2, rows=rows)


def test_what_the_user_fixed_is_kept() -> None:
    fixed = TrainingSettings(epochs=3, learning_rate=0.5, batch=7)
    derived = derive(fixed, 1000, 1e6, 1, True)
    assert (derived.epochs, derived.learning_rate, derived.batch) == (3, 0.5, 7)
    assert not [reason for reason in derived.why if "epochs" in reason]


def test_heavy_models_get_bfloat16_and_light_ones_one_thread() -> None:
    assert derive(TrainingSettings(), 50_000, 5e7, 2, True).bfloat16
    assert not derive(TrainingSettings(), 50_000, 5e7, 2, False).bfloat16
    assert derive(TrainingSettings(), 1000, 1e4, 2, True).threads == 1


@pytest.mark.parametrize(("rows", "epochs"), [(540, 10), (1920, 5), (4000, 3), (100_000, 3)])
def test_fine_tuning_is_short_and_gentle(rows: int, epochs: int) -> None:
    derived = derive(TrainingSettings(pretrained=True), rows, 1e9, 1, False, weights=110_000_000)
    assert (derived.batch, derived.epochs) == (32, epochs)
    assert derived.learning_rate == pytest.approx(5e-5)
    assert derived.weight_decay == 0.01
    assert derived.schedule.factor(0.55) == pytest.approx(0.5)
    assert derived.settings.label_smoothing == 0
    assert len(derived.why) == 4
    assert sum("arXiv" in reason for reason in derived.why) == 3


@pytest.mark.parametrize(("weights", "rate"), [(110_000_000, 1e-4), (22_000_000, 4e-4)])
def test_the_rate_of_fine_tuning_follows_the_batch_and_the_size_of_the_model(weights: int, rate: float) -> None:
    derived = derive(TrainingSettings(batch=128, pretrained=True), 4000, 1e9, 1, False, weights)
    assert derived.learning_rate == pytest.approx(rate)
    assert any(f"for {weights // 1_000_000} million pretrained weights (arXiv" in reason for reason in derived.why)


@pytest.mark.parametrize(("pretrained", "epochs"), [(True, 3), (False, 17)])
def test_a_whole_recovery_of_a_transformer_passes_fewer_rows(pretrained: bool, epochs: int) -> None:
    assert recovery_rows(4000, pretrained=pretrained) == epochs * 4000


@pytest.mark.parametrize("pretrained", [True, False])
def test_what_was_taken_is_learnt_back_at_a_quarter_of_the_rate(pretrained: bool) -> None:
    first, back = (
        derive(TrainingSettings(pretrained=pretrained, recovers=recovers, batch=32), 4000, 1e9, 1, False, 22_000_000)
        for recovers in (False, True)
    )
    assert back.learning_rate == pytest.approx(first.learning_rate / 4)
    assert any(f"learning rate {back.learning_rate:.2g}" in reason for reason in back.why)


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


def test_batches_hold_rows_of_similar_length_in_random_order() -> None:
    lengths = np.random.default_rng(1).integers(1, 100, 2000)
    got = list(batches(np.arange(1990), 8, np.random.default_rng(0), lengths))
    assert len(got) == 248
    assert len({int(row) for rows in got for row in rows}) == 1984
    longest = [lengths[rows].max() for rows in got]
    assert np.mean([np.ptp(lengths[rows]) for rows in got]) < 5
    assert abs(np.corrcoef(longest, np.arange(248))[0, 1]) < 0.2
    again = list(batches(np.arange(1990), 8, np.random.default_rng(0), lengths))
    assert np.array_equal(got, again)


def test_scoring_visits_every_row_once_and_its_cost_is_read_from_typical_ones() -> None:
    lengths = np.array([1, 9, 1, 5, 9, 5])
    rows = np.array([0, 1, 2, 3, 4])
    assert [chunk.tolist() for chunk in in_chunks(rows, 2, lengths)] == [[0, 2], [3, 1], [4]]
    assert typical(rows, 1, lengths).tolist() == [3]
    assert typical(rows, 2).tolist() == [0, 1]


def test_a_shift_moves_each_picture_as_a_whole() -> None:
    pictures = np.zeros((50, 2, 6, 6), dtype=np.float32)
    pictures[:, :, 3, 3] = 1
    moved = shift(pictures, 1, np.random.default_rng(0))
    assert moved.shape == pictures.shape
    assert moved.sum() == pictures.sum()
    assert (moved[:, 0] == moved[:, 1]).all()
    assert moved[:, :, 2:5, 2:5].sum() == pictures.sum()
    assert len({int(picture[0].argmax()) for picture in moved}) == 9
