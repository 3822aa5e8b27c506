"""Images out of folders and archives: layouts, files that cannot be read, rows without labels, class names."""

from __future__ import annotations

import io
import tarfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from sartor.data import Dataset, make_splits, open_data
from sartor.data.left_out import Broken, left_out
from sartor.errors import DataError
from sartor.need import DataSpec

IMAGES = "image-classification"


def picture(number: int) -> bytes:
    held = io.BytesIO()
    pixels = np.random.default_rng(number).integers(0, 256, (5, 4, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(held, "PNG")
    return held.getvalue()


def write_tar(path: Path, files: dict[str, bytes], mode: str = "w") -> None:
    with tarfile.open(path, mode) as archive:  # type: ignore[call-overload]
        for name, content in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))


def write_files(folder: Path, files: dict[str, bytes]) -> None:
    for name, content in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)


def classes(*tops: str, count: int = 2) -> dict[str, bytes]:
    names = [f"{top}{kind}/{number}.png" for top in tops for kind in ("cat", "ant") for number in range(count)]
    return {name: picture(number) for number, name in enumerate(names)}


def opened(base: Path, task: str = IMAGES, labelled: bool = True, model: tuple[str, ...] = (), **spec: Any) -> Dataset:
    spec.setdefault("source", ".")
    return open_data(DataSpec(**spec), task, base, labelled=labelled, model_classes=model)


def refused(base: Path, **spec: Any) -> str:
    with pytest.raises(DataError) as raised:
        opened(base, **spec)
    return str(raised.value)


@pytest.mark.parametrize("top", ["", "pets/", "./"])
def test_a_tar_is_read_as_the_folder_would_be(tmp_path: Path, top: str) -> None:
    files = classes(f"{top}train/", f"{top}test/")
    write_tar(tmp_path / "a.tar", {**files, f"{top}README.md": b"a note", f"{top}train/cat/._0.png": b"hidden"})
    write_files(tmp_path / "folder", {name.removeprefix(top): content for name, content in files.items()})
    packed, plain = opened(tmp_path, source="a.tar"), opened(tmp_path, source="folder")
    np.testing.assert_array_equal(packed.inputs, plain.inputs)
    assert (packed.classes, packed.labels.tolist()) == (plain.classes, plain.labels.tolist())
    assert {name: rows.tolist() for name, rows in packed.given.items()} == {
        "confirm": [0, 1, 2, 3],
        "train": [4, 5, 6, 7],
    }
    assert "1 files that are no images were passed over" in packed.notes[0]


