"""Weights alone in 8 and 4 bits: right, smaller, and refused where there is nothing to store."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from onnx import TensorProto, helper, numpy_helper

from sartor.compress.applicable import why_not
from sartor.compress.build import build
from sartor.compress.onnxruntime_weights import split_gemms
from sartor.compress.stored_weights import rounded_rows, store_in_8_bits, summed_axes
from sartor.errors import CandidateError
from sartor.machine.device import Machine, this_machine
from sartor.model.onnx import read_signature
from sartor.model.values import ExportedModel
from sartor.plan.recipe import CompressionStep, Recipe
from sartor.runtime import RUNTIMES, open_runtime
from sartor.runtime.base import Array, Settings
from sartor.steps.prepared import Prepared

from .networks import CLASSES, SIDE, rows, write_dense, write_residual, write_without_weights
from .sentences import sentences, write_sentences

INT8, INT4 = (Recipe((CompressionStep(name),)) for name in ("int8-weights", "int4-weights"))
EVERY = pytest.mark.parametrize("runtime", list(RUNTIMES))
BARE = Machine("Bare", "x86_64", 2, (), 2**33, "Linux 6", "3.11")


def run(path: Path, runtime: str, **inputs: Array) -> Array:
    return open_runtime(runtime).load(path, Settings()).run(inputs)[0].copy()


def change(expected: Array, got: Array) -> float:
    """Mean squared change as a share of the variance."""
    return float(np.mean((expected - got) ** 2) / np.var(expected))


@EVERY
def test_convolutions_keep_their_answers_in_a_quarter_of_the_bytes(runtime: str, tmp_path: Path) -> None:
    source = write_residual(tmp_path)
    built = build(INT8, source, runtime, Prepared({"x": rows(4)}), tmp_path / "variant")
    x = rows(100, seed=9)
    expected, got = run(source.path, "onnxruntime", x=x), run(built.path, runtime, x=x)
    assert 0 < change(expected, got) < 1e-3
    assert built.size_bytes < 0.3 * source.path.stat().st_size
    assert any("of the bytes of f32" in note for note in built.notes)


def write_matrices(folder: Path) -> ExportedModel:
    """Three matrices, of which the widest holds nearly all weights, around Relus."""
    rng = np.random.default_rng(6)
    sizes = [SIDE * SIDE, 512, 512, CLASSES]
    weights = {
        f"w{at}": (rng.standard_normal((read, given)) / np.sqrt(read)).astype(np.float32)
        for at, (read, given) in enumerate(pairwise(sizes))
    }
    nodes = [helper.make_node("Flatten", ["x"], ["r0"])]
    for at in range(len(weights)):
        nodes.append(helper.make_node("MatMul", [f"r{at}", f"w{at}"], [f"h{at}"], f"product{at}"))
        nodes.append(helper.make_node("Relu", [f"h{at}"], [f"r{at + 1}"], f"relu{at}"))
    nodes[-1].op_type, nodes[-1].output[0] = "Identity", "y"
    graph = helper.make_graph(
        nodes,
        "matrices",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["batch", 1, SIDE, SIDE])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["batch", CLASSES])],
        [numpy_helper.from_array(values, name) for name, values in weights.items()],
    )
    path = folder / "matrices.onnx"
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10), path)
    return ExportedModel(path, read_signature(path), 0)


@EVERY
@pytest.mark.parametrize(("group", "most"), [(32, 0.03), (128, 0.04)])
def test_matrices_in_4_bits_are_close_and_a_fifth_of_the_bytes(
    runtime: str, group: int, most: float, tmp_path: Path
) -> None:
    source = write_matrices(tmp_path)
    step = CompressionStep("int4-weights", (("group", group),))
    built = build(Recipe((step,)), source, runtime, Prepared({"x": rows(4)}), tmp_path / "variant")
    x = rows(50, seed=2)
    expected, got = run(source.path, "onnxruntime", x=x), run(built.path, runtime, x=x)
    assert 1e-3 < change(expected, got) < most
    assert built.size_bytes < 0.22 * source.path.stat().st_size


STORED = [("onnxruntime", INT8), ("onnxruntime", INT4), ("openvino", INT8)]


@pytest.mark.parametrize(("runtime", "recipe"), STORED, ids=lambda value: getattr(value, "slug", value))
def test_tables_of_words_are_stored_too(runtime: str, recipe: Recipe, tmp_path: Path) -> None:
    source = write_sentences(tmp_path)
    built = build(recipe, source, runtime, sentences(8), tmp_path / "variant")
    given_rows = sentences(40, longest=2)
    inputs = {name: np.ascontiguousarray(array[:, :2]) for name, array in given_rows.arrays.items()}
    expected, got = run(source.path, "onnxruntime", **inputs), run(built.path, runtime, **inputs)
    assert np.array_equal(expected.argmax(axis=1), got.argmax(axis=1))
    numbers = sum(file.stat().st_size for file in built.files if file.suffix != ".xml")
    assert numbers < 0.4 * source.path.stat().st_size


def test_what_computes_is_f32_once_loaded(tmp_path: Path) -> None:
    """Widened by the runtime while it loads: no operator of the optimised graph reads integers."""
    import onnxruntime

    built = build(INT8, write_residual(tmp_path), "onnxruntime", Prepared({"x": rows(4)}), tmp_path / "variant")
    options = onnxruntime.SessionOptions()
    options.optimized_model_filepath = str(tmp_path / "optimised.onnx")
    options.log_severity_level = 3
    onnxruntime.InferenceSession(str(built.path), options, providers=["CPUExecutionProvider"])
    graph = onnx.load(tmp_path / "optimised.onnx").graph
    assert {"Cast", "Mul"}.isdisjoint(node.op_type for node in graph.node)
    assert TensorProto.INT8 not in {tensor.data_type for tensor in graph.initializer}


@EVERY
@pytest.mark.parametrize("recipe", [INT8, INT4], ids=["int8", "int4"])
def test_without_weights_there_is_nothing_to_compress(runtime: str, recipe: Recipe, tmp_path: Path) -> None:
    with pytest.raises(CandidateError, match="nothing to compress") as caught:
        build(recipe, write_without_weights(tmp_path), runtime, Prepared({"x": rows(4)}), tmp_path / "variant")
    assert caught.value.reason == "unsupported"


def test_convolutions_alone_are_not_stored_in_4_bits(tmp_path: Path) -> None:
    model = onnx.load(write_residual(tmp_path).path)
    del model.graph.node[-2:]
    model.graph.output[0].CopyFrom(helper.make_tensor_value_info("mean", TensorProto.FLOAT, ["batch", 96, 1, 1]))
    onnx.save(model, tmp_path / "convolutions.onnx")
    source = ExportedModel(tmp_path / "convolutions.onnx", read_signature(tmp_path / "convolutions.onnx"), 0)
    for runtime in RUNTIMES:
        with pytest.raises(CandidateError, match="nothing to compress"):
            build(INT4, source, runtime, Prepared({"x": rows(4)}), tmp_path / runtime)


@pytest.mark.parametrize(("name", "group"), [("int8-weights", 64), ("int4-weights", 48), ("int4-weights", 0)])
def test_groups_that_no_kernel_has_are_refused(name: str, group: int) -> None:
    recipe = Recipe((CompressionStep(name, (("group", group),)),))  # type: ignore[arg-type]
    assert str(group) in str(why_not(recipe, "onnxruntime", this_machine()))


@EVERY
def test_weights_alone_need_no_instructions(runtime: str) -> None:
    assert why_not(INT8, runtime, BARE) is why_not(INT4, runtime, BARE) is None


@settings(max_examples=60, deadline=None)
@given(
    arrays.arrays(np.float32, (5, 7), elements=st.floats(-(2.0**100), 2.0**100, width=32, allow_subnormal=False)),
    st.sampled_from([(0,), (1,), (0, 1)]),
)
def test_every_weight_is_off_by_half_a_scale_at_most(weight: Array, summed: tuple[int, ...]) -> None:
    integers, scales = rounded_rows(weight, summed)
    assert np.abs(integers.astype(int)).max() <= 127
    apart = np.abs(integers * scales.astype(np.float64) - weight)
    assert (apart <= scales.astype(np.float64) * (0.5 + 1e-4)).all()


def node(kind: str, *inputs: str, **attributes: Any) -> onnx.NodeProto:
    return helper.make_node(kind, inputs, ["y"], **attributes)


@pytest.mark.parametrize(
    ("rank", "readers", "expected"),
    [
        (4, [node("Conv", "x", "w")], (1, 2, 3)),
        (4, [node("ConvTranspose", "x", "w")], (0, 2, 3)),
        (2, [node("MatMul", "x", "w")], (0,)),
        (3, [node("MatMul", "w", "x")], (2,)),
        (2, [node("Gemm", "x", "w", transB=1)], (1,)),
        (2, [node("Gather", "w", "x")], (1,)),
        (3, [node("LSTM", "x", "w", "r")], (2,)),
        (2, [node("Gather", "w", "x"), node("Add", "w", "z")], None),
        (2, [node("Gather", "x", "w")], None),
        (1, [node("Conv", "x", "v", "w")], None),
        (2, [], None),
    ],
)
def test_scales_follow_what_is_summed(
    rank: int, readers: list[onnx.NodeProto], expected: tuple[int, ...] | None
) -> None:
    assert summed_axes(rank, "w", readers) == expected


def gemm_file(folder: Path, **attributes: Any) -> Path:
    rng = np.random.default_rng(0)
    weight = rng.standard_normal((20, 30) if attributes.get("transB") else (30, 20)).astype(np.float32)
    bias = rng.standard_normal(20).astype(np.float32)
    graph = helper.make_graph(
        [helper.make_node("Gemm", ["x", "w", "b"], ["y"], **attributes)],
        "gemm",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n", 30])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["n", 20])],
        [numpy_helper.from_array(weight, "w"), numpy_helper.from_array(bias, "b")],
    )
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10), folder / "g.onnx")
    return folder / "g.onnx"


@pytest.mark.parametrize(
    ("attributes", "products"),
    [({"transB": 1}, ["MatMul", "Add"]), ({}, ["MatMul", "Add"]), ({"alpha": 2.0}, ["Gemm"])],
)
def test_a_gemm_is_a_product_and_a_sum(attributes: dict[str, float], products: list[str], tmp_path: Path) -> None:
    path = gemm_file(tmp_path, **attributes)
    x = np.random.default_rng(1).standard_normal((4, 30)).astype(np.float32)
    expected = run(path, "onnxruntime", x=x)
    model = onnx.load(path)
    split_gemms(model)
    assert [one.op_type for one in model.graph.node] == products
    onnx.save(model, path)
    assert np.allclose(run(path, "onnxruntime", x=x), expected, atol=1e-5)


def test_constants_that_are_no_weights_stay(tmp_path: Path) -> None:
    """A table that is added, such as positions or a mask, is not rounded."""
    model = onnx.load(write_dense(tmp_path).path)
    table = np.random.default_rng(0).standard_normal((1, 256)).astype(np.float32)
    model.graph.initializer.append(numpy_helper.from_array(table, "table"))
    model.graph.node[1].output[0] = "bare"
    model.graph.node.insert(2, helper.make_node("Add", ["bare", "table"], ["h"]))
    assert store_in_8_bits(model) == 144 * 256 + 256 * 10
    assert "table" in {tensor.name for tensor in model.graph.initializer}


@EVERY
def test_stdout_and_stderr_stay_empty(runtime: str, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    source = write_matrices(tmp_path)
    for recipe in (INT8, INT4):
        build(recipe, source, runtime, Prepared({"x": rows(4)}), tmp_path / recipe.slug)
    captured = capfd.readouterr()
    assert (captured.out, captured.err) == ("", "")
