"""`sartor.compress`: one recipe on one file."""

from __future__ import annotations

import importlib
import re
from pathlib import Path

import numpy as np
import pytest
from onnx import TensorProto, numpy_helper

import sartor
from sartor.compress.build import build
from sartor.compress.onnx_file import read_whole, write_whole
from sartor.errors import CandidateError, DataError, InputError, ModelError, OutputError
from sartor.model.values import ExportedModel
from sartor.plan.recipe import CompressionStep, Recipe
from sartor.runtime import RUNTIMES, open_runtime
from sartor.runtime.base import Settings

from .networks import CLASSES, rows, write_chain, write_residual, write_without_weights


@pytest.fixture(scope="module")
def network(tmp_path_factory: pytest.TempPathFactory) -> ExportedModel:
    return write_residual(tmp_path_factory.mktemp("network"))


@pytest.mark.parametrize("runtime", list(RUNTIMES))
def test_a_recipe_by_its_name(runtime: str, network: ExportedModel, tmp_path: Path) -> None:
    built = sartor.compress(network.path, "int8-static-minmax", rows(24), tmp_path / "out", runtime=runtime)
    assert built.changed
    assert built.size_bytes < 0.4 * network.path.stat().st_size
    x = rows(50, seed=3)
    given = open_runtime(runtime).load(built.path, Settings()).run({"x": x})[0]
    expected = open_runtime("onnxruntime").load(network.path, Settings()).run({"x": x})[0]
    assert np.mean(given.argmax(axis=1) == expected.argmax(axis=1)) > 0.9


def test_a_recipe_of_ones_own_with_layers_in_f32(network: ExportedModel, tmp_path: Path) -> None:
    recipe = Recipe((CompressionStep("int8-static", (("calibration", "minmax"),), ("c3",)),))
    assert recipe.label == "int8 static (minmax, 1 layer in f32)"
    whole = sartor.compress(network.path, "int8-static-minmax", {"x": rows(24)}, tmp_path / "whole")
    kept = sartor.compress(str(network.path), recipe, {"x": rows(24)}, str(tmp_path / "kept"))
    assert kept.size_bytes > 1.5 * whole.size_bytes


@pytest.fixture(scope="module")
def chain(tmp_path_factory: pytest.TempPathFactory) -> ExportedModel:
    return write_chain(tmp_path_factory.mktemp("chain"), depth=4, outlier=1.0)


# With int8 instructions the narrowest of so small a network takes more than half of its time, the share by default.
PRUNED = Recipe(
    (
        CompressionStep("prune", (("time", 0.7),)),
        CompressionStep("recover"),
        CompressionStep("int8-static", (("calibration", "minmax"),)),
    )
)


@pytest.mark.parametrize(("recipe", "runtime"), [(PRUNED, "onnxruntime"), ("low-rank + recover", "openvino")])
def test_steps_that_give_another_network_come_before_the_one_that_stores_it(
    recipe: str | Recipe, runtime: str, chain: ExportedModel, tmp_path: Path
) -> None:
    x = rows(200)
    labels = np.arange(len(x)) % CLASSES
    built = sartor.compress(chain.path, recipe, x, tmp_path / "out", runtime=runtime, labels=labels, epochs=4)
    assert built.changed
    before, after = (
        int(figure.replace(",", "")) for figure in re.findall(r"[\d,]+(?= ->|(?: parameters))", built.notes[0])
    )
    assert after < 0.8 * before
    assert "accuracy" in built.notes[1]
    assert "4 epochs" in built.notes[1]
    unseen = rows(200, seed=3)
    given = open_runtime(runtime).load(built.path, Settings()).run({"x": unseen})[0]
    # How much is cut to reach a share of the time follows from times, and a loud machine has others.
    assert np.mean(given.argmax(axis=1) == np.arange(len(unseen)) % CLASSES) > 0.7
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


def test_a_recovery_learns_from_the_answers_without_labels_and_through_the_roundings(
    network: ExportedModel, tmp_path: Path
) -> None:
    through = CompressionStep("recover", (("through", "onnxruntime int8-static-minmax"),))
    recipe = Recipe((through, CompressionStep("int8-static", (("calibration", "minmax"),))))
    built = sartor.compress(network.path, recipe, rows(100), tmp_path / "out", epochs=1)
    assert built.size_bytes < 0.4 * network.path.stat().st_size
    with pytest.raises(InputError, match="training through roundings in recovered"):
        sartor.compress(network.path, Recipe((through,)), rows(100), tmp_path / "other", epochs=1)


