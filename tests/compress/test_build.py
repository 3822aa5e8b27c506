"""Every recipe on a real network: right, smaller, quiet, and never half built."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from sartor.compress import build as build_module
from sartor.compress.applicable import recipes, why_not
from sartor.compress.build import build
from sartor.compress.values import BuiltVariant, StepResult, Work
from sartor.errors import CandidateError, DataError, OutputError
from sartor.machine.device import Machine, this_machine
from sartor.model.values import ExportedModel
from sartor.plan.recipe import CompressionStep, Recipe
from sartor.runtime import RUNTIMES, open_runtime
from sartor.runtime.base import Array, Settings, outputs_agree
from sartor.steps.prepared import Prepared

from .networks import CLASSES, rows, write_dense, write_residual, write_without_weights

FP16 = Recipe((CompressionStep("fp16-weights"),))
STATIC = Recipe((CompressionStep("int8-static", (("calibration", "minmax"),)),))
DYNAMIC = Recipe((CompressionStep("int8-dynamic"),))
OFFERED = [
    pytest.param(runtime, recipe, id=f"{runtime}-{recipe.slug}")
    for runtime in RUNTIMES
    for recipe in recipes(runtime, attends=False)
    if "dynamic" not in recipe.slug and why_not(recipe, runtime, this_machine()) is None
]
EVERY = pytest.mark.parametrize("runtime", list(RUNTIMES))


@pytest.fixture(scope="module")
def network(tmp_path_factory: pytest.TempPathFactory) -> ExportedModel:
    return write_residual(tmp_path_factory.mktemp("network"))


@pytest.fixture(scope="module")
def dense(tmp_path_factory: pytest.TempPathFactory) -> ExportedModel:
    return write_dense(tmp_path_factory.mktemp("dense"))


def run(path: Path, runtime: str, x: Array) -> Array:
    return open_runtime(runtime).load(path, Settings()).run({"x": x})[0].copy()


def calibrated(recipe: Recipe, source: ExportedModel, runtime: str, to: Path) -> BuiltVariant:
    return build(recipe, source, runtime, Prepared({"x": rows(24)}), to)


@pytest.mark.parametrize(("runtime", "recipe"), OFFERED)
def test_recipe_keeps_the_answers(runtime: str, recipe: Recipe, network: ExportedModel, tmp_path: Path) -> None:
    built = calibrated(recipe, network, runtime, tmp_path / "variant")
    x = rows(100, seed=9)
    expected, got = run(network.path, "onnxruntime", x), run(built.path, runtime, x)
    agreement = np.mean(expected.argmax(axis=1) == got.argmax(axis=1))
    assert np.mean(expected.argmax(axis=1) == np.arange(100) % CLASSES) > 0.9, "the fixture must be able to classify"
    assert agreement >= (0.9 if recipe.quantizes else 1.0)
    # Only ranges that cover everything promise small differences: the other calibrations cut on purpose.
    relative = 1.0 if recipe.quantizes and recipe != STATIC else 0.1 if recipe.quantizes else 2e-3
    assert outputs_agree(expected, got, relative=relative) <= 1
    assert built.changed == bool(recipe.steps)


@pytest.mark.parametrize(("runtime", "recipe"), OFFERED)
def test_size_is_all_files_and_shrinks(runtime: str, recipe: Recipe, network: ExportedModel, tmp_path: Path) -> None:
    built = calibrated(recipe, network, runtime, tmp_path / "variant")
    assert set(built.files) == set((tmp_path / "variant").iterdir())
    assert built.size_bytes == sum(file.stat().st_size for file in built.files)
    share = built.size_bytes / network.path.stat().st_size
    expected = 0.25 if recipe.quantizes else 0.5 if recipe.steps else 1.0
    assert share == pytest.approx(expected, abs=0.08)


@EVERY
def test_fixed_shape_serves_int8(runtime: str, network: ExportedModel, tmp_path: Path) -> None:
    built = calibrated(STATIC, network, runtime, tmp_path / "variant")
    fixed = open_runtime(runtime).load(built.path, Settings(shape="fixed", batch=2)).run({"x": rows(2)})[0]
    assert outputs_agree(run(built.path, runtime, rows(2)), fixed) <= 1


@EVERY
def test_fixed_batch_models_are_calibrated_in_their_batch(runtime: str, tmp_path: Path) -> None:
    source = write_residual(tmp_path, batch=4)
    built = build(STATIC, source, runtime, Prepared({"x": rows(10)}), tmp_path / "variant")
    assert run(built.path, runtime, rows(4)).shape == (4, CLASSES)


def test_dynamic_quantizes_matrices(dense: ExportedModel, tmp_path: Path) -> None:
    built = calibrated(DYNAMIC, dense, "onnxruntime", tmp_path / "variant")
    expected = run(dense.path, "onnxruntime", rows(20))
    assert outputs_agree(expected, run(built.path, "onnxruntime", rows(20)), relative=0.05) <= 1
    assert built.size_bytes < 0.4 * dense.path.stat().st_size


def test_dynamic_leaves_layers_in_f32(dense: ExportedModel, tmp_path: Path) -> None:
    import onnx

    recipe = Recipe((CompressionStep("int8-dynamic", (), ("w1",)),))
    model = onnx.load(calibrated(recipe, dense, "onnxruntime", tmp_path / "variant").path)
    assert [node.op_type for node in model.graph.node].count("MatMulInteger") == 1
    assert "w1" in {name for node in model.graph.node if node.op_type == "MatMul" for name in node.input}


def test_dynamic_has_one_scale_a_column_or_one_a_matrix(dense: ExportedModel, tmp_path: Path) -> None:
    import onnx

    def scales(recipe: Recipe) -> set[int]:
        model = onnx.load(calibrated(recipe, dense, "onnxruntime", tmp_path / recipe.slug).path)
        return {len(t.float_data) or len(t.raw_data) // 4 for t in model.graph.initializer if t.name.endswith("_scale")}

    assert max(scales(DYNAMIC)) > 1
    assert scales(Recipe((CompressionStep("int8-dynamic", (("scales", "tensor"),)),))) == {1}


def test_dynamic_is_refused_where_convolutions_hold_the_weights(network: ExportedModel, tmp_path: Path) -> None:
    with pytest.raises(CandidateError, match="nothing to quantize"):
        calibrated(DYNAMIC, network, "onnxruntime", tmp_path / "variant")


@EVERY
@pytest.mark.parametrize("recipe", [STATIC, FP16], ids=lambda recipe: recipe.slug)
def test_nothing_to_do_is_said_and_leaves_nothing_behind(runtime: str, recipe: Recipe, tmp_path: Path) -> None:
    source = write_without_weights(tmp_path)
    with pytest.raises(CandidateError, match=r"nothing to (quantize|compress)") as caught:
        calibrated(recipe, source, runtime, tmp_path / "variants" / "one")
    assert caught.value.reason == "unsupported"
    assert list((tmp_path / "variants").iterdir()) == []


@EVERY
def test_fp16_overflow_is_refused_and_names_the_weight(runtime: str, tmp_path: Path) -> None:
    source = write_residual(tmp_path, scale=1e6)
    with pytest.raises(CandidateError, match="weight `c3` reaches"):
        calibrated(FP16, source, runtime, tmp_path / "variant")


@EVERY
def test_stdout_and_stderr_stay_empty(
    runtime: str, network: ExportedModel, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    for recipe in recipes(runtime, attends=False):
        if "dynamic" not in recipe.slug and why_not(recipe, runtime, this_machine()) is None:
            calibrated(recipe, network, runtime, tmp_path / recipe.slug)
    captured = capfd.readouterr()
    assert captured.out == ""
    assert captured.err == ""


def test_not_finite_outputs_are_refused(tmp_path: Path) -> None:
    source = write_residual(tmp_path, scale=float("inf"))
    with pytest.raises(CandidateError) as caught:
        calibrated(Recipe(), source, "onnxruntime", tmp_path / "variant")
    assert caught.value.reason == "wrong-output"
    assert not (tmp_path / "variant").exists()


def test_a_crash_of_the_quantizer_is_one_failed_candidate(
    network: ExportedModel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def crash(work: Work) -> StepResult:
        (work.folder / "half.onnx").write_bytes(b"half")
        raise AssertionError("inner detail\nsecond line")

    monkeypatch.setitem(build_module._STEPS, ("onnxruntime", "int8-static"), crash)
    with pytest.raises(CandidateError, match=r"failed: int8 static .minmax.: AssertionError: inner detail$"):
        calibrated(STATIC, network, "onnxruntime", tmp_path / "variants" / "one")
    assert list((tmp_path / "variants").iterdir()) == []


def test_an_earlier_variant_is_replaced_but_foreign_files_are_not(network: ExportedModel, tmp_path: Path) -> None:
    to = tmp_path / "variant"
    first = calibrated(Recipe(), network, "onnxruntime", to)
    assert calibrated(Recipe(), network, "onnxruntime", to) == first
    (to / "thesis.txt").write_text("mine")
    with pytest.raises(OutputError, match=r"thesis\.txt"):
        calibrated(Recipe(), network, "onnxruntime", to)
    assert (to / "thesis.txt").read_text() == "mine"


@pytest.mark.parametrize(
    "inputs",
    [{}, {"x": rows(0)}, {"x": rows(4).astype(np.float64)}],
    ids=["missing", "empty", "wrong dtype"],
)
def test_bad_calibration_rows_are_the_users(inputs: dict[str, Array], network: ExportedModel, tmp_path: Path) -> None:
    with pytest.raises(DataError):
        build(STATIC, network, "onnxruntime", Prepared(inputs), tmp_path / "variant")


def test_saturating_machines_get_seven_bit_weights(network: ExportedModel, tmp_path: Path) -> None:
    import onnx
    from onnx import numpy_helper

    old = Machine("Old", "x86_64", 2, ("avx2",), 2**33, "Linux 5", "3.11")
    built = build(STATIC, network, "onnxruntime", Prepared({"x": rows(16)}), tmp_path / "variant", machine=old)
    stored = [numpy_helper.to_array(t) for t in onnx.load(built.path).graph.initializer if len(t.dims) == 4]
    assert max(int(np.abs(values.astype(int)).max()) for values in stored) <= 64
    assert any("7-bit" in note for note in built.notes)
