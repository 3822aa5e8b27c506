"""Somebody else's model and data, through the whole line: ONNX, torch callables, files, folders, own metrics."""

from __future__ import annotations

import csv
import textwrap
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from sartor import Bundle, Need, fit
from sartor.bundle.read import read_evidence
from sartor.errors import NeedError, UserCodeError
from sartor.runtime.base import Array

BUDGET = {"time": "90 s"}


def breast_cancer() -> tuple[Array, Array]:
    from sklearn.datasets import load_breast_cancer

    inputs, labels = load_breast_cancer(return_X_y=True)
    return inputs.astype(np.float32), labels


def write_classifier(path: Path, inputs: Array, labels: Array, hidden: int = 256, *, external: bool = False) -> None:
    """A two-layer network with random features and a fitted head, so that it is right without training."""
    import onnx
    from sklearn.linear_model import LogisticRegression

    generator = np.random.default_rng(0)
    flat = inputs.reshape(len(inputs), -1).astype(np.float64)
    mean, deviation = flat.mean(0), flat.std(0) + 1e-6
    first = generator.standard_normal((flat.shape[1], hidden)) / np.sqrt(flat.shape[1]) / deviation[:, None]
    bias = -mean @ first
    features = np.maximum(flat @ first + bias, 0)
    head = LogisticRegression(C=0.1, max_iter=2000).fit(features, labels)
    weights, offsets = head.coef_, head.intercept_
    if len(weights) == 1:
        weights, offsets = np.vstack([-weights, weights]) / 2, np.array([-offsets[0], offsets[0]]) / 2
    tensors = {"first": first, "bias": bias, "second": weights.T, "offset": offsets}
    made = [onnx.numpy_helper.from_array(value.astype(np.float32), name) for name, value in tensors.items()]
    node = onnx.helper.make_node
    nodes = [
        node("Flatten", ["rows"], ["flat"]),
        node("Gemm", ["flat", "first", "bias"], ["a"]),
        node("Relu", ["a"], ["b"]),
        node("Gemm", ["b", "second", "offset"], ["scores"]),
    ]
    value = onnx.helper.make_tensor_value_info
    graph = onnx.helper.make_graph(
        nodes,
        "classifier",
        [value("rows", onnx.TensorProto.FLOAT, ["batch", *inputs.shape[1:]])],
        [value("scores", onnx.TensorProto.FLOAT, ["batch", len(weights)])],
        made,
    )
    model = onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 20)], ir_version=10)
    onnx.save(
        model,
        path,
        save_as_external_data=external,
        location=f"{path.stem}.data" if external else None,
        size_threshold=0,
    )


def write_csv(path: Path, inputs: Array, labels: list[str]) -> None:
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow([*(f"f{index}" for index in range(inputs.shape[1])), "diagnosis"])
        writer.writerows([*row, label] for row, label in zip(inputs.tolist(), labels, strict=True))


def write_tumours(folder: Path) -> Path:
    """`net.onnx` and `rows.csv` with the column `diagnosis` (bad or good) in a folder, which is given back."""
    inputs, labels = breast_cancer()
    write_classifier(folder / "net.onnx", inputs, labels)
    write_csv(folder / "rows.csv", inputs, [("bad", "good")[label] for label in labels])
    return folder


@pytest.mark.parametrize("external", [pytest.param(False, marks=pytest.mark.slow), True])
def test_an_onnx_file_with_a_csv(tmp_path: Path, external: bool) -> None:
    inputs, labels = breast_cancer()
    write_classifier(tmp_path / "net.onnx", inputs, labels, external=external)
    write_csv(tmp_path / "rows.csv", inputs, [("bad", "good")[label] for label in labels])
    need = Need(
        task="tabular-classification",
        model="net.onnx",
        data={"source": "rows.csv", "label": "diagnosis"},
        require={"accuracy_drop": "<= 5 pt", "size": "<= 1 MB"},
        budget=BUDGET,
    )
    result = fit(need, tmp_path / "out", base=tmp_path)
    assert result.outcome == "met", result.sentence
    assert read_evidence(tmp_path / "out")["splits"]["rows"]["train"] == 0
    assert Bundle.load(tmp_path / "out").predict(inputs[:3])[0]["label"] in ("bad", "good")


