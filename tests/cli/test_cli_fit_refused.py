"""`fit` on bad input: exit code 2, one clear error, and nothing half-written."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from tests.bundle.making import NAMES, write_net, write_simple
from tests.cli.calling import Call, caller, snapshot, write_all, write_need, write_rows

Prepare = Callable[[Path], object]


@pytest.fixture
def call(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Call:
    monkeypatch.setattr(sys, "path", list(sys.path))  # callables of the Need add their folders
    return caller(capsys)


def cut_model(folder: Path) -> None:
    whole = (folder / "net.onnx").read_bytes()
    (folder / "net.onnx").write_bytes(whole[: len(whole) // 2])


def lines_of(folder: Path) -> list[str]:
    return (folder / "rows.csv").read_text().splitlines()


def put(folder: Path, lines: list[str]) -> None:
    (folder / "rows.csv").write_text("\n".join(lines) + "\n")


def blank_label(folder: Path) -> None:
    lines = lines_of(folder)
    put(folder, [*lines[:5], lines[5].rpartition(",")[0] + ",", *lines[6:]])


def nan_labels(folder: Path) -> None:
    labels = np.arange(90) % 3 * 1.0
    labels[7] = np.nan
    np.savez(folder / "rows.npz", inputs=np.zeros((90, 4), dtype=np.float32), labels=labels)
    write_need(folder, data="rows.npz")


def nan_input(folder: Path) -> None:
    lines = lines_of(folder)
    put(folder, [*lines[:5], "nan" + lines[5][lines[5].index(",") :], *lines[6:]])


def wide_rows(folder: Path) -> None:
    inputs = np.random.default_rng(0).normal(size=(90, 2, 2)).astype(np.float32)
    np.savez(folder / "rows.npz", inputs=inputs, labels=np.arange(90) % 3)
    write_need(folder, data="rows.npz")


def two_inputs(folder: Path) -> None:
    from onnx import TensorProto, helper, save

    tensors = [helper.make_tensor_value_info(name, TensorProto.FLOAT, ["batch", 4]) for name in "abc"]
    graph = helper.make_graph([helper.make_node("Add", ["a", "b"], ["c"])], "sum", tensors[:2], tensors[2:])
    save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10), folder / "net.onnx")


WRONG: dict[str, tuple[Prepare, str, list[str]]] = {
    # what is wrong: how it comes about, the kind of the error, words that it must hold
    "no need": (lambda f: (f / "need.yaml").unlink(), "need", ["no file", "need.yaml"]),
    "empty need": (lambda f: (f / "need.yaml").write_text(""), "need", ["no keys", "`task`"]),
    "need in binary": (lambda f: (f / "need.yaml").write_bytes(b"\xff\xfe"), "need", ["UTF-8"]),
    "unknown key": (lambda f: write_need(f, reqire={}), "need", ["need.yaml:", "`reqire`", "did you mean `require`?"]),
    "unknown metric": (
        lambda f: write_need(f, require={"acuracy": ">= 0.9"}),
        "need",
        ["`acuracy`", "did you mean `accuracy`?"],
    ),
    "metric of regression": (lambda f: write_need(f, require={"rmse": "<= 1"}), "need", ["`rmse`", "accuracy, f1"]),
    "contradictory metrics": (
        lambda f: write_need(f, require={"accuracy": ">= 0.9", "f1": ">= 0.9"}),
        "need",
        ["accuracy, f1", "one metric"],
    ),
    "cost": (lambda f: write_need(f, minimise="cost"), "need", ["`minimise: cost`", "latency"]),
    "no model": (lambda f: (f / "net.onnx").unlink(), "model", ["net.onnx", "no file"]),
    "misspelt model": (lambda f: write_need(f, model="nte.onnx"), "model", ["did you mean `net.onnx`?"]),
    "unknown kind of model": (lambda f: write_need(f, model="resnet"), "model", ["resnet", "zoo:"]),
    "unknown zoo model": (lambda f: write_need(f, model="zoo:mpl"), "model", ["did you mean `mlp`?"]),
    "the same model twice": (lambda f: write_need(f, model=["net.onnx", "net.onnx"]), "model", ["two models", "`net`"]),
    "truncated model": (cut_model, "model", ["net.onnx", "truncated"]),
    "bytes that are no model": (lambda f: (f / "net.onnx").write_bytes(b"\x00\x01" * 99), "model", ["net.onnx"]),
    "empty model": (lambda f: (f / "net.onnx").write_bytes(b""), "model", ["empty"]),
    "operator of another domain": (
        lambda f: write_net(f / "net.onnx", operator="Frobnicate", domain="my.ops"),
        "model",
        ["my.ops::Frobnicate", "neither ONNX Runtime nor OpenVINO"],
    ),
    "operator that does not exist": (
        lambda f: write_net(f / "net.onnx", operator="Frobnicate"),
        "model",
        ["net.onnx", "Frobnicate"],
    ),
    "two inputs": (two_inputs, "data", ["one array without a name", "`a`, `b`", "input: {NAME: COLUMN}"]),
    "rows of another width": (
        lambda f: write_net(f / "net.onnx", features=7),
        "model",
        ["rows have shape 4", "rows of shape 7", "preprocess"],
    ),
    "rows of another rank": (wide_rows, "model", ["2 x 2", "rows of shape 4"]),
    "outputs for other classes": (
        lambda f: write_net(f / "net.onnx", columns=5),
        "model",
        ["`scores`", "5", "the data has 3 classes"],
    ),
    "a batch of its own": (
        lambda f: write_net(f / "net.onnx", rows=8),
        "model",
        ["exactly 8 rows", "workload: {batch: 8}"],
    ),
    "no data": (lambda f: (f / "rows.csv").unlink(), "data", ["rows.csv", "no such file"]),
    "no rows": (lambda f: put(f, lines_of(f)[:1]), "data", ["rows.csv", "no rows"]),
    "empty data": (lambda f: (f / "rows.csv").write_text(""), "data", ["rows.csv", "no rows"]),
    "few rows": (lambda f: put(f, lines_of(f)[:7]), "data", ["too few rows", "ant (2 rows)"]),
    "one class only": (lambda f: write_rows(f / "rows.csv", label=["ant"] * 450), "data", ["every label is ant"]),
    "NaN in the inputs": (nan_input, "data", ["NaN", "row"]),
    "text in the inputs": (
        lambda f: put(f, [*lines_of(f), "1,2,three,4,ant"]),
        "data",
        ["line 452", "`x2`", "`three`"],
    ),
    "a label is missing": (blank_label, "data", ["no label", "row 4"]),
    "a label is NaN": (nan_labels, "data", ["no label", "row 7"]),
    "labels not named": (
        lambda f: write_need(f, data={"source": "rows.csv", "labels": ["ant", "bee"]}),
        "data",
        ["cat", "labels"],
    ),
    "unknown column": (
        lambda f: write_need(f, data={"source": "rows.csv", "label": "lable"}),
        "data",
        ["did you mean `label`?"],
    ),
    "unknown step": (lambda f: write_need(f, preprocess=[{"resise": [8, 8]}]), "input", ["did you mean `resize`?"]),
    "step that does not fit": (
        lambda f: write_need(f, preprocess=[{"reshape": [5]}]),
        "input",
        ["reshape", "5 values"],
    ),
    "floor beyond proof": (
        lambda f: write_need(f, require={"accuracy": ">= 0.999"}),
        "unprovable",
        ["accuracy >= 0.999", "200 confirm rows", "at least"],
    ),
    "floor of 1": (lambda f: write_need(f, require={"accuracy": ">= 1"}), "unprovable", ["below 1"]),
    "drop beyond proof": (
        lambda f: write_need(f, require={"accuracy_drop": "<= 0.01 pt"}),
        "unprovable",
        ["accuracy_drop", "200 confirm rows", "confirm rows"],
    ),
    "no drop at all": (lambda f: write_need(f, require={"accuracy_drop": "<= 0 pt"}), "unprovable", ["above 0"]),
    "no module": (lambda f: write_need(f, data="no_such_module:load"), "input", ["no module `no_such_module`"]),
    "no module of the metric": (
        lambda f: write_need(f, require={"no_such_metrics:score": ">= 1"}),
        "input",
        ["no module `no_such_metrics`"],
    ),
}


@pytest.mark.parametrize("dry_run", [False, True], ids=["fit", "dry-run"])
@pytest.mark.parametrize("what", WRONG)
def test_bad_input_is_refused_before_anything_is_written(what: str, dry_run: bool, call: Call, tmp_path: Path) -> None:
    prepare, kind, words = WRONG[what]
    write_all(tmp_path)
    prepare(tmp_path)
    before = snapshot(tmp_path)
    ended = call("fit", tmp_path / "need.yaml", "-o", tmp_path / "out", "--json", *(["--dry-run"] if dry_run else []))
    assert ended.code == 2, ended.err
    error = ended.error
    assert error["kind"] == kind
    assert error["came"]
    assert error["allowed"]
    said = " ".join(error.values())
    assert all(word in said for word in words), said
    assert error["came"] in ended.err
    assert "Traceback" not in ended.err
    assert snapshot(tmp_path) == before


def test_without_json_nothing_is_on_stdout(call: Call, tmp_path: Path) -> None:
    need = write_all(tmp_path, minimise="beauty")
    ended = call("fit", need, "-o", tmp_path / "out")
    assert (ended.code, ended.out) == (2, "")
    assert ended.err.startswith("sartor: need.yaml:10: `minimise: beauty`")
    assert "\n  allowed: latency, throughput, size, memory" in ended.err


def test_the_samples_that_a_proof_needs_are_enough(call: Call, tmp_path: Path) -> None:
    """Asked for with the rows it named, the same limit is provable."""
    need = write_all(tmp_path, require={"accuracy": ">= 0.99"})
    error = call("fit", need, "-o", tmp_path / "out", "--json").error
    needed = int(error["allowed"].split("at least ")[1].split(" ")[0])
    assert needed > 200
    write_rows(tmp_path / "rows.csv", rows=3 * (needed * 45 // 20 // 3 + 2))
    ended = call("fit", need, "-o", tmp_path / "out", "--dry-run")
    assert ended.code == 0, ended.err


# The output folder


def test_a_foreign_folder_is_left_as_it_is(call: Call, tmp_path: Path) -> None:
    need = write_all(tmp_path)
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "thesis.tex").write_text("years of work")
    before = snapshot(tmp_path)
    for extra in ([], ["--fresh"]):
        ended = call("fit", need, "-o", tmp_path / "out", "--json", *extra)
        assert ended.code == 2
        assert ended.error["kind"] == "output"
        assert "thesis.tex" in ended.error["came"]
        assert snapshot(tmp_path) == before


def test_a_bundle_that_came_from_elsewhere_is_left_as_it_is(call: Call, tmp_path: Path) -> None:
    need = write_all(tmp_path)
    write_simple(tmp_path / "out")
    before = snapshot(tmp_path)
    ended = call("fit", need, "-o", tmp_path / "out", "--json")
    assert (ended.code, ended.error["kind"]) == (2, "output")
    assert snapshot(tmp_path) == before


def test_the_output_is_a_file(call: Call, tmp_path: Path) -> None:
    need = write_all(tmp_path)
    (tmp_path / "out").write_text("a file")
    before = snapshot(tmp_path)
    ended = call("fit", need, "-o", tmp_path / "out", "--json")
    assert (ended.code, ended.error["kind"]) == (2, "output")
    assert "is a file" in ended.error["came"]
    assert snapshot(tmp_path) == before


@pytest.mark.parametrize("place", ["net.onnx/out", "/proc/sartor-test/out", "/dev/null/out"])
def test_the_output_cannot_be_written(place: str, call: Call, tmp_path: Path) -> None:
    need = write_all(tmp_path)
    before = snapshot(tmp_path)
    ended = call("fit", need, "-o", tmp_path / place, "--json")
    assert (ended.code, ended.error["kind"]) == (2, "output")
    assert "cannot write" in ended.error["came"]
    assert place in ended.error["came"]
    assert snapshot(tmp_path) == before


def test_the_folder_of_another_need_is_left_as_it_is(call: Call, tmp_path: Path) -> None:
    from sartor.fit.folder import open_folder
    from sartor.need import read_need

    need = write_all(tmp_path)
    held = open_folder(tmp_path / "out", read_need(need), fresh=False)
    held.trials.store("build", "net", {}, "done", "", {}, 1.0)
    held.close()
    write_need(tmp_path, seed=1)
    before = snapshot(tmp_path / "out" / ".work")
    ended = call("fit", need, "-o", tmp_path / "out", "--json")
    assert (ended.code, ended.error["kind"]) == (2, "output")
    assert "another Need" in ended.error["came"]
    assert "--fresh" in ended.error["hint"]
    assert snapshot(tmp_path / "out" / ".work") == before


def test_damaged_trials_are_named(call: Call, tmp_path: Path) -> None:
    need = write_all(tmp_path)
    (tmp_path / "out" / ".work").mkdir(parents=True)
    (tmp_path / "out" / ".work" / "trials.sqlite").write_bytes(b"no database " * 99)
    ended = call("fit", need, "-o", tmp_path / "out", "--json")
    assert (ended.code, ended.error["kind"]) == (2, "output")
    assert "trials.sqlite` is damaged" in ended.error["came"]
    assert "remove" in ended.error["hint"]


def test_two_fits_do_not_share_a_folder(call: Call, tmp_path: Path) -> None:
    from sartor.fit.folder import open_folder
    from sartor.need import read_need

    need = write_all(tmp_path)
    held = open_folder(tmp_path / "out", read_need(need), fresh=False)
    try:
        ended = call("fit", need, "-o", tmp_path / "out", "--json")
    finally:
        held.close()
    assert (ended.code, ended.error["kind"]) == (2, "output")
    assert "another fit" in ended.error["came"]


# The user's own code


CODE = """
import numpy as np


