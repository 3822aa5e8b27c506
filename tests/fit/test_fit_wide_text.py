"""A folder of Hugging Face on sentences, through the command line: fitted, moved, read again, killed and resumed."""

from __future__ import annotations

import json
import random
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

from sartor import Bundle
from sartor.bundle.read import read_evidence
from tests.fit.helpers import Ended, end, kill, run, start, wait_for_trials, write_need

pytest.importorskip("torch", reason="folders of Hugging Face are built with it")
pytest.importorskip("transformers", reason="folders of Hugging Face are opened with it")

LONGEST = 24  # tokens
GOOD, BAD = ["fine", "good", "great", "lovely", "superb"], ["bad", "awful", "poor", "dull", "weak"]
FILLING = ["the", "film", "was", "a", "plot", "actor", "scene", "with", "and", "very", "of", "story"]
# Not in the order of the alphabet, which would be right by accident.
CLASSES = ("pos", "neg")

# What a bundle may not need: whoever imports one of them on the way to an answer ends here.
WITHOUT_LIBRARIES = """
import sys

class Refuse:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {"torch", "transformers", "keras", "sklearn", "nncf", "onnx"}:
            raise AssertionError(f"{name} was imported")

sys.meta_path.insert(0, Refuse())
import warnings
from sartor import Bundle
print(Bundle.load(sys.argv[1]).predict("a great and lovely film")[0]["label"])
"""


def sentences(count: int) -> list[dict[str, str]]:
    drawn = random.Random(0)
    rows = []
    for number in range(count):
        words = drawn.choices(FILLING, k=drawn.randint(2, 30)) + drawn.choices([BAD, GOOD][number % 2], k=3)
        drawn.shuffle(words)
        rows.append({"text": f"{' '.join(words)} {number}", "label": ("neg", "pos")[number % 2]})
    return rows


def write_rows(path: Path, count: int = 400) -> None:
    path.write_text("".join(json.dumps(row) + "\n" for row in sentences(count)))


def write_model(folder: Path, architecture: str, **settings: Any) -> Path:
    from tests.model.folders import write_folder

    return write_folder(folder, "Bert", architecture, max_position_embeddings=LONGEST, **settings)


def with_loud_weights(folder: Path) -> None:
    """As they are drawn, weights give the same logits for all texts."""
    from safetensors.numpy import load_file, save_file

    weights = load_file(folder / "model.safetensors")
    louder = {name: value * (20 if value.ndim == 2 else 1) for name, value in weights.items()}
    save_file(louder, folder / "model.safetensors", {"format": "pt"})


def of_transformers(folder: Path, texts: list[str]) -> np.typing.NDArray[np.float32]:
    """Logits (n, 2) of the model's own library, one text at a time."""
    import torch
    from transformers import AutoModelForSequenceClassification, PreTrainedTokenizerFast

    tokenizer = PreTrainedTokenizerFast(tokenizer_file=str(folder / "tokenizer.json"))
    model = AutoModelForSequenceClassification.from_pretrained(folder).eval()
    with torch.inference_mode():
        read = [tokenizer(text, truncation=True, max_length=LONGEST, return_tensors="pt") for text in texts]
        return np.concatenate([model(**tokens).logits.numpy() for tokens in read])


@pytest.fixture(scope="module")
def fitted(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Ended, list[str], np.typing.NDArray[np.float32]]:
    """The folder of a finished fit, how it ended, some texts, and what transformers says of them."""
    folder = tmp_path_factory.mktemp("text")
    named = dict(enumerate(CLASSES))
    write_model(folder / "tiny", "", id2label=named, label2id={name: number for number, name in named.items()})
    with_loud_weights(folder / "tiny")
    write_rows(folder / "rows.jsonl")
    need = {"task": "text-classification", "model": "tiny", "data": "rows.jsonl", "require": {}}
    ended = run(write_need(folder, yaml.safe_dump({**need, "budget": {"time": "5 min"}})), folder / "out")
    texts = [row["text"] for row in sentences(40)]
    expected = of_transformers(folder / "tiny", texts)
    return folder, ended, texts, expected


