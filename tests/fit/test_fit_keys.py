"""What an answer depends on: files whose bytes change under the same name must not meet what was stored of the old."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from sartor.fit.inputs import open_inputs
from sartor.fit.run import Run
from sartor.fit.stages import _source
from sartor.fit.trials import Trial
from sartor.model.onnx import read_signature
from sartor.model.values import Model
from sartor.need import Need
from sartor.steps.base import Array
from tests.model.files import write_linear
from tests.steps.making import write_tokenizer

WORDS = ["good film", "bad film", "a good good film", "bad bad"]


def write_reviews(folder: Path) -> Path:
    rows = [{"text": f"{text} {number}", "label": "ng"["good" in text]} for number in range(60) for text in WORDS]
    (folder / "reviews.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return folder


def write_mean_of_words(path: Path) -> Path:
    """Token ids (batch, length) -> scores (batch, 2): the mean of what each word says."""
    weights: dict[str, Array] = {"words": np.eye(10, 2, dtype=np.float32), "axis": np.array([1], np.int64)}
    graph = helper.make_graph(
        [
            helper.make_node("Gather", ["words", "input_ids"], ["said"]),
            helper.make_node("ReduceMean", ["said", "axis"], ["scores"], keepdims=0),
        ],
        "mean",
        [helper.make_tensor_value_info("input_ids", TensorProto.INT64, ["batch", "length"])],
        [helper.make_tensor_value_info("scores", TensorProto.FLOAT, ["batch", 2])],
        [numpy_helper.from_array(values, name) for name, values in weights.items()],
    )
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10), path)
    return path


def test_another_tokenizer_under_the_same_name_is_another_question(tmp_path: Path) -> None:
    write_reviews(tmp_path)
    model = write_mean_of_words(tmp_path / "mean.onnx")
    write_tokenizer(tmp_path / "tokenizer.json")
    named = {"file": "tokenizer.json", "max_length": 8, "inputs": ["input_ids"]}
    need = Need(
        task="text-classification",
        model=str(model),
        data="reviews.jsonl",
        preprocess=[{"tokenise": named}],
        require={"agreement": ">= 0.8"},
        train=False,
    )
    before = open_inputs(need, tmp_path).identity()
    assert open_inputs(need, tmp_path).identity() == before
    file = tmp_path / "tokenizer.json"
    file.write_text(file.read_text(encoding="utf-8") + "\n", encoding="utf-8")
    after = open_inputs(need, tmp_path).identity()
    assert after["steps"] != before["steps"]
    assert {**after, "steps": ""} == {**before, "steps": ""}


def test_a_training_done_again_is_another_source_though_its_trial_has_the_same_key(tmp_path: Path) -> None:
    file = write_linear(tmp_path / "trained.onnx")
    need = SimpleNamespace(labelled=True, output=None, kind="classification")
    dataset = SimpleNamespace(classes=tuple("ab"))
    run = cast(Run, SimpleNamespace(work=tmp_path, need=need, data=SimpleNamespace(dataset=dataset)))
    made = {"path": "trained.onnx", "signature": read_signature(file).as_dict(), "parameters": 8}
    trial = cast(Trial, SimpleNamespace(key="one key", result=made, reused=True))
    model = Model("net", "zoo:mlp", "zoo", True, "hash")

    def content() -> str:
        return _source(run, model, cast(Any, None), trial, trained=True).content

    first = content()
    assert content() == first
    file.write_bytes(file.read_bytes() + b"\x0a\x00")
    assert content() != first
