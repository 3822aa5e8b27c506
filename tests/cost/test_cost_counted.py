"""Operators piece by piece, the same in narrower numbers, and the roofs of machines."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from onnx import TensorProto, helper

from sartor.cost.capture import capture
from sartor.cost.costs import total
from sartor.cost.count import count
from sartor.cost.counted import counted, work_cost
from sartor.cost.machine_roofs import part_roofs, profile_roofs
from sartor.cost.precision import in_precision, narrows
from sartor.errors import InputError
from sartor.machine.catalogue import find_part
from tests.machine.profiles import made

from .files import graph, value, weight, write, write_linear


def branches(path: Path) -> Path:
    """An If that the data decide: one branch multiplies, the other copies."""
    product = helper.make_graph([helper.make_node("MatMul", ["x", "w"], ["p"])], "p", [], [value("p", None)])
    copy = helper.make_graph([helper.make_node("Neg", ["x"], ["c"])], "c", [], [value("c", None)])
    node = helper.make_node("If", ["flag"], ["y"], then_branch=copy, else_branch=product)
    inputs = [value("x", [4, 3]), value("flag", [], TensorProto.BOOL)]
    return write(path, graph([node], inputs, [value("y", None)], [weight("w", np.ones((3, 3), np.float32))]))


@pytest.mark.parametrize("make", [branches, lambda path: write_linear(path, 5, 3)])
def test_the_pieces_add_to_the_count(make: object, tmp_path: Path) -> None:
    assert callable(make)
    captured = capture(make(tmp_path / "net.onnx"))
    assert total(work_cost(work) for work in counted(captured)) == count(captured)


def test_of_a_branch_that_the_data_decide_the_heavier_runs(tmp_path: Path) -> None:
    (work,) = counted(capture(branches(tmp_path / "net.onnx")))
    assert [piece.operator.type for piece in work] == ["If", "MatMul"]


def test_int8_leaves_a_quarter_of_the_weights_and_all_activations(tmp_path: Path) -> None:
    work = counted(capture(write_linear(tmp_path / "net.onnx", 5, 3)))
    ((piece,),) = in_precision(work, "int8")
    # 5x3 by 3x2: 60 FLOP; x has 60 bytes, w 24, y 40.
    assert piece.cost.flop == {"int8": 60.0}
    assert (piece.cost.weight_bytes, piece.cost.read_bytes, piece.cost.written_bytes) == (6.0, 66.0, 40.0)
    ((converted,),) = in_precision(work, "int8", "converted")
    assert (converted.cost.read_bytes, converted.cost.written_bytes) == (6.0 + 60.0 + 15.0, 40.0 + 15.0)
    ((narrow,),) = in_precision(work, "int8", "narrow")
    assert (narrow.cost.read_bytes, narrow.cost.written_bytes) == (21.0, 10.0)


def test_what_is_as_narrow_already_stays(tmp_path: Path) -> None:
    work = counted(capture(write_linear(tmp_path / "net.onnx", 5, 3)))
    once = in_precision(work, "int8")
    assert in_precision(once, "bfloat16") == in_precision(once, "int8") == once
    assert narrows(work, "int8")
    assert not narrows(once, "bfloat16")
    assert not narrows(work, "float32")


def test_the_roofs_of_a_data_sheet() -> None:
    roofs = part_roofs(find_part("h100-sxm"))
    assert roofs.rate("float32") == 67e12
    assert roofs.rate("bfloat16") == 989e12
    assert [(level.name, level.bytes_per_second, level.capacity) for level in roofs.levels] == [("HBM3", 3.35e12, 8e10)]
    assert roofs.call_seconds == 0.0


def test_a_peak_that_is_not_known_is_asked_for() -> None:
    with pytest.raises(InputError, match="float32") as caught:
        part_roofs(find_part("tpu-v5e"))
    assert "bfloat16" in caught.value.allowed
    assert part_roofs(find_part("tpu-v5e"), "bfloat16").rate("float32") == find_part("tpu-v5e").peak("bf16").value


def test_the_roofs_of_a_profile_are_the_best_of_each_precision() -> None:
    roofs = profile_roofs(made())
    assert roofs.flop_per_second == {"float32": 190e9, "int8": 380e9, "bfloat16": 180e9}
    assert [level.name for level in roofs.levels] == ["L1", "L2", "L3", "memory"]
    assert roofs.call_seconds == 7e-7
    assert profile_roofs(made(), threads=1).rate("float32") == 105e9
