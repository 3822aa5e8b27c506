"""The data report, and hashes of rows that are no numbers."""

from __future__ import annotations

import json
from typing import Any

import numpy as np

from sartor.data import Dataset, make_splits
from sartor.data.digests import row_digests, rows_hash
from sartor.data.records import records_of
from sartor.data.report import describe, lines
from sartor.data.sound import as_objects
from sartor.data.values import SPLIT_NAMES


def dataset(inputs: Any, labels: list[int], splits: list[int] | None = None, **more: Any) -> Dataset:
    """`splits` has the number of the split for each row."""
    given = {name: np.flatnonzero(np.array(splits) == number) for number, name in enumerate(SPLIT_NAMES)}
    return Dataset(
        inputs=inputs,
        labels=np.array(labels, dtype=np.int64),
        classes=("ant", "bee"),
        kind="classification",
        source="rows",
        given=given if splits else {},
        **more,
    )


def texts(*rows: str) -> np.ndarray:
    return np.array(rows, dtype=object)


def described(data: Dataset) -> dict[str, Any]:
    description = describe(data, make_splits(data, trains=True, seed=0))
    assert json.loads(json.dumps(description)) == description
    return description


def test_texts_with_copies_and_leaks() -> None:
    rows = texts("a", "a", "bb", "bb", "ccc", "dddd", "a", "eeeee", "ccc", "ffffff")
    data = dataset(rows, [0, 0, 0, 1, 0, 1, 0, 1, 0, 1], [0, 0, 0, 0, 1, 2, 2, 3, 3, 3], notes=("a note",))
    found = described(data)
    assert (found["rows"], found["kind"]) == (10, "texts")
    assert found["splits"] == {"train": 4, "calibrate": 1, "select": 1, "confirm": 2}
    assert found["classes"]["bee"] == {"rows": 4, "train": 1, "calibrate": 0, "select": 1, "confirm": 2}
    assert found["sizes"] == {"unit": "characters", "min": 1, "median": 2, "p99": 6, "max": 6}
    assert found["duplicates"] == {
        "inside": {"train": 2, "calibrate": 0, "select": 0, "confirm": 0},
        "labels_differ": 2,
    }
    assert found["leaks"] == {"train": 1, "others": 1}
    assert lines(found) == [
        "10 texts of 1 to 6 characters; half have up to 2, 99% up to 6",
        "2 classes: ant (6), bee (4)",
        "1 rows of select or confirm also stood in train: they were left out",
        "1 rows of confirm also stood in calibrate or select: they were left out",
        "rows that repeat an earlier one: 2 in train",
        "2 rows have a copy with another label",
        "a note",
    ]


def test_clips_images_records_and_numbers() -> None:
    labels = [0, 1] * 20
    clips = as_objects([np.full(800 + number, number, dtype=np.float32) for number in range(40)])
    sound = described(dataset(clips, labels, input_steps=({"decode_audio": {"rate": 8000}},)))
    assert sound["sizes"] == {
        "unit": "s",
        "rate": 8000,
        "min": 0.1,
        "median": 819 / 8000,
        "p99": 839 / 8000,
        "max": 839 / 8000,
    }
    assert lines(sound)[0].startswith("40 clips of sound at 8000 Hz of 0.1 to 0.105 s")
    pixels = np.arange(40 * 12, dtype=np.uint16).reshape(40, 3, 2, 2).astype(np.uint8)
    images = described(dataset(pixels, labels, input_steps=({"decode_image": {"mode": "RGB"}},)))
    assert lines(images)[0] == "40 images of 3 x 2 x 2"
    users = records_of({"user": np.arange(40), "text": texts(*(f"text {number}" for number in range(40)))}, "rows")
    records = described(dataset(users, [0] * 15 + [1] * 25))
    assert records["sizes"] == {"unit": "inputs", "fields": {"user": [], "text": []}}
    assert lines(records)[:2] == ["40 records of user, text", "2 classes: bee (25), ant (15)"]
    unlabelled = Dataset(np.eye(40), np.zeros(40, dtype=np.int64), (), "classification", "rows", labelled=False)
    found = described(unlabelled)
    assert (found["classes"], found["labelled"], lines(found)) == ({}, False, ["40 rows of 40 numbers"])


def test_hashes_tell_rows_apart() -> None:
    everything = np.arange(2)
    labels = np.zeros(2, dtype=np.int64)
    assert rows_hash(texts("ab", "c"), labels, everything) != rows_hash(texts("a", "bc"), labels, everything)
    clips = as_objects([np.zeros(2, dtype=np.float32), np.zeros(1, dtype=np.float32)])
    other = as_objects([np.zeros(1, dtype=np.float32), np.zeros(2, dtype=np.float32)])
    assert rows_hash(clips, labels, everything) != rows_hash(other, labels, everything)
    pairs = records_of({"one": texts("ab", "a"), "two": texts("c", "bc")}, "rows")
    assert len(set(row_digests(pairs).tolist())) == 2
    same = records_of({"one": texts("ab", "ab"), "two": np.ones((2, 3))}, "rows")
    assert len(set(row_digests(same).tolist())) == 1
    numbers = np.arange(4, dtype=np.float32).reshape(2, 2)
    assert rows_hash(numbers, labels, everything) != rows_hash(numbers, labels, everything[::-1])