def test_parts_of_an_order_that_none_is_are_refused(network: ExportedModel, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="steps in this order: int8 dynamic \\+ pruned"):
        sartor.compress(network.path, "int8-dynamic+prune", rows(4), tmp_path / "out")
    with pytest.raises(InputError, match="unknown recipe `prun`"):
        sartor.compress(network.path, "prun+f32", rows(4), tmp_path / "out")
    wider = Recipe((CompressionStep("prune", (("time", 2),)),))
    with pytest.raises(InputError, match="prune to 2 of the time"):
        sartor.compress(network.path, wider, rows(4), tmp_path / "out")
    for settings, said in (
        ((("tme", 0.5),), "prune with `tme`"),
        ((("importance", "gradient"),), "prune with `importance: gradient`"),
        ((("cut", "heads"),), "prune with `cut: heads`"),
    ):
        with pytest.raises(InputError, match=said):
            sartor.compress(network.path, Recipe((CompressionStep("prune", settings),)), rows(4), tmp_path / "out")
    for step, said in (
        (CompressionStep("int8-static", (("calibraton", "minmax"),)), "int8-static with `calibraton`.*`calibration`"),
        (CompressionStep("int8-dynamic", (("scales", "tensr"),)), "int8-dynamic with `scales: tensr`.*channel, tensor"),
        (CompressionStep("fp16-weights", (("group", 3),)), "fp16-weights with `group`.*no setting"),
        (CompressionStep("recover", (("features", 0),)), "features with the weight 0"),
        (CompressionStep("zeros", (("pattern", "4:2"),)), "zeros in the pattern 4:2.*2:4"),
        (CompressionStep("zeros", (("share", 1.0),)), "zeros in a share of 1.0"),
        (CompressionStep("zeros", (("share", 0.5), ("pattern", "2:4"))), "zeros with a share and a pattern"),
    ):
        with pytest.raises(InputError) as caught:
            sartor.compress(network.path, Recipe((step,)), rows(4), tmp_path / "out")
        assert re.search(said, str(caught.value), re.DOTALL)
    for labels, said in (([0, 1, 2, 10], "labels 0 to 10"), ([0.0, 0.5, 1.0, 1.0], r"labels 0\.0 to 1\.0")):
        with pytest.raises(DataError, match=said):
            sartor.compress(network.path, "recover", rows(4), tmp_path / "out", labels=labels)
    with pytest.raises(DataError, match="3 labels of 4 rows"):
        sartor.compress(network.path, "recover", rows(4), tmp_path / "out", labels=[0, 1, 2])
    with pytest.raises(InputError, match="unknown kind `ranking`"):
        sartor.compress(network.path, "f32", rows(4), tmp_path / "out", kind="ranking")  # type: ignore[arg-type]
    assert not (tmp_path / "out").exists()


