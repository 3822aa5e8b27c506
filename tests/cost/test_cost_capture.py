"""Shapes, weights and control flow of captured files, and files that cannot be captured."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from onnx import TensorProto, helper

from sartor.cost.capture import capture, free_sizes
from sartor.cost.graph import Graph, Operator, element_bits
from sartor.cost.parameters import parameters
from sartor.cost.proto import dtype_name, read_slim
from sartor.errors import InputError, ModelError
from sartor.model.onnx import parameter_count

from .files import graph, value, weight, write, write_linear

node = helper.make_node


def operator_of(captured: Graph, kind: str) -> Operator:
    return next(operator for operator, _ in captured.walk() if operator.type == kind)


def test_the_batch_is_one_unless_said(tmp_path: Path) -> None:
    path = write_linear(tmp_path / "net.onnx", "rows", 3)
    assert capture(path).outputs[0].shape == (1, 2)
    assert capture(path, {"rows": 4}).outputs[0].shape == (4, 2)
    assert capture(path, {"batch": 5}).outputs[0].shape == (5, 2)
    assert capture(path, shapes={"x": (6, 3)}).sizes == {"rows": 6}
    assert capture(write_linear(tmp_path / "unnamed.onnx", None, 3), {"batch": 7}).outputs[0].shape == (7, 2)


def test_free_sizes_are_listed_by_input(tmp_path: Path) -> None:
    assert free_sizes(write_linear(tmp_path / "net.onnx", "batch", None, 3)) == {"x": ("batch", "x_1", 3)}
    assert free_sizes(write_linear(tmp_path / "fixed.onnx", 1, 3)) == {}


@pytest.mark.parametrize(
    ("sizes", "shapes", "says"),
    [
        ({}, {}, r"`x` \[batch, length, 3\](.|\n)*--input x=8x8x3"),
        ({"lenght": 8}, {}, "did you mean `length`"),
        ({}, {"y": (1, 8, 3)}, "no input `y`"),
        ({}, {"x": (1, 8)}, "2 dimensions for `x`"),
        ({}, {"x": (1, 8, 4)}, "dimension 3 is fixed"),
        ({"length": 9}, {"x": (1, 8, 3)}, "`length` is 9"),
        ({"length": -1}, {}, "0 or more"),
    ],
)
def test_sizes_that_do_not_fit_are_refused(
    sizes: dict[str, int], shapes: dict[str, tuple[int, ...]], says: str, tmp_path: Path
) -> None:
    path = write_linear(tmp_path / "net.onnx", "batch", "length", 3)
    with pytest.raises(InputError) as refused:
        capture(path, sizes, shapes)
    assert refused.value.exit_code == 2
    refused.match(says)


def test_a_shape_that_the_file_leaves_out_is_asked_for(tmp_path: Path) -> None:
    made = graph([node("Relu", ["x"], ["y"])], [value("x", None)], [value("y", None)])
    path = write(tmp_path / "net.onnx", made)
    with pytest.raises(InputError, match=r"--input x=1x3x224x224"):
        capture(path)
    assert capture(path, shapes={"x": (2, 5)}).outputs[0].shape == (2, 5)


def test_sums_of_names_follow_from_the_names(tmp_path: Path) -> None:
    inputs = [value("x", ["batch", "past"]), value("mask", ["batch", "past + 1"])]
    path = write(tmp_path / "net.onnx", graph([node("Relu", ["mask"], ["y"])], inputs, [value("y", None)]))
    assert capture(path, {"past": 7}).outputs[0].shape == (1, 8)


def test_a_length_that_comes_first_in_one_input_is_no_batch(tmp_path: Path) -> None:
    inputs = [value("x", ["batch", "length"]), value("positions", ["length"])]
    path = write(tmp_path / "net.onnx", graph([node("Add", ["x", "positions"], ["y"])], inputs, [value("y", None)]))
    with pytest.raises(InputError, match="free dimensions"):
        capture(path)
    assert capture(path, {"length": 5}).outputs[0].shape == (1, 5)


def test_the_arithmetic_of_shapes_is_evaluated(tmp_path: Path) -> None:
    """`x.reshape(x.shape[0], 2 * x.shape[1], -1)`, as exporters write it."""
    nodes = [
        node("Shape", ["x"], ["shape"]),
        node("Gather", ["shape", "zero"], ["rows"]),
        node("Gather", ["shape", "one"], ["length"]),
        node("Mul", ["length", "two"], ["double"]),
        node("Unsqueeze", ["rows", "axes"], ["rows_"]),
        node("Unsqueeze", ["double", "axes"], ["double_"]),
        node("Concat", ["rows_", "double_", "rest"], ["wanted"], axis=0),
        node("Reshape", ["x", "wanted"], ["y"]),
    ]
    integers = {"zero": 0, "one": 1, "two": 2, "axes": [0], "rest": [-1]}
    weights = [weight(name, np.array(number, np.int64)) for name, number in integers.items()]
    made = graph(nodes, [value("x", ["batch", "length", 8])], [value("y", None)], weights)
    captured = capture(write(tmp_path / "net.onnx", made), {"length": 6, "batch": 3})
    assert captured.outputs[0].shape == (3, 12, 4)
    assert captured.notes == ()


def test_constants_are_weights_under_any_name(tmp_path: Path) -> None:
    made = graph(
        [
            node("Constant", [], ["w"], value=weight("", np.ones((3, 2), np.float32))),
            node("Identity", ["w"], ["again"]),
            node("MatMul", ["x", "again"], ["h"]),
            node("Add", ["h", "b"], ["y"]),
        ],
        [value("x", ["batch", 3])],
        [value("y", None)],
        [weight("b", np.ones(2, np.float32))],
    )
    captured = capture(write(tmp_path / "net.onnx", made))
    assert [operator.type for operator in captured.operators] == ["MatMul", "Add"]
    assert [operator.weights for operator in captured.operators] == [{1}, {1}]
    assert captured.weight_bytes == 4 * (6 + 2)
    assert parameters(captured) == 8


def test_weights_of_all_kinds_of_storage_are_counted(tmp_path: Path) -> None:
    from tests.model.files import write_linear as write_other

    for path in (write_other(tmp_path / "one.onnx"), write_other(tmp_path / "two.onnx", external="two.weights")):
        assert parameters(capture(path)) == parameter_count(path) == 6
    (tmp_path / "two.weights").unlink()
    assert parameters(capture(tmp_path / "two.onnx")) == 6


def test_large_weights_stay_in_the_file(tmp_path: Path) -> None:
    made = graph(
        [node("MatMul", ["x", "w"], ["h"]), node("MatMul", ["h", "listed"], ["y"])],
        [value("x", ["batch", 1024])],
        [value("y", None)],
        [
            weight("w", np.zeros((1024, 1024), np.float32)),
            helper.make_tensor("listed", TensorProto.FLOAT, (1024, 16), np.zeros(16 * 1024)),
        ],
    )
    path = write(tmp_path / "large.onnx", made)
    slim = read_slim(path)
    assert slim.ByteSize() < 1000
    assert not slim.graph.initializer[0].raw_data
    captured = capture(path)
    assert captured.outputs[0].shape == (1, 16)
    assert captured.weight_bytes == 4 * (1024 * 1024 + 1024 * 16)


def test_a_tied_embedding_is_counted_once(tmp_path: Path) -> None:
    table = np.random.default_rng(0).normal(size=(200, 80)).astype(np.float32)
    other = np.random.default_rng(1).normal(size=(80, 200)).astype(np.float32)
    counts = []
    for head in (table.T.copy(), other):
        made = graph(
            [node("Gather", ["table", "ids"], ["h"]), node("MatMul", ["h", "head"], ["y"])],
            [value("ids", ["batch", 3], TensorProto.INT64)],
            [value("y", None)],
            [weight("table", table), weight("head", head)],
        )
        counts.append(parameters(capture(write(tmp_path / "net.onnx", made))))
    assert counts == [table.size, 2 * table.size]


def test_zero_sizes_are_sizes(tmp_path: Path) -> None:
    captured = capture(write_linear(tmp_path / "net.onnx", 0, 3))
    assert captured.outputs[0].shape == (0, 2)
    assert captured.outputs[0].size_bytes == 0


def test_operators_need_not_be_sorted(tmp_path: Path) -> None:
    nodes = [node("Relu", ["h"], ["y"]), node("Abs", ["x"], ["h"])]
    path = write(tmp_path / "net.onnx", graph(nodes, [value("x", [2])], [value("y", None)]))
    assert [operator.type for operator in capture(path).operators] == ["Abs", "Relu"]


def test_unknown_operators_are_told_and_the_file_is_believed(tmp_path: Path) -> None:
    nodes = [
        node("Strange", ["x"], ["h"], domain="local"),
        node("Relu", ["h"], ["r"]),
        node("Strange", ["x"], ["said"], domain="local"),
        node("Relu", ["said"], ["y"]),
    ]
    made = graph(nodes, [value("x", ["batch", 3])], [value("r", None), value("y", None)])
    made.value_info.append(value("said", ["batch", 4]))
    captured = capture(write(tmp_path / "net.onnx", made), {"batch": 2})
    assert [tensor.shape for tensor in captured.outputs] == [None, (2, 4)]
    assert captured.notes == ("shapes not known: what 2 of the operators give, Strange (1), Relu (1)",)


def test_an_operator_that_does_not_fit_is_told(tmp_path: Path) -> None:
    path = write_linear(tmp_path / "net.onnx", "batch", 4)
    captured = capture(path)
    assert captured.outputs[0].shape is None
    assert "do not fit what they are given: 1, first MatMul `product`" in captured.notes[1]


def test_an_output_that_is_left_out_takes_its_place(tmp_path: Path) -> None:
    weights = [weight(name, np.ones((1, 20, 5), np.float32)) for name in ("w", "r")]
    made = graph(
        [node("LSTM", ["x", "w", "r"], ["", "state"], hidden_size=5)],
        [value("x", [7, 2, 5])],
        [value("state", None)],
        weights,
    )
    outputs = capture(write(tmp_path / "net.onnx", made)).operators[0].outputs
    assert [(tensor.name, tensor.shape, tensor.size_bytes) for tensor in outputs] == [
        ("", (0,), 0),
        ("state", (1, 2, 5), 40),
    ]


def _branch(kind: str) -> object:
    return graph([node(kind, ["x", "w"], ["out"])], [], [value("out", None)])


def write_if(path: Path, known: bool) -> Path:
    """One of two products with a weight of the graph around; `known` if a constant chooses the first."""
    made = graph(
        [node("If", ["choose"], ["y"], then_branch=_branch("MatMul"), else_branch=_branch("Gemm"))],
        [value("x", ["batch", 3]), *([] if known else [value("choose", [], TensorProto.BOOL)])],
        [value("y", None)],
        [weight("w", np.ones((3, 2), np.float32)), *([weight("choose", np.array(True))] if known else [])],
    )
    return write(path, made)


def test_a_branch_that_is_known_runs_alone(tmp_path: Path) -> None:
    captured = capture(write_if(tmp_path / "net.onnx", known=True))
    assert {operator.type: times for operator, times in captured.walk()} == {"If": 1, "MatMul": 1, "Gemm": 0}
    assert captured.outputs[0].shape == (1, 2)
    assert not any(body.bounded for body in captured.operators[0].bodies)
    assert operator_of(captured, "MatMul").weights == {1}
    assert parameters(captured) == 6


def test_a_branch_that_the_data_choose_bounds_the_cost(tmp_path: Path) -> None:
    captured = capture(write_if(tmp_path / "net.onnx", known=False))
    assert [(body.times, body.bounded) for body in captured.operators[0].bodies] == [(1, True), (1, True)]
    assert captured.outputs[0].shape == (1, 2)
    assert "which branch runs depends on the data" in captured.notes[0]


def write_loop(path: Path, trips: int | None, may_stop: bool = False) -> Path:
    """A state that is multiplied every trip, and each trip's result stacked."""
    stop = node("Cast", ["total"], ["go_on"], to=TensorProto.BOOL) if may_stop else node("Identity", ["go"], ["go_on"])
    body = graph(
        [
            node("MatMul", ["state", "w"], ["next"]),
            node("ReduceMax", ["next"], ["total"], keepdims=0),
            stop,
            node("Identity", ["next"], ["row"]),
        ],
        [value("trip", [], TensorProto.INT64), value("go", [], TensorProto.BOOL), value("state", None)],
        [value("go_on", [], TensorProto.BOOL), value("next", None), value("row", None)],
    )
    made = graph(
        [node("Loop", ["trips", "", "x"], ["last", "rows"], body=body)],
        [value("x", ["batch", 3]), *([value("trips", [], TensorProto.INT64)] if trips is None else [])],
        [value("last", None), value("rows", None)],
        [weight("w", np.ones((3, 3), np.float32)), *([] if trips is None else [weight("trips", np.int64(trips))])],
    )
    return write(path, made)


