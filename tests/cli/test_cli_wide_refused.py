"""`fit` on models and files of other makers that cannot be used: exit code 2, one clear error, nothing written."""

from __future__ import annotations

import json
import sys
import wave
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from tests.cli.calling import Call, caller, snapshot, write_need, write_rows

pytest.importorskip("transformers", reason="folders of Hugging Face are opened with it")

GOOD, BAD = "a good film with a fine plot", "a bad film and a waste of time"
MANY = 240


@pytest.fixture
def call(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Call:
    monkeypatch.setattr(sys, "path", list(sys.path))  # callables of the Need add their folders
    return caller(capsys)


def write_texts(folder: Path, labels: tuple[str, ...] = ("neg", "pos"), longest: int = 20) -> None:
    rows = []
    for number in range(MANY):
        words = f"{number} {[BAD, GOOD][number % 2]}".split()
        rows.append({"text": " ".join((words * 9)[: 4 + number % longest]), "label": labels[number % len(labels)]})
    (folder / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))


def write_model(folder: Path, architecture: str = "BertForSequenceClassification", **settings: Any) -> Path:
    from tests.model.folders import write_folder

    return write_folder(folder / "tiny", "Bert", architecture, max_position_embeddings=16, **settings)


def text_need(folder: Path, **changes: Any) -> None:
    write_texts(folder)
    write_model(folder)
    usual = {"task": "text-classification", "model": "tiny", "data": {"source": "rows.jsonl"}}
    write_need(folder, **{**usual, "train": "auto", "require": {"accuracy": ">= 0.7"}, **changes})


def change_config(folder: Path, **changes: Any) -> None:
    file = folder / "tiny" / "config.json"
    file.write_text(json.dumps({**json.loads(file.read_text()), **changes}))


def write_images(folder: Path, broken: int) -> None:
    random = np.random.default_rng(0)
    for number in range(MANY):
        file = folder / "images" / ("cat", "dog")[number % 2] / f"{number}.png"
        file.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(random.integers(0, 255, (8, 8, 3), dtype=np.uint8)).save(file)
        if number < broken:
            file.write_bytes(file.read_bytes()[:40])
    data = {"source": "images"}
    write_need(folder, task="image-classification", model="zoo:mlp", data=data, train="auto", require={})


def write_sounds(folder: Path, broken: int = 0, rates: tuple[int, ...] = (8000,)) -> None:
    random = np.random.default_rng(0)
    for number in range(MANY):
        file = folder / "clips" / ("high", "low")[number % 2] / f"{number}.wav"
        file.parent.mkdir(parents=True, exist_ok=True)
        with wave.open(str(file), "wb") as sound:
            sound.setnchannels(1)
            sound.setsampwidth(2)
            sound.setframerate(rates[number % len(rates)])
            sound.writeframes(random.integers(-999, 999, 900 + number).astype("<i2").tobytes())
        if number < broken:
            file.write_bytes(b"RIFF of something else")
    data = {"source": "clips"}
    write_need(folder, task="audio-classification", model="zoo:cnn", data=data, train="auto", require={})


def remote_code(folder: Path) -> None:
    text_need(folder)
    change_config(folder, auto_map={"AutoModel": "modeling_evil.EvilModel"})


def remote_tokenizer(folder: Path) -> None:
    text_need(folder)
    settings = {"auto_map": {"AutoTokenizer": ["tokenization_evil.Evil", None]}}
    (folder / "tiny" / "tokenizer_config.json").write_text(json.dumps(settings))


def pickled_weights(folder: Path) -> None:
    text_need(folder)
    (folder / "tiny" / "model.safetensors").rename(folder / "tiny" / "pytorch_model.bin")


def damaged_weights(folder: Path) -> None:
    text_need(folder)
    file = folder / "tiny" / "model.safetensors"
    file.write_bytes(file.read_bytes()[:500])


def no_tokenizer(folder: Path) -> None:
    text_need(folder)
    (folder / "tiny" / "tokenizer.json").unlink()


def only_a_vocabulary(folder: Path) -> None:
    no_tokenizer(folder)
    (folder / "tiny" / "vocab.txt").write_text("[UNK]\na\n")


def three_classes_for_two_outputs(folder: Path) -> None:
    text_need(folder, train=False)
    write_texts(folder, ("bad", "fine", "great"))


def no_head(folder: Path) -> None:
    text_need(folder, train=False)
    write_model(folder, "BertModel")