def test_a_compressed_or_broken_tar(tmp_path: Path) -> None:
    write_tar(tmp_path / "a.tar", classes(""), "w:gz")
    assert len(opened(tmp_path, source="a.tar").inputs) == 4
    whole = (tmp_path / "a.tar").read_bytes()
    (tmp_path / "b.tar").write_bytes(whole[: len(whole) // 2])
    assert "b.tar cannot be read" in refused(tmp_path, source="b.tar")
    (tmp_path / "c.tar").write_bytes(b"no archive")
    assert "c.tar cannot be read" in refused(tmp_path, source="c.tar")
    write_tar(tmp_path / "d.tar", {"0.png": picture(0)})
    assert "d.tar has no class folders" in refused(tmp_path, source="d.tar")
    assert "no named columns" in refused(tmp_path, source="a.tar", label="kind")


def test_broken_images_are_left_out_and_listed(tmp_path: Path) -> None:
    files = classes("train/", "test/", count=50)
    write_files(tmp_path, files)
    whole = opened(tmp_path)
    (tmp_path / "train" / "cat" / "0.png").write_bytes(b"broken")
    (tmp_path / "test" / "ant" / "3.png").write_bytes(files["test/ant/3.png"][:60])
    data = opened(tmp_path)
    assert "2 of 200 images cannot be read and were left out: test/ant/3.png (" in data.notes[0]
    assert "train/cat/0.png (no image file)" in data.notes[0]
    order = sorted(files, key=lambda name: name.split("/"))
    broken = [order.index("test/ant/3.png"), order.index("train/cat/0.png")]
    kept = np.setdiff1d(np.arange(200), broken)
    np.testing.assert_array_equal(data.inputs, whole.inputs[kept])
    assert data.labels.tolist() == whole.labels[kept].tolist()
    assert {name: (rows[0], rows[-1]) for name, rows in data.given.items()} == {"confirm": (0, 98), "train": (99, 197)}
    (tmp_path / "train" / "cat" / "1.png").write_bytes(b"")
    message = refused(tmp_path)
    assert "3 of 200 images cannot be read" in message
    assert "at most 2 of 200 (1%, and 100)" in message
    assert "mend or remove them" in message


def test_no_more_than_a_hundred_files_are_left_out() -> None:
    broken = [Broken(f"{number}.png", "no image file") for number in range(101)]
    assert "100 of 20,000 images cannot be read" in left_out(broken[:100], 20_000, "images")[0]
    with pytest.raises(DataError, match=r"101 of 20,000 images cannot be read: 0\.png \(no image file\); .*98 more"):
        left_out(broken, 20_000, "images")
    assert left_out([], 5, "images") == ()


def test_loose_files_and_folders_inside_a_class(tmp_path: Path) -> None:
    write_files(tmp_path, {**classes(""), "cat/more/9.png": picture(9)})
    assert np.bincount(opened(tmp_path).labels).tolist() == [2, 3]
    write_files(tmp_path, {"loose.png": picture(8)})
    assert "loose.png in" in refused(tmp_path)
    write_files(tmp_path / "split", {**classes("train/", "test/"), "train/loose.png": picture(8)})
    assert "train/loose.png in" in refused(tmp_path, source="split")


def test_images_without_labels(tmp_path: Path) -> None:
    write_files(tmp_path / "flat", {"b.png": picture(1), "a/x/0.png": picture(0), "note.txt": b""})
    for task in (IMAGES, "feature-extraction"):
        data = opened(tmp_path, task, labelled=False, source="flat")
        assert (len(data.inputs), data.labelled, data.classes, data.given) == (2, False, (), {})
    assert data.labels.tolist() == [0, 0]
    write_files(tmp_path / "split", {"train/0.png": picture(0), "test/1.png": picture(1)})
    assert sorted(opened(tmp_path, labelled=False, source="split").given) == ["confirm", "train"]
    (tmp_path / "empty").mkdir()
    assert "holds no images" in refused(tmp_path, labelled=False, source="empty")


def test_arrays_without_labels_and_records(tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", user=[1, 2], item=np.ones((2, 3)), stars=[0.5, 1.0])
    data = opened(tmp_path, "tabular-regression", source="a.npz", input=["user", "item"], label="stars")
    assert (data.inputs.dtype.names, data.inputs["item"].shape) == (("user", "item"), (2, 3))
    assert (data.inputs["user"].dtype.name, data.inputs["item"].dtype.name) == ("int64", "float32")
    mapped = opened(tmp_path, "tabular-regression", False, source="a.npz", input={"u": "user", "i": "item"})
    assert (mapped.inputs.dtype.names, mapped.labelled) == (("u", "i"), False)
    np.savez(tmp_path / "b.npz", user=[1, 2], item=np.ones((3, 3)), y=[0, 1])
    message = refused(tmp_path, task="tabular-regression", source="b.npz", input=["user", "item"])
    assert "2 in user, 3 in item" in message
    arrays: dict[str, Any] = {"train_user": [1, 2], "train_item": [3, 4], "test_user": [5], "test_item": [6]}
    np.savez(tmp_path / "c.npz", train_y=[0, 1], test_y=[1], **arrays)
    split = opened(tmp_path, source="c.npz", input=["user", "item"])
    assert (split.inputs["item"].tolist(), split.given["confirm"].tolist()) == ([3, 4, 6], [2])


def test_rows_of_a_callable_without_labels(tmp_path: Path) -> None:
    (tmp_path / "mine_rows.py").write_text(
        "import numpy as np\n\ndef load():\n    return np.eye(3)\n\n"
        "def fields():\n    return {'user': [1, 2], 'text': ['a', 'b']}, [0, 1]\n",
        encoding="utf-8",
    )
    assert opened(tmp_path, labelled=False, source="mine_rows:load").inputs.shape == (3, 3)
    assert "returned a ndarray" in refused(tmp_path, source="mine_rows:load")
    assert opened(tmp_path, source="mine_rows:fields").inputs["text"].tolist() == ["a", "b"]


def test_class_names_of_the_model(tmp_path: Path) -> None:
    write_files(tmp_path, classes(""))
    by_name = opened(tmp_path, model=("dog", "cat", "ant"))
    assert (by_name.classes, by_name.labels.tolist(), by_name.notes) == (("dog", "cat", "ant"), [2, 2, 1, 1], ())
    np.savez(tmp_path / "a.npz", x=np.eye(3), y=[1, 0, 1])
    by_position = opened(tmp_path, source="a.npz", model=("negative", "positive"))
    assert (by_position.classes, by_position.labels.tolist()) == (("negative", "positive"), [1, 0, 1])
    ignored = opened(tmp_path, model=("LABEL_0", "LABEL_1"))
    assert (ignored.classes, ignored.labels.tolist()) == (("ant", "cat"), [0, 0, 1, 1])
    assert "the model calls its classes LABEL_0, LABEL_1; the labels are ant, cat" in ignored.notes[-1]
    named = opened(tmp_path, model=("ant", "cat"), labels=("cat", "ant"))
    assert (named.classes, len(named.notes)) == (("cat", "ant"), 1)


def test_splits_without_labels(tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", x=np.random.default_rng(0).random((100, 3)), speaker=np.arange(100) % 10)
    splits = make_splits(opened(tmp_path, labelled=False, source="a.npz"), trains=False, seed=0)
    assert [len(rows) for rows in (splits.calibrate, splits.select, splits.confirm)] == [11, 45, 44]
    assert "stratified" not in splits.how
    grouped = make_splits(opened(tmp_path, labelled=False, source="a.npz", group="speaker"), trains=False, seed=0)
    assert "groups kept together" in grouped.how
    np.savez(tmp_path / "b.npz", x=np.zeros((100, 3)))
    with pytest.raises(DataError, match="also stand in another split"):
        make_splits(opened(tmp_path, labelled=False, source="b.npz"), trains=True, seed=0)
    np.savez(tmp_path / "c.npz", x=np.eye(3))
    with pytest.raises(DataError, match="3 rows to split"):
        make_splits(opened(tmp_path, labelled=False, source="c.npz"), trains=True, seed=0)