@pytest.mark.parametrize(
    ("trips", "may_stop", "times", "bounded", "rows"),
    [(5, False, 5, False, (5, 1, 3)), (5, True, 5, True, None), (None, False, 1, True, None)],
)
def test_a_loop_runs_as_often_as_the_file_says(
    trips: int | None, may_stop: bool, times: int, bounded: bool, rows: tuple[int, ...] | None, tmp_path: Path
) -> None:
    captured = capture(write_loop(tmp_path / "net.onnx", trips, may_stop))
    body = captured.operators[0].bodies[0]
    assert (body.times, body.bounded) == (times, bounded)
    assert [tensor.shape for tensor in captured.outputs] == [(1, 3), rows]
    assert any("Loop" in note for note in captured.notes) == bounded


def test_a_state_that_grows_has_no_shape(tmp_path: Path) -> None:
    body = graph(
        [node("Concat", ["state", "state"], ["next"], axis=0), node("Identity", ["go"], ["go_on"])],
        [value("trip", [], TensorProto.INT64), value("go", [], TensorProto.BOOL), value("state", None)],
        [value("go_on", [], TensorProto.BOOL), value("next", None)],
    )
    made = graph(
        [node("Loop", ["trips", "", "x"], ["y"], body=body)],
        [value("x", [1, 3])],
        [value("y", None)],
        [weight("trips", np.int64(4))],
    )
    assert capture(write(tmp_path / "net.onnx", made)).outputs[0].shape is None