def test_a_head_that_fits_is_taken_as_it_is(fitted: tuple[Path, Ended, Any, Any]) -> None:
    folder, ended, _, _ = fitted
    assert ended.code == 0, ended.said
    evidence = read_evidence(folder / "out")
    assert evidence["training"] == {}
    assert evidence["splits"]["rows"]["train"] == 0
    assert evidence["classes"] == list(CLASSES)
    assert ended.values["limits"][0]["met"]


def test_the_data_report_and_what_is_cut_stand_in_the_evidence(fitted: tuple[Path, Ended, Any, Any]) -> None:
    folder, ended, _, _ = fitted
    evidence = read_evidence(folder / "out")
    assert (evidence["data"]["kind"], evidence["data"]["rows"]) == ("texts", 400)
    (note,) = evidence["models"]["tiny"]["notes"]
    assert note.endswith(f"of 400 texts are longer than {LONGEST} tokens and are cut")
    assert note in ended.said
    assert note in (folder / "out" / "report.html").read_text(encoding="utf-8")


def test_the_bundle_says_what_transformers_says(fitted: tuple[Path, Any, list[str], Any]) -> None:
    folder, _, texts, expected = fitted
    assert len(set(expected.argmax(1))) == 2
    zero = Bundle.load(folder / "out", read_evidence(folder / "out")["zero"])
    np.testing.assert_allclose(zero.outputs(texts), expected, rtol=1e-3, atol=1e-3)
    alone = np.concatenate([zero.outputs(text) for text in texts[:5]])
    np.testing.assert_allclose(alone, expected[:5], rtol=1e-3, atol=1e-3)
    chosen = [answer["label"] for answer in Bundle.load(folder / "out").predict(texts)]
    same = np.mean([label == CLASSES[number] for label, number in zip(chosen, expected.argmax(1), strict=True)])
    assert same >= 0.95


def test_token_ids_may_come_in_place_of_sentences(fitted: tuple[Path, Any, list[str], Any]) -> None:
    """Rows are not padded to any length here: the bundle brings them to the shape that was compiled."""
    folder, _, texts, expected = fitted
    zero = Bundle.load(folder / "out", read_evidence(folder / "out")["zero"])
    arrays = zero.prepare(texts[0]).arrays
    assert arrays["input_ids"].shape[1] <= LONGEST
    np.testing.assert_allclose(zero.run_named(arrays)[0], expected[:1], rtol=1e-3, atol=1e-3)
    chosen = Bundle.load(folder / "out")
    assert chosen.outputs({name: array[0] for name, array in arrays.items()}).shape == (1, 2)


def test_a_table_and_a_text_file_are_scored(fitted: tuple[Path, Any, list[str], Any]) -> None:
    folder, _, texts, _ = fitted
    (folder / "lines.txt").write_text("\n".join(texts[:3]) + "\n")
    expected = Bundle.load(folder / "out").predict(texts[:3])
    for source, rows in (("lines.txt", 3), ("rows.jsonl", 400)):
        command = [sys.executable, "-m", "sartor", "predict", "out", source, "-o", "p.jsonl"]
        subprocess.run(command, cwd=folder, check=True, capture_output=True)
        found = [json.loads(line) for line in (folder / "p.jsonl").read_text().splitlines()]
        assert len(found) == rows
        assert [row["label"] for row in found[:3]] == [row["label"] for row in expected]


def test_without_the_folder_and_without_its_libraries(fitted: tuple[Path, Any, list[str], Any], tmp_path: Path) -> None:
    """Moved elsewhere, a bundle still answers."""
    folder, _, _, _ = fitted
    expected = Bundle.load(folder / "out").predict("a great and lovely film")[0]["label"]
    shutil.copytree(folder / "out", tmp_path / "moved", ignore=shutil.ignore_patterns(".work"))
    shutil.move(folder / "tiny", folder / "gone")
    try:
        command = [sys.executable, "-c", WITHOUT_LIBRARIES, str(tmp_path / "moved")]
        ended = subprocess.run(command, cwd=tmp_path, check=False, capture_output=True, text=True)
    finally:
        shutil.move(folder / "gone", folder / "tiny")
    assert ended.stdout.strip() == expected, ended.stderr
    assert str(folder) not in (tmp_path / "moved" / "bundle.json").read_text()


