"""Models and files as others bring them, through the whole line and back as a bundle that takes what a user has."""

from __future__ import annotations

import wave
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper
from PIL import Image

from sartor import Bundle, Need, fit
from sartor.bundle.read import read_evidence
from sartor.fit.preview import preview
from sartor.runtime.base import Array
from tests.fit.test_fit_sources import breast_cancer, write_classifier, write_csv

BUDGET = {"time": "3 min"}  # far more than they take
USERS, WIDTH = 10, 4


def write_two_inputs(path: Path) -> tuple[Array, Array]:
    """`scores` (batch, 2) of `dense` and of a `user`, with `shares` (batch, 2) before them; gives the weights."""
    random = np.random.default_rng(0)
    weight = random.normal(size=(WIDTH, 2)).astype(np.float32)
    taste = random.normal(size=(USERS, 2)).astype(np.float32)
    node, value = helper.make_node, helper.make_tensor_value_info
    graph = helper.make_graph(
        [
            node("MatMul", ["dense", "weight"], ["a"]),
            node("Gather", ["taste", "user"], ["b"]),
            node("Squeeze", ["b", "axis"], ["c"]),
            node("Add", ["a", "c"], ["scores"]),
            node("Neg", ["scores"], ["worst"]),
        ],
        "two",
        [value("dense", TensorProto.FLOAT, ["batch", WIDTH]), value("user", TensorProto.INT64, ["batch", 1])],
        [value("worst", TensorProto.FLOAT, ["batch", 2]), value("scores", TensorProto.FLOAT, ["batch", 2])],
        [
            numpy_helper.from_array(weight, "weight"),
            numpy_helper.from_array(taste, "taste"),
            numpy_helper.from_array(np.array([1]), "axis"),
        ],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10)
    onnx.save(model, path, save_as_external_data=True, location=f"{path.stem}.data", size_threshold=0)
    return weight, taste


def write_records(path: Path, weight: Array, taste: Array, names: tuple[str, str], rows: int = 400) -> Array:
    """Rows for `write_two_inputs`, its answers as labels; gives the class numbers."""
    random = np.random.default_rng(1)
    dense = random.normal(size=(rows, WIDTH)).astype(np.float32)
    user = random.integers(0, USERS, (rows, 1))
    numbers: Array = (dense @ weight + taste[user[:, 0]]).argmax(1)
    arrays: dict[str, Any] = {names[0]: dense, names[1]: user, "label": np.array(["no", "yes"])[numbers]}
    np.savez(path, **arrays)
    return numbers


def test_two_inputs_out_of_named_arrays_and_the_named_of_two_outputs(tmp_path: Path) -> None:
    """The first output fits as well, but is wrong on every row; weights lie in a file of their own."""
    weight, taste = write_two_inputs(tmp_path / "two.onnx")
    numbers = write_records(tmp_path / "rows.npz", weight, taste, ("features", "visitor"))
    need = Need(
        task="tabular-classification",
        model="two.onnx",
        data={"source": "rows.npz", "input": {"dense": "features", "user": "visitor"}},
        output="scores",
        require={"accuracy": ">= 0.9"},
        budget=BUDGET,
    )
    result = fit(need, tmp_path / "out", base=tmp_path)
    assert result.outcome == "met", result.sentence
    for file in ("two.onnx", "two.data"):
        (tmp_path / file).unlink()
    bundle = Bundle.load(tmp_path / "out")
    rows = np.load(tmp_path / "rows.npz")
    taken = {"dense": rows["features"], "user": rows["visitor"]}
    labels = [answer["label"] for answer in bundle.predict(taken)]
    assert np.mean([label == ("no", "yes")[number] for label, number in zip(labels, numbers, strict=True)]) > 0.95
    one = bundle.predict({"dense": rows["features"][0], "user": rows["visitor"][0]})
    assert [answer["label"] for answer in one] == labels[:1]
    assert read_evidence(tmp_path / "out")["data"]["kind"] == "records"


def test_two_inputs_out_of_arrays_that_have_their_names(tmp_path: Path) -> None:
    weight, taste = write_two_inputs(tmp_path / "two.onnx")
    write_records(tmp_path / "rows.npz", weight, taste, ("dense", "user"))
    data = {"source": "rows.npz", "input": ["dense", "user"]}
    need = Need(task="tabular-classification", model="two.onnx", data=data, require={})
    assert preview(need, tmp_path)["data"]["sizes"]["fields"] == {"dense": [WIDTH], "user": [1]}