def test_a_scan_runs_over_what_it_scans(tmp_path: Path) -> None:
    body = graph(
        [node("Add", ["state", "row"], ["next"]), node("Identity", ["next"], ["seen"])],
        [value("state", None), value("row", None)],
        [value("next", None), value("seen", None)],
    )
    made = graph(
        [node("Scan", ["start", "x"], ["last", "all"], body=body, num_scan_inputs=1, scan_input_axes=[1])],
        [value("start", ["batch", 3]), value("x", ["batch", "length", 3])],
        [value("last", None), value("all", None)],
    )
    captured = capture(write(tmp_path / "net.onnx", made), {"length": 9, "batch": 2})
    assert [tensor.shape for tensor in captured.outputs] == [(2, 3), (9, 2, 3)]
    assert captured.operators[0].bodies[0].times == 9


def test_functions_of_the_file_are_what_they_hold(tmp_path: Path) -> None:
    twice = helper.make_function(
        "local",
        "Twice",
        ["a"],
        ["b"],
        [node("Relu", ["a"], ["h"]), node("Abs", ["h"], ["b"])],
        [helper.make_opsetid("", 20)],
    )
    made = graph([node("Twice", ["x"], ["y"], domain="local")], [value("x", ["batch", 3])], [value("y", None)])
    captured = capture(write(tmp_path / "net.onnx", made, functions=[twice]))
    assert [operator.type for operator in captured.operators] == ["Relu", "Abs"]
    assert captured.outputs[0].shape == (1, 3)


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (None, "no file"),
        (b"", "is empty"),
        (b"version https://git-lfs.github.com/spec/v1\n", "Git LFS pointer"),
        (b"# not a model at all\n" * 20, "truncated or no ONNX file"),
    ],
)
def test_what_is_no_model_is_refused(content: bytes | None, says: str, tmp_path: Path) -> None:
    path = tmp_path / "net.onnx"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(ModelError, match=says):
        capture(path)


