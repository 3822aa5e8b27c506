"""Rows as a model takes them: cut, padded, renamed, saved."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sartor.steps.prepared import SOLE, Prepared

lengths = st.lists(st.integers(1, 12), min_size=1, max_size=6)


def sentences(sizes: list[int]) -> Prepared:
    """Rows of the numbers 1, 2, ... padded with 7, and a mask padded with 0."""
    longest = max(sizes)
    inside = np.arange(longest) < np.array(sizes)[:, None]
    ids = np.where(inside, np.arange(1, longest + 1), 7)
    arrays = {"ids": ids, "mask": inside.astype(np.int64), "user": np.arange(len(sizes))}
    return Prepared(arrays, np.array(sizes), {"ids": 7, "mask": 0})


@given(lengths, st.integers(0, 8))
def test_padding_changes_nothing_but_what_lies_behind_a_row(sizes: list[int], more: int) -> None:
    rows = sentences(sizes)
    padded = rows.of_length(rows.longest + more)
    assert padded.row_shapes == {"ids": (max(sizes) + more,), "mask": (max(sizes) + more,), "user": ()}
    assert (padded.arrays["ids"][:, max(sizes) :] == 7).all()
    assert (padded.arrays["mask"].sum(axis=1) == sizes).all()
    back = padded.trimmed()
    assert all(np.array_equal(back.arrays[name], rows.arrays[name]) for name in rows.arrays)


@given(lengths, st.data())
def test_some_rows_are_as_short_as_their_longest(sizes: list[int], data: st.DataObject) -> None:
    chosen = data.draw(st.lists(st.integers(0, len(sizes) - 1), min_size=1))
    part = sentences(sizes).take(np.array(chosen)).trimmed()
    assert part.arrays["ids"].shape == (len(chosen), max(sizes[row] for row in chosen))
    assert len(part) == len(chosen)


def test_the_sole_array_takes_the_sole_name() -> None:
    rows = Prepared({SOLE: np.ones((3, 4))}, np.array([4, 4, 4]), {SOLE: 0})
    named = rows.renamed(["input"])
    assert (list(named.arrays), dict(named.padding)) == (["input"], {"input": 0})
    with pytest.raises(KeyError):
        rows.renamed(["a", "b"])


def test_only_the_arrays_that_are_asked_for_remain_in_the_order_asked() -> None:
    named = sentences([2, 3]).renamed(["mask", "ids"])
    assert (list(named.arrays), dict(named.padding)) == (["mask", "ids"], {"mask": 0, "ids": 7})


def test_saved_rows_come_back_mapped(tmp_path: Path) -> None:
    rows = sentences([2, 5])
    found = Prepared.load(rows.save(tmp_path / "rows"))
    assert isinstance(found.arrays["ids"], np.memmap)
    assert all(np.array_equal(found.arrays[name], rows.arrays[name]) for name in rows.arrays)
    assert found.lengths is not None
    assert (found.lengths.tolist(), dict(found.padding)) == ([2, 5], {"ids": 7, "mask": 0})
    plain = Prepared({SOLE: np.zeros((2, 3))})
    assert Prepared.load(plain.save(tmp_path / "plain")).lengths is None