def test_own_model_own_data_and_own_metric_through_callables(tmp_path: Path) -> None:
    pytest.importorskip("torch", reason="the model is a torch module")
    (tmp_path / "mine.py").write_text(
        textwrap.dedent('''
        """What a user has."""
        import numpy as np
        from sklearn.datasets import load_breast_cancer
        from torch import nn

        def build(input_shape, classes):
            return nn.Sequential(nn.Linear(input_shape[0], 32), nn.ReLU(), nn.Linear(32, classes))

        def load():
            inputs, labels = load_breast_cancer(return_X_y=True)
            return ((inputs - inputs.mean(0)) / inputs.std(0)).astype(np.float32), labels

        def certainty(labels, outputs):
            powers = np.exp(outputs - outputs.max(1, keepdims=True))
            shares = powers / powers.sum(1, keepdims=True)
            return float(shares[np.arange(len(labels)), labels].mean())
        ''')
    )
    need = Need(
        task="tabular-classification",
        model="mine:build",
        data="mine:load",
        train={"epochs": 20},
        require={"mine:certainty": ">= 0.8"},
        budget=BUDGET,
    )
    result = fit(need, tmp_path / "out", base=tmp_path)
    assert result.outcome == "met", result.sentence
    (limit,) = result.values["limits"]
    assert limit["name"] == "mine:certainty"
    assert 0.8 <= limit["low"] <= limit["value"] <= 1


def test_a_callable_that_raises_shows_its_own_lines_and_not_ours(tmp_path: Path) -> None:
    (tmp_path / "broken_data.py").write_text("def load():\n    return 1 / 0\n")
    need = Need(task="tabular-classification", model="zoo:mlp", data="broken_data:load", budget=BUDGET)
    with pytest.raises(UserCodeError) as caught:
        fit(need, tmp_path / "out", base=tmp_path)
    assert "return 1 / 0" in str(caught.value)
    assert "sartor/" not in str(caught.value)
    assert not (tmp_path / "out").exists()


@pytest.mark.slow
def test_a_folder_of_images_of_several_sizes_with_declared_steps(tmp_path: Path) -> None:
    from sklearn.datasets import load_digits

    digits = load_digits()
    sizes, seen = ((8, 8), (16, 16)), []
    for index, (image, label) in enumerate(zip(digits.images, digits.target, strict=True)):
        if label > 1:
            continue
        folder = tmp_path / "images" / ("zero", "one")[label]
        folder.mkdir(parents=True, exist_ok=True)
        picture = Image.fromarray((image * 15).astype(np.uint8)).resize(sizes[index % 2])
        picture.save(folder / f"{index}.png")
        seen.append(np.asarray(picture.resize((8, 8), Image.Resampling.BILINEAR), dtype=np.float32)[None] / 255)
    write_classifier(tmp_path / "digits.onnx", np.stack(seen), digits.target[digits.target < 2], hidden=64)
    need = Need(
        task="image-classification",
        model="digits.onnx",
        data={"source": "images", "labels": ["zero", "one"]},
        preprocess=[{"resize": [8, 8]}, {"scale": 1 / 255}],
        require={"accuracy": ">= 0.85", "latency_p90": "<= 20 ms"},
        budget=BUDGET,
    )
    result = fit(need, tmp_path / "out", base=tmp_path)
    assert result.outcome == "met", result.sentence
    files = sorted((tmp_path / "images" / "one").glob("*.png"))[:4]
    labels = [answer["label"] for answer in Bundle.load(tmp_path / "out").predict([str(file) for file in files])]
    assert labels.count("one") >= 3


@pytest.mark.slow
def test_given_splits_are_kept_and_rows_that_stand_twice_leave_confirm(tmp_path: Path) -> None:
    inputs, labels = breast_cancer()
    write_classifier(tmp_path / "net.onnx", inputs, labels)
    names = [("bad", "good")[label] for label in labels]
    write_csv(tmp_path / "select.csv", inputs[:300], names[:300])
    write_csv(tmp_path / "confirm.csv", inputs[290:], names[290:])
    write_csv(tmp_path / "calibrate.csv", inputs[100:180], names[100:180])
    data = {"source": "calibrate.csv", "select": "select.csv", "confirm": "confirm.csv", "label": "diagnosis"}
    need = Need(
        task="tabular-classification",
        model="net.onnx",
        data=data,
        require={"f1": ">= 0.8"},
        minimise="size",
        budget=BUDGET,
    )
    result = fit(need, tmp_path / "out", base=tmp_path)
    assert result.outcome == "met", result.sentence
    splits = read_evidence(tmp_path / "out")["splits"]
    assert splits["rows"]["confirm"] == 569 - 300
    assert splits["dropped"] >= 10
    chosen = result.values["measured"]["size_bytes"]
    assert chosen <= min(
        c["size_bytes"] for c in read_evidence(tmp_path / "out")["candidates"] if c["status"] == "passed"
    )


def test_an_untrained_zoo_model_and_a_trained_onnx_file_are_contradictions(tmp_path: Path) -> None:
    inputs, labels = breast_cancer()
    write_classifier(tmp_path / "net.onnx", inputs, labels)
    for model, train, said in (("zoo:mlp", False, "random weights"), ("net.onnx", True, "cannot be trained")):
        need = Need(task="tabular-classification", model=model, data="breast-cancer", train=train)
        with pytest.raises(NeedError, match=said):
            fit(need, tmp_path / "out", base=tmp_path)
    assert not (tmp_path / "out").exists()
