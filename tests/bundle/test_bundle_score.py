"""Offline scoring: one prediction a row, whatever the rows came in."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from sartor.bundle.bundle import Bundle
from sartor.bundle.score import score, writer_for
from sartor.data.unlabelled import read_rows
from sartor.errors import DataError, InputError, OutputError
from tests.bundle.making import write_simple

ROWS = np.array([[3, 0, 0, 0], [0, 3, 0, 0], [0, 0, 3, 1]], dtype=np.float32)
LABELS = ["ant", "bee", "cat"]
HEADER = "a,b,c,d\n"
TABLE = HEADER + "3,0,0,0\n0,3,0,0\n0,0,3,1\n"


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    return Bundle.load(write_simple(tmp_path_factory.mktemp("bundles") / "out"))


def labels(bundle: Bundle, source: Path, *drop: str) -> list[str]:
    out = source.parent / "out.jsonl"
    count = score(bundle, str(source), drop, writer_for(out))
    found = [json.loads(line) for line in out.read_text().splitlines()]
    assert len(found) == count
    return [row["label"] for row in found]


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("rows.csv", TABLE),
        ("rows.tsv", TABLE.replace(",", "\t")),
        ("semicolons.csv", TABLE.replace(",", ";")),
        ("spreadsheet.csv", "\ufeff" + TABLE.replace("\n", "\r\n")),
        ("blank-lines.csv", TABLE.replace("\n0,3", "\n\n0,3") + "\n\n"),
        ("quoted.csv", TABLE.replace("a,b", '"a","b"').replace("3,0,0,0", '"3","0","0","0"')),
        ("spaces.csv", TABLE.replace(",", ", ")),
    ],
)
def test_tables(name: str, text: str, bundle: Bundle, tmp_path: Path) -> None:
    (tmp_path / name).write_bytes(text.encode())
    assert labels(bundle, tmp_path / name) == LABELS


def test_columns_that_are_no_features_are_dropped(bundle: Bundle, tmp_path: Path) -> None:
    rows = TABLE.splitlines()
    (tmp_path / "rows.csv").write_text("\n".join([rows[0] + ",kind,id", *(f"{row},x,7" for row in rows[1:])]))
    assert labels(bundle, tmp_path / "rows.csv", "kind", "id") == LABELS
    with pytest.raises(DataError, match="no column `knid`"):
        labels(bundle, tmp_path / "rows.csv", "knid")
    with pytest.raises(DataError, match=r"line 2, column `kind`: `x`") as caught:
        labels(bundle, tmp_path / "rows.csv")
    assert "--drop" in caught.value.hint


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "no rows"),
        (HEADER, "no rows"),
        ("3,0,0,0\n0,3,0,0\n", "begins with a line of numbers"),  # else a row would be lost without a word
        (HEADER + "3,0,0\n", "line 2"),
        (HEADER + "3,0,0,0,9\n", "line 2"),
        (HEADER + "3,0,0,zero\n", "column `d`: `zero`"),
        (HEADER + "3,0,,0\n", "column `c`"),
        (HEADER + "3,0,nan,0\n", "NaN"),
        (HEADER + "3,0,inf,0\n", "NaN or infinity"),
        ("a,b,c\n3,0,0\n", "shape"),
        ("a,b,c,d,e\n3,0,0,0,1\n", "shape"),
        ("a,a,c,d\n3,0,0,0\n", "several columns `a`"),
        (HEADER + '"3,0,0,0\n', "line 2|cannot be read"),
    ],
)
def test_tables_that_cannot_be_scored(text: str, says: str, bundle: Bundle, tmp_path: Path) -> None:
    (tmp_path / "rows.csv").write_text(text)
    with pytest.raises(InputError, match=says):
        labels(bundle, tmp_path / "rows.csv")


def test_a_table_in_another_encoding(bundle: Bundle, tmp_path: Path) -> None:
    (tmp_path / "rows.csv").write_bytes(TABLE.replace("a", "é", 1).encode("latin-1"))
    with pytest.raises(DataError, match="cannot be read"):
        labels(bundle, tmp_path / "rows.csv")


def test_all_columns_dropped(bundle: Bundle, tmp_path: Path) -> None:
    (tmp_path / "rows.csv").write_text(TABLE)
    with pytest.raises(DataError, match="no columns left"):
        labels(bundle, tmp_path / "rows.csv", "a", "b", "c", "d")


@pytest.mark.parametrize("name", ["inputs", "x", "X", "images", "anything"])
def test_arrays_by_name(name: str, bundle: Bundle, tmp_path: Path) -> None:
    arrays: dict[str, Any] = {name: ROWS}
    np.savez(tmp_path / "rows.npz", **arrays)
    assert labels(bundle, tmp_path / "rows.npz") == LABELS


@pytest.mark.parametrize("rows", [ROWS, ROWS.astype(np.float64), ROWS.astype(np.uint8), ROWS.astype(np.int64)])
def test_arrays_of_any_number(rows: np.typing.NDArray[Any], bundle: Bundle, tmp_path: Path) -> None:
    np.save(tmp_path / "rows.npy", rows)
    assert labels(bundle, tmp_path / "rows.npy") == LABELS


def test_one_row_is_one_prediction(bundle: Bundle, tmp_path: Path) -> None:
    np.save(tmp_path / "row.npy", ROWS[1])
    assert labels(bundle, tmp_path / "row.npy") == ["bee"]


def test_more_rows_than_one_chunk_holds(bundle: Bundle, tmp_path: Path) -> None:
    np.save(tmp_path / "rows.npy", np.tile(ROWS, (700, 1)))
    assert labels(bundle, tmp_path / "rows.npy") == LABELS * 700


@pytest.mark.parametrize(
    "array", [np.zeros((0, 4)), np.zeros((3, 0)), np.zeros(()), np.array(["a", "b"]), np.zeros((3, 5))]
)
def test_arrays_that_cannot_be_scored(array: np.typing.NDArray[Any], bundle: Bundle, tmp_path: Path) -> None:
    np.save(tmp_path / "rows.npy", array)
    with pytest.raises(InputError):
        labels(bundle, tmp_path / "rows.npy")


def test_damaged_arrays(bundle: Bundle, tmp_path: Path) -> None:
    np.savez_compressed(tmp_path / "whole.npz", inputs=np.tile(ROWS, (50, 1)))
    whole = (tmp_path / "whole.npz").read_bytes()
    damaged = bytearray(whole)
    damaged[80:100] = b"\0" * 20
    np.save(tmp_path / "objects.npy", np.array([{}, {}], dtype=object), allow_pickle=True)
    np.savez(tmp_path / "none.npz")
    contents = {"cut.npz": whole[:-30], "flipped.npz": bytes(damaged), "text.npy": b"hello", "empty.npz": b""}
    for name, content in contents.items():
        (tmp_path / name).write_bytes(content)
    for name in (*contents, "objects.npy", "none.npz"):
        with pytest.raises(DataError, match="cannot be read"):
            labels(bundle, tmp_path / name)


def test_images_are_paths(tmp_path: Path) -> None:
    from PIL import Image

    for name in ("b.png", "a.JPG", "notes.txt", "sub/c.png"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        if name.endswith("txt"):
            (tmp_path / name).write_text("no image")
        else:
            Image.new("L", (2, 2)).save(tmp_path / name)
    assert read_rows(str(tmp_path)) == [str(tmp_path / name) for name in ("a.JPG", "b.png", "sub/c.png")]
    assert read_rows(str(tmp_path / "b.png")) == [str(tmp_path / "b.png")]


@pytest.mark.parametrize(
    ("name", "says"), [("absent.csv", "no file"), ("rows.xlsx", "cannot be scored"), ("empty", "no images")]
)
def test_sources_that_are_none(name: str, says: str, tmp_path: Path) -> None:
    (tmp_path / "rows.xlsx").touch()
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match=says):
        read_rows(str(tmp_path / name))


def test_every_format_has_one_entry_a_row(bundle: Bundle, tmp_path: Path) -> None:
    np.save(tmp_path / "rows.npy", ROWS)
    for suffix in ("csv", "jsonl", "npz"):
        assert score(bundle, str(tmp_path / "rows.npy"), (), writer_for(tmp_path / f"out.{suffix}")) == 3
    with (tmp_path / "out.csv").open(newline="") as file:
        table = list(csv.DictReader(file))
    assert [(row["row"], row["label"]) for row in table] == [("0", "ant"), ("1", "bee"), ("2", "cat")]
    lines = [json.loads(line) for line in (tmp_path / "out.jsonl").read_text().splitlines()]
    assert [line["label"] for line in lines] == LABELS
    with np.load(tmp_path / "out.npz") as arrays:
        assert arrays["label"].tolist() == LABELS
        assert arrays["outputs"].tolist() == ROWS[:, :3].tolist()
        assert arrays["probability"].shape == (3,)
    assert [float(row["probability"]) for row in table] == [line["probability"] for line in lines]


@pytest.mark.parametrize("name", ["out.txt", "out", "out.csv.gz", "absent/out.csv", "a-file/out.csv"])
def test_outputs_that_cannot_be_written_are_refused_at_once(name: str, tmp_path: Path) -> None:
    (tmp_path / "a-file").touch()
    with pytest.raises(OutputError):
        writer_for(tmp_path / name)


def test_a_failed_write_leaves_the_older_file(bundle: Bundle, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    np.save(tmp_path / "rows.npy", ROWS)
    (tmp_path / "out.csv").write_text("older")

    def full(self: Path, target: Path) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "replace", full)
    with pytest.raises(OutputError, match="No space left"):
        score(bundle, str(tmp_path / "rows.npy"), (), writer_for(tmp_path / "out.csv"))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["out.csv", "rows.npy"]
    assert (tmp_path / "out.csv").read_text() == "older"


def test_a_folder_stands_where_the_file_should(bundle: Bundle, tmp_path: Path) -> None:
    np.save(tmp_path / "rows.npy", ROWS)
    (tmp_path / "out.csv").mkdir()
    with pytest.raises(OutputError, match=r"out\.csv"):
        score(bundle, str(tmp_path / "rows.npy"), (), writer_for(tmp_path / "out.csv"))
