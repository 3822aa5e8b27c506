"""Asked again: what may be answered from what is known, and what must be measured anew."""

from __future__ import annotations

import errno
import re
import shutil
import textwrap
from pathlib import Path

import numpy as np
import pytest

from sartor import Need, fit
from sartor.bundle.read import read_evidence
from sartor.errors import CandidateError, OutputError
from sartor.fit.reprove import reprove
from sartor.fit.trials import Trials
from sartor.fit.watch import Silent
from sartor.report.sentences import chinese
from tests.fit.test_fit_sources import breast_cancer, write_classifier, write_csv, write_tumours

MINUTE = {"time": "2 min"}


def need(**more: object) -> Need:
    values: dict[str, object] = {
        "task": "tabular-classification",
        "model": "net.onnx",
        "data": {"source": "rows.csv", "label": "diagnosis"},
        "require": {"accuracy": ">= 0.8", "latency_p90": "<= 20 ms"},
        "budget": MINUTE,
    }
    return Need(**{**values, **more})


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return write_tumours(tmp_path)


def test_the_same_question_is_answered_at_once_and_a_changed_one_is_not(folder: Path) -> None:
    first = fit(need(), folder / "out", base=folder)
    assert first.outcome == "met", first.sentence
    assert not first.resumed
    assert first.values["trials"]["reused"] == 0
    again = fit(need(), folder / "out", base=folder)
    assert again.values["already_answered"]
    assert again.values["measured"] == first.values["measured"]

    inputs, labels = breast_cancer()
    write_classifier(folder / "net.onnx", inputs, 1 - labels)  # same name, other weights: always wrong
    changed = fit(need(), folder / "out", base=folder)
    assert "already_answered" not in changed.values
    assert changed.outcome == "not_met"


@pytest.mark.slow
def test_a_changed_metric_is_a_changed_question(folder: Path) -> None:
    metric = "def score(labels, outputs):\n    return {} * float((outputs.argmax(1) == labels).mean())\n"
    (folder / "again_metric.py").write_text(metric.format(1.0))
    asked = need(require={"again_metric:score": ">= 0.4"})
    assert fit(asked, folder / "out", base=folder).outcome == "met"
    (folder / "again_metric.py").write_text(metric.format(0.5))
    assert "already_answered" not in fit(asked, folder / "out", base=folder).values


@pytest.mark.slow
def test_a_metric_that_is_not_repeatable_is_said_to_be_so(folder: Path) -> None:
    metric = """
        import random

        def score(labels, outputs):
            return float((outputs.argmax(1) == labels).mean()) - 0.01 * random.random()
    """
    (folder / "restless_metric.py").write_text(textwrap.dedent(metric))
    asked = need(require={"restless_metric:score": ">= 0.4"})
    assert fit(asked, folder / "out", base=folder).outcome == "met"
    (note,) = read_evidence(folder / "out")["data"]["notes"]
    assert re.fullmatch(r"restless_metric:score gives values up to 0\.0\d+ apart .*: its intervals are .* wider", note)
    assert chinese(note)


@pytest.mark.slow
def test_one_seed_gives_the_same_splits_weights_and_answers_twice(tmp_path: Path) -> None:
    """Which candidates are read, and which is chosen, follows from times, and those are never the same."""
    asked = need(model="zoo:mlp(width=32)", data="breast-cancer", train={"epochs": 4}, require={})
    once, again = (tmp_path / name for name in ("once", "again"))
    for output in (once, again):
        fit(asked, output, base=tmp_path)
    first, second = (read_evidence(output) for output in (once, again))
    assert first["splits"]["hashes"] == second["splits"]["hashes"]
    assert [c["id"] for c in first["candidates"]] == [c["id"] for c in second["candidates"]]
    read = [
        {c["id"].split(".t")[0]: (c["quality"], c["quality_rows"]) for c in each["candidates"] if c["quality"]}
        for each in (first, second)
    ]
    both = read[0].keys() & read[1].keys()
    assert any("f32" in name for name in both)
    assert {name: read[0][name] for name in both} == {name: read[1][name] for name in both}


def test_limits_that_no_single_candidate_meets_still_leave_a_bundle_and_say_how_far_off(folder: Path) -> None:
    size = (folder / "net.onnx").stat().st_size
    asked = need(require={"accuracy": ">= 0.5", "latency_p99": "<= 8 us", "size": f"<= {size // 5} B"})
    result = fit(asked, folder / "out", base=folder)
    assert result.outcome in ("not_met", "infeasible"), result.sentence
    if result.outcome == "not_met":
        assert (folder / "out" / "bundle.json").exists()
        assert "To have it met, change" in result.sentence


