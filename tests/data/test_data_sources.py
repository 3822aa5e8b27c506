"""Opening every form of source, and the message of every source that cannot be used."""

import gzip
import struct
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from sartor.data import Dataset, make_splits, open_data
from sartor.errors import DataError, InputError, UserCodeError
from sartor.need import DataSpec
from sartor.steps import apply_steps, prepare, read_steps
from sartor.steps.images import DecodeImage, framing

RANDOM = np.random.default_rng(0)
TABLE = "tabular-classification"
IMAGES = "image-classification"
NUMBERS = "tabular-regression"


def opened(base: Path, task: str = TABLE, image_size: tuple[int, int] | None = None, **spec: Any) -> Dataset:
    return open_data(DataSpec(**spec), task, base, DecodeImage(size=image_size) if image_size else None)


def write_image(path: Path, size: tuple[int, int] = (6, 4), grey: bool = False) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    height, width = size
    pixels = RANDOM.integers(0, 256, (height, width) if grey else (height, width, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(path)


def idx_bytes(array: np.ndarray) -> bytes:
    return struct.pack(f">BBBB{array.ndim}I", 0, 0, 8, array.ndim, *array.shape) + array.tobytes()


def write_idx(folder: Path) -> np.ndarray:
    images = RANDOM.integers(0, 256, (6, 3, 2), dtype=np.uint8)
    labels = np.array([0, 1, 2, 0, 1, 2], dtype=np.uint8)
    for prefix in ("train", "t10k"):
        (folder / f"{prefix}-images-idx3-ubyte.gz").write_bytes(gzip.compress(idx_bytes(images)))
        (folder / f"{prefix}-labels-idx1-ubyte").write_bytes(idx_bytes(labels))
    return images


def test_built_in_digits_and_breast_cancer(tmp_path: Path) -> None:
    digits = opened(tmp_path, IMAGES, source="digits")
    assert digits.inputs.shape == (1797, 1, 8, 8)
    assert digits.inputs.dtype == np.float32
    assert (digits.inputs.max(), digits.classes) == (16, tuple("0123456789"))
    for name in ("breast-cancer", "breast_cancer"):
        cancer = opened(tmp_path, source=name)
        assert (cancer.inputs.shape, cancer.classes) == ((569, 30), ("malignant", "benign"))
    assert (cancer.labels == 0).sum() == 212  # malignant tumours, as scikit-learn documents the set


@pytest.mark.parametrize(("inputs", "labels"), [("inputs", "labels"), ("x", "y"), ("X", "y"), ("images", "labels")])
def test_npz_by_usual_names(tmp_path: Path, inputs: str, labels: str) -> None:
    arrays: dict[str, Any] = {inputs: np.arange(8).reshape(4, 2), labels: [3, 1, 3, 1]}
    np.savez(tmp_path / "a.npz", **arrays)
    data = opened(tmp_path, source="a.npz")
    assert data.inputs.dtype == np.float32
    assert (data.classes, data.labels.tolist()) == (("1", "3"), [1, 0, 1, 0])


def test_npz_by_given_names_with_groups(tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", features=np.eye(4), kind=["b", "a", "b", "a"], speaker=["x", "y", "x", "z"])
    data = opened(tmp_path, source="a.npz", input="features", label="kind", group="speaker")
    assert data.groups is not None
    assert (data.labels.tolist(), data.groups.tolist()) == ([1, 0, 1, 0], [0, 1, 0, 2])


def test_npz_with_splits_of_its_own(tmp_path: Path) -> None:
    np.savez(
        tmp_path / "a.npz",
        x_train=np.eye(4),
        y_train=[0, 1, 0, 1],
        test_inputs=np.ones((2, 4)),
        test_labels=[0, 1],
    )
    data = opened(tmp_path, source="a.npz")
    assert {name: rows.tolist() for name, rows in data.given.items()} == {
        "train": [0, 1, 2, 3],
        "confirm": [4, 5],
    }


def test_byte_images_can_be_decoded_by_the_bundle(tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", images=np.zeros((4, 3, 6, 5), dtype=np.uint8), labels=[0, 1, 0, 1])
    data = opened(tmp_path, IMAGES, source="a.npz")
    assert data.inputs.dtype == np.uint8
    assert data.input_steps == ({"decode_image": {"mode": "RGB", "size": [6, 5]}},)


def test_token_ids_stay_whole(tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", inputs=np.ones((4, 7), dtype=np.int32), labels=[0, 1, 0, 1])
    assert opened(tmp_path, "text-classification", source="a.npz").inputs.dtype == np.int64


def test_csv_label_is_last_or_called_label_or_named(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("a,b,c\n1,2,x\n3,4,y\n", encoding="utf-8")
    data = opened(tmp_path, source="a.csv")
    assert (data.inputs.tolist(), data.classes) == ([[1, 2], [3, 4]], ("x", "y"))
    (tmp_path / "b.tsv").write_text("label\ta\tb\n10\t1\t2\n9\t3\t4\n", encoding="utf-8")
    data = opened(tmp_path, source="b.tsv")
    assert (data.inputs.tolist(), data.classes) == ([[1, 2], [3, 4]], ("9", "10"))
    data = opened(tmp_path, NUMBERS, source="b.tsv", label="b", group="label")
    assert (data.inputs.tolist(), data.labels.tolist()) == ([[1], [3]], [2, 4])
    (tmp_path / "c.csv").write_text("a;label\n1;1.0\n\n3;0.0\n", encoding="utf-8-sig")
    assert opened(tmp_path, source="c.csv").classes == ("0", "1")


def test_named_split_files_are_kept_and_stretch_over_classes(tmp_path: Path) -> None:
    for name, rows in (("train", "1,a\n2,b\n"), ("dev", "3,b\n"), ("test", "4,a\n5,c\n")):
        (tmp_path / f"{name}.csv").write_text(f"x,label\n{rows}", encoding="utf-8")
    data = opened(tmp_path, source="train.csv", select="dev.csv", confirm="test.csv")
    assert {name: rows.tolist() for name, rows in data.given.items()} == {
        "train": [0, 1],
        "select": [2],
        "confirm": [3, 4],
    }
    assert (data.classes, data.labels.tolist()) == (("a", "b", "c"), [0, 1, 1, 0, 2])


def test_image_folder(tmp_path: Path) -> None:
    for name in ("cat", "ant"):
        for number in range(2):
            write_image(tmp_path / "pets" / name / f"{number}.png")
    (tmp_path / "pets" / "cat" / "notes.txt").write_text("not an image", encoding="utf-8")
    data = opened(tmp_path, IMAGES, source="pets")
    assert (data.inputs.shape, data.classes) == ((4, 3, 6, 4), ("ant", "cat"))
    assert data.inputs.dtype == np.uint8
    assert data.input_steps == ({"decode_image": {"mode": "RGB", "size": [6, 4]}},)
    image = np.asarray(Image.open(tmp_path / "pets" / "cat" / "1.png"))
    np.testing.assert_array_equal(data.inputs[3], image.transpose(2, 0, 1))


def test_image_folder_with_splits_and_grey_images(tmp_path: Path) -> None:
    for split in ("train", "val", "test"):
        for name in ("cat", "ant"):
            write_image(tmp_path / split / name / "0.png", grey=True)
    data = opened(tmp_path, IMAGES, source=".")
    assert data.inputs.shape == (6, 1, 6, 4)
    assert sorted(data.given) == ["confirm", "select", "train"]


def test_a_class_may_be_called_train(tmp_path: Path) -> None:
    for name in ("train", "bus"):
        write_image(tmp_path / name / "0.png")
    assert opened(tmp_path, IMAGES, source=".").classes == ("bus", "train")


@pytest.mark.parametrize("resample", ["bilinear", "bicubic"])
@pytest.mark.parametrize("crop", [8, 12])
def test_images_of_several_sizes_are_what_the_declared_steps_make_of_each(
    tmp_path: Path, resample: str, crop: int
) -> None:
    sizes = [(30, 20), (17, 40), (12, 12), (25, 31)]
    for number, size in enumerate(sizes):
        write_image(tmp_path / f"{'ab'[number % 2]}/{number}.png", size)
    declared: list[dict[str, Any]] = [
        {"resize_shortest": {"size": 12, "resample": resample}},
        {"center_crop": [crop, crop]},
    ]
    data = open_data(DataSpec(source="."), IMAGES, tmp_path, framing(declared))
    assert data.inputs.shape == (4, 3, 12, 12)
    stored = {path.name: path for path in tmp_path.rglob("*.png")}
    prepared = apply_steps(read_steps(declared), data.inputs)
    for row, name in zip(prepared, ["0.png", "2.png", "1.png", "3.png"], strict=True):
        alone = prepare(read_steps([{"decode_image": {}}, *declared]), str(stored[name]))
        np.testing.assert_array_equal(row, alone[0])


@pytest.mark.parametrize(("mode", "channels"), [("L", 1), ("RGB", 3), (None, 3)])
def test_a_declared_mode_counts_more_than_what_the_files_are(tmp_path: Path, mode: str | None, channels: int) -> None:
    for number in range(4):
        write_image(tmp_path / f"{'ab'[number % 2]}/{number}.png", grey=mode == "RGB")
    data = open_data(DataSpec(source="."), IMAGES, tmp_path, image_mode=mode)
    assert data.inputs.shape[1] == channels
    assert data.input_steps[0]["decode_image"]["mode"] == (mode or "RGB")


def test_images_of_several_sizes_need_a_size(tmp_path: Path) -> None:
    write_image(tmp_path / "cat" / "0.png", (6, 4))
    write_image(tmp_path / "ant" / "0.png", (9, 9))
    with pytest.raises(DataError, match=r"2 sizes: ant/0\.png is 9 x 9, cat/0\.png 6 x 4") as raised:
        opened(tmp_path, IMAGES, source=".")
    assert "resize" in raised.value.hint
    assert opened(tmp_path, IMAGES, (5, 5), source=".").inputs.shape == (2, 3, 5, 5)


def test_idx_folder(tmp_path: Path) -> None:
    images = write_idx(tmp_path)
    data = opened(tmp_path, IMAGES, source=".")
    np.testing.assert_array_equal(data.inputs[6:, 0], images)
    assert {name: len(rows) for name, rows in data.given.items()} == {"train": 6, "confirm": 6}
    assert data.input_steps == ({"decode_image": {"mode": "L", "size": [3, 2]}},)


@pytest.mark.skipif(not Path("/usr/share/datasets/fashion-mnist").is_dir(), reason="not installed")
def test_fashion_mnist_as_installed(tmp_path: Path) -> None:
    data = opened(tmp_path, IMAGES, source="/usr/share/datasets/fashion-mnist")
    assert data.inputs.shape == (70000, 1, 28, 28)
    assert len(data.given["confirm"]) == 10000
    splits = make_splits(data, trains=True, seed=0)
    assert (len(splits.train), len(splits.calibrate), len(splits.select)) == (41250, 3750, 15000)


def test_a_callable_of_the_user(tmp_path: Path) -> None:
    (tmp_path / "mine_good.py").write_text("def load():\n    return [[1.0], [2.0]], ['b', 'a']\n", encoding="utf-8")
    data = opened(tmp_path, source="mine_good:load")
    assert (data.inputs.tolist(), data.classes) == ([[1], [2]], ("a", "b"))


def test_labels_set_the_order_by_name_or_by_position(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("a,label\n1,neg\n2,pos\n", encoding="utf-8")
    assert opened(tmp_path, source="a.csv", labels=("pos", "neg", "other")).labels.tolist() == [1, 0]
    np.savez(tmp_path / "a.npz", x=np.eye(2), y=[2, 0])
    data = opened(tmp_path, source="a.npz", labels=("low", "middle", "high"))
    assert (data.labels.tolist(), data.classes) == ([2, 0], ("low", "middle", "high"))
    np.savez(tmp_path / "b.npz", x=np.eye(2), y=[0.5, 1.5])
    assert opened(tmp_path, source="b.npz", labels=("1.5", "0.5")).labels.tolist() == [1, 0]


# --- what cannot be used ------------------------------------------------------------------------


def refused(base: Path, task: str = TABLE, **spec: Any) -> str:
    with pytest.raises(DataError) as raised:
        opened(base, task, **spec)
    return str(raised.value)


def test_missing_file_names_the_forms_and_the_nearest(tmp_path: Path) -> None:
    assert "did you mean `digits`" in refused(tmp_path, source="digit")
    message = refused(tmp_path, source="train.csv")
    assert f"no such file or folder in {tmp_path}" in message
    assert "package.module:function" in message
    (tmp_path / "a.xlsx").touch()
    assert "files of type `.xlsx` are not read" in refused(tmp_path, source="a.xlsx")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "a.csv holds no rows"),
        ("a,label\n", "a.csv holds no rows"),
        ("1,2\n3,4\n", "begins with a line of numbers"),
        ("a,a,label\n1,2,x\n", "several columns `a`"),
        ("a,label\n1,x\n2,y,z\n", "line 3: 3 cells"),
        ("a,b,label\n1,red,x\n", "line 2, column `b`: `red`"),
        ("a,b,label\n1,2,x\n1,,y\n", "line 3, column `b`: an empty cell"),
        ("label\nx\n", "only the column label"),
        ("a,label\n1,x\n2,\n", "no label (empty, NaN or infinity) in 1 of 2 rows, first in row 1"),
        ("a,label\n1,x\nnan,y\n", "NaN or infinity in the inputs of 1 of 2 rows: rows 1"),
        ("a,label\n1,x\n1e99,y\n", "NaN or infinity in the inputs of 1 of 2 rows: rows 1"),
        ("a,label\n1,x\n2,x\n", "every label is x"),
        ("a,label\n1,0.5\n2,0.7\n", "fractions such as 0.5"),
    ],
)
def test_a_wrong_table(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "a.csv").write_text(text, encoding="utf-8")
    assert message in refused(tmp_path, source="a.csv")


def test_a_column_that_does_not_exist(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("age,label\n1,x\n", encoding="utf-8")
    assert "did you mean `label`" in refused(tmp_path, source="a.csv", label="lable")


@pytest.mark.parametrize(
    ("arrays", "task", "message"),
    [
        ({"x": np.eye(3)}, TABLE, "no array called labels or y"),
        ({"a": np.eye(3), "y": [0, 1, 0]}, TABLE, "it has a, y"),
        ({"x": np.eye(3), "y": [0, 1]}, TABLE, "3 inputs, 2 labels"),
        ({"x": np.zeros((0, 3)), "y": np.zeros(0)}, TABLE, "holds no rows"),
        ({"x": np.eye(3), "y": np.eye(3)}, TABLE, "labels of shape (3, 3)"),
        ({"x": np.array(["a", "b"]), "y": [0, 1]}, TABLE, "texts for the task `tabular-classification`"),
        ({"x": np.eye(2), "y": [0, np.nan]}, TABLE, "in 1 of 2 rows, first in row 1"),
        ({"x": np.eye(2), "y": [0, np.inf]}, NUMBERS, "NaN or infinity in the labels of 1 of 2 rows: rows 1"),
        ({"x": np.eye(2), "y": [0.25, 1]}, TABLE, "use the task tabular-regression"),
        ({"x": np.eye(40), "y": np.arange(40)}, TABLE, "40 different numbers in 40 rows"),
        ({"x": np.eye(2), "y": ["a", "b"]}, NUMBERS, "the label `a` for a regression task"),
        (
            {"x_train": np.eye(2), "y_train": [0, 1], "x_test": np.eye(3), "y_test": [0, 1, 1]},
            TABLE,
            "of shape (3,)",
        ),
        ({"x_train": np.eye(2)}, TABLE, "no array called train_labels"),
        ({"x_train": np.eye(2), "y_train": [0, 1, 1]}, TABLE, "2 inputs but 3 labels in train"),
    ],
)
def test_wrong_arrays(tmp_path: Path, arrays: dict[str, Any], task: str, message: str) -> None:
    np.savez(tmp_path / "a.npz", **arrays)
    assert message in refused(tmp_path, task, source="a.npz")


def test_every_broken_row_is_counted(tmp_path: Path) -> None:
    inputs = np.eye(9)
    inputs[[1, 2, 4, 5, 7, 8], 0] = np.nan
    np.savez(tmp_path / "a.npz", x=inputs, y=[0, 1, 0] * 3)
    assert "6 of 9 rows: rows 1, 2, 4, 5, 7, ... (the first row is 0)" in refused(tmp_path, source="a.npz")


def test_pickled_and_broken_npz(tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", x=np.array([{}, {}], dtype=object), y=[0, 1])
    assert "without pickled objects" in refused(tmp_path, source="a.npz")
    (tmp_path / "b.npz").write_bytes(b"PK nothing")
    assert "b.npz cannot be read" in refused(tmp_path, source="b.npz")


def test_labels_that_do_not_cover_the_data(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("a,label\n1,neg\n2,pos\n3,odd\n", encoding="utf-8")
    assert "does not name: odd" in refused(tmp_path, source="a.csv", labels=("neg", "pos"))
    assert "repeats a name" in refused(tmp_path, source="a.csv", labels=("neg", "neg"))
    np.savez(tmp_path / "a.npz", x=np.eye(3), y=[0, 1, 2])
    assert "does not name: 0, 1, 2" in refused(tmp_path, source="a.npz", labels=("low", "high"))
    assert "no `labels:`" in refused(tmp_path, NUMBERS, source="a.npz", labels=("low", "high"))


def test_names_that_would_be_ignored(tmp_path: Path) -> None:
    assert "no named columns" in refused(tmp_path, IMAGES, source="digits", label="digit")
    np.savez(tmp_path / "a.npz", x_train=np.eye(2), y_train=[0, 1])
    assert "brings the splits train" in refused(tmp_path, source="a.npz", confirm="a.npz")


def test_a_task_that_cannot_be_read_yet(tmp_path: Path) -> None:
    assert "object-detection" in refused(tmp_path, "object-detection", source="digits")


def test_wrong_image_folders(tmp_path: Path) -> None:
    assert "has no class folders" in refused(tmp_path, IMAGES, source=".")
    (tmp_path / "cat").mkdir()
    assert "cat in" in refused(tmp_path, IMAGES, source=".")
    (tmp_path / "cat" / "0.png").write_bytes(b"broken")
    assert "0.png cannot be read" in refused(tmp_path, IMAGES, source=".")
    write_image(tmp_path / "cat" / "0.png")
    assert "every label is cat" in refused(tmp_path, IMAGES, source=".")
    whole = (tmp_path / "cat" / "0.png").read_bytes()
    (tmp_path / "cat" / "0.png").write_bytes(whole[: len(whole) // 2])
    assert "0.png cannot be read" in refused(tmp_path, IMAGES, source=".")


def test_wrong_idx_folders(tmp_path: Path) -> None:
    write_idx(tmp_path)
    images, labels = tmp_path / "t10k-images-idx3-ubyte.gz", tmp_path / "t10k-labels-idx1-ubyte"
    labels.write_bytes(labels.read_bytes()[:-1])
    assert "13 bytes do not hold 6" in refused(tmp_path, IMAGES, source=".")
    labels.write_bytes(b"?")
    assert "do not hold an idx header" in refused(tmp_path, IMAGES, source=".")
    labels.unlink()
    assert "no t10k-labels" in refused(tmp_path, IMAGES, source=".")
    images.write_bytes(images.read_bytes()[:20])
    labels.write_bytes(b"?")
    assert "cannot be read" in refused(tmp_path, IMAGES, source=".")


def test_wrong_callables(tmp_path: Path) -> None:
    (tmp_path / "mine_bad.py").write_text(
        "def load():\n    return inner()\n\ndef inner():\n    return {}['rows']\n\n"
        "def one():\n    return [1]\n\ndef ragged():\n    return [[1], [2, 3]], [0, 1]\n",
        encoding="utf-8",
    )
    with pytest.raises(UserCodeError) as raised:
        opened(tmp_path, source="mine_bad:load")
    assert "KeyError: 'rows'" in raised.value.trace
    assert "in inner" in raised.value.trace
    assert "sartor" not in raised.value.trace.replace(str(tmp_path), "")
    with pytest.raises(InputError, match="did you mean `load`"):
        opened(tmp_path, source="mine_bad:laod")
    with pytest.raises(InputError, match="no module `mine_bat`") as missing:
        opened(tmp_path, source="mine_bat:load")
    assert "mine_bad" in missing.value.hint
    assert "returned 1 values" in refused(tmp_path, source="mine_bad:one")
    assert "do not form an array" in refused(tmp_path, source="mine_bad:ragged")


def test_a_module_that_raises_while_imported(tmp_path: Path) -> None:
    (tmp_path / "mine_raises.py").write_text("import nowhere_to_be_found\n", encoding="utf-8")
    with pytest.raises(UserCodeError) as raised:
        opened(tmp_path, source="mine_raises:load")
    assert "No module named 'nowhere_to_be_found'" in raised.value.trace
    assert raised.value.trace.count("File ") == 1
    (tmp_path / "mine_syntax.py").write_text("def load(:\n", encoding="utf-8")
    with pytest.raises(UserCodeError, match="SyntaxError"):
        opened(tmp_path, source="mine_syntax:load")
