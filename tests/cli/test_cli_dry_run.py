"""`fit --dry-run`: splits, provable limits and candidates; nothing is run or written."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from tests.bundle.making import write_net
from tests.cli.calling import Call, caller, snapshot, write_all, write_need

DIGITS = {"task": "image-classification", "model": ["zoo:mlp", "zoo:cnn"], "data": "digits", "train": "auto"}


@pytest.fixture
def call(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Call:
    def no_child(*arguments: object) -> None:
        raise AssertionError("a dry run starts nothing")

    monkeypatch.setattr("subprocess.Popen", no_child)
    return caller(capsys)


def test_digits(call: Call, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    require = {"accuracy": ">= 0.95", "accuracy_drop": "<= 2 pt", "latency_p99": "<= 2 ms"}
    need = write_need(tmp_path, **DIGITS, require=require, budget={"time": "2 min"})
    before = snapshot(tmp_path)
    ended = call("fit", need, "-o", "out", "--dry-run")
    assert ended.code == 0, ended.err
    for split in ("train", "calibrate", "select", "confirm"):
        assert re.search(rf"\n  {split} +\d+ rows", ended.out)
    assert re.search(r"Provable: \d+ confirm rows can prove an accuracy of up to 0\.99", ended.out)
    assert re.search(r"Provable: \d+ confirm rows can prove a drop of down to", ended.out)
    assert "Limits: accuracy >= 0.95, accuracy_drop <= 2 pt, latency_p99 <= 2 ms" in ended.out
    assert re.search(r"Candidates: \d+ \(mlp, cnn\)", ended.out)
    assert "Time: at most 2 min" in ended.out
    assert re.search(
        r"A full search builds \d+ files and times \d+ candidates, [\d.]+ (s|min) to [\d.]+ (s|min)", ended.out
    )
    assert "then 30 smaller networks" in ended.out
    assert snapshot(tmp_path) == before


def test_digits_as_json(call: Call, tmp_path: Path) -> None:
    ended = call("fit", write_need(tmp_path, **DIGITS), "-o", tmp_path / "out", "--dry-run", "--json")
    found = json.loads(ended.out)
    assert ended.code == 0
    rows = found["splits"]["rows"]
    assert set(rows) == {"train", "calibrate", "select", "confirm"}
    assert sum(rows.values()) + found["splits"]["dropped"] == 1797
    assert {candidate["model"] for candidate in found["candidates"]} == {"mlp", "cnn"}
    assert len({candidate["id"] for candidate in found["candidates"]}) == len(found["candidates"])
    assert all(refusal["what"] and refusal["why"] for refusal in found["refusals"])
    assert found["limits"]
    assert found["provable"]
    assert not (tmp_path / "out").exists()


def test_without_training_nothing_goes_to_train(call: Call, tmp_path: Path) -> None:
    found = json.loads(call("fit", write_all(tmp_path), "-o", tmp_path / "out", "--dry-run", "--json").out)
    assert found["splits"]["rows"] == {"train": 0, "calibrate": 50, "select": 200, "confirm": 200}
    assert "nothing is trained" in found["time"]


def test_what_counts_bytes_is_offered_where_bytes_are_limited_and_fusing_where_there_is_attention(
    call: Call, tmp_path: Path
) -> None:
    def steps(**changed: object) -> set[str]:
        need = write_need(tmp_path, **{**DIGITS, **changed})
        found = json.loads(call("fit", need, "-o", tmp_path / "out", "--dry-run", "--json").out)
        return {step["name"] for candidate in found["candidates"] for step in candidate["recipe"]["steps"]}

    assert not steps() & {"int8-weights", "int4-weights", "fused"}
    assert steps(require={"size": "<= 1 MB"}) >= {"int8-weights", "int4-weights"}
    assert "fused" in steps(model="zoo:vit")


def test_a_constant_batch_leaves_fixed_candidates(call: Call, tmp_path: Path) -> None:
    need = write_all(tmp_path, workload={"batch": 4})
    write_net(tmp_path / "net.onnx", rows=4)
    found = json.loads(call("fit", need, "-o", tmp_path / "out", "--dry-run", "--json").out)
    assert {candidate["settings"]["shape"] for candidate in found["candidates"]} == {"fixed"}
    assert {candidate["settings"]["batch"] for candidate in found["candidates"]} == {4}


def test_no_limits_at_all_means_without_measurable_loss(call: Call, tmp_path: Path) -> None:
    found = json.loads(call("fit", write_all(tmp_path, require={}), "-o", tmp_path / "o", "--dry-run", "--json").out)
    assert len(found["limits"]) == 1
    assert found["limits"][0].startswith("accuracy_drop <= ")


def test_a_model_that_cannot_take_the_rows_is_refused_with_its_reason(call: Call, tmp_path: Path) -> None:
    need = write_all(tmp_path, model=["net.onnx", "zoo:cnn"], train="auto")
    found = json.loads(call("fit", need, "-o", tmp_path / "out", "--dry-run", "--json").out)
    assert found["models"] == "net"
    assert ("cnn", True) in {(refusal["what"], "pictures" in refusal["why"]) for refusal in found["refusals"]}


def test_steps_count_when_a_model_is_refused(call: Call, tmp_path: Path) -> None:
    flat = write_need(tmp_path, **{**DIGITS, "model": ["zoo:mlp", "zoo:cnn"], "preprocess": [{"reshape": [64]}]})
    found = json.loads(call("fit", flat, "-o", tmp_path / "out", "--dry-run", "--json").out)
    assert found["models"] == "mlp"