def test_the_baseline_meets_its_own_drop_however_few_the_rows(folder: Path) -> None:
    result = fit(need(require={"accuracy_drop": "<= 1.5 pt"}), folder / "out", base=folder)
    assert result.outcome == "met", result.sentence
    evidence = read_evidence(folder / "out")
    assert evidence["speedup"]["value"] == 1 or evidence["speedup"]["low"] > 1


@pytest.mark.slow
def test_speed_ups_are_against_the_uncompressed_form_of_the_chosen_model(folder: Path) -> None:
    inputs, labels = breast_cancer()
    write_classifier(folder / "big.onnx", inputs, labels, hidden=4000)
    asked = need(model=["net.onnx", "big.onnx"], require={"accuracy_drop": "<= 6 pt"})
    result = fit(asked, folder / "out", base=folder)
    assert result.outcome == "met", result.sentence
    chosen, zero = result.values["chosen"], result.values["baseline"]
    assert zero["id"].startswith(f"{chosen['model']}.f32.")
    if chosen["id"] == zero["id"]:
        assert result.values["speedup"]["value"] == 1
    again = reprove(folder / "out", str(folder / "rows.csv"), folder, Silent())
    assert again["verdict"] == "met"


def test_failures_for_want_of_memory_are_tried_again_with_more_of_it(tmp_path: Path) -> None:
    def starve() -> dict[str, object]:
        raise CandidateError("memory", "too much")

    trials = Trials(tmp_path / "trials.sqlite")
    trials.budget = {"time": 60.0, "memory": 1e9}
    assert trials.once("build", "a", {}, starve).status == "failed"
    assert trials.once("build", "a", {}, lambda: {"done": True}).status == "failed"
    assert trials.reused == 0, "looking again in one run is no reuse"
    trials.close()
    later = Trials(tmp_path / "trials.sqlite")
    later.budget = {"time": 600.0, "memory": 1e9}
    assert later.once("build", "a", {}, lambda: {"done": True}).status == "failed"
    assert later.reused == 1
    later.budget = {"time": 60.0, "memory": 2e9}
    assert later.once("build", "a", {}, lambda: {"done": True}).result == {"done": True}
    later.close()


def test_openings_of_confirm_are_counted_across_needs_and_survive_a_fresh_start(tmp_path: Path) -> None:
    trials = Trials(tmp_path / "trials.sqlite")
    assert trials.open_confirm("split", "finalists a", "need 1") == 0
    assert trials.open_confirm("split", "finalists a", "need 1") == 0, "a resumed run is the same opening"
    assert trials.open_confirm("split", "finalists b", "need 2") == 1
    assert trials.openings_of_others("split", "need 1") == 1
    trials.forget_trials()
    assert trials.open_confirm("split", "finalists c", "need 3") == 2
    assert trials.open_confirm("other split", "finalists c", "need 3") == 0
    trials.close()


@pytest.mark.slow
def test_the_folder_can_be_moved_and_resumed(folder: Path) -> None:
    fit(need(), folder / "out", base=folder)
    shutil.move(folder / "out", folder / "moved")
    assert fit(need(), folder / "moved", base=folder).values["already_answered"]


@pytest.mark.slow
def test_an_edited_network_is_built_again(tmp_path: Path) -> None:
    pytest.importorskip("torch", reason="the model is a torch module")
    inputs, labels = breast_cancer()
    write_csv(tmp_path / "rows.csv", inputs, [("bad", "good")[label] for label in labels])
    code = """
        from torch import nn

        def build(input_shape, classes):
            return nn.Sequential(nn.BatchNorm1d(input_shape[0]), nn.Linear(input_shape[0], {width}), nn.ReLU(),
                                 nn.Linear({width}, classes))
    """
    sizes = []
    for width in (16, 64):
        (tmp_path / "edited_net.py").write_text(textwrap.dedent(code).format(width=width))
        asked = need(model="edited_net:build", train={"epochs": 15}, require={"accuracy": ">= 0.7"})
        result = fit(asked, tmp_path / "out", base=tmp_path)
        sizes.append(result.values["baseline"]["size_bytes"])
    assert sizes[1] > 1.5 * sizes[0]


def test_a_full_disk_is_one_clear_error_and_leaves_no_bundle(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*arguments: object, **more: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(np, "save", full)
    with pytest.raises(OutputError, match="No space left") as caught:
        fit(need(), folder / "out", base=folder)
    assert caught.value.exit_code == 2
    assert not (folder / "out" / "bundle.json").exists()
    monkeypatch.undo()
    assert fit(need(), folder / "out", base=folder).outcome == "met"
