"""Equalised networks answer as before in f32, and lose less in 8 bits where a channel stretched a range."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from onnx import NodeProto, TensorProto, helper, numpy_helper, save

from sartor.compress.applicable import why_not
from sartor.compress.build import build
from sartor.compress.equalise import channel_scales, equalise
from sartor.compress.equalise_graph import Graph, find_sites
from sartor.compress.onnx_file import read_whole, write_whole
from sartor.errors import CandidateError
from sartor.machine.device import this_machine
from sartor.model.onnx import read_signature
from sartor.model.values import ExportedModel
from sartor.plan.recipe import CompressionStep, Recipe
from sartor.runtime import open_runtime
from sartor.runtime.base import Array, Settings
from sartor.steps.prepared import Prepared

from .networks import rows, write_residual

make = helper.make_node
Values = dict[str, Array]
SIDE, WIDTH = 6, 12


def written(folder: Path, nodes: list[NodeProto], values: Values, shape: list[Any]) -> ExportedModel:
    graph = helper.make_graph(
        nodes,
        "net",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, shape)],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, [None] * len(shape))],
        [numpy_helper.from_array(np.asarray(value, np.float32), name) for name, value in values.items()],
    )
    path = folder / "net.onnx"
    save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10), path)
    return ExportedModel(path, read_signature(path), 0)


def convolutions(folder: Path) -> ExportedModel:
    """Grouped, depthwise and dense convolutions around a Relu, a pool and a Clip that some channels reach."""
    rng = np.random.default_rng(0)
    values: Values = {
        "w0": rng.standard_normal((WIDTH, 3, 1, 1)) * np.geomspace(0.01, 5, WIDTH).reshape(-1, 1, 1, 1),
        "b0": rng.standard_normal(WIDTH) * 0.1,
        "w1": rng.standard_normal((WIDTH, 1, 3, 3)) * np.geomspace(0.05, 1, WIDTH).reshape(-1, 1, 1, 1),
        "w2": rng.standard_normal((WIDTH, WIDTH // 3, 1, 1)),
        "w3": rng.standard_normal((5, WIDTH, 1, 1)),
        **{"low": np.array(0.0), "high": np.array(6.0)},
    }
    nodes = [
        make("Conv", ["x", "w0", "b0"], ["a0"], "conv0"),
        make("Clip", ["a0", "low", "high"], ["r0"], "clip0"),
        make("Conv", ["r0", "w1"], ["a1"], "conv1", group=WIDTH, pads=[1, 1, 1, 1]),
        make("Relu", ["a1"], ["r1"], "relu1"),
        make("MaxPool", ["r1"], ["p1"], "pool1", kernel_shape=[2, 2]),
        make("Conv", ["p1", "w2"], ["a2"], "conv2", group=3),
        make("Conv", ["a2", "w3"], ["y"], "conv3"),
    ]
    return written(folder, nodes, values, ["batch", 3, SIDE, SIDE])


def normalised(folder: Path) -> ExportedModel:
    """A LayerNormalization that two products read, and one that a sum reads, too, and products around a Relu."""
    rng = np.random.default_rng(1)
    values: Values = {
        **{name: rng.standard_normal((WIDTH, WIDTH)) / 3 for name in ("wq", "wk", "w1", "w2")},
        **{name: np.geomspace(0.02, 20, WIDTH) for name in ("scale0", "scale1")},
        **{name: rng.standard_normal(WIDTH) for name in ("shift0", "shift1", "b1")},
    }
    nodes = [
        make("LayerNormalization", ["x", "scale0", "shift0"], ["n0"], "norm0"),
        make("MatMul", ["n0", "wq"], ["q"], "query"),
        make("MatMul", ["n0", "wk"], ["k"], "key"),
        make("Add", ["q", "k"], ["s"], "sum"),
        make("LayerNormalization", ["s", "scale1", "shift1"], ["n1"], "norm1"),
        make("MatMul", ["n1", "w1"], ["h"], "inner"),
        make("Add", ["b1", "h"], ["hb"], "bias"),
        make("Relu", ["hb"], ["r"], "relu"),
        make("MatMul", ["r", "w2"], ["o"], "outer"),
        make("Add", ["o", "n1"], ["y"], "residual"),
    ]
    return written(folder, nodes, values, ["batch", 4, WIDTH])


def answers(path: Path, x: Array) -> Array:
    return open_runtime("onnxruntime").load(path, Settings()).run({"x": x})[0].copy()


def inputs_of(source: ExportedModel, count: int = 40, seed: int = 2) -> Array:
    shape = [int(size) for size in source.signature.inputs[0].shape[1:]]
    return np.random.default_rng(seed).standard_normal((count, *shape)).astype(np.float32)


@pytest.mark.parametrize("strength", [0.3, 0.5, 1.0])
@pytest.mark.parametrize(("write", "sites"), [(convolutions, 3), (normalised, 3)])
def test_the_answers_stay(write: Any, sites: int, strength: float, tmp_path: Path) -> None:
    source = write(tmp_path)
    x = inputs_of(source)
    model = read_whole(source.path)
    assert equalise(model, source, Prepared({"x": x}), strength, insert=True) == sites
    got, expected = answers(write_whole(model, tmp_path / "equalised.onnx"), x), answers(source.path, x)
    assert np.abs(got - expected).max() < 1e-4 * np.abs(expected).max()
    changed = {t.name for t in read_whole(source.path).graph.initializer} & {
        a.name
        for a, b in zip(read_whole(source.path).graph.initializer, model.graph.initializer, strict=False)
        if a != b
    }
    assert len(changed) >= 4, "the test must have moved something"


def test_a_division_goes_where_nothing_else_reads(tmp_path: Path) -> None:
    found = {site.activation: site for site in find_sites(Graph(read_whole(normalised(tmp_path).path)))}
    givers = {name: site.giver.name if site.giver is not None else None for name, site in found.items()}
    assert givers == {"n0": "norm0", "n1": None, "r": "inner"}
    assert [node.name for node in found["n0"].products] == ["query", "key"]
    assert found["r"].added == ("b1",)


def test_a_depthwise_convolution_scales_each_channel_itself(tmp_path: Path) -> None:
    found = {site.activation: site for site in find_sites(Graph(read_whole(convolutions(tmp_path).path)))}
    assert {name: (site.separate, site.most) for name, site in found.items()} == {
        "r0": (True, 6.0),
        "p1": (False, np.inf),
        "a2": (False, np.inf),
    }


magnitudes = arrays.arrays(np.float64, 6, elements=st.floats(1e-3, 1e3))


@given(magnitudes, magnitudes, st.floats(0.0, 1.0), st.floats(0.1, 1e4))
def test_scales_never_take_a_channel_over_the_largest_or_a_bound(
    activations: Array, weights: Array, strength: float, most: float
) -> None:
    cut = np.minimum(activations, most)
    scaled = cut / channel_scales(cut, weights, strength, most)
    assert (scaled <= cut.max() * (1 + 1e-9)).all() or (scaled <= most * (1 + 1e-9)).all()
    assert (scaled[cut >= most] == cut[cut >= most]).all()


@given(magnitudes, magnitudes)
def test_at_one_half_activations_and_weights_share_a_range(activations: Array, weights: Array) -> None:
    """Equation 4 at a = 1/2: what is left of both is their geometric mean, up to one factor for all."""
    scales = channel_scales(activations, weights, 0.5)
    ratios = (activations / scales) / (weights * scales)
    assert all(one == pytest.approx(other, rel=1e-6) for one, other in pairwise(ratios))


def test_channels_of_zeros_are_left() -> None:
    assert channel_scales(np.array([0.0, 2.0, 1.0]), np.array([1.0, 0.0, 3.0]), 0.5).tolist() == [1.0, 1.0, 1.0]
    assert channel_scales(np.zeros(2), np.ones(2), 0.5).tolist() == [1.0, 1.0]


def test_a_channel_that_drowned_the_others_no_longer_does(tmp_path: Path) -> None:
    """One channel is 500 times as large as the others, and the weights that read it as much smaller."""
    source = write_residual(tmp_path, outlier=500.0)
    x = rows(100, seed=9)
    expected = answers(source.path, x)

    def error(*more: tuple[str, float]) -> float:
        step = CompressionStep("int8-static", (("calibration", "minmax"), *more))
        ranges = tmp_path / "ranges"
        built = build(
            Recipe((step,)), source, "onnxruntime", Prepared({"x": rows(24)}), tmp_path / step.slug, ranges=ranges
        )
        return float(np.mean((answers(built.path, x) - expected) ** 2) / np.var(expected))

    assert error(("equalise", 0.5)) < error() / 20
    assert len(list((tmp_path / "ranges").iterdir())) == 2, "other activations have ranges of their own"


def test_where_nothing_can_be_moved_it_is_refused(tmp_path: Path) -> None:
    values = {"w": np.ones((16, 3, 3, 3))}
    source = written(tmp_path, [make("Conv", ["x", "w"], ["y"], "conv")], values, ["batch", 3, SIDE, SIDE])
    recipe = Recipe((CompressionStep("int8-static", (("equalise", 0.5),)),))
    with pytest.raises(CandidateError, match="nothing to equalise"):
        build(recipe, source, "onnxruntime", Prepared({"x": inputs_of(source)}), tmp_path / "variant")


@pytest.mark.parametrize("strength", [-0.1, 1.5, "half"])
def test_a_strength_is_a_share(strength: Any) -> None:
    recipe = Recipe((CompressionStep("int8-static", (("equalise", strength),)),))
    assert "from 0 to 1" in str(why_not(recipe, "onnxruntime", this_machine()))


def attention(folder: Path) -> ExportedModel:
    """One head of attention and products around an Erf, the first of which reads a channel 60 times as large."""
    rng = np.random.default_rng(3)
    values: Values = {
        **{name: rng.standard_normal((WIDTH, WIDTH)) / 3 for name in ("wq", "wk", "wv", "w2")},
        **{"w1": rng.standard_normal((WIDTH, 24)) / 3, "w3": rng.standard_normal((24, WIDTH)) / 3},
    }
    values["wv"][:, 0] *= 60.0
    values["w1"][0] /= 60.0
    nodes = [
        make("MatMul", ["x", "wq"], ["q"], "query"),
        make("MatMul", ["x", "wk"], ["k"], "key"),
        make("MatMul", ["x", "wv"], ["v"], "value"),
        make("Transpose", ["k"], ["kt"], "turn", perm=[0, 2, 1]),
        make("MatMul", ["q", "kt"], ["scores"], "scores"),
        make("Softmax", ["scores"], ["shares"], "softmax"),
        make("MatMul", ["shares", "v"], ["mixed"], "mix"),
        make("MatMul", ["mixed", "w1"], ["h"], "inner"),
        make("Erf", ["h"], ["e"], "erf"),
        make("MatMul", ["e", "w3"], ["y"], "outer"),
    ]
    return written(folder, nodes, values, ["batch", 4, WIDTH])


@pytest.mark.parametrize("name", ["int8-static", "int8-dynamic"])
def test_a_transformer_loses_less_where_a_mul_stands_before_its_products(name: Any, tmp_path: Path) -> None:
    source = attention(tmp_path)
    x = inputs_of(source, 60)
    expected = answers(source.path, x)

    def error(*settings: tuple[str, float]) -> float:
        step = CompressionStep(name, settings)
        built = build(Recipe((step,)), source, "onnxruntime", Prepared({"x": x[:40]}), tmp_path / step.slug)
        return float(np.mean((answers(built.path, x) - expected) ** 2) / np.var(expected))

    assert error(("equalise", 0.7)) < 0.7 * error()


def test_nncf_takes_the_strength_for_transformers_and_refuses_others(tmp_path: Path) -> None:
    for folder in ("attention", "convolutions"):
        (tmp_path / folder).mkdir()
    recipe = Recipe((CompressionStep("int8-static", (("equalise", 0.3),)),))
    source = attention(tmp_path / "attention")
    x = inputs_of(source, 24)
    variants = [
        build(one, source, "openvino", Prepared({"x": x}), tmp_path / one.slug).path.with_suffix(".bin").read_bytes()
        for one in (recipe, Recipe((CompressionStep("int8-static"),)))
    ]
    assert variants[0] != variants[1]
    plain = convolutions(tmp_path / "convolutions")
    with pytest.raises(CandidateError, match="in transformers alone"):
        build(recipe, plain, "openvino", Prepared({"x": inputs_of(plain)}), tmp_path / "refused")
