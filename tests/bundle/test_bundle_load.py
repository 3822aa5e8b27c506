"""Bundles are loaded only when they are whole, and predict what the model says."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from sartor.bundle.bundle import Bundle
from sartor.bundle.manifest import FILE_NAME, check_files, read_manifest
from sartor.bundle.read import read_evidence
from sartor.bundle.write import write_bundle
from sartor.errors import BundleError, InputError
from sartor.machine.device import this_machine
from sartor.runtime.base import Settings
from tests.bundle.making import INT8, NAMES, NEED, contents, edit_manifest, edit_variant, part, write_net, write_simple

ELSEWHERE = "riscv-v"
ROWS = np.array([[3, 0, 0, 0], [0, 3, 0, 0], [0, 0, 3, 0], [0, 0, 9, 0], [9, 0, 0, 0]], dtype=np.float32)
LABELS = ["ant", "bee", "cat", "cat", "ant"]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return write_simple(tmp_path / "out")


def test_one_row(folder: Path) -> None:
    bundle = Bundle.load(folder)
    (answer,) = bundle.predict([0, 3, 0, 0])
    assert answer["label"] == "bee"
    assert answer["probability"] == pytest.approx(np.exp(3) / (np.exp(3) + 2))
    assert bundle.predict(ROWS[1]) == bundle.predict(ROWS[1:2]) == [answer]


def test_many_rows(folder: Path) -> None:
    assert [answer["label"] for answer in Bundle.load(str(folder)).predict(ROWS)] == LABELS


@pytest.mark.parametrize("static_file", [True, False])
@pytest.mark.parametrize("batch", [1, 2, 8])
def test_a_fixed_shape_takes_any_number_of_rows(batch: int, static_file: bool, tmp_path: Path) -> None:
    (tmp_path / "source").mkdir()
    net = write_net(tmp_path / "source" / "net.onnx", rows=batch if static_file else "batch")
    write_bundle(tmp_path / "out", contents(part(net, settings=Settings(shape="fixed", batch=batch))), NEED)
    bundle = Bundle.load(tmp_path / "out")
    assert [answer["label"] for answer in bundle.predict(ROWS)] == LABELS
    assert [answer["label"] for answer in bundle.predict(ROWS[0])] == LABELS[:1]


def test_declared_steps_run_before_the_model(tmp_path: Path) -> None:
    (tmp_path / "source").mkdir()
    steps = ({"reshape": [4]}, {"scale": 2.0})
    write_bundle(tmp_path / "out", contents(part(write_net(tmp_path / "source" / "net.onnx"), steps=steps)), NEED)
    outputs = Bundle.load(tmp_path / "out").outputs(ROWS.reshape(-1, 2, 2))
    assert outputs.tolist() == (2 * ROWS[:, :3]).tolist()


@pytest.mark.parametrize("shape", [(5,), (2, 5), (3, 2, 2), (1, 1, 1, 4), ()])
def test_a_wrong_shape_shows_what_is_expected_and_what_came(shape: tuple[int, ...], folder: Path) -> None:
    with pytest.raises(InputError) as caught:
        Bundle.load(folder).predict(np.zeros(shape))
    assert "4" in caught.value.allowed
    assert str(shape) in caught.value.came


@pytest.mark.parametrize(
    "value", [[[1, 2, 3, float("nan")]], [["a", "b", "c", "d"]], [[1, 2], [3]], [], "row.csv", None]
)
def test_what_are_no_rows_is_refused(value: Any, folder: Path) -> None:
    with pytest.raises(InputError):
        Bundle.load(folder).predict(value)


def test_what_was_written_is_read(folder: Path) -> None:
    bundle = Bundle.load(folder)
    manifest = read_manifest(folder)
    assert (manifest.outcome, manifest.classes, manifest.task) == ("met", NAMES, NEED.task)
    assert bundle.evidence == read_evidence(folder) == {"schema_version": 1}
    assert set(manifest.sha256) == {"need.yaml", "evidence.json", *manifest.variants[bundle.variant].files}
    check_files(folder, manifest)


def test_a_bundle_may_be_moved(folder: Path, tmp_path: Path) -> None:
    moved = folder.rename(tmp_path / "moved [1]")
    assert [answer["label"] for answer in Bundle.load(moved).predict(ROWS)] == LABELS


def test_another_variant_can_be_chosen(tmp_path: Path) -> None:
    (tmp_path / "source").mkdir()
    net = write_net(tmp_path / "source" / "net.onnx")
    two = part(net), part(net, settings=Settings(threads=2))
    write_bundle(tmp_path / "out", contents(*two), NEED)
    assert Bundle.load(tmp_path / "out").variant == two[0].variant.id
    assert Bundle.load(tmp_path / "out", two[1].variant.id).variant == two[1].variant.id
    with pytest.raises(BundleError, match="no variant `three`") as caught:
        Bundle.load(tmp_path / "out", "three")
    assert two[1].variant.id in caught.value.allowed


def test_external_weights_travel_along(tmp_path: Path) -> None:
    import onnx

    (tmp_path / "source").mkdir()
    net = write_net(tmp_path / "source" / "net.onnx")
    onnx.save_model(onnx.load(net), net, save_as_external_data=True, location="net.bin", size_threshold=0)
    write_bundle(tmp_path / "out", contents(part(net)), NEED)
    assert [answer["label"] for answer in Bundle.load(tmp_path / "out").predict(ROWS)] == LABELS
    (weights,) = (tmp_path / "out" / "variants").glob("*/net.bin")
    weights.write_bytes(b"\0" * weights.stat().st_size)
    with pytest.raises(BundleError, match=r"net\.bin"):
        Bundle.load(tmp_path / "out")


# What has been damaged


def model_file(folder: Path) -> Path:
    return next((folder / "variants").glob("*/net.onnx"))


def test_a_changed_model_file_is_named(folder: Path) -> None:
    file = model_file(folder)
    content = bytearray(file.read_bytes())
    content[-1] ^= 1
    file.write_bytes(content)
    with pytest.raises(BundleError, match=r"net\.onnx.*has changed") as caught:
        Bundle.load(folder)
    assert "sartor fit" in caught.value.hint


def test_a_missing_model_file_is_named(folder: Path) -> None:
    model_file(folder).unlink()
    with pytest.raises(BundleError, match=r"net\.onnx.*missing"):
        Bundle.load(folder)


def test_changed_evidence_is_refused(folder: Path) -> None:
    (folder / "evidence.json").write_text('{"schema_version": 1, "verdict": "better than it was"}')
    bundle = Bundle.load(folder)
    with pytest.raises(BundleError, match=r"evidence\.json.*has changed"):
        _ = bundle.evidence


def test_missing_evidence_is_refused(folder: Path) -> None:
    (folder / "evidence.json").unlink()
    with pytest.raises(BundleError, match=r"evidence\.json.*missing"):
        read_evidence(folder)


@pytest.mark.parametrize("make", [lambda path: None, Path.mkdir, Path.touch])
def test_a_foreign_folder_is_no_bundle(make: Callable[[Path], None], tmp_path: Path) -> None:
    make(tmp_path / "other")
    with pytest.raises(BundleError, match=r"is no bundle.*bundle\.json"):
        Bundle.load(tmp_path / "other")


def test_a_newer_schema_asks_for_an_update(folder: Path) -> None:
    edit_manifest(folder, schema_version=2, something_new=True)
    with pytest.raises(BundleError, match="schema version 2") as caught:
        Bundle.load(folder)
    assert "update" in caught.value.hint


@pytest.mark.parametrize("text", ["", "{", "[]", "null", "3", '"bundle"', "{}", "[" * 100_000, '{"schema_version": 1}'])
def test_a_manifest_that_is_none(text: str, folder: Path) -> None:
    (folder / FILE_NAME).write_text(text)
    with pytest.raises(BundleError, match=r"bundle\.json"):
        Bundle.load(folder)


def test_a_manifest_in_another_encoding(folder: Path) -> None:
    (folder / FILE_NAME).write_bytes(b"\xff\xfe{}")
    with pytest.raises(BundleError, match="cannot be read"):
        Bundle.load(folder)


@pytest.mark.parametrize(
    "changes",
    [
        {"extra": 1},
        {"chosen": "another"},
        {"variants": {}},
        {"sha256": None},
        {"sha256": {}},
        {"classes": 3},
        {"schema_version": None},
    ],
)
def test_a_manifest_with_a_wrong_entry(changes: dict[str, Any], folder: Path) -> None:
    edit_manifest(folder, **changes)
    with pytest.raises(BundleError):
        Bundle.load(folder)


@pytest.mark.parametrize(
    "changes",
    [
        {"files": []},
        {"files": ["variants/none.onnx"]},
        {"candidate": {}},
        {"candidate": {"model": "net", "recipe": {}, "runtime": "onnxruntime", "settings": {}}},
        {"candidate": {"model": "net", "recipe": {"steps": [{"name": "x"}]}, "runtime": "o", "settings": {}}},
        {"candidate": {"model": "net", "recipe": {"steps": []}, "runtime": "o", "settings": {"speed": 9}}},
        {"candidate": {"model": "net", "recipe": {"steps": []}, "runtime": "none", "settings": {}}},
        {"signature": {}},
        {"signature": {"inputs": [], "outputs": []}},
        {"signature": {"inputs": [{"name": "x"}], "outputs": []}},
        {"steps": [{"run": "rm -rf /"}]},
        {"scores": "guesses"},
    ],
)
def test_a_variant_with_a_wrong_entry(changes: dict[str, Any], folder: Path) -> None:
    edit_variant(folder, **changes)
    with pytest.raises(InputError):
        Bundle.load(folder)


@pytest.mark.parametrize("name", ["../secret.onnx", "/etc/passwd", "variants/../../secret.onnx", "a\0b"])
@pytest.mark.parametrize("where", ["files", "sha256"])
def test_paths_that_lead_outside_are_refused(name: str, where: str, folder: Path) -> None:
    write_net(folder.parent / "secret.onnx")
    if where == "files":
        edit_variant(folder, files=[name])
    else:
        edit_manifest(folder, sha256={name: "0" * 64})
    with pytest.raises(BundleError, match=r"leads outside|cannot be read"):
        Bundle.load(folder)


def test_a_link_that_leads_outside_is_refused(folder: Path) -> None:
    outside = write_net(folder.parent / "secret.onnx")
    file = model_file(folder)
    file.unlink()
    file.symlink_to(outside)
    with pytest.raises(BundleError, match="leads outside"):
        Bundle.load(folder)


# Another kind of processor


def test_full_precision_runs_anywhere_with_a_warning(tmp_path: Path) -> None:
    folder = write_simple(tmp_path / "out", isa_class=ELSEWHERE)
    with pytest.warns(UserWarning, match=ELSEWHERE):
        bundle = Bundle.load(folder)
    assert [answer["label"] for answer in bundle.predict(ROWS)] == LABELS


@pytest.fixture
def elsewhere(tmp_path: Path) -> Path:
    """Reduced precision, proved on another kind of processor, beside the same in f32."""
    (tmp_path / "source").mkdir()
    net = write_net(tmp_path / "source" / "net.onnx")
    write_bundle(tmp_path / "out", contents(part(net, recipe=INT8), part(net), isa_class=ELSEWHERE), NEED)
    return tmp_path / "out"


def test_reduced_precision_is_refused_until_it_is_measured_here(elsewhere: Path) -> None:
    with pytest.raises(BundleError) as caught:
        Bundle.load(elsewhere)
    here = this_machine().isa_class
    assert ELSEWHERE in caught.value.came
    assert here in caught.value.came
    assert "net.f32.onnxruntime" in caught.value.allowed
    assert f"sartor measure {elsewhere}" in caught.value.hint


def test_bfloat16_is_reduced_precision(tmp_path: Path) -> None:
    (tmp_path / "source").mkdir()
    net = write_net(tmp_path / "source" / "net.onnx")
    half = part(net, settings=Settings(precision="bf16"))
    write_bundle(tmp_path / "out", contents(half, isa_class=ELSEWHERE), NEED)
    with pytest.raises(BundleError, match="none here"):
        Bundle.load(tmp_path / "out")


@pytest.mark.parametrize(
    ("changes", "runs"),
    [
        ({}, True),
        ({"outcome": "not_met"}, False),
        ({"variant": "other"}, False),
        ({"isa_class": "arm-sve"}, False),
        ({"numbers": {"passed": False, "how": "unproven"}}, False),
        ({"numbers": {}}, False),
        ({"numbers": None}, False),
    ],
)
def test_a_proof_of_this_machine_lets_it_run(changes: dict[str, Any], runs: bool, elsewhere: Path) -> None:
    name = read_manifest(elsewhere).chosen
    (elsewhere / "proofs").mkdir()
    (elsewhere / "proofs" / "0-damaged.json").write_text("{")
    (elsewhere / "proofs" / "1-list.json").write_text("[]")
    numbers = {"passed": True, "how": "agreement"}
    proof = {"variant": name, "outcome": "met", "isa_class": this_machine().isa_class, "numbers": numbers, **changes}
    (elsewhere / "proofs" / "2.json").write_text(json.dumps(proof))
    if runs:
        assert [answer["label"] for answer in Bundle.load(elsewhere).predict(ROWS)] == LABELS
    else:
        with pytest.raises(BundleError, match="reduced precision"):
            Bundle.load(elsewhere)


def test_a_proof_of_speed_alone_lets_full_precision_run_without_a_warning_and_reduced_not_at_all(
    elsewhere: Path,
) -> None:
    (elsewhere / "proofs").mkdir()
    reduced, plain = read_manifest(elsewhere).variants
    for name in (reduced, plain):
        proof = {"variant": name, "outcome": "met", "isa_class": this_machine().isa_class}
        (elsewhere / "proofs" / f"{name}.json").write_text(json.dumps(proof))
    assert [answer["label"] for answer in Bundle.load(elsewhere, plain).predict(ROWS)] == LABELS
    with pytest.raises(BundleError, match="reduced precision"):
        Bundle.load(elsewhere, reduced)


def test_regression_gives_values(tmp_path: Path) -> None:
    (tmp_path / "source").mkdir()
    net = write_net(tmp_path / "source" / "net.onnx", columns=1)
    write_bundle(tmp_path / "out", replace(contents(part(net)), classes=()), NEED)
    assert Bundle.load(tmp_path / "out").predict(ROWS) == [{"value": value} for value in (3.0, 0.0, 0.0, 0.0, 9.0)]
