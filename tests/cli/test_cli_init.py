"""`sartor init`: the Need that it writes passes the checks that a fit begins with; what it refuses leaves nothing."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnx.numpy_helper
import pytest
from PIL import Image

from sartor.need import Need, read_need
from tests.bundle.making import write_net
from tests.cli.calling import Call, Ended, caller, snapshot, write_rows
from tests.fit.test_fit_sources import write_classifier


@pytest.fixture
def call(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Call:
    monkeypatch.setattr(sys, "path", list(sys.path))
    monkeypatch.chdir(tmp_path)
    return caller(capsys)


def written(call: Call, *arguments: str, to: str = "need.yaml") -> Need:
    """The Need that `init` writes, after a dry run has taken it."""
    ended = call("init", *arguments, "-o", to, "--json")
    assert ended.code == 0, ended.err
    shown = json.loads(ended.out)
    need = read_need(Path(to))
    assert shown["need"] == need.as_dict()
    assert shown["path"] == to
    assert Path(to).read_text(encoding="utf-8").startswith("# ")
    assert all(f"# {line}" in Path(to).read_text(encoding="utf-8") for line in shown["seen"])
    dry = call("fit", to, "-o", "out", "--dry-run", "--json")
    assert dry.code == 0, dry.err
    assert json.loads(dry.out)["candidates"]
    assert not Path("out").exists()
    return need


def write_images(folder: Path, classes: tuple[str, ...] = ("cat", "dog")) -> None:
    random = np.random.default_rng(0)
    for number in range(80):
        file = folder / classes[number % len(classes)] / f"{number}.png"
        file.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(random.integers(0, 255, (20, 24, 3), dtype=np.uint8)).save(file)


def write_image_model(path: Path, columns: int = 2) -> None:
    """A classifier of pictures of 3 x 8 x 8."""
    random = np.random.default_rng(0)
    write_classifier(path, random.random((60, 3, 8, 8)).astype(np.float32), np.arange(60) % columns, hidden=8)


def write_pair(path: Path) -> None:
    """Two whole numbers, `user` and `item`, each looked up in a table of its own; the rows are added."""
    table = np.random.default_rng(0).random((9, 2)).astype(np.float32)
    names = ("user", "item")
    nodes = [onnx.helper.make_node("Gather", [f"{name}s", name], [f"{name}_row"]) for name in names]
    graph = onnx.helper.make_graph(
        [*nodes, onnx.helper.make_node("Add", ["user_row", "item_row"], ["scores"])],
        "pair",
        [onnx.helper.make_tensor_value_info(name, onnx.TensorProto.INT64, ["batch"]) for name in names],
        [onnx.helper.make_tensor_value_info("scores", onnx.TensorProto.FLOAT, ["batch", 2])],
        [onnx.numpy_helper.from_array(table, f"{name}s") for name in names],
    )
    onnx.save(onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 20)], ir_version=10), path)


def test_a_network_of_the_zoo_gets_built_in_data(call: Call) -> None:
    need = written(call, "zoo:cnn")
    assert (need.task, need.data.source, need.train) == ("image-classification", "digits", "auto")
    assert need.require == {}


def test_a_folder_of_texts(call: Call, tmp_path: Path) -> None:
    pytest.importorskip("transformers", reason="folders of Hugging Face are opened with it")
    from tests.model.folders import write_folder

    write_folder(tmp_path / "models" / "tiny", "Bert", "BertModel")
    rows = [{"text": f"{('bad', 'good')[n % 2]} film {n}", "label": ("neg", "pos")[n % 2]} for n in range(80)]
    (tmp_path / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    need = written(call, "models/tiny", "rows.jsonl")
    assert (need.task, need.train) == ("text-classification", "auto")
    assert need.model == ("models/tiny",)


def test_an_onnx_file_gets_its_pictures_in_its_size(call: Call, tmp_path: Path) -> None:
    write_images(tmp_path / "images")
    write_image_model(tmp_path / "net.onnx")
    need = written(call, "net.onnx", "images")
    assert need.task == "image-classification"
    assert need.preprocess is not None
    assert need.preprocess[0] == {"resize": [8, 8]}
    assert need.train is False
    assert "check this" in Path("need.yaml").read_text()


def test_pictures_without_labels_are_judged_by_agreement(call: Call, tmp_path: Path) -> None:
    write_images(tmp_path / "images", ("all",))
    write_image_model(tmp_path / "net.onnx")
    need = written(call, "net.onnx", "images/all")
    assert list(need.require) == ["agreement"]
    assert not need.labelled
    assert "No labels were found" in Path("need.yaml").read_text()


def test_an_estimator_and_a_table(call: Call, tmp_path: Path) -> None:
    write_rows(tmp_path / "rows.csv")
    need = written(call, "sklearn:RandomForestClassifier(n_estimators=5)", "rows.csv")
    assert (need.task, need.train, need.preprocess) == ("tabular-classification", "auto", None)


def test_a_function_of_ones_own_may_build_an_estimator(call: Call, tmp_path: Path) -> None:
    write_rows(tmp_path / "rows.csv")
    source = "from sklearn.svm import SVC\n\n\ndef build():\n    return SVC(C=2.0)\n"
    (tmp_path / "own_estimator.py").write_text(source, encoding="utf-8")
    need = written(call, "own_estimator:build", "rows.csv")
    assert (need.model, need.task) == (("sklearn:own_estimator:build",), "tabular-classification")


def test_a_model_of_several_inputs_gets_the_columns_of_their_names(call: Call, tmp_path: Path) -> None:
    write_pair(tmp_path / "pair.onnx")
    random = np.random.default_rng(0)
    rows = ({"user": int(random.integers(9)), "item": int(random.integers(9)), "bought": n % 2} for n in range(400))
    (tmp_path / "rows.jsonl").write_text("\n".join(map(json.dumps, rows)), encoding="utf-8")
    need = written(call, "pair.onnx", "rows.jsonl")
    assert need.task == "tabular-classification"
    assert need.data.input == {"user": "user", "item": "item"}


@pytest.mark.parametrize("model", ["sklearn:HistGradientBoostingRegressor", "zoo:mlp"])
def test_a_table_of_quantities(model: str, call: Call, tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    write_rows(tmp_path / "rows.csv", label=[f"{value:.4f}" for value in random.normal(size=450)])
    need = written(call, model, "rows.csv")
    assert need.task == "tabular-regression"


def test_numbers_without_labels(call: Call, tmp_path: Path) -> None:
    write_net(tmp_path / "net.onnx")
    np.savez(tmp_path / "rows.npz", inputs=np.random.default_rng(0).normal(size=(400, 4)).astype(np.float32))
    assert list(written(call, "net.onnx", "rows.npz").require) == ["agreement"]


def test_paths_start_from_the_folder_of_the_need(call: Call, tmp_path: Path) -> None:
    write_net(tmp_path / "net.onnx")
    write_rows(tmp_path / "rows.csv")
    (tmp_path / "needs").mkdir()
    need = written(call, "net.onnx", "rows.csv", to="needs/first.yaml")
    assert (need.model, need.data.source) == (("../net.onnx",), "../rows.csv")


def test_without_json_the_next_command_is_said(call: Call, tmp_path: Path) -> None:
    write_net(tmp_path / "net.onnx")
    write_rows(tmp_path / "rows.csv")
    ended = call("init", "net.onnx", "rows.csv")
    assert (ended.code, ended.out) == (0, "")
    assert "sartor fit need.yaml -o out" in ended.err
    assert "450 rows of 4 numbers" in ended.err


# What is refused


def refused(call: Call, folder: Path, *arguments: Any) -> Ended:
    before = snapshot(folder)
    ended = call("init", *arguments, "--json")
    assert ended.code == 2
    assert "Traceback" not in ended.err
    assert snapshot(folder) == before
    return ended


def test_a_file_that_is_there_is_kept(call: Call, tmp_path: Path) -> None:
    write_net(tmp_path / "net.onnx")
    write_rows(tmp_path / "rows.csv")
    (tmp_path / "need.yaml").write_text("mine")
    error = refused(call, tmp_path, "net.onnx", "rows.csv").error
    assert (error["kind"], "need.yaml" in error["came"], "--force" in error["hint"]) == ("output", True, True)
    assert call("init", "net.onnx", "rows.csv", "--force").code == 0
    assert read_need(tmp_path / "need.yaml").model == ("net.onnx",)


def test_no_folder_for_the_need(call: Call, tmp_path: Path) -> None:
    write_net(tmp_path / "net.onnx")
    write_rows(tmp_path / "rows.csv")
    assert refused(call, tmp_path, "net.onnx", "rows.csv", "-o", "no/such/need.yaml").error["kind"] == "output"


@pytest.mark.parametrize(
    ("arguments", "kind", "says"),
    [
        (("net.onxx", "rows.csv"), "model", "net.onxx"),
        (("zoo:mpl", "rows.csv"), "model", "did you mean `mlp`?"),
        (("net.onnx", "rows.cvs"), "data", "rows.cvs"),
        (("net.onnx", "wide.csv"), "model", "rows of shape 4"),
        (("net.onnx",), "model", "sartor init MODEL DATA"),
    ],
)
def test_what_does_not_fit(arguments: tuple[str, ...], kind: str, says: str, call: Call, tmp_path: Path) -> None:
    write_net(tmp_path / "net.onnx")
    write_rows(tmp_path / "rows.csv")
    write_rows(tmp_path / "wide.csv", another=["1"] * 450)
    error = refused(call, tmp_path, *arguments).error
    assert error["kind"] == kind, error
    assert says in " ".join(error.values())