def test_agreement_needs_no_labels(tmp_path: Path) -> None:
    inputs, labels = breast_cancer()
    write_classifier(tmp_path / "net.onnx", inputs, labels)
    np.savez(tmp_path / "rows.npz", inputs=inputs)
    need = Need(
        task="tabular-classification",
        model="net.onnx",
        data="rows.npz",
        require={"agreement": ">= 90%"},
        budget=BUDGET,
    )
    result = fit(need, tmp_path / "out", base=tmp_path)
    assert result.outcome == "met", result.sentence
    evidence = read_evidence(tmp_path / "out")
    assert evidence["data"]["labelled"] is False
    assert evidence["classes"] == []
    assert evidence["constant_predictor"] is None
    assert {answer["label"] for answer in Bundle.load(tmp_path / "out").predict(inputs[:50])} == {"0", "1"}


def test_a_file_that_is_quantized_already_is_only_run(tmp_path: Path) -> None:
    from onnxruntime.quantization import QuantType, quantize_dynamic

    inputs, labels = breast_cancer()
    write_classifier(tmp_path / "whole.onnx", inputs, labels)
    quantize_dynamic(tmp_path / "whole.onnx", tmp_path / "net.onnx", weight_type=QuantType.QInt8)
    write_csv(tmp_path / "rows.csv", inputs, [("bad", "good")[label] for label in labels])
    need = Need(task="tabular-classification", model="net.onnx", data={"source": "rows.csv", "label": "diagnosis"})
    shown = preview(need, tmp_path)
    assert {str(candidate["recipe"]) for candidate in shown["candidates"]} == {"{'steps': []}"}
    assert any("already quantized" in note for note in shown["notes"])
    refused = {refusal["what"]: refusal["why"] for refusal in shown["refusals"]}
    assert "already quantized" in refused["int8 dynamic in onnxruntime"]
    assert "already quantized" in refused["fp16 weights in openvino"]


# Each of these takes a fit of its own


def write_pictures(folder: Path) -> None:
    random = np.random.default_rng(0)
    for number in range(400):
        label = number % 2
        pixels = random.integers(0, 90, (20, 24, 3)).astype(np.uint8)
        pixels[..., 0 if label else 2] += 100
        file = folder / ("cat", "dog")[label] / f"{number}.png"
        file.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(pixels).save(file)


@pytest.mark.slow
def test_a_vit_with_its_processor_reads_image_files(tmp_path: Path) -> None:
    pytest.importorskip("transformers", reason="folders of Hugging Face are opened with it")
    from tests.model.folders import write_folder

    write_pictures(tmp_path / "images")
    write_folder(tmp_path / "vit", "ViT", "ViTModel")
    need = Need(
        task="image-classification",
        model="vit",
        data="images",
        preprocess=[{"resize": {"size": [16, 16], "resample": "bilinear"}}, {"scale": 1 / 255}],
        train={"epochs": 8, "learning_rate": 0.01},
        require={"accuracy": ">= 0.8"},
        budget=BUDGET,
    )
    result = fit(need, tmp_path / "out", base=tmp_path)
    assert result.outcome == "met", result.sentence
    files = [str(tmp_path / "images" / name) for name in ("cat/0.png", "dog/1.png", "cat/2.png", "dog/3.png")]
    bundle = Bundle.load(tmp_path / "out")
    labels = [answer["label"] for answer in bundle.predict(files)]
    assert labels == ["cat", "dog", "cat", "dog"]
    assert bundle.predict(files[0])[0]["label"] == "cat"


