"""Layers told apart into products of lower rank: what is lost, what is kept, what is refused."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from onnx import ModelProto, TensorProto, helper, numpy_helper

from sartor.compress.layers import layers
from sartor.compress.low_rank.arriving import arriving_errors
from sartor.compress.low_rank.factors import Second, composed, convolution_spectrum, factors, product_spectrum
from sartor.compress.low_rank.graph import decompose
from sartor.compress.low_rank.layers import Decomposable, decompositions, why_whole
from sartor.compress.low_rank.moments import Moments, measure_moments
from sartor.compress.low_rank.ranks import lower_ranks
from sartor.compress.low_rank.times import Bench, measured_seconds
from sartor.compress.onnx_file import read_whole, write_whole
from sartor.errors import CandidateError
from sartor.model.values import ExportedModel, Signature, TensorSpec
from sartor.plan.ranks import Ranks
from sartor.runtime import open_runtime
from sartor.runtime.base import Array, Settings
from sartor.steps.prepared import Prepared

from .networks import rows, write_residual, write_without_weights

INPUTS, OUTPUTS, SIDE = 24, 40, 7
Shapes = Mapping[str, tuple[int, ...]]


def layer(operator: str, weights: Shapes, shape: tuple[int, ...], bias: bool = True, **attributes: Any) -> ModelProto:
    """x -> operator -> y -> Relu -> z; weights are random, `b` is the bias of a Conv or Gemm, or added behind."""
    rng = np.random.default_rng(0)
    tensors = {name: rng.standard_normal(size) for name, size in weights.items()}
    nodes, last = [helper.make_node(operator, ["x", *weights], ["y"], name="node", **attributes)], "y"
    if bias and operator == "MatMul":
        nodes.append(helper.make_node("Add", ["b", "y"], ["s"]))
        last = "s"
    elif bias:
        nodes[0].input.append("b")
    if bias:
        tensors["b"] = rng.standard_normal(OUTPUTS)
    nodes.append(helper.make_node("Relu", [last], ["z"]))
    graph = helper.make_graph(
        nodes,
        "layer",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["batch", *shape])],
        [
            helper.make_tensor_value_info(last, TensorProto.FLOAT, None),
            helper.make_tensor_value_info("z", TensorProto.FLOAT, None),
        ],
        [numpy_helper.from_array(value.astype(np.float32), name) for name, value in tensors.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10)
    return onnx.shape_inference.infer_shapes(model)


def kinds() -> dict[str, tuple[ModelProto, tuple[int, ...]]]:
    """A layer of every kind with the shape of a row, and ranks that lose nothing."""
    picture, flat = (INPUTS, SIDE, SIDE), (INPUTS,)
    three: dict[str, Any] = {"kernel_shape": [3, 3], "pads": [1, 1, 1, 1]}
    kernel = {"w": (OUTPUTS, INPUTS, 3, 3)}
    return {
        "matmul": (layer("MatMul", {"w": (INPUTS, OUTPUTS)}, (5, INPUTS)), (5, INPUTS)),
        "matmul alone": (layer("MatMul", {"w": (INPUTS, OUTPUTS)}, (5, INPUTS), bias=False), (5, INPUTS)),
        "gemm": (layer("Gemm", {"w": (INPUTS, OUTPUTS)}, flat), flat),
        "gemm turned": (layer("Gemm", {"w": (OUTPUTS, INPUTS)}, flat, transB=1), flat),
        "gemm alone": (layer("Gemm", {"w": (INPUTS, OUTPUTS)}, flat, bias=False), flat),
        "conv 1x1": (layer("Conv", {"w": (OUTPUTS, INPUTS, 1, 1)}, picture, strides=[2, 2]), picture),
        "conv 3x3": (layer("Conv", kernel, picture, strides=[2, 2], **three), picture),
        "conv 3x3 alone": (layer("Conv", kernel, picture, bias=False, **three), picture),
        "conv of a row": (layer("Conv", {"w": (OUTPUTS, INPUTS, 5)}, (INPUTS, 9), dilations=[2]), (INPUTS, 9)),
    }


KINDS = kinds()
EVERY = pytest.mark.parametrize("kind", list(KINDS))
PRODUCTS = [kind for kind in KINDS if "3x3" not in kind and "row" not in kind]


def correlated(count: int, shape: tuple[int, ...], seed: int = 1) -> NDArray[np.float32]:
    """Rows whose channels follow five sources and have a mean, as activations do."""
    rng = np.random.default_rng(seed)
    mixing = np.random.default_rng(7).standard_normal((INPUTS, 5))
    axis = shape.index(INPUTS)
    others = [size for place, size in enumerate(shape) if place != axis]
    drawn = rng.standard_normal((count, *others, 5)) @ mixing.T + 0.3 * rng.standard_normal((count, *others, INPUTS))
    return np.ascontiguousarray(np.moveaxis(drawn + 1.0, -1, axis + 1), dtype=np.float32)


def exported(model: ModelProto, shape: tuple[int, ...], folder: Path) -> ExportedModel:
    path = write_whole(model, folder / "layer.onnx")
    return ExportedModel(path, Signature((TensorSpec("x", "float32", ("batch", *shape)),), ()), 0)


def moments_of(model: ModelProto, x: Array, folder: Path) -> dict[str, Moments]:
    source = exported(model, x.shape[1:], folder)
    return measure_moments(source, layers(model), Prepared({"x": x}), folder, threads=1, seconds=60.0)


def run(model: ModelProto, x: Array, folder: Path, runtime: str = "onnxruntime") -> Array:
    """What the layer gives before its activation, [rows, positions, OUTPUTS]."""
    onnx.checker.check_model(model, full_check=True)
    session = open_runtime(runtime).load(write_whole(model, folder / "run.onnx"), Settings())
    given = session.run({"x": x})[0]
    channels_last = given if given.shape[-1] == OUTPUTS else np.moveaxis(given, 1, -1)
    return channels_last.reshape(len(x), -1, OUTPUTS).astype(np.float64)


def lossless(one: Decomposable) -> Ranks:
    """The highest ranks that still take it apart."""
    if one.errors.ndim == 1:
        return (len(one.errors) - 1,)
    return one.shape[1], min(one.shape[0] - 1, one.shape[1] * one.shape[2])


@EVERY
@pytest.mark.parametrize("runtime", ["onnxruntime", "openvino"])
def test_full_rank_gives_the_same_answers(kind: str, runtime: str, tmp_path: Path) -> None:
    model, shape = KINDS[kind]
    x = correlated(6, shape)
    (one,) = decompositions(model, moments_of(model, x, tmp_path))
    ranks = lossless(one) if "3x3" not in kind and "row" not in kind else one.shape[1::-1]
    parts = decompose(model, [one], {"w": ranks})
    np.testing.assert_allclose(run(parts, x, tmp_path, runtime), run(model, x, tmp_path), rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize("kind", PRODUCTS)
@pytest.mark.parametrize("rank", [4, 12])
def test_the_error_of_a_product_is_the_one_predicted(kind: str, rank: int, tmp_path: Path) -> None:
    model, shape = KINDS[kind]
    x = correlated(96, shape)
    (one,) = decompositions(model, moments_of(model, x, tmp_path))
    whole, lower = run(model, x, tmp_path), run(decompose(model, [one], {"w": (rank,)}), x, tmp_path)
    about = whole.mean(axis=(0, 1)) if kind != "matmul alone" else 0.0
    lost = np.sum((lower - whole) ** 2) / np.sum((whole - about) ** 2)
    assert lost == pytest.approx(one.errors[rank], rel=0.01)
    if kind != "matmul alone":
        np.testing.assert_allclose(lower.mean(axis=(0, 1)), whole.mean(axis=(0, 1)), atol=2e-3)


@pytest.mark.parametrize("kind", ["conv 3x3", "conv 3x3 alone", "conv of a row"])
def test_the_outputs_of_a_convolution_lose_what_is_predicted(kind: str, tmp_path: Path) -> None:
    model, shape = KINDS[kind]
    x = correlated(96, shape)
    (one,) = decompositions(model, moments_of(model, x, tmp_path))
    whole = run(model, x, tmp_path)
    spread = np.sum((whole - whole.mean(axis=(0, 1))) ** 2)

    def lost(*ranks: int) -> float:
        return float(np.sum((run(decompose(model, [one], {"w": ranks}), x, tmp_path) - whole) ** 2) / spread)

    assert lost(INPUTS, 16) == pytest.approx(one.error((INPUTS, 16)), rel=0.01)
    # Inputs are taken to be independent from tap to tap, as they are here but for the mean.
    assert lost(8, OUTPUTS) == pytest.approx(one.error((8, OUTPUTS)), rel=0.7)
    assert lost(8, 16) > lost(8, OUTPUTS)


@EVERY
def test_activations_tell_better_than_weights_what_to_keep(kind: str, tmp_path: Path) -> None:
    model, shape = KINDS[kind]
    moments = moments_of(model, correlated(96, shape), tmp_path)
    others = correlated(32, shape, seed=2)
    whole = run(model, others, tmp_path)
    errors = []
    for found in (decompositions(model, moments), decompositions(model)):
        ranks = (8,) if found[0].errors.ndim == 1 else (8, 8)
        errors.append(np.sum((run(decompose(model, found, {"w": ranks}), others, tmp_path) - whole) ** 2))
    assert errors[0] < 0.7 * errors[1]


def test_few_rows_are_not_believed(tmp_path: Path) -> None:
    """Eight rows span eight directions: that nothing lies in the others is no news of the ninth row."""
    model, shape = KINDS["gemm"]
    rng = np.random.default_rng(0)
    x, others = (rng.standard_normal((count, *shape)).astype(np.float32) for count in (8, 200))
    seen = moments_of(model, x, tmp_path)["w"]
    whole, errors = run(model, others, tmp_path), []
    for moments in (seen, replace(seen, outputs=Second(seen.outputs.moment, 0.0))):
        lower = decompose(model, decompositions(model, {"w": moments}), {"w": (8,)})
        errors.append(np.sum((run(lower, others, tmp_path) - whole) ** 2))
    assert errors[0] < 0.8 * errors[1]


@st.composite
def weights(draw: st.DrawFn) -> NDArray[np.float64]:
    shape = draw(st.tuples(st.integers(2, 9), st.integers(2, 9), st.sampled_from([1, 3, 9])))
    return np.random.default_rng(draw(st.integers(0, 99))).standard_normal(shape)


@settings(max_examples=40, deadline=None)
@given(weights(), st.data())
def test_a_weight_alone_loses_exactly_what_its_singular_values_say(w: NDArray[np.float64], data: st.DataObject) -> None:
    found = product_spectrum(w, None)
    rank = data.draw(st.integers(1, len(found.errors) - 1))
    singular = np.linalg.svd(w.reshape(len(w), -1), compute_uv=False) ** 2
    assert found.errors[rank] == pytest.approx(singular[rank:].sum() / singular.sum(), abs=1e-9)
    lost = np.sum((composed(factors(found, [rank])) - w) ** 2) / np.sum(w**2)
    assert lost == pytest.approx(found.errors[rank], abs=1e-9)


@settings(max_examples=40, deadline=None)
@given(weights(), st.data())
def test_sweeps_only_lower_what_a_convolution_is_said_to_lose(w: NDArray[np.float64], data: st.DataObject) -> None:
    found = convolution_spectrum(w, None, None)
    ranks = (data.draw(st.integers(1, w.shape[1])), data.draw(st.integers(1, w.shape[0])))
    lost = np.sum((composed(factors(found, ranks)) - w) ** 2) / np.sum(w**2)
    assert lost <= found.errors[ranks] + 1e-9
    assert (np.diff(found.errors, axis=0) <= 1e-12).all()
    assert (np.diff(found.errors, axis=1) <= 1e-12).all()
    assert found.errors[w.shape[1], w.shape[0]] == pytest.approx(0.0, abs=1e-9)


def test_a_moment_that_is_known_exactly_is_not_shrunk() -> None:
    moment = np.diag([4.0, 1.0])
    assert (Second(moment, 0.0).towards(np.eye(2)) == moment).all()
    np.testing.assert_allclose(Second(moment, 1e9).towards(np.eye(2)), 2.5 * np.eye(2))


def test_weights_are_called_after_the_old_one_and_nothing_else_is_renamed(tmp_path: Path) -> None:
    source = write_residual(tmp_path)
    model = read_whole(source.path)
    found = decompositions(model)
    assert [one.name for one in found] == ["c2", "c3"]
    parts = decompose(model, found, {"c2": (32, 24), "c3": (96, 48)})
    onnx.checker.check_model(parts, full_check=True)
    named = ["c1", "c2.first", "c2.core", "c2.last", "c3.core", "c3.last", "fc"]
    assert [one.name for one in layers(parts)] == named
    tensors = {node.output[0] for node in model.graph.node}
    assert tensors < {node.output[0] for node in parts.graph.node}
    assert "c2" not in {tensor.name for tensor in parts.graph.initializer}
    assert "c2" in {tensor.name for tensor in model.graph.initializer}
    again = decompositions(parts)
    assert {"c2.core", "c3.core"} <= {one.name for one in again}


def test_choices_multiply_less_and_lose_less_the_more_they_multiply() -> None:
    (one,) = decompositions(KINDS["conv 3x3"][0])
    for count in (2, 3):
        choices = [ranks for ranks in one.choices() if len(one.parts(ranks)) == count]
        work = [sum(one.parts(ranks)) for ranks in choices]
        assert work == sorted(work)
        assert max(work) < one.multiplications
        assert (np.diff([one.error(ranks) for ranks in choices]) < 0).all()
    # Its first part runs at four positions for each that the layer gives.
    assert one.parts((8, 16)) == (8 * INPUTS * 4, 8 * 16 * 9, 16 * OUTPUTS)


def test_a_bias_that_others_read_is_not_changed(tmp_path: Path) -> None:
    model, shape = KINDS["gemm"]
    shared = type(model)()
    shared.CopyFrom(model)
    shared.graph.node.append(helper.make_node("Identity", ["b"], ["seen"]))
    shared.graph.output.append(helper.make_tensor_value_info("seen", TensorProto.FLOAT, [OUTPUTS]))
    x = correlated(32, shape)
    parts = decompose(shared, decompositions(shared, moments_of(model, x, tmp_path)), {"w": (8,)})
    stored = {tensor.name: numpy_helper.to_array(tensor) for tensor in parts.graph.initializer}
    assert set(stored) == {"w.first", "w.last", "w.bias", "b"}
    lower, whole = run(parts, x, tmp_path), run(model, x, tmp_path)
    np.testing.assert_allclose(lower.mean(axis=(0, 1)), whole.mean(axis=(0, 1)), atol=2e-3)


@pytest.mark.parametrize(
    ("model", "why"),
    [
        (layer("Conv", {"w": (OUTPUTS, 12, 3, 3)}, (INPUTS, SIDE, SIDE), group=2), "in groups"),
        (layer("Gemm", {"w": (INPUTS, OUTPUTS)}, (INPUTS,), alpha=0.5), "scales"),
        (layer("MatMul", {"w": (3, INPUTS, OUTPUTS)}, (3, 5, INPUTS)), "3 dimensions"),
        (layer("MatMul", {"w": (8, OUTPUTS)}, (8,)), "fewer than 16"),
        (layer("MatMul", {"w": (INPUTS, 5000)}, (INPUTS,), bias=False), "5000 outputs"),
    ],
)
def test_layers_that_stay_whole_say_why(model: ModelProto, why: str) -> None:
    (found,) = layers(model)
    assert why in str(why_whole(model, found))
    assert decompositions(model) == ()


def test_ranks_that_a_layer_does_not_have_are_refused() -> None:
    model, _ = KINDS["gemm"]
    found = decompositions(model)
    with pytest.raises(CandidateError, match=r"`w` has ranks of at most \(24,\), not \(25,\)"):
        decompose(model, found, {"w": (25,)})
    with pytest.raises(CandidateError, match="`v` cannot be decomposed"):
        decompose(model, found, {"v": (8,)})


def test_what_arrives_is_what_a_decomposed_layer_changes(tmp_path: Path) -> None:
    source = write_residual(tmp_path)
    model, x = read_whole(source.path), rows(32)
    moments = measure_moments(source, layers(model)[1:3], Prepared({"x": x}), tmp_path, threads=1, seconds=60.0)
    found = decompositions(model, moments)
    arriving = arriving_errors(model, found, [{"x": x}], 0, tmp_path, threads=1)

    def answers(given: ModelProto) -> Array:
        return open_runtime("onnxruntime").load(write_whole(given, tmp_path / "a.onnx"), Settings()).run({"x": x})[0]

    plain = answers(model)
    for one in found:
        ranks = min(one.choices(), key=lambda ranks: abs(np.log(one.error(ranks) / 0.03)))
        changed = np.mean((answers(decompose(model, [one], {one.name: ranks})) - plain) ** 2) / np.var(plain)
        assert changed == pytest.approx(arriving[one.name] * one.error(ranks), rel=0.2)


def test_a_lower_rank_of_a_large_layer_takes_less_time(tmp_path: Path) -> None:
    model = layer("Gemm", {"w": (256, 256)}, (256,), bias=False)
    (one,) = decompositions(model)
    bench = Bench("onnxruntime", Settings(threads=1), tmp_path)
    whole, low, high = measured_seconds(model, one, [(16,), (120,)], (128, 256), bench)
    assert low < 0.6 * whole
    assert low < high


def test_a_network_is_made_as_fast_as_asked_for(tmp_path: Path) -> None:
    source = write_residual(tmp_path)
    bench = Bench("onnxruntime", Settings(threads=1), tmp_path)
    found = lower_ranks(source, Prepared({"x": rows(64)}), 0.8, bench)
    assert found.time <= 0.82
    assert set(found.ranks) <= {"c2", "c3"}
    assert set(found.left) == {"c1", "fc"}
    path, x = write_whole(found.model, tmp_path / "low.onnx"), rows(100, seed=9)
    plain, lower = (open_runtime("onnxruntime").load(one, Settings()).run({"x": x})[0] for one in (source.path, path))
    assert np.mean((lower - plain) ** 2) / np.var(plain) < 3 * found.error + 1e-3
    assert np.mean(lower.argmax(axis=1) == plain.argmax(axis=1)) > 0.9


def test_a_network_that_cannot_become_so_fast_says_how_far_it_came(tmp_path: Path) -> None:
    bench = Bench("onnxruntime", Settings(threads=1), tmp_path)
    with pytest.raises(CandidateError, match="of its time at best, 1% was asked for"):
        lower_ranks(write_residual(tmp_path), Prepared({"x": rows(16)}), 0.01, bench)


def test_a_network_without_such_layers_says_why(tmp_path: Path) -> None:
    bench = Bench("onnxruntime", Settings(threads=1), tmp_path)
    with pytest.raises(CandidateError, match="no layer can have a lower rank: it has no product"):
        lower_ranks(write_without_weights(tmp_path), Prepared({"x": rows(16)}), 0.7, bench)
