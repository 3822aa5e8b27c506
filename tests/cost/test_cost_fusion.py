"""Fused groups: what a runtime runs, told from the operators alone."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from onnx import TensorProto, helper

from sartor.cost.capture import capture
from sartor.cost.fusion import Group, fused
from sartor.cost.graph import Graph
from sartor.measure.calibration_networks import FAMILIES, draw
from tests.cost.files import graph, value, weight, write


def captured(number: int, folder: Path) -> Graph:
    import onnx

    path = folder / f"{number}.onnx"
    onnx.save(draw(number).model, path)
    return capture(path, {"batch": 1})


def kinds(groups: tuple[Group, ...]) -> list[str]:
    return [group.kind for group in groups]


def test_what_follows_a_product_is_in_its_group(tmp_path: Path) -> None:
    nodes = [
        helper.make_node("MatMul", ["x", "w"], ["a"]),
        helper.make_node("Add", ["a", "b"], ["c"]),
        helper.make_node("Sigmoid", ["c"], ["d"]),
        helper.make_node("Mul", ["c", "d"], ["e"]),
        helper.make_node("Add", ["e", "x"], ["y"]),
    ]
    weights = [weight("w", np.ones((8, 8), np.float32)), weight("b", np.ones(8, np.float32))]
    file = write(tmp_path / "net.onnx", graph(nodes, [value("x", [4, 8])], [value("y", None)], weights))

    (group,) = fused(capture(file))

    assert group.kind == "dense"
    assert [operator.type for operator in group.followers] == ["Add", "Sigmoid", "Mul", "Add"]


def test_what_waits_for_something_later_is_a_group_of_its_own(tmp_path: Path) -> None:
    """A gate scales a map by what was computed out of the whole map: the map has to be there first."""
    nodes = [
        helper.make_node("Conv", ["x", "w"], ["a"]),
        helper.make_node("GlobalAveragePool", ["a"], ["p"]),
        helper.make_node("Conv", ["p", "v"], ["g"]),
        helper.make_node("Sigmoid", ["g"], ["s"]),
        helper.make_node("Mul", ["a", "s"], ["y"]),
    ]
    weights = [weight(name, np.ones((8, 8, 1, 1), np.float32)) for name in "wv"]
    file = write(tmp_path / "net.onnx", graph(nodes, [value("x", [1, 8, 6, 6])], [value("y", None)], weights))

    found = fused(capture(file))

    assert kinds(found) == ["pointwise", "pooling", "pointwise", "elementwise"]
    assert [operator.type for operator in found[2].followers] == ["Sigmoid"]


def test_what_constants_decide_and_what_quantizes_is_folded(tmp_path: Path) -> None:
    nodes = [
        helper.make_node("Transpose", ["w"], ["wt"]),
        helper.make_node("QuantizeLinear", ["x", "scale", "zero"], ["q"]),
        helper.make_node("DequantizeLinear", ["q", "scale", "zero"], ["d"]),
        helper.make_node("MatMul", ["d", "wt"], ["a"]),
        helper.make_node("Relu", ["a"], ["y"]),
    ]
    weights = [
        weight("w", np.ones((5, 8), np.float32)),
        weight("scale", np.float32(0.1)),
        weight("zero", np.uint8(3)),
    ]
    file = write(tmp_path / "net.onnx", graph(nodes, [value("x", [2, 8])], [value("y", None)], weights))

    (group,) = fused(capture(file))

    assert (group.kind, group.constants) == ("dense", (1,))
    assert [operator.type for operator in group.followers] == ["Relu"]


def test_an_empty_sequence_comes_from_nothing(tmp_path: Path) -> None:
    nodes = [
        helper.make_node("SequenceEmpty", [], ["none"]),
        helper.make_node("SequenceInsert", ["none", "x"], ["one"]),
        helper.make_node("SequenceAt", ["one", "first"], ["back"]),
        helper.make_node("MatMul", ["back", "w"], ["y"]),
    ]
    weights = [weight("first", np.int64(0)), weight("w", np.ones((8, 5), np.float32))]
    file = write(tmp_path / "net.onnx", graph(nodes, [value("x", [2, 8])], [value("y", [2, 5])], weights))
    assert kinds(fused(capture(file)))[-1] == "dense"


def test_a_body_counts_as_often_as_it_runs(tmp_path: Path) -> None:
    body = helper.make_graph(
        [
            helper.make_node("MatMul", ["h", "w"], ["hw"]),
            helper.make_node("Identity", ["go"], ["goes"]),
        ],
        "body",
        [value("i", [], TensorProto.INT64), value("go", [], TensorProto.BOOL), value("h", [2, 8])],
        [value("goes", [], TensorProto.BOOL), value("hw", [2, 8])],
    )
    nodes = [helper.make_node("Loop", ["trips", "", "x"], ["y"], body=body)]
    weights = [weight("w", np.ones((8, 8), np.float32)), weight("trips", np.int64(7))]
    file = write(tmp_path / "net.onnx", graph(nodes, [value("x", [2, 8])], [value("y", [2, 8])], weights))

    product = next(group for group in fused(capture(file)) if group.kind == "dense")

    assert product.times == 7


@pytest.mark.parametrize("number", range(0, 52, 3))
def test_every_operator_is_in_one_group_or_folded(number: int, tmp_path: Path) -> None:
    net = captured(number, tmp_path)
    places = {id(operator) for operator in net.operators}
    grouped = [id(operator) for group in fused(net) for operator in group.operators]

    assert len(grouped) == len(set(grouped))
    assert set(grouped) <= places
    left = [operator for operator in net.operators if id(operator) not in set(grouped)]
    assert not left, "nothing in these networks is decided by constants alone"


def test_every_family_is_drawn() -> None:
    assert {draw(number).family for number in range(sum(times for *_, times in FAMILIES))} == {
        name for name, *_ in FAMILIES
    }