def generates(folder: Path) -> None:
    from tests.model.folders import write_folder

    text_need(folder)
    write_folder(folder / "gpt", "GPT2", "GPT2LMHeadModel")
    text_need(folder, model="gpt")


def numbers_for_words(folder: Path) -> None:
    text_need(folder, data={"source": "rows.csv"})
    write_rows(folder / "rows.csv")


def words_for_numbers(folder: Path) -> None:
    text_need(folder, task="tabular-classification", model="zoo:mlp")


def words_for_images(folder: Path) -> None:
    text_need(folder, model="zoo:cnn")


def words_without_tokenizer(folder: Path) -> None:
    from tests.bundle.making import write_net

    write_net(folder / "net.onnx")
    text_need(folder, model="net.onnx", train=False)


def table_need(folder: Path, model: str, **changes: Any) -> None:
    write_rows(folder / "rows.csv")
    write_need(folder, model=model, train="auto", **changes)


def pickled_estimator(folder: Path) -> None:
    (folder / "forest.joblib").write_bytes(b"\x80\x04")
    table_need(folder, "forest.joblib")


def damaged_program(folder: Path) -> None:
    (folder / "net.pt2").write_bytes(b"PK\x03\x04 and so on")
    table_need(folder, "net.pt2")


def damaged_keras(folder: Path) -> None:
    (folder / "net.keras").write_bytes(b"PK\x03\x04 and so on")
    table_need(folder, "net.keras")


def agreement_to_train(folder: Path) -> None:
    table_need(folder, "zoo:mlp", require={"agreement": ">= 90%"})


WRONG: dict[str, tuple[Callable[[Path], None], str, list[str]]] = {
    # what is wrong: how it comes about, the kind of the error, words that it must hold
    "remote code": (remote_code, "model", ["remote code", "auto_map", "config.json", "never run", "ONNX"]),
    "remote code of a tokenizer": (remote_tokenizer, "model", ["auto_map", "tokenizer_config.json"]),
    "pickled weights": (pickled_weights, "model", ["pytorch_model.bin", "safetensors"]),
    "damaged weights": (damaged_weights, "model", ["model.safetensors"]),
    "no tokenizer": (no_tokenizer, "model", ["no tokenizer.json"]),
    "a slow tokenizer": (only_a_vocabulary, "model", ["only vocab.txt", "save_pretrained"]),
    "more classes than outputs": (
        three_classes_for_two_outputs,
        "need",
        ["`train: false`", "a head of 2 outputs", "3 classes", "`labels:`"],
    ),
    "no head": (no_head, "need", ["`train: false`", "no head"]),
    "a model that generates": (generates, "model", ["generates text (`gpt2`)", "encoder"]),
    "numbers for a model of texts": (
        numbers_for_words,
        "data",
        ["one array without a name", "`input_ids`, `att"],
    ),
    "texts for a model of numbers": (words_for_numbers, "data", ["texts", "text-classification"]),
    "texts for a model of images": (words_for_images, "model", ["cnn takes no texts"]),
    "texts for a file without tokenizer": (words_without_tokenizer, "model", ["without a tokenizer", "tokenise"]),
    "too many broken images": (lambda f: write_images(f, 5), "data", ["5 of 240 images", "0.png", "1%"]),
    "too many broken sounds": (lambda f: write_sounds(f, 5), "data", ["5 of 240 WAV files", "0.wav"]),
    "several sample rates": (
        lambda f: write_sounds(f, rates=(8000, 8000, 16000)),
        "data",
        ["2 sample rates", "8000 Hz (160)", "16000 Hz (80)", "decode_audio: {rate: 8000}"],
    ),
    "unknown zoo name": (lambda f: table_need(f, "zoo:mpl"), "model", ["`mpl`", "did you mean `mlp`?"]),
    "unknown knob": (lambda f: table_need(f, "zoo:mlp(widht=8)"), "model", ["widht", "did you mean `width`?"]),
    "unknown estimator": (
        lambda f: table_need(f, "sklearn:RandomForestClasifier"),
        "model",
        ["RandomForestClasifier", "did you mean `RandomForestClassifier`?"],
    ),
    "unknown setting": (
        lambda f: table_need(f, "sklearn:RandomForestClassifier(n_estimator=5)"),
        "model",
        ["n_estimator", "did you mean `n_estimators`?"],
    ),
    "pickled estimator": (pickled_estimator, "model", ["forest.joblib", "pickle"]),
    "damaged program": (damaged_program, "model", ["net.pt2"]),
    "damaged keras file": (damaged_keras, "model", ["net.keras"]),
    "agreement of what is to be trained": (agreement_to_train, "need", ["agreement", "train"]),
}


