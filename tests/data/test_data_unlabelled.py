"""Rows to score: what a user has, for models on texts, sound, images and numbers."""

from __future__ import annotations

import tarfile
import wave
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from sartor.data.unlabelled import RowKind, read_rows
from sartor.errors import DataError
from sartor.steps.wav import read_wav


def write_wav(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(8000)
        file.writeframes(np.arange(100, dtype="<i2").tobytes())


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.txt", "good\nso so, really\n"),
        ("a.csv", 'id,sentence\n1,good\n2,"so so, really"\n'),
        ("a.tsv", "sentence\tlabel\ngood\t1\nso so, really\t0\n"),
        ("a.csv", 'words,label\ngood,1\n"so so, really",0\n'),
        ("a.jsonl", '{"text": "good", "id": 1}\n{"text": "so so, really", "id": 2}\n'),
    ],
)
def test_texts(tmp_path: Path, name: str, content: str) -> None:
    (tmp_path / name).write_text(content, encoding="utf-8")
    assert read_rows(str(tmp_path / name), kind="text") == ["good", "so so, really"]


def test_texts_in_arrays_and_columns_to_drop(tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", text=["good", "bad"], other=[1, 2])
    np.save(tmp_path / "a.npy", np.array(["good", "bad"]))
    assert read_rows(str(tmp_path / "a.npz"), kind="text") == ["good", "bad"]
    assert read_rows(str(tmp_path / "a.npy"), kind="text") == ["good", "bad"]
    (tmp_path / "a.csv").write_text("one,two\ngood,fine\nbad,poor\n", encoding="utf-8")
    with pytest.raises(DataError, match="any of the columns one, two") as raised:
        read_rows(str(tmp_path / "a.csv"), kind="text")
    assert "--drop NAME" in raised.value.hint
    assert read_rows(str(tmp_path / "a.csv"), ["one"], kind="text") == ["fine", "poor"]


def test_numbers_in_jsonl_and_parquet(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_text('{"a": 1, "b": 2, "label": "x"}\n', encoding="utf-8")
    np.testing.assert_array_equal(read_rows(str(tmp_path / "a.jsonl"), ["label"]), [[1, 2]])
    with pytest.raises(DataError, match="column `label`: `x`"):
        read_rows(str(tmp_path / "a.jsonl"))
    arrow, parquet = pytest.importorskip("pyarrow"), pytest.importorskip("pyarrow.parquet")
    parquet.write_table(arrow.table({"a": [1, 2], "text": ["x", "y"]}), tmp_path / "a.parquet")
    np.testing.assert_array_equal(read_rows(str(tmp_path / "a.parquet"), ["text"]), [[1], [2]])
    assert read_rows(str(tmp_path / "a.parquet"), kind="text") == ["x", "y"]


def test_sound(tmp_path: Path) -> None:
    for name in ("b.wav", "deep/a.wav"):
        write_wav(tmp_path / "clips" / name)
    (tmp_path / "clips" / "note.txt").touch()
    folder = tmp_path / "clips"
    assert read_rows(str(folder), kind="audio") == [str(folder / "b.wav"), str(folder / "deep" / "a.wav")]
    assert read_rows(str(folder / "b.wav"), kind="audio") == [str(folder / "b.wav")]
    with tarfile.open(tmp_path / "a.tar", "w") as archive:
        archive.add(folder, "clips")
    packed = read_rows(str(tmp_path / "a.tar"), kind="audio")
    assert [len(read_wav(content).samples) for content in packed] == [100, 100]
    audio = np.arange(-50, 50, dtype=np.int16)
    np.savez(tmp_path / "a.npz", audio=audio, offset=[0, 40], length=[40, 60], sample_rate=4000)
    first, second = (read_wav(content) for content in read_rows(str(tmp_path / "a.npz"), kind="audio"))
    assert (first.rate, len(first.samples)) == (4000, 40)
    np.testing.assert_array_equal(second.samples, audio[40:] / np.float32(32768))


WRONG: list[tuple[str, bytes, RowKind, str]] = [
    ("a.txt", b"", "text", "holds no rows"),
    ("a.txt", b"good\n\nbad\n", "text", r"1 empty texts \(number 2\)"),
    ("a.txt", b"\xff\xfe\x00", "text", "cannot be read"),
    ("a.txt", b"good\n", "numbers", "cannot be scored"),
    ("a.wav", b"RIFF", "text", "cannot be scored"),
    ("a.csv", b"a,label\n[,1\n", "numbers", "column `a`"),
    ("a.jsonl", b'{"a": [1], "b": [2]}\n', "text", "no column of texts"),
    ("a.parquet", b"nothing", "numbers", "cannot be read"),
    ("a.tar", b"nothing", "audio", "cannot be read"),
]


@pytest.mark.parametrize(("name", "content", "kind", "message"), WRONG)
def test_what_cannot_be_scored(tmp_path: Path, name: str, content: bytes, kind: RowKind, message: str) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(DataError, match=message):
        read_rows(str(tmp_path / name), kind=kind)


def test_folders_without_such_files(tmp_path: Path) -> None:
    said: dict[RowKind, Any] = {"text": "is a folder", "audio": "no WAV files", "images": "no images"}
    for kind, message in said.items():
        with pytest.raises(DataError, match=message):
            read_rows(str(tmp_path), kind=kind)
