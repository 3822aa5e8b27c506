"""What each layer's 8 bits do, and int8 files that leave some layers in f32."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest

from sartor.compress.build import build
from sartor.compress.layer_times import layer_seconds
from sartor.compress.layers import Layer, layers, nodes_of, with_followers
from sartor.compress.onnx_file import read_whole
from sartor.compress.sensitivity import Sensitivities, measure_sensitivities
from sartor.compress.switches import rounded_weight
from sartor.errors import CandidateError
from sartor.machine.device import this_machine
from sartor.model.values import ExportedModel
from sartor.plan.recipe import CompressionStep, Recipe
from sartor.runtime import RUNTIMES, open_runtime
from sartor.runtime.base import Array, Settings
from sartor.runtime.kernels import kernel_seconds
from sartor.steps.prepared import Prepared

from .networks import CHANNELS, SIDE, rows, write_residual, write_without_weights

CALIBRATION = (("calibration", "minmax"),)
EVERY = pytest.mark.parametrize("runtime", list(RUNTIMES))


@pytest.fixture(scope="module")
def network(tmp_path_factory: pytest.TempPathFactory) -> ExportedModel:
    """Its third convolution reads one channel that is 500 times as large as the others."""
    return write_residual(tmp_path_factory.mktemp("network"), outlier=500.0)


def measured(source: ExportedModel, x: Array | None = None) -> Sensitivities:
    inputs = Prepared({"x": rows(32) if x is None else x})
    return measure_sensitivities(source, inputs, 0, this_machine(), threads=1, seconds=60.0)


def quantized(source: ExportedModel, runtime: str, to: Path, *keeps: str) -> Path:
    recipe = Recipe((CompressionStep("int8-static", CALIBRATION, keeps),))
    return build(recipe, source, runtime, Prepared({"x": rows(64)}), to).path


def error(source: ExportedModel, path: Path, runtime: str) -> float:
    """Mean squared change of the answers, as a share of their variance."""
    x = rows(100, seed=9)
    expected = open_runtime("onnxruntime").load(source.path, Settings()).run({"x": x})[0]
    got = open_runtime(runtime).load(path, Settings()).run({"x": x})[0]
    return float(np.mean((got - expected) ** 2) / np.var(expected))


def test_layers_are_products_with_weights_and_know_whose_output_they_read(network: ExportedModel) -> None:
    found = layers(read_whole(network.path))
    assert found == (
        Layer("c1", "conv1", "Conv", "x", ("a1", "r1"), "", ("relu1",)),
        Layer("c2", "conv2", "Conv", "r1", ("a2", "r2"), "c1", ("relu2",)),
        Layer("c3", "conv3", "Conv", "r2", ("a3",), "c2"),
        Layer("fc", "gemm", "Gemm", "flat", ("y",), ""),
    )


def test_a_layer_keeps_its_activation_but_not_what_is_joined_to_it(network: ExportedModel) -> None:
    model = read_whole(network.path)
    kept = with_followers(model, nodes_of(model, ["c2"]))
    assert [node.name for node in kept] == ["conv2", "relu2"]
    assert [node.name for node in with_followers(model, nodes_of(model, ["c3"]))] == ["conv3"]


def test_a_layer_that_is_not_there_is_named_with_the_nearest(network: ExportedModel) -> None:
    with pytest.raises(CandidateError, match=r"no layer has the weight `c22`\. did you mean `c2`"):
        nodes_of(read_whole(network.path), ["c22"])


@EVERY
def test_a_recipe_that_keeps_what_is_not_there_is_refused(runtime: str, network: ExportedModel, tmp_path: Path) -> None:
    with pytest.raises(CandidateError, match="no layer has the weight `nothing`"):
        quantized(network, runtime, tmp_path / "variant", "nothing")
    assert not (tmp_path / "variant").exists()


def test_the_layer_that_reads_an_outlier_is_the_most_sensitive(network: ExportedModel) -> None:
    found = measured(network)
    by_name = {one.name: one for one in found.layers}
    assert list(by_name) == ["c1", "c2", "c3", "fc"]
    assert by_name["c3"].error > 5 * max(by_name[name].error for name in ("c1", "c2", "fc"))
    assert by_name["c3"].input_error > 100 * by_name["c3"].weight_error
    assert by_name["c1"].elements_in == SIDE * SIDE
    assert by_name["c1"].elements_out == CHANNELS * (SIDE // 2) ** 2
    assert found.rows == 32
    assert Sensitivities.from_dict(found.as_dict()) == found


def test_errors_of_layers_nearly_add(tmp_path: Path) -> None:
    found = measured(write_residual(tmp_path))
    assert found.sum == pytest.approx(found.together, rel=0.5)


@EVERY
def test_keeping_what_reads_and_what_gives_it_leaves_what_the_others_do(
    runtime: str, network: ExportedModel, tmp_path: Path
) -> None:
    found = {one.name: one for one in measured(network).layers}
    whole = error(network, quantized(network, runtime, tmp_path / "whole"), runtime)
    kept = error(network, quantized(network, runtime, tmp_path / "kept", "c2", "c3"), runtime)
    assert kept < whole / 100
    # Beside the layers the residual sum and what is behind it are rounded.
    assert kept < 10 * (found["c1"].error + found["fc"].error)


def test_a_kept_layer_between_integers_keeps_its_weights(network: ExportedModel, tmp_path: Path) -> None:
    """ONNX Runtime would round them all the same, with one scale for all: see `_hold_in_f32`."""
    path = quantized(network, "onnxruntime", tmp_path / "kept", "c2")
    options = onnxruntime.SessionOptions()
    options.optimized_model_filepath = str(tmp_path / "optimised.onnx")
    options.log_severity_level = 3
    onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    kinds = [node.op_type for node in onnx.load(tmp_path / "optimised.onnx").graph.node]
    assert kinds.count("QLinearConv") == 2
    assert sum("Conv" in kind for kind in kinds) == 3


@EVERY
def test_the_profile_names_every_layer_in_both_forms(runtime: str, network: ExportedModel, tmp_path: Path) -> None:
    source = layers(read_whole(network.path))
    plain = build(Recipe(), network, runtime, Prepared({"x": rows(4)}), tmp_path / "plain").path
    for path in (plain, quantized(network, runtime, tmp_path / "int8")):
        kernels = kernel_seconds(runtime, path, Settings(), [{"x": rows(1)}] * 5)
        seconds = layer_seconds(source, kernels)
        assert np.isfinite(seconds).all(), [kernel.names for kernel in kernels]
        assert (seconds > 0).all()
        assert seconds.sum() <= sum(kernel.seconds for kernel in kernels) + 1e-9


def test_rows_that_are_not_finite_are_said_so(network: ExportedModel) -> None:
    bad = rows(32)
    bad[3] = np.inf
    with pytest.raises(CandidateError, match="`x` holds numbers that are not finite"):
        measured(network, bad)


def test_a_model_without_products_has_no_layers(tmp_path: Path) -> None:
    with pytest.raises(CandidateError, match="no product or convolution has weights of its own"):
        measured(write_without_weights(tmp_path))


def test_an_old_file_that_cannot_round_is_refused(network: ExportedModel, tmp_path: Path) -> None:
    model = read_whole(network.path)
    model.opset_import[0].version = 9
    onnx.save(model, tmp_path / "old.onnx")
    with pytest.raises(CandidateError, match="opset 9 cannot round"):
        measured(ExportedModel(tmp_path / "old.onnx", network.signature, 0))


@pytest.mark.parametrize("axis", [0, 1, None])
def test_a_rounded_weight_is_off_by_half_a_step_at_most(axis: int | None) -> None:
    weight = np.random.default_rng(0).standard_normal((6, 8)).astype(np.float32)
    weight[2] = 0.0
    integers, scale = rounded_weight(weight, axis, 127)
    assert scale.shape == ({0: (6, 1), 1: (1, 8), None: (1, 1)})[axis]
    assert np.abs(integers).max() == 127
    assert (np.abs(integers * scale - weight) <= 0.5 * scale * (1 + 1e-5)).all()


def test_ranges_are_looked_for_once(network: ExportedModel, tmp_path: Path) -> None:
    ranges, recipe = tmp_path / "ranges", Recipe((CompressionStep("int8-static", CALIBRATION),))
    inputs = Prepared({"x": rows(64)})
    first = build(recipe, network, "onnxruntime", inputs, tmp_path / "first", ranges=ranges)
    (kept,) = ranges.iterdir()
    before = kept.stat().st_mtime_ns
    second = build(recipe, network, "onnxruntime", inputs, tmp_path / "second", ranges=ranges)
    alone = build(recipe, network, "onnxruntime", inputs, tmp_path / "alone")
    assert kept.stat().st_mtime_ns == before
    assert first.path.read_bytes() == second.path.read_bytes() == alone.path.read_bytes()


def test_operators_without_a_name_are_told_apart(network: ExportedModel, tmp_path: Path) -> None:
    """The quantizer leaves out by name, and all that have none have the same."""
    model = read_whole(network.path)
    for node in model.graph.node:
        node.name = ""
    onnx.save(model, tmp_path / "unnamed.onnx")
    unnamed = ExportedModel(tmp_path / "unnamed.onnx", network.signature, 0)
    for runtime in RUNTIMES:
        named = quantized(network, runtime, tmp_path / f"named {runtime}", "c2")
        given = quantized(unnamed, runtime, tmp_path / f"unnamed {runtime}", "c2")
        assert given.stat().st_size == pytest.approx(named.stat().st_size, rel=0.1)
        assert error(unnamed, given, runtime) == pytest.approx(error(network, named, runtime), rel=1e-3)


@EVERY
def test_the_profile_is_that_of_the_shape_that_is_asked_for(
    runtime: str, network: ExportedModel, tmp_path: Path
) -> None:
    path = build(Recipe(), network, runtime, Prepared({"x": rows(4)}), tmp_path / "plain").path
    fixed = Settings(shape="fixed", batch=2)
    seconds = layer_seconds(
        layers(read_whole(network.path)), kernel_seconds(runtime, path, fixed, [{"x": rows(2)}] * 3)
    )
    assert np.isfinite(seconds).all()
    with pytest.raises(Exception, match=r"(?i)dimension|shape"):
        kernel_seconds(runtime, path, fixed, [{"x": rows(3)}])