def test_the_same_need_is_answered_at_once(fitted: tuple[Path, Ended, Any, Any]) -> None:
    folder, ended, _, _ = fitted
    again = run(folder / "need.yaml", folder / "out")
    assert again.values["already_answered"]
    assert again.values["chosen"] == ended.values["chosen"]


def test_it_is_proved_again_on_its_data(fitted: tuple[Path, Any, Any, Any]) -> None:
    folder, _, _, _ = fitted
    command = [sys.executable, "-m", "sartor", "measure", "out", "--json"]
    with_data = subprocess.run([*command, "--data", "rows.jsonl"], cwd=folder, check=False, capture_output=True)
    values = json.loads(with_data.stdout)
    assert with_data.returncode == (0 if values["verdict"] == "met" else 3)
    assert all(limit["met"] for limit in values["limits"] if limit["name"] == "accuracy_drop"), values["limits"]
    without = subprocess.run(command, cwd=folder, check=False, capture_output=True)
    assert "latency_p50" in json.loads(without.stdout)["measured"]  # rows made up are no longer than the model takes
    write_rows(folder / "others.jsonl", 380)
    other = subprocess.run([*command, "--data", "others.jsonl"], cwd=folder, check=False, capture_output=True)
    assert other.returncode == 2
    assert "another confirm split" in json.loads(other.stdout)["error"]["came"]


LEARNT = {
    "task": "text-classification",
    "model": "tiny",
    "data": "rows.jsonl",
    "train": {"epochs": 8, "learning_rate": 0.01},
    "require": {"accuracy": ">= 0.6"},
    "budget": {"time": "3 min"},
}


@pytest.mark.slow
def test_a_new_head_is_trained_and_a_killed_training_is_done_again(tmp_path: Path) -> None:
    write_model(tmp_path / "tiny", "BertModel")
    write_rows(tmp_path / "rows.jsonl", 600)
    need, out = write_need(tmp_path, yaml.safe_dump(LEARNT)), tmp_path / "out"
    process = start(need, out)
    done = wait_for_trials(process, out, 3)  # the export and two builds: the training comes soon
    kill(process)
    ended = end(start(need, out))
    assert ended.code == 0, ended.said
    assert ended.values["trials"]["reused"] >= done
    made = read_evidence(out)["training"]["tiny"]
    assert (made["epochs"], made["reused"]) == (8, False)
    bundle = Bundle.load(out)
    assert bundle.manifest.classes == ("neg", "pos")
    answers = bundle.predict(["great lovely superb film", "awful dull weak film"])
    assert [answer["label"] for answer in answers] == ["pos", "neg"]


@pytest.mark.slow
@pytest.mark.parametrize("model", ["zoo:transformer(width=16, depth=1)", "zoo:gru(width=16)"])
def test_a_network_of_the_zoo_learns_its_vocabulary(model: str, tmp_path: Path) -> None:
    write_rows(tmp_path / "rows.jsonl", 600)
    need = write_need(tmp_path, yaml.safe_dump({**LEARNT, "model": model}))
    ended = run(need, tmp_path / "out")
    assert ended.code == 0, ended.said
    shutil.rmtree(tmp_path / "out" / ".work")
    answers = Bundle.load(tmp_path / "out").predict(["great lovely superb film", "awful dull weak film"])
    assert [answer["label"] for answer in answers] == ["pos", "neg"]


def test_an_encoder_without_a_head_has_nothing_to_compare(tmp_path: Path) -> None:
    write_model(tmp_path / "encoder", "BertModel")
    (tmp_path / "rows.txt.jsonl").write_text("".join(json.dumps({"text": r["text"]}) + "\n" for r in sentences(300)))
    need = {"task": "feature-extraction", "model": "encoder", "data": "rows.txt.jsonl"}
    ended = run(write_need(tmp_path, yaml.safe_dump({**need, "require": {"agreement": ">= 90%"}})), tmp_path / "out")
    assert ended.code == 2
    assert ended.values["error"]["came"] == "`encoder` has no head, and without labels none can be trained"
    assert "export it to ONNX or .pt2" in ended.values["error"]["hint"]
    assert not (tmp_path / "out").exists()