def test_cycles_and_missing_names_are_refused(tmp_path: Path) -> None:
    x, y = [value("x", [2])], [value("y", None)]
    around = [node("Relu", ["x"], ["y"]), node("Add", ["b", "x"], ["a"], name="here"), node("Abs", ["a"], ["b"])]
    with pytest.raises(ModelError, match="has a cycle: Add `here`"):
        capture(write(tmp_path / "cycle.onnx", graph(around, x, y)))
    with pytest.raises(ModelError, match=r"Relu `y` of missing\.onnx reads `hidden`"):
        capture(write(tmp_path / "missing.onnx", graph([node("Relu", ["hidden"], ["y"])], x, y)))
    with pytest.raises(ModelError, match=r"the output `y` of empty\.onnx"):
        capture(write(tmp_path / "empty.onnx", graph([node("Relu", ["x"], ["z"])], x, y)))


@given(part=st.floats(0, 1))
def test_a_file_cut_anywhere_is_refused_or_read(part: float, tmp_path_factory: pytest.TempPathFactory) -> None:
    folder = tmp_path_factory.getbasetemp()
    whole = write_linear(folder / "whole.onnx", "batch", 3).read_bytes()
    cut = folder / "cut.onnx"
    cut.write_bytes(whole[: int(part * len(whole))])
    try:
        read = len(capture(cut).operators)
    except InputError:
        read = 1
    assert read == 1  # refused, or only what follows the graph is missing


def test_every_element_type_has_bits() -> None:
    bits = {element_bits(dtype_name(code)) for code in TensorProto.DataType.values()}
    assert bits <= {0, 2, 4, 6, 8, 16, 32, 64, 128}