@pytest.mark.parametrize("what", WRONG)
def test_bad_input_is_refused_before_anything_is_written(what: str, call: Call, tmp_path: Path) -> None:
    prepare, kind, words = WRONG[what]
    prepare(tmp_path)
    before = snapshot(tmp_path)
    ended = call("fit", tmp_path / "need.yaml", "-o", tmp_path / "out", "--json", "--dry-run")
    assert ended.code == 2, ended.out
    error = ended.error
    assert error["kind"] == kind, error
    said = " ".join(error.values())
    assert all(word in said for word in words), said
    assert "Traceback" not in ended.err
    assert snapshot(tmp_path) == before


@pytest.mark.parametrize("write", [write_images, write_sounds])
def test_a_few_broken_files_among_good_ones_are_listed(
    write: Callable[[Path, int], None], call: Call, tmp_path: Path
) -> None:
    write(tmp_path, 2)
    ended = call("fit", tmp_path / "need.yaml", "-o", tmp_path / "out", "--dry-run", "--json")
    assert ended.code == 0, ended.err
    data = json.loads(ended.out)["data"]
    assert data["rows"] == MANY - 2
    (note,) = data["notes"]
    assert note.startswith(f"2 of {MANY}")
    assert "0." in note
    shown = call("fit", tmp_path / "need.yaml", "-o", tmp_path / "out", "--dry-run")
    assert f"Data: {note}" in shown.out


def test_several_rates_are_resampled_where_the_need_says_so(call: Call, tmp_path: Path) -> None:
    write_sounds(tmp_path, rates=(8000, 11025))
    need = {"task": "audio-classification", "model": "zoo:cnn", "data": {"source": "clips"}, "require": {}}
    steps = [
        {"decode_audio": {"rate": 8000}},
        {"fit_length": {"samples": 1000}},
        {"log_mel": {"rate": 8000, "window": 256, "hop": 80, "bands": 20}},
    ]
    write_need(tmp_path, **need, train="auto", preprocess=steps)
    ended = call("fit", tmp_path / "need.yaml", "-o", tmp_path / "out", "--dry-run", "--json")
    assert ended.code == 0, ended.err
    assert json.loads(ended.out)["data"]["sizes"]["rate"] == 8000


def test_texts_that_are_cut_are_counted(call: Call, tmp_path: Path) -> None:
    text_need(tmp_path)
    ended = call("fit", tmp_path / "need.yaml", "-o", tmp_path / "out", "--dry-run", "--json")
    (note,) = json.loads(ended.out)["notes"]
    cut = int(note.removeprefix("tiny: ").split()[0])
    assert 0 < cut < MANY
    assert note.endswith(f"of {MANY} texts are longer than 16 tokens and are cut")
    write_texts(tmp_path, longest=2)
    ended = call("fit", tmp_path / "need.yaml", "-o", tmp_path / "out", "--dry-run", "--json")
    assert json.loads(ended.out)["notes"] == []


def test_labels_in_other_words_than_the_model_has_are_noted(call: Call, tmp_path: Path) -> None:
    text_need(tmp_path)
    change_config(tmp_path, id2label={"0": "POSITIVE", "1": "NEGATIVE"}, label2id={"POSITIVE": 0, "NEGATIVE": 1})
    ended = call("fit", tmp_path / "need.yaml", "-o", tmp_path / "out", "--dry-run", "--json")
    (note,) = json.loads(ended.out)["data"]["notes"]
    assert "POSITIVE, NEGATIVE" in note
    assert "neg, pos" in note
    assert "`labels:`" in note


DROPOUT = """
import torch

class Noisy(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.linear = torch.nn.Linear(4, 3)

    def forward(self, x):
        return self.linear(torch.nn.functional.dropout(x, 0.5, training=True))

def build():
    return Noisy()
"""


def test_a_model_with_chance_in_its_answers_is_refused(call: Call, tmp_path: Path) -> None:
    """It takes a run to see: the error comes from the export, and no folder is left behind."""
    (tmp_path / "their_noise.py").write_text(DROPOUT)
    table_need(tmp_path, "their_noise:build")
    ended = call("fit", tmp_path / "need.yaml", "-o", tmp_path / "out", "--json")
    assert ended.code == 2, ended.err
    assert ended.error["kind"] == "model"
    said = " ".join(ended.error.values())
    assert "random when it is used" in said
    assert "dropout" in said
    assert not (tmp_path / "out").exists()
