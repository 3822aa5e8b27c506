"""Signatures and parameter counts of ONNX files."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from sartor.errors import ModelError
from sartor.model.onnx import (
    already_compressed,
    external_files,
    judged_output,
    parameter_count,
    read_signature,
    validate,
)
from sartor.model.values import Signature, TensorSpec

from .files import write_linear


def test_symbolic_dimensions_keep_their_names(tmp_path: Path) -> None:
    signature = read_signature(write_linear(tmp_path / "net.onnx", batch="rows"))
    assert signature.inputs == (TensorSpec("input", "float32", ("rows", 3)),)
    assert Signature.from_dict(signature.as_dict()) == signature


def test_a_fixed_batch_is_reported_as_it_is(tmp_path: Path) -> None:
    signature = read_signature(write_linear(tmp_path / "net.onnx", batch=1))
    assert signature.inputs[0].shape == (1, 3)


def test_parameters_are_counted_wherever_they_are_stored(tmp_path: Path) -> None:
    assert parameter_count(write_linear(tmp_path / "one.onnx")) == 6
    apart = write_linear(tmp_path / "two.onnx", external="two.weights")
    assert parameter_count(apart) == 6
    assert external_files(apart) == {tmp_path / "two.weights"}


SENTENCES = Signature(
    (TensorSpec("input_ids", "int64", ("batch", "length")), TensorSpec("picture", "float32", ("batch", 3, 8, 8))),
    (
        TensorSpec("label", "int64", ("batch",)),
        TensorSpec("hidden", "float32", ("batch", "length", 16)),
        TensorSpec("logits", "float32", ("batch", 5)),
        TensorSpec("value", "float32", ("batch",)),
        TensorSpec("pooled", "float32", ("batch", "width")),
    ),
)


def write_two_inputs(path: Path) -> Path:
    """`sum = left + right * scale`, with a scalar input and rows of any length."""
    value = helper.make_tensor_value_info
    graph = helper.make_graph(
        [
            helper.make_node("Mul", ["right", "scale"], ["scaled"]),
            helper.make_node("Add", ["left", "scaled"], ["sum"]),
        ],
        "two",
        [
            value("left", TensorProto.FLOAT, ["n", "length"]),
            value("right", TensorProto.FLOAT, ["n", "length"]),
            value("scale", TensorProto.FLOAT, []),
        ],
        [value("sum", TensorProto.FLOAT, ["n", "length"])],
    )
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10), path)
    return path


@pytest.mark.parametrize(
    ("wanted", "columns", "chosen"),
    [
        ("", 5, "logits"),
        ("", 1, "value"),
        ("", 7, "pooled"),
        ("", None, "logits"),
        ("hidden", None, "hidden"),
        ("logits", 5, "logits"),
    ],
)
def test_the_judged_output_is_the_first_that_fits(wanted: str, columns: int | None, chosen: str) -> None:
    assert SENTENCES.outputs[judged_output(SENTENCES, wanted, columns)].name == chosen


@pytest.mark.parametrize(
    ("wanted", "columns", "says"),
    [
        ("logit", 5, "did you mean `logits`"),
        ("logits", 4, r"`logits` has another shape.*`value` float32"),
        ("label", 2, "another shape"),
    ],
)
def test_outputs_that_do_not_fit_are_listed(wanted: str, columns: int, says: str) -> None:
    with pytest.raises(ModelError, match=rf"(?s){says}"):
        judged_output(SENTENCES, wanted, columns)


def test_labels_alone_cannot_be_judged() -> None:
    only_labels = Signature(SENTENCES.inputs, SENTENCES.outputs[:1])
    with pytest.raises(ModelError, match="no output has that shape"):
        judged_output(only_labels, "", None)


def test_several_inputs_and_scalars_are_read(tmp_path: Path) -> None:
    path = write_two_inputs(tmp_path / "two.onnx")
    validate(path)
    signature = read_signature(path)
    assert [spec.shape for spec in signature.inputs] == [("n", "length"), ("n", "length"), ()]
    assert signature.outputs[0].shape == ("n", "length")


def test_a_model_in_f32_is_not_compressed(tmp_path: Path) -> None:
    assert already_compressed(write_linear(tmp_path / "net.onnx")) is None


def test_quantized_and_half_files_say_so(tmp_path: Path) -> None:
    from onnxruntime.quantization import quantize_dynamic

    path = write_linear(tmp_path / "net.onnx")
    quantize_dynamic(path, tmp_path / "int8.onnx")
    assert "already quantized" in str(already_compressed(tmp_path / "int8.onnx"))
    model = onnx.load(path)
    half = numpy_helper.from_array(np.ones((3, 2), np.float16), "half")
    model.graph.initializer[0].CopyFrom(half)
    model.graph.node.insert(0, helper.make_node("Cast", ["half"], ["weight"], to=TensorProto.FLOAT))
    onnx.save(model, tmp_path / "half.onnx")
    assert "float16" in str(already_compressed(tmp_path / "half.onnx"))


def test_numbers_inside_tree_operators_are_parameters(tmp_path: Path) -> None:
    """One split and two leaves are three numbers; a leaf's own threshold is none."""
    tree = helper.make_node(
        "TreeEnsembleRegressor",
        ["x"],
        ["y"],
        domain="ai.onnx.ml",
        n_targets=1,
        nodes_treeids=[0, 0, 0],
        nodes_nodeids=[0, 1, 2],
        nodes_featureids=[0, 0, 0],
        nodes_modes=["BRANCH_LEQ", "LEAF", "LEAF"],
        nodes_values=[0.5, 0.0, 0.0],
        nodes_truenodeids=[1, 0, 0],
        nodes_falsenodeids=[2, 0, 0],
        nodes_hitrates=[1.0, 1.0, 1.0],
        target_treeids=[0, 0],
        target_nodeids=[1, 2],
        target_ids=[0, 0],
        target_weights=[-1.0, 1.0],
    )
    value = helper.make_tensor_value_info
    graph = helper.make_graph(
        [tree], "tree", [value("x", TensorProto.FLOAT, ["n", 1])], [value("y", TensorProto.FLOAT, ["n", 1])]
    )
    opsets = [helper.make_opsetid("", 18), helper.make_opsetid("ai.onnx.ml", 3)]
    onnx.save(helper.make_model(graph, opset_imports=opsets, ir_version=9), tmp_path / "tree.onnx")
    assert parameter_count(tmp_path / "tree.onnx") == 3