@pytest.mark.slow
def test_clips_of_two_rates_and_prediction_on_a_wav_file(tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    for number in range(400):
        label, rate = number % 2, (8000, 11025)[number % 3 % 2]
        samples = int(rate * random.uniform(0.2, 0.4))
        wave_ = np.sin(2 * np.pi * (300, 1500)[label] * np.arange(samples) / rate + random.uniform(0, 6))
        file = tmp_path / "clips" / ("low", "high")[label] / f"{number}.wav"
        file.parent.mkdir(parents=True, exist_ok=True)
        with wave.open(str(file), "wb") as sound:
            sound.setnchannels(1)
            sound.setsampwidth(2)
            sound.setframerate(rate)
            sound.writeframes((wave_ * 9000 + random.normal(0, 900, samples)).astype("<i2").tobytes())
    spectrum = {"rate": 8000, "window": 256, "hop": 80, "bands": 20}
    need = Need(
        task="audio-classification",
        model="zoo:cnn(width=8)",
        data="clips",
        preprocess=[
            {"decode_audio": {"rate": 8000}},
            {"fit_length": {"samples": 3200}},
            {"log_mel": spectrum},
            {"standardise": "train"},
        ],
        train={"epochs": 8},
        require={"accuracy": ">= 0.8"},
        budget=BUDGET,
    )
    result = fit(need, tmp_path / "out", base=tmp_path)
    assert result.outcome == "met", result.sentence
    bundle = Bundle.load(tmp_path / "out")
    low, high = (sorted((tmp_path / "clips" / name).glob("*.wav"))[:4] for name in ("low", "high"))
    labels = [answer["label"] for answer in bundle.predict([str(file) for file in (*low, *high)])]
    assert labels == ["low"] * 4 + ["high"] * 4
    assert bundle.predict(low[0].read_bytes())[0]["label"] == "low"


def write_program(folder: Path, inputs: Array, labels: Array) -> str:
    torch = pytest.importorskip("torch", reason="programs are exported by it")
    torch.manual_seed(0)
    network = torch.nn.Sequential(torch.nn.Linear(30, 16), torch.nn.ReLU(), torch.nn.Linear(16, 2))
    optimizer = torch.optim.Adam(network.parameters(), 0.01)
    for _ in range(100):
        optimizer.zero_grad()
        torch.nn.functional.cross_entropy(network(torch.tensor(inputs)), torch.tensor(labels)).backward()
        optimizer.step()
    batch = ({0: torch.export.Dim("batch", min=1, max=4096)},)
    program = torch.export.export(network.eval(), (torch.zeros(2, 30),), dynamic_shapes=batch)
    torch.export.save(program, folder / "net.pt2")
    return "net.pt2"


def write_keras(folder: Path, inputs: Array, labels: Array) -> str:
    pytest.importorskip("torch", reason="Keras computes with it here")
    keras = pytest.importorskip("keras", reason="the extra keras")
    keras.utils.set_random_seed(0)
    layers = [keras.layers.Input((30,)), keras.layers.Dense(16, activation="relu")]
    model = keras.Sequential([*layers, keras.layers.Dense(1, activation="sigmoid")])
    model.compile("adam", "binary_crossentropy")
    model.fit(inputs, labels, epochs=20, verbose=0, batch_size=32)
    model.save(folder / "net.keras")
    return "net.keras"


def write_estimator(folder: Path, inputs: Array, labels: Array) -> str:
    pytest.importorskip("skl2onnx", reason="the extra sklearn")
    return "sklearn:RandomForestClassifier(n_estimators=20)"


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")  # of Keras on torch, while it fits
@pytest.mark.parametrize("write", [write_program, write_keras, write_estimator])
def test_what_other_libraries_saved(
    write: Callable[[Path, Array, Array], str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KERAS_BACKEND", "torch")
    inputs, labels = breast_cancer()
    inputs = (inputs - inputs.mean(0)) / inputs.std(0)
    write_csv(tmp_path / "rows.csv", inputs, [("bad", "good")[label] for label in labels])
    need = Need(
        task="tabular-classification",
        model=write(tmp_path, inputs, labels),
        data={"source": "rows.csv", "label": "diagnosis"},
        require={"accuracy": ">= 0.85"},
        budget=BUDGET,
    )
    result = fit(need, tmp_path / "out", base=tmp_path)
    assert result.outcome == "met", result.sentence
    answers: list[dict[str, Any]] = Bundle.load(tmp_path / "out").predict(inputs)
    right = [answer["label"] == ("bad", "good")[label] for answer, label in zip(answers, labels, strict=True)]
    assert np.mean(right) > 0.9
    assert all(0.5 <= answer["probability"] <= 1 for answer in answers)
    if write is write_estimator:
        assert "the model as it is" in result.sentence
