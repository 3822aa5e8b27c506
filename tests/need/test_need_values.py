"""A Need as a value: written and read back, and what counts as the same Need."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from sartor.errors import NeedError
from sartor.need import Budget, Need, need_schema, read_need
from sartor.need.read import parse_need
from tests.need.schema_checker import complaints
from tests.strategies import need_values

SIMPLE: dict[str, Any] = {"task": "tabular-classification", "model": ["net.onnx"], "data": "rows.csv"}

DESIGN = """
task: image-classification
model: [zoo:cnn, zoo:resnet, path/to/model.onnx, mypackage.nets:build]
data: {source: digits}                    # built-in, file, folder, or mypackage.data:load
preprocess: [{resize: [224, 224]}, {normalise: {mean: 127, std: 128}}]
train: auto                                # auto: zoo models and heads that do not fit the labels
require:                                   # may be empty: fastest without measurable loss
  accuracy: ">= 0.95"
  latency_p99: "<= 2 ms"
  size: "<= 1 MB"
confidence: 0.95
minimise: latency
workload: {batch: 1}
on: this-machine
budget: {time: 5 min, memory: 8 GB}
seed: 0
"""
DESIGN_SPLITS = """
task: text-classification
model: net.onnx
data: {source: train.tsv, select: dev.tsv, confirm: test.tsv, input: sentence, label: label, group: speaker,
       labels: [neg, pos]}
train: {epochs: 3, time: 2 min, learning_rate: 0.001}
require: {throughput: ">= 500 /s", "mine.metrics:score": ">= 0.5", "mine.metrics:score_drop": "<= 1%"}
"""
EXAMPLES = [DESIGN, DESIGN_SPLITS, "{task: tabular-regression, model: zoo:mlp, data: house.csv, require: {}}"]
BAD_EXAMPLES = [
    DESIGN.replace("seed: 0", "sede: 0"),
    DESIGN.replace("size:", "sise:"),
    DESIGN.replace("time: 5 min", "tiem: 5 min"),
    DESIGN.replace("latency_p99:", "latency_p999:"),
    DESIGN.replace("minimise: latency", "minimise: beauty"),
    DESIGN.replace("task: image-classification", ""),
    DESIGN.replace("confidence: 0.95", "confidence: 95"),
    DESIGN.replace("batch: 1", "batch: 0"),
    DESIGN.replace('accuracy: ">= 0.95"', "accuracy: [0.95]"),
]


@given(need_values())
def test_a_need_survives_yaml(values: dict[str, Any]) -> None:
    need = Need(**values)
    again = parse_need(yaml.safe_dump(need.as_dict(), sort_keys=False, allow_unicode=True))
    assert again == need
    assert again.identity() == need.identity()
    assert again.limits == need.limits


def test_a_need_survives_its_file(tmp_path: Path) -> None:
    need = parse_need(DESIGN)
    need.write(tmp_path / "need.yaml")
    assert read_need(tmp_path / "need.yaml") == need


@given(need_values())
def test_the_schema_accepts_every_need(values: dict[str, Any]) -> None:
    schema = need_schema()
    assert complaints(schema, values, schema) == []
    assert complaints(schema, Need(**values).as_dict(), schema) == []


@pytest.mark.parametrize("text", EXAMPLES)
def test_the_examples_of_the_design_are_needs(text: str) -> None:
    schema = need_schema()
    assert parse_need(text).task in text
    # An editor reads YAML 1.2, where `on` is a word.
    assert complaints(schema, _as_an_editor_reads(text), schema) == []


@pytest.mark.parametrize("text", BAD_EXAMPLES)
def test_schema_and_reader_refuse_the_same(text: str) -> None:
    schema = need_schema()
    assert complaints(schema, _as_an_editor_reads(text), schema) != []
    with pytest.raises(NeedError):
        parse_need(text)


def _as_an_editor_reads(text: str) -> Any:
    return yaml.safe_load(re.sub(r"^on:", '"on":', text, flags=re.MULTILINE))


def test_the_schema_describes_every_limit() -> None:
    limits = need_schema()["properties"]["require"]["properties"]
    assert {"accuracy", "accuracy_drop", "rmse", "latency_p50", "latency_p99", "throughput", "size", "memory"} <= set(
        limits
    )


@given(need_values(), st.floats(1, 1e6))
def test_the_budget_does_not_make_another_need(values: dict[str, Any], seconds: float) -> None:
    richer = {**values, "budget": {"time": seconds, "memory": "4 GB"}}
    assert Need(**richer).identity() == Need(**values).identity()


def test_comments_and_order_of_keys_do_not_make_another_need() -> None:
    bare = yaml.safe_dump(parse_need(DESIGN).as_dict(), sort_keys=True)
    assert parse_need(bare).identity() == parse_need(DESIGN).identity()


def test_defaults_written_out_do_not_make_another_need() -> None:
    written = {"train": "auto", "seed": 0, "confidence": 0.95, "workload": {"batch": 1}, "on": "this-machine"}
    assert Need(**SIMPLE, **written).identity() == Need(**SIMPLE).identity()


@pytest.mark.parametrize(
    "change",
    [
        {"seed": 1},
        {"require": {"accuracy": ">= 0.9"}},
        {"require": {"accuracy": ">= 0.91"}},
        {"model": ["other.onnx"]},
        {"model": ["net.onnx", "other.onnx"]},
        {"data": "others.csv"},
        {"data": {"source": "rows.csv", "label": "kind"}},
        {"train": False},
        {"preprocess": [{"standardise": "train"}]},
        {"confidence": 0.99},
        {"minimise": "size"},
        {"workload": {"batch": 8}},
        {"task": "audio-classification"},
    ],
)
def test_anything_else_makes_another_need(change: dict[str, Any]) -> None:
    every = [Need(**SIMPLE), Need(**SIMPLE, require={"accuracy": ">= 0.9"}, seed=0)]
    changed = Need(**{**SIMPLE, **change})
    same = [need for need in every if need == changed]
    assert all((need.identity() == changed.identity()) == (need in same) for need in every)
    assert changed.identity() != every[0].identity()


def test_what_may_be_left_out() -> None:
    need = Need(**SIMPLE)
    assert (need.metric, need.kind, need.limits, need.preprocess) == ("accuracy", "classification", (), None)
    assert Need(task="tabular-regression", model="a.onnx", data="b.csv").metric == "rmse"
    assert need.budget == Budget(time=600.0)


def test_one_model_and_a_bare_source_may_stand_as_text() -> None:
    need = Need(task="tabular-classification", model="net.onnx", data="rows.csv")
    assert (need.model, need.data.source) == (("net.onnx",), "rows.csv")


def test_a_need_cannot_be_changed() -> None:
    with pytest.raises(ValueError, match="frozen"):
        setattr(Need(**SIMPLE), "seed", 3)  # noqa: B010 - a type checker refuses it already


def test_times_and_sizes_take_units() -> None:
    need = Need(**SIMPLE, budget={"time": "5 min", "memory": "2 GiB"}, train={"time": "90 s"})
    assert (need.budget.time, need.budget.memory) == (300.0, 2 * 2.0**30)
    assert Need(**SIMPLE, budget={"time": 30}).budget.time == 30.0
