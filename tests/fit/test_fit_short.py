"""When time is short, or what was asked cannot be used: something is always proved, and nothing stands in the way."""

from __future__ import annotations

from pathlib import Path

import pytest

from sartor import Need, fit
from sartor.bundle.read import read_evidence
from sartor.errors import ModelError
from sartor.fit.board import UNTRIED
from sartor.fit.screening import by_promise
from sartor.plan.candidates import Candidate
from sartor.plan.recipe import CompressionStep, Recipe
from sartor.runtime.base import Precision, Settings, ShapePolicy
from tests.fit.test_fit_sources import breast_cancer, write_classifier, write_tumours


def need(**more: object) -> Need:
    values: dict[str, object] = {
        "task": "tabular-classification",
        "model": "net.onnx",
        "data": {"source": "rows.csv", "label": "diagnosis"},
        "require": {"accuracy_drop": "<= 5 pt"},
        "budget": {"time": "1 min"},
    }
    return Need(**{**values, **more})


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return write_tumours(tmp_path)


def test_a_budget_that_suffices_for_nothing_else_proves_the_model_as_it_is(folder: Path) -> None:
    result = fit(need(budget={"time": "1 s"}), folder / "out", base=folder)
    assert result.outcome == "met", result.sentence
    assert "the model as it is; the time ended before" in result.sentence
    assert result.values["chosen"]["recipe"] == {"steps": []}
    assert result.values["speedup"]["value"] == 1, "the fastest form of the model as it is must be there to be chosen"
    assert any(c["why"] == UNTRIED for c in read_evidence(folder / "out")["candidates"])
    more = fit(need(), folder / "out", base=folder)
    assert "already_answered" not in more.values
    assert "the time ended" not in more.sentence


def test_a_screen_cut_short_has_seen_every_way_to_compute() -> None:
    int8 = Recipe((CompressionStep("int8-static", (("calibration", "minmax"),)),))
    kinds: list[tuple[Recipe, Precision]] = [(Recipe(), "f32"), (Recipe(), "bf16"), (int8, "f32")]
    shapes: list[ShapePolicy] = ["dynamic", "buckets"]
    candidates = [
        Candidate("net", recipe, runtime, Settings(precision, threads, shape))
        for runtime in ("onnxruntime", "openvino")
        for recipe, precision in kinds
        for threads in (1, 2)
        for shape in shapes
    ]
    order = by_promise(candidates)
    assert sorted(c.id for c in order) == sorted(c.id for c in candidates)
    first = order[: 2 * len(kinds)]
    assert {(c.variant_id, c.settings.precision) for c in first} == {
        (c.variant_id, c.settings.precision) for c in candidates
    }
    assert all((c.settings.threads, c.settings.shape) == (2, "buckets") for c in first)
    assert [c.is_uncompressed for c in first[:3]] == [True, True, False]


def test_a_model_no_better_than_a_constant_answer_is_met_with_a_warning(folder: Path) -> None:
    inputs, labels = breast_cancer()
    write_classifier(folder / "net.onnx", inputs, 1 - labels)  # always wrong, and never worse than itself
    result = fit(need(), folder / "out", base=folder)
    assert result.outcome == "met"
    assert "But beware: its accuracy of 0." in result.sentence
    assert f"better than {result.values['constant_predictor']:.4f}" in result.sentence


@pytest.mark.slow
def test_a_need_that_could_not_be_used_leaves_the_folder_to_its_correction(folder: Path) -> None:
    broken = "import torch\n\nclass Net(torch.nn.Module):\n    def forward(self, rows):\n        return rows[:, :3]\n"
    (folder / "short_nets.py").write_text(broken + "\ndef build(input_shape, classes):\n    return Net()\n")
    with pytest.raises(ModelError):
        fit(need(model="short_nets:build", train=False), folder / "out", base=folder)
    assert fit(need(), folder / "out", base=folder).outcome == "met"