def test_what_the_last_step_cannot_do_is_refused_before_a_training(
    network: ExportedModel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def never(*given: object) -> None:
        raise AssertionError("a network was changed for nothing")

    monkeypatch.setattr(importlib.import_module("sartor.compress.alone"), "reshape", never)
    with pytest.raises(CandidateError, match="OpenVINO quantizes activations ahead of time only"):
        sartor.compress(network.path, "recover+int8-dynamic", rows(9), tmp_path / "out", runtime="openvino")
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").write_text("years")
    with pytest.raises(OutputError, match=r"thesis\.txt"):
        sartor.compress(network.path, "recover", rows(9), tmp_path / "mine")


def test_the_room_of_the_same_name_stays_importable() -> None:
    assert callable(sartor.compress)
    assert callable(build)


def test_a_recipe_that_is_none_names_the_nearest(network: ExportedModel, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="unknown recipe `int8-statik-minmax`") as caught:
        sartor.compress(network.path, "int8-statik-minmax", rows(4), tmp_path / "out")
    assert "int8-static-minmax" in caught.value.hint
    assert not (tmp_path / "out").exists()


def test_a_runtime_that_is_none_is_refused(network: ExportedModel, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="unknown runtime `openvine`"):
        sartor.compress(network.path, "f32", rows(4), tmp_path / "out", runtime="openvine")


def test_a_file_that_is_not_there_is_said_so(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"no file .*nothing\.onnx"):
        sartor.compress(tmp_path / "nothing.onnx", "f32", rows(4), tmp_path / "out")


def test_rows_of_another_name_are_refused(network: ExportedModel, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no input `x`"):
        sartor.compress(network.path, "f32", {"pictures": rows(4)}, tmp_path / "out")


def test_what_does_not_apply_says_why(network: ExportedModel, tmp_path: Path) -> None:
    with pytest.raises(CandidateError, match="OpenVINO quantizes activations ahead of time only"):
        sartor.compress(network.path, "int8-dynamic", rows(4), tmp_path / "out", runtime="openvino")


def test_recipes_with_other_layers_have_other_names() -> None:
    def recipe(*keeps: str) -> Recipe:
        return Recipe((CompressionStep("int8-static", (), keeps),))

    assert recipe().slug == "int8-static"
    assert len({recipe().slug, recipe("a").slug, recipe("b").slug, recipe("a", "b").slug}) == 4
    assert Recipe.from_dict(recipe("a", "b").as_dict()) == recipe("a", "b")
    assert "keeps" not in recipe().as_dict()["steps"][0], "trials of before still count"
    assert recipe("a").complexity > recipe().complexity


def test_zeros_are_a_step_that_says_what_they_gain(network: ExportedModel, tmp_path: Path) -> None:
    recipe = Recipe((CompressionStep("zeros", (("pattern", "2:4"),)),))
    built = sartor.compress(network.path, recipe, rows(4), tmp_path / "out")
    assert built.changed
    assert re.search(
        r"50% of the weights of its layers are 0, zipped .* -> .*; no runtime here is faster", built.notes[0]
    )
    half = sartor.compress(network.path, "zeros+int8-static-minmax", rows(24), tmp_path / "half")
    assert "50% of the weights" in half.notes[0]


def test_weights_and_activations_as_one_asks_for(network: ExportedModel, tmp_path: Path) -> None:
    def answers(*settings: tuple[str, str]) -> np.ndarray:
        recipe = Recipe((CompressionStep("int8-static", (("calibration", "minmax"), *settings)),))
        built = sartor.compress(network.path, recipe, rows(24), tmp_path / recipe.slug)
        kinds[settings] = _kinds(built.path)
        return open_runtime("onnxruntime").load(built.path, Settings()).run({"x": rows(50, seed=3)})[0].copy()

    kinds: dict[tuple[tuple[str, str], ...], set[tuple[str, bool]]] = {}
    usual, signed, coarse = answers(), answers(("activations", "symmetric")), answers(("scales", "tensor"))
    assert np.mean(usual.argmax(1) == signed.argmax(1)) > 0.9
    assert np.mean(usual.argmax(1) == coarse.argmax(1)) > 0.8
    assert kinds[()] == {("UINT8", False), ("INT8", True)}
    assert kinds[("activations", "symmetric"),] == {("INT8", False), ("INT8", True)}
    assert kinds[("scales", "tensor"),] == {("UINT8", False), ("INT8", False)}
    signs = Recipe((CompressionStep("int8-static", (("activations", "symmetric"),)),))
    with pytest.raises(CandidateError, match="calibration `mixed`"):
        sartor.compress(network.path, signs, rows(24), tmp_path / "other", runtime="openvino")


def _kinds(path: Path) -> set[tuple[str, bool]]:
    """(type, whether of each channel) of the zero points of what is turned back into f32, but for biases."""
    model = read_whole(path)
    points = {tensor.name: tensor for tensor in model.graph.initializer}
    read = [points[node.input[2]] for node in model.graph.node if node.op_type == "DequantizeLinear"]
    return {
        (TensorProto.DataType.Name(one.data_type), bool(one.dims) and one.dims[0] > 1)
        for one in read
        if one.data_type != TensorProto.INT32
    }


def test_another_network_teaches_and_is_refused_where_it_answers_something_else(
    network: ExportedModel, tmp_path: Path
) -> None:
    """Its answers are those of the next class."""
    model = read_whole(network.path)
    for tensor in model.graph.initializer:
        if tensor.name in ("fc", "fb"):
            turned = np.roll(numpy_helper.to_array(tensor), 1, axis=0)
            tensor.CopyFrom(numpy_helper.from_array(turned, tensor.name))
    teacher = write_whole(model, tmp_path / "teacher.onnx")
    built = sartor.compress(network.path, "recover", rows(200), tmp_path / "out", teacher=teacher, epochs=20)
    x = rows(100, seed=3)
    taught, wanted, before = (
        open_runtime("onnxruntime").load(path, Settings()).run({"x": x})[0].argmax(1)
        for path in (built.path, teacher, network.path)
    )
    assert np.mean(before == wanted) < 0.1
    assert np.mean(taught == wanted) > 0.5
    other = write_without_weights(tmp_path)
    with pytest.raises(ModelError, match="a teacher without `y` of shape"):
        sartor.compress(network.path, "recover", rows(10), tmp_path / "other", teacher=other.path)
    with pytest.raises(ModelError, match="no file"):
        sartor.compress(network.path, "recover", rows(10), tmp_path / "other", teacher=tmp_path / "none.onnx")
    assert not (tmp_path / "other").exists()
