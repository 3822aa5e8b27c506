"""`predict` and `report`: one row each in, one row each out, or one clear error and no file."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from sartor.bundle.write import write_bundle
from tests.bundle.making import INT8, NEED, contents, part, write_net, write_simple
from tests.cli.calling import Call, caller, snapshot, write_rows

COUNT = 30


@pytest.fixture
def call(capsys: pytest.CaptureFixture[str]) -> Call:
    return caller(capsys)


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_simple(tmp_path_factory.mktemp("bundles") / "out")


@pytest.fixture
def rows(tmp_path: Path) -> Path:
    return write_rows(tmp_path / "rows.csv", COUNT)


def test_csv(call: Call, bundle: Path, rows: Path, tmp_path: Path) -> None:
    assert call("predict", bundle, rows, "--drop", "label", "-o", tmp_path / "out.csv").code == 0
    with (tmp_path / "out.csv").open(newline="") as file:
        found = list(csv.DictReader(file))
    assert [int(row["row"]) for row in found] == list(range(COUNT))
    assert {row["label"] for row in found} == {"ant", "bee", "cat"}


def test_jsonl(call: Call, bundle: Path, rows: Path, tmp_path: Path) -> None:
    ended = call("predict", bundle, rows, "--drop", "label", "-o", tmp_path / "out.jsonl", "--json")
    assert json.loads(ended.out) == {"rows": COUNT, "output": str(tmp_path / "out.jsonl")}
    lines = [json.loads(line) for line in (tmp_path / "out.jsonl").read_text().splitlines()]
    assert len(lines) == COUNT
    assert all(0 <= line["probability"] <= 1 for line in lines)


def test_npz(call: Call, bundle: Path, rows: Path, tmp_path: Path) -> None:
    ended = call("predict", bundle, rows, "--drop", "label", "-o", tmp_path / "out.npz")
    assert (ended.code, ended.out) == (0, "")
    assert f"{COUNT} rows" in ended.err
    with np.load(tmp_path / "out.npz") as found:
        assert {name: len(found[name]) for name in found.files} == dict.fromkeys(
            ("outputs", "label", "probability"), COUNT
        )


def test_images(call: Call, tmp_path: Path) -> None:
    (tmp_path / "source").mkdir()
    steps = ({"decode_image": {"mode": "L", "size": [2, 2]}}, {"reshape": [4]})
    write_bundle(tmp_path / "out", contents(part(write_net(tmp_path / "source" / "net.onnx"), steps=steps)), NEED)
    (tmp_path / "scans").mkdir()
    for number in range(3):
        Image.new("L", (2, 2), 40 * number).save(tmp_path / "scans" / f"{number}.png")
    assert call("predict", tmp_path / "out", tmp_path / "scans", "-o", tmp_path / "o.jsonl").code == 0
    assert len((tmp_path / "o.jsonl").read_text().splitlines()) == 3
    (tmp_path / "scans" / "1.png").write_bytes(b"no image")
    ended = call("predict", tmp_path / "out", tmp_path / "scans", "-o", tmp_path / "second.jsonl", "--json")
    assert ended.code == 2
    assert "1.png" in ended.error["came"]
    assert not (tmp_path / "second.jsonl").exists()


@pytest.mark.parametrize(
    ("what", "kind", "words"),
    [
        ("out.txt", "output", ["`.txt`", ".csv, .jsonl, .npz"]),
        ("out", "output", [".csv, .jsonl, .npz"]),
        ("absent/out.csv", "output", ["absent"]),
    ],
)
def test_an_output_that_cannot_be(
    what: str, kind: str, words: list[str], call: Call, bundle: Path, rows: Path, tmp_path: Path
) -> None:
    before = snapshot(tmp_path)
    ended = call("predict", bundle, rows, "--drop", "label", "-o", tmp_path / what, "--json")
    assert (ended.code, ended.error["kind"]) == (2, kind)
    assert all(word in " ".join(ended.error.values()) for word in words)
    assert snapshot(tmp_path) == before


def test_columns_that_do_not_fit(call: Call, bundle: Path, rows: Path, tmp_path: Path) -> None:
    before = snapshot(tmp_path)
    out = ["-o", str(tmp_path / "out.csv"), "--json"]
    with_label = call("predict", bundle, rows, *out)
    assert (with_label.code, with_label.error["kind"]) == (2, "data")
    assert "column `label`" in with_label.error["came"]
    too_few = call("predict", bundle, rows, "--drop", "label", "--drop", "x3", *out)
    assert too_few.code == 2
    assert "3)" in too_few.error["came"]
    assert "(4)" in too_few.error["allowed"]
    unknown = call("predict", bundle, rows, "--drop", "lable", *out)
    assert "x0, x1, x2, x3, label" in unknown.error["allowed"]
    assert snapshot(tmp_path) == before


@pytest.mark.parametrize("source", ["absent.csv", "absent", "bundle.parquet"])
def test_data_that_cannot_be_read(source: str, call: Call, bundle: Path, tmp_path: Path) -> None:
    (tmp_path / "bundle.parquet").touch()
    ended = call("predict", bundle, tmp_path / source, "-o", tmp_path / "out.csv", "--json")
    assert (ended.code, ended.error["kind"]) == (2, "data")
    assert source in ended.error["came"]
    assert not (tmp_path / "out.csv").exists()


@pytest.mark.parametrize("command", ["predict", "measure", "report"])
@pytest.mark.parametrize("place", ["absent", "empty", "a-file"])
def test_what_is_no_bundle(command: str, place: str, call: Call, rows: Path, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "a-file").touch()
    before = snapshot(tmp_path)
    more = [rows, "-o", tmp_path / "out.csv"] if command == "predict" else []
    ended = call(command, tmp_path / place, *more)
    assert (ended.code, ended.out) == (2, "")
    assert "is no bundle" in ended.err
    assert "Traceback" not in ended.err
    assert snapshot(tmp_path) == before


def test_a_changed_bundle_is_refused(call: Call, rows: Path, tmp_path: Path) -> None:
    folder = write_simple(tmp_path / "bundle")
    (file,) = folder.glob("variants/*/net.onnx")
    file.write_bytes(file.read_bytes() + b"\0")
    ended = call("predict", folder, rows, "--drop", "label", "-o", tmp_path / "out.csv", "--json")
    assert (ended.code, ended.error["kind"]) == (2, "bundle")
    assert "net.onnx" in ended.error["came"]


def test_an_unknown_variant_names_those_there_are(call: Call, bundle: Path, rows: Path, tmp_path: Path) -> None:
    ended = call("predict", bundle, rows, "--variant", "x", "-o", tmp_path / "out.csv", "--json")
    assert ended.code == 2
    assert "net.f32.onnxruntime" in ended.error["allowed"]


def test_reduced_precision_from_elsewhere_points_to_measure(call: Call, rows: Path, tmp_path: Path) -> None:
    (tmp_path / "source").mkdir()
    net = write_net(tmp_path / "source" / "net.onnx")
    write_bundle(tmp_path / "out", contents(part(net, recipe=INT8), isa_class="riscv-v"), NEED)
    ended = call("predict", tmp_path / "out", rows, "-o", tmp_path / "out.csv", "--json")
    assert (ended.code, ended.error["kind"]) == (2, "bundle")
    assert "sartor measure" in ended.error["hint"]
