"""Splits: disjoint, complete, stratified, group-aware, deterministic, without copies in confirm."""

from collections.abc import Mapping
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sartor.data import Dataset, Splits, make_splits
from sartor.data.allot import allot_counts
from sartor.data.values import SPLIT_NAMES
from sartor.errors import DataError

SHARES = {"train": 55, "calibrate": 5, "select": 20, "confirm": 20}
class_sizes = st.lists(st.integers(20, 60), min_size=2, max_size=5)
seeds = st.integers(0, 2**31 - 1)


def dataset(
    labels: list[int],
    given_splits: Mapping[str, list[int]] | None = None,
    groups: list[int] | None = None,
    inputs: np.ndarray | None = None,
) -> Dataset:
    rows = np.arange(len(labels), dtype=np.float32)[:, np.newaxis] if inputs is None else inputs
    return Dataset(
        inputs=rows,
        labels=np.array(labels, dtype=np.int64),
        classes=tuple(str(number) for number in range(max(labels) + 1)),
        kind="classification",
        source="rows",
        groups=None if groups is None else np.array(groups, dtype=np.int64),
        given={name: np.array(numbers, dtype=np.int64) for name, numbers in (given_splits or {}).items()},
    )


def of_sizes(sizes: list[int]) -> list[int]:
    return [number for number, size in enumerate(sizes) for _ in range(size)]


def parts(splits: Splits) -> dict[str, list[int]]:
    return {name: getattr(splits, name).tolist() for name in SPLIT_NAMES}


def everything(splits: Splits) -> list[int]:
    return sorted([row for rows in parts(splits).values() for row in rows] + splits.dropped.tolist())


@given(class_sizes, seeds, st.booleans())
def test_complete_disjoint_and_stratified_within_one_row(sizes: list[int], seed: int, trains: bool) -> None:
    data = dataset(of_sizes(sizes))
    splits = make_splits(data, trains=trains, seed=seed)
    assert everything(splits) == list(range(sum(sizes)))
    shares = {name: share for name, share in SHARES.items() if trains or name != "train"}
    for name, share in shares.items():
        for number, size in enumerate(sizes):
            count = int((data.labels[getattr(splits, name)] == number).sum())
            assert abs(count - Fraction(size * share, sum(shares.values()))) < 1
    assert trains or len(splits.train) == 0


@given(
    st.lists(st.integers(0, 30), min_size=1, max_size=30),
    st.lists(st.integers(1, 60), min_size=1, max_size=4),
)
def test_counts_fit_every_class_and_do_not_drift(sizes: list[int], shares: list[int]) -> None:
    counts = allot_counts(sizes, shares)
    assert counts.sum(axis=1).tolist() == sizes
    exact = np.outer(sizes, shares) / sum(shares)
    assert (np.abs(counts - exact) < 1).all()
    # A small split is not rounded away class after class: the error over all classes stays small too.
    assert (np.abs(counts.sum(axis=0) - exact.sum(axis=0)) <= len(shares)).all()


@given(class_sizes, seeds)
def test_the_same_rows_and_seed_give_the_same_splits(sizes: list[int], seed: int) -> None:
    first, again, other = (make_splits(dataset(of_sizes(sizes)), trains=True, seed=s) for s in (seed, seed, seed + 1))
    assert (parts(first), first.hashes) == (parts(again), again.hashes)
    assert parts(first) != parts(other)


def test_the_first_rows_of_each_split_are_of_all_classes_though_the_source_gives_one_after_the_other() -> None:
    labels = of_sizes([200] * 5)
    everywhere = {"confirm": [row for row in range(1000) if row % 3 == 0]}
    first, other = (make_splits(dataset(labels, everywhere), trains=True, seed=seed) for seed in (0, 1))
    for rows in parts(first).values():
        assert {labels[row] for row in rows[:30]} == set(range(5))
    assert first.confirm.tolist() != other.confirm.tolist()
    assert first.hashes["confirm"] == other.hashes["confirm"], "the error spent on a given split is not forgotten"


@given(st.lists(st.integers(0, 9), max_size=120), seeds, st.booleans())
def test_groups_never_straddle(group_numbers: list[int], seed: int, trains: bool) -> None:
    groups = [*range(10), *range(10), *group_numbers]
    labels = [0] * 10 + [1] * 10 + [row % 2 for row in range(len(group_numbers))]
    splits = make_splits(dataset(labels, groups=groups), trains=trains, seed=seed)
    homes: dict[int, set[str]] = {}
    for name, rows in parts(splits).items():
        for row in rows:
            homes.setdefault(groups[row], set()).add(name)
    assert all(len(names) == 1 for names in homes.values())
    assert everything(splits) == list(range(len(groups)))


def test_many_groups_come_close_to_the_shares() -> None:
    random = np.random.default_rng(0)
    groups = random.integers(0, 200, 2000).tolist()
    data = dataset(random.integers(0, 3, 2000).tolist(), groups=groups)
    splits = make_splits(data, trains=True, seed=0)
    for name, share in SHARES.items():
        assert len(getattr(splits, name)) == pytest.approx(20 * share, abs=15)