def load():
    inner({})


def inner(found):
    return found["no such key"]


def ragged():
    return [[1, 2], [3]], [0, 1]


def nothing():
    pass


def score(labels, outputs):
    return 1.0
"""


@pytest.mark.parametrize("as_json", [False, True])
def test_a_callable_that_raises_is_shown_as_the_users(as_json: bool, call: Call, tmp_path: Path) -> None:
    module = f"their_data_{int(as_json)}"
    (tmp_path / f"{module}.py").write_text(CODE)
    need = write_all(tmp_path, data=f"{module}:load")
    before = set(snapshot(tmp_path))
    ended = call("fit", need, "-o", tmp_path / "out", *(["--json"] if as_json else []))
    assert ended.code == 2
    assert "KeyError: 'no such key'" in ended.err
    assert f'{module}.py", line 6, in load' in ended.err
    assert 'return found["no such key"]' in ended.err
    assert "sartor/" not in ended.err
    assert "importlib" not in ended.err
    if as_json:
        assert ended.error["kind"] == "user-code"
    assert {name for name in snapshot(tmp_path) if "__pycache__" not in name} == before


@pytest.mark.parametrize("exists", [False, True])
def test_a_model_that_raises_when_it_is_built(exists: bool, call: Call, tmp_path: Path) -> None:
    pytest.importorskip("torch", reason="the callable is called where torch builds models")
    (tmp_path / "their_nets.py").write_text('def build():\n    raise ValueError("their mistake")\n')
    need = write_all(tmp_path, model="their_nets:build")
    if exists:
        (tmp_path / "out").mkdir()
    ended = call("fit", need, "-o", tmp_path / "out", "--json")
    assert (ended.code, ended.error["kind"]) == (2, "user-code")
    assert 'their_nets.py", line 2, in build' in ended.error["came"]
    assert "ValueError: their mistake" in ended.error["came"]
    assert "sartor/" not in ended.error["came"]
    assert (tmp_path / "out").exists() == exists
    assert not exists or list((tmp_path / "out").iterdir()) == []


@pytest.mark.parametrize(("name", "says"), [("ragged", "form an array"), ("nothing", "NoneType"), ("laod", "`load`")])
def test_a_callable_that_gives_no_rows(name: str, says: str, call: Call, tmp_path: Path) -> None:
    (tmp_path / f"odd_{name}.py").write_text(CODE)
    ended = call("fit", write_all(tmp_path, data=f"odd_{name}:{name}"), "-o", tmp_path / "out", "--json")
    assert ended.code == 2
    assert says in " ".join(ended.error.values())
    assert not (tmp_path / "out").exists()


def test_a_module_that_cannot_be_imported_shows_its_line(call: Call, tmp_path: Path) -> None:
    (tmp_path / "broken_module.py").write_text("import json\n\nx = (1 +\n")
    ended = call("fit", write_all(tmp_path, data="broken_module:load"), "-o", tmp_path / "out", "--json")
    assert (ended.code, ended.error["kind"]) == (2, "user-code")
    assert "broken_module.py" in ended.error["came"]
    assert "SyntaxError" in ended.error["came"]
    assert "sartor/" not in ended.err


def test_a_metric_that_does_not_exist_is_noticed_before_the_work(call: Call, tmp_path: Path) -> None:
    (tmp_path / "their_metrics.py").write_text(CODE)
    need = write_all(tmp_path, require={"their_metrics:scroe": ">= 0.5"})
    ended = call("fit", need, "-o", tmp_path / "out", "--json")
    assert ended.code == 2
    assert "did you mean `score`?" in ended.error["hint"]
    assert not (tmp_path / "out").exists()


def test_the_names_of_the_data_stand_in_the_error(call: Call, tmp_path: Path) -> None:
    need = write_all(tmp_path, data={"source": "rows.csv", "labels": ["x", "y", "z"]})
    ended = call("fit", need, "-o", tmp_path / "out", "--json")
    assert all(name in ended.error["came"] for name in NAMES)
