"""Biases make up for the mean of what rounding takes from the weights."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from onnx import TensorProto, helper, numpy_helper, save

from sartor.compress.applicable import recipes, why_not
from sartor.compress.bias_correction import mean_shift
from sartor.compress.build import build
from sartor.compress.channel_statistics import channel_means, channel_peaks
from sartor.compress.onnx_file import read_whole
from sartor.errors import CandidateError
from sartor.machine.device import Machine, this_machine
from sartor.model.onnx import read_signature
from sartor.model.values import ExportedModel
from sartor.plan.recipe import CompressionStep, Recipe
from sartor.runtime import open_runtime
from sartor.runtime.base import Array, Settings
from sartor.steps.prepared import Prepared

from .networks import rows, write_residual

MINMAX = ("calibration", "minmax")
PLAIN = Recipe((CompressionStep("int8-static", (MINMAX,)),))
CORRECTED = Recipe((CompressionStep("int8-static", (MINMAX, ("bias", "corrected"))),))
AVX2 = Machine("Old", "x86_64", 2, ("avx2",), 2**33, "Linux 5", "3.11")
SIDE, CHANNELS = 8, 32


def write_depthwise(folder: Path) -> ExportedModel:
    """Weights of which one in nine is far larger than the rest, which are rounded by much, over bright pictures.

    With a convolution for each channel nothing averages the errors out: what is lost is mostly a shift of the mean.
    """
    rng = np.random.default_rng(0)
    first = np.abs(rng.standard_normal((CHANNELS, 1, 3, 3))).astype(np.float32) * 0.02
    first[:, :, 1, 1] = 4.0
    weights = {
        "w0": rng.uniform(0.5, 1.0, (CHANNELS, 3, 1, 1)).astype(np.float32),
        "b0": np.zeros(CHANNELS, np.float32),
        "w1": first,
        "b1": np.full(CHANNELS, -1.0, np.float32),
        "w2": rng.standard_normal((10, CHANNELS, 1, 1)).astype(np.float32),
        "b2": np.zeros(10, np.float32),
    }
    make = helper.make_node
    nodes = [
        make("Conv", ["x", "w0", "b0"], ["a0"], "conv0"),
        make("Relu", ["a0"], ["r0"], "relu0"),
        make("Conv", ["r0", "w1", "b1"], ["a1"], "conv1", group=CHANNELS, pads=[1, 1, 1, 1]),
        make("Relu", ["a1"], ["r1"], "relu1"),
        make("Conv", ["r1", "w2", "b2"], ["y"], "conv2"),
    ]
    graph = helper.make_graph(
        nodes,
        "depthwise",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["batch", 3, SIDE, SIDE])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["batch", 10, SIDE, SIDE])],
        [numpy_helper.from_array(values, name) for name, values in weights.items()],
    )
    path = folder / "depthwise.onnx"
    save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10), path)
    return ExportedModel(path, read_signature(path), 0)


def pictures(count: int, seed: int = 0) -> Array:
    return np.random.default_rng(seed).uniform(0.5, 1.0, (count, 3, SIDE, SIDE)).astype(np.float32)


def outputs(path: Path, x: Array) -> Array:
    return open_runtime("onnxruntime").load(path, Settings()).run({"x": x})[0].copy()


@pytest.fixture(scope="module")
def depthwise(tmp_path_factory: pytest.TempPathFactory) -> ExportedModel:
    return write_depthwise(tmp_path_factory.mktemp("depthwise"))


def built(recipe: Recipe, source: ExportedModel, to: Path, machine: Machine = AVX2) -> Path:
    return build(recipe, source, "onnxruntime", Prepared({"x": pictures(24)}), to, machine=machine).path


def test_the_mean_of_each_output_is_right_again(depthwise: ExportedModel, tmp_path: Path) -> None:
    x = pictures(40, seed=5)
    expected = outputs(depthwise.path, x)
    plain, corrected = (outputs(built(recipe, depthwise, tmp_path / recipe.slug), x) for recipe in (PLAIN, CORRECTED))

    def shift(got: Array) -> float:
        return float(np.sqrt(np.mean((got - expected).mean(axis=(0, 2, 3)) ** 2)))

    assert shift(corrected) < shift(plain) / 3
    assert np.mean((corrected - expected) ** 2) < np.mean((plain - expected) ** 2) / 3


def test_nothing_but_biases_changes(depthwise: ExportedModel, tmp_path: Path) -> None:
    files = [read_whole(built(recipe, depthwise, tmp_path / recipe.slug)) for recipe in (PLAIN, CORRECTED)]
    plain, corrected = ({tensor.name: tensor for tensor in file.graph.initializer} for file in files)
    changed = {name for name, tensor in plain.items() if tensor != corrected[name]}
    assert changed
    assert {plain[name].data_type for name in changed} == {TensorProto.INT32}


@pytest.mark.parametrize("groups", [1, 4])
def test_the_shift_is_the_error_applied_to_the_mean(groups: int) -> None:
    """Against the convolution itself, by a second route: numpy on every output of constant channels."""
    rng = np.random.default_rng(1)
    error = rng.standard_normal((8, 12 // groups, 3, 3))
    mean = rng.standard_normal(12)
    each, own = 8 // groups, 12 // groups
    expected = [sum(error[o, i].sum() * mean[o // each * own + i] for i in range(own)) for o in range(8)]
    assert np.allclose(mean_shift(error, mean, groups), expected)


def test_a_network_without_biases_has_nothing_to_correct(tmp_path: Path) -> None:
    model = read_whole(write_residual(tmp_path).path)
    del model.graph.node[-2:]
    model.graph.output[0].CopyFrom(helper.make_tensor_value_info("mean", TensorProto.FLOAT, ["batch", 96, 1, 1]))
    save(model, tmp_path / "bare.onnx")
    source = ExportedModel(tmp_path / "bare.onnx", read_signature(tmp_path / "bare.onnx"), 0)
    with pytest.raises(CandidateError, match="nothing to correct") as caught:
        build(CORRECTED, source, "onnxruntime", Prepared({"x": rows(8)}), tmp_path / "variant")
    assert caught.value.reason == "unsupported"


def test_it_is_offered_where_the_quantizer_does_not_do_it_itself() -> None:
    assert CORRECTED in recipes("onnxruntime")
    assert why_not(CORRECTED, "onnxruntime", this_machine()) is None
    assert "NNCF corrects biases" in str(why_not(CORRECTED, "openvino", this_machine()))
    dynamic = Recipe((CompressionStep("int8-dynamic", (("bias", "corrected"),)),))
    assert "int8 static alone" in str(why_not(dynamic, "onnxruntime", this_machine()))


def test_statistics_of_channels_are_those_of_numpy(depthwise: ExportedModel) -> None:
    x = pictures(11)
    model, tensors = read_whole(depthwise.path), {"x": 1, "y": 1}
    y = outputs(depthwise.path, x)
    means = channel_means(model, depthwise, Prepared({"x": x}), tensors)
    peaks = channel_peaks(model, depthwise, Prepared({"x": x}), tensors)
    assert np.allclose(means["x"], x.mean(axis=(0, 2, 3)))
    assert np.allclose(means["y"], y.mean(axis=(0, 2, 3)), rtol=1e-4, atol=1e-4)
    assert np.allclose(peaks["y"], np.abs(y).max(axis=(0, 2, 3)), rtol=1e-4)