@given(st.lists(st.integers(0, 40), min_size=150, max_size=200), seeds)
def test_no_row_of_confirm_stands_in_another_split(values: list[int], seed: int) -> None:
    inputs = np.array([*values, *range(100, 200)], dtype=np.float32)[:, np.newaxis]
    data = dataset([row % 2 for row in range(len(inputs))], inputs=inputs)
    splits = make_splits(data, trains=True, seed=seed)
    rows = {name: {inputs[row].tobytes() for row in numbers} for name, numbers in parts(splits).items()}
    assert not rows["confirm"] & (rows["train"] | rows["calibrate"] | rows["select"])
    assert not rows["select"] & rows["train"]
    assert everything(splits) == list(range(len(inputs)))


def test_copies_are_dropped_and_told() -> None:
    inputs = np.arange(300, dtype=np.float32)[:, np.newaxis]
    given_splits = {
        "train": list(range(100)),
        "calibrate": list(range(100, 120)),
        "select": list(range(120, 200)),
        "confirm": list(range(200, 300)),
    }
    inputs[[130, 210, 220, 230]] = inputs[[5, 5, 110, 140]]
    splits = make_splits(dataset([0, 1] * 150, given_splits, inputs=inputs), trains=True, seed=0)
    assert splits.dropped.tolist() == [130, 210, 220, 230]
    assert "1 rows left select" in splits.how
    assert "3 rows left confirm" in splits.how
    assert "given: train, calibrate, select, confirm" in splits.how


def test_missing_splits_are_made_out_of_a_given_train() -> None:
    given_splits = {"train": list(range(80)), "confirm": list(range(80, 100))}
    data = dataset([0, 1] * 50, given_splits)
    splits = make_splits(data, trains=True, seed=3)
    assert sorted(splits.confirm.tolist()) == given_splits["confirm"]
    assert [len(rows) for rows in parts(splits).values()] == [55, 5, 20, 20]
    assert "made out of the given train: train, calibrate, select in proportion 55/5/20" in splits.how
    without = make_splits(data, trains=False, seed=3)
    assert [len(rows) for rows in parts(without).values()] == [0, 16, 64, 20]


def test_a_given_select_beside_rows_yet_to_split() -> None:
    splits = make_splits(dataset([0, 1] * 50, {"select": list(range(20))}), trains=True, seed=0)
    assert sorted(splits.select.tolist()) == list(range(20))
    assert [len(rows) for rows in parts(splits).values()] == [55, 5, 20, 20]


def test_without_training_a_given_train_that_nobody_needs_is_not_used() -> None:
    names = dict(zip(SPLIT_NAMES, ([0, 1], [2, 3], [4, 5], [6, 7]), strict=True))
    splits = make_splits(dataset([0, 1] * 4, names), trains=False, seed=0)
    assert parts(splits) == {**names, "train": []}
    assert "not used" in splits.how


def test_regression_needs_no_classes() -> None:
    data = Dataset(np.arange(100.0)[:, np.newaxis], np.linspace(0, 1, 100), (), "regression", "rows")
    splits = make_splits(data, trains=True, seed=0)
    assert [len(rows) for rows in parts(splits).values()] == [55, 5, 20, 20]


def test_hashes_follow_rows_and_labels() -> None:
    labels = [0, 1] * 50
    first = make_splits(dataset(labels), trains=True, seed=0).hashes
    inputs = np.arange(100, dtype=np.float32)[:, np.newaxis]
    inputs[:, 0] += 1
    assert set(first) == set(SPLIT_NAMES)
    assert len(set(first.values())) == 4
    assert make_splits(dataset(labels, inputs=inputs), trains=True, seed=0).hashes["train"] != first["train"]


def refused(data: Dataset, trains: bool = True) -> str:
    with pytest.raises(DataError) as raised:
        make_splits(data, trains=trains, seed=0)
    return str(raised.value)


def test_too_few_rows_of_a_class() -> None:
    message = refused(dataset(of_sizes([50, 4])))
    assert "too few rows of 1 (4 rows)" in message
    assert "at least 5 rows per class" in message
    few = Dataset(np.zeros((3, 1)), np.zeros(3), (), "regression", "rows")
    assert "3 rows to split" in refused(few)


def test_a_split_that_stays_empty_names_the_rows_needed() -> None:
    assert "calibrate has no rows" in refused(dataset(of_sizes([5, 5]), {"train": list(range(10)), "calibrate": []}))
    names = dict(zip(SPLIT_NAMES, ([0, 1], [2, 3], [4, 5], [6, 7]), strict=True))
    message = refused(dataset([0, 1] * 4, names, inputs=np.zeros((8, 1), dtype=np.float32)))
    assert "all 2 rows of select also stand in another split" in message
    assert "about 5 different rows" in message


def test_groups_that_cannot_be_kept_together() -> None:
    assert "3 groups" in refused(dataset([0, 1] * 30, groups=[row % 3 for row in range(60)]))
    groups = [0] * 30 + list(range(1, 31))
    assert "class 0 stands in 1 groups" in refused(dataset([0] * 30 + [1] * 30, groups=groups))
    given_splits = {"train": list(range(30)), "confirm": list(range(30, 60))}
    message = refused(dataset([0, 1] * 30, given_splits, groups=[row % 7 for row in range(60)]))
    assert "a group has rows in confirm and in the rest" in message
