"""Outlines and amounts: what a network's time depends on, in numbers."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from onnx import helper

from sartor.cost.capture import capture
from sartor.machine.calibration import Hardware
from sartor.measure.calibration_networks import draw
from sartor.plan.amounts import NAMES, amounts
from sartor.plan.features import NAMES as FEATURES
from sartor.plan.features import attends, features
from sartor.plan.outline import COLUMN, KINDS, Outline, describe, outline
from tests.cost.files import graph, value, weight, write

BOX = Hardware(512e3, 16e6, 16)


def outline_of(number: int, folder: Path, batch: int = 1) -> Outline:
    path = folder / f"{number}.onnx"
    onnx.save(draw(number).model, path)
    return outline(capture(path, {"batch": batch}))


def convolution(path: Path, *, channels: int = 24, groups: int = 1, kernel: int = 3) -> Outline:
    node = helper.make_node("Conv", ["x", "w"], ["y"], group=groups, strides=[2, 2], pads=[1, 1, 1, 1])
    numbers = np.ones((channels, 24 // groups, kernel, kernel), np.float32)
    file = write(path, graph([node], [value("x", [2, 24, 9, 9])], [value("y", None)], [weight("w", numbers)]))
    return outline(capture(file))


def cell(row: Outline, name: str) -> float:
    return float(row[0, COLUMN[name]])


def test_a_convolution_is_a_product_of_its_windows(tmp_path: Path) -> None:
    row = convolution(tmp_path / "net.onnx")
    shown = {name: cell(row, name) for name in ("batch", "rows", "columns", "depth", "area", "stride", "weight")}
    assert shown == {
        **{"batch": 1, "rows": 2 * 5 * 5, "columns": 24, "depth": 24 * 9},
        **{"area": 9, "stride": 2, "weight": 24 * 24 * 9},
    }
    assert cell(row, "flop") == 2 * 50 * 24 * 216


def test_a_depthwise_convolution_is_a_product_a_channel(tmp_path: Path) -> None:
    row = convolution(tmp_path / "net.onnx", groups=24)
    assert KINDS[int(cell(row, "kind"))] == "depthwise"
    assert (cell(row, "batch"), cell(row, "columns"), cell(row, "depth")) == (24, 1, 9)


def test_what_is_left_over_of_a_register_is_computed(tmp_path: Path) -> None:
    place = NAMES.index("convolution.flop")
    whole = amounts(convolution(tmp_path / "a.onnx", channels=32), BOX, 4.0)[0, place]
    part = amounts(convolution(tmp_path / "b.onnx", channels=17), BOX, 4.0)[0, place]
    assert part == pytest.approx(whole)


@pytest.mark.parametrize("number", range(0, 51, 5))
def test_amounts_are_finite_and_none_is_negative(number: int, tmp_path: Path) -> None:
    network = outline_of(number, tmp_path)
    for table in (amounts(network, BOX, 4.0), features(network, 4.0)):
        assert np.isfinite(table).all()
        assert (table >= 0).all()
    assert amounts(network, BOX, 4.0).shape == (len(network), len(NAMES))
    assert features(network, 4.0).shape == (len(network), len(FEATURES))


@given(times=st.integers(1, 50))
def test_amounts_are_of_all_runs(times: int) -> None:
    row = np.zeros((1, len(COLUMN)))
    row[0, COLUMN["times"]], row[0, COLUMN["flop"]], row[0, COLUMN["columns"]] = 1, 1e6, 32
    once = amounts(row, BOX, 4.0)
    row[0, COLUMN["times"]] = times
    assert amounts(row, BOX, 4.0) == pytest.approx(times * once)


@given(weights=st.floats(1.0, 1e9), width=st.sampled_from([1.0, 2.0, 4.0]))
def test_every_weight_comes_from_one_level(weights: float, width: float) -> None:
    row = np.zeros((1, len(COLUMN)))
    row[0, COLUMN["times"]], row[0, COLUMN["weight"]] = 1, weights
    found = amounts(row, BOX, width)[0]
    shares = [found[NAMES.index(f"weights.{level}")] for level in ("near", "middle", "far")]
    assert sum(shares) == pytest.approx(weights)
    assert min(shares) >= -1e-9 * weights


def test_more_rows_are_more_work_and_no_more_weights(tmp_path: Path) -> None:
    one, eight = outline_of(6, tmp_path), outline_of(6, tmp_path, batch=8)
    assert len(one) == len(eight)
    assert (eight[:, COLUMN["flop"]] >= one[:, COLUMN["flop"]]).all()
    assert eight[:, COLUMN["flop"]].sum() == pytest.approx(8 * one[:, COLUMN["flop"]].sum(), rel=0.02)
    assert (eight[:, COLUMN["weight"]] == one[:, COLUMN["weight"]]).all()


def test_a_network_is_described_with_its_activations_and_file(tmp_path: Path) -> None:
    path = tmp_path / "net.onnx"
    onnx.save(draw(3).model, path)
    found = describe(capture(path, {"batch": 1}), path.stat().st_size)
    assert found.activation_bytes > 0
    assert found.file_bytes == path.stat().st_size


def test_a_constant_that_two_layers_share_counts_once(tmp_path: Path) -> None:
    nodes = [helper.make_node("MatMul", ["x", "w"], ["a"]), helper.make_node("MatMul", ["a", "w"], ["y"])]
    numbers = weight("w", np.ones((8, 8), np.float32))
    file = write(tmp_path / "net.onnx", graph(nodes, [value("x", [4, 8])], [value("y", None)], [numbers]))
    rows = outline(capture(file))
    assert rows[:, COLUMN["weight"]].tolist() == [64, 0]
    assert rows[0, COLUMN["flop"]] == rows[1, COLUMN["flop"]]


def test_what_only_constants_decide_is_folded(tmp_path: Path) -> None:
    """Of a table of 6 rows the constant indices leave 2, which an activation is added to."""
    nodes = [
        helper.make_node("Conv", ["x", "w"], ["a"]),
        helper.make_node("BatchNormalization", ["a", "s", "s", "s", "v"], ["b"]),
        helper.make_node("Gather", ["table", "rows"], ["d"]),
        helper.make_node("Add", ["b", "d"], ["y"]),
    ]
    shapes = {"w": (2, 3, 1, 1), "s": (2,), "v": (2,), "table": (6, 1, 1)}
    weights = [weight(name, np.ones(shape, np.float32)) for name, shape in shapes.items()]
    weights.append(weight("rows", np.array([0, 3])))
    file = write(tmp_path / "net.onnx", graph(nodes, [value("x", [1, 3, 5, 5])], [value("y", None)], weights))
    found = describe(capture(file), file.stat().st_size)
    assert found.folded_bytes == 4 * 6 + 8 * 2 - 4 * 2
    assert found.normalisation_bytes == 4 * 2 + 4 * 2


def recurrent(steps: int, rows: int, hidden: int, inputs: int) -> np.ndarray:
    """The row of one LSTM in one direction."""
    row = np.zeros((1, len(COLUMN)))
    of_inputs = 2 * steps * rows * 4 * hidden * inputs
    of_state = 2 * steps * rows * 4 * hidden * hidden
    given = {
        **{"kind": KINDS.index("recurrent"), "times": 1, "batch": 1, "rows": rows, "columns": 4 * hidden},
        **{"depth": hidden, "steps": steps, "flop": of_inputs + of_state, "weight": 4 * hidden * (hidden + inputs)},
    }
    for name, number in given.items():
        row[0, COLUMN[name]] = number
    return row


@given(st.integers(1, 100), st.integers(1, 8), st.integers(8, 512), st.integers(8, 512))
def test_a_recurrent_network_reads_the_matrix_of_its_state_in_every_step(
    steps: int, rows: int, hidden: int, inputs: int
) -> None:
    found = dict(zip(NAMES, amounts(recurrent(steps, rows, hidden, inputs), BOX, 4.0)[0], strict=True))
    read = sum(found[f"weights.{level}"] for level in ("near", "middle", "far"))
    assert read == pytest.approx(4 * hidden * inputs + steps * 4 * hidden * hidden)
    assert found["recurrent.packed"] == pytest.approx(2 * steps * rows * 4 * hidden * hidden)
    assert found["recurrent.flop"] == pytest.approx(2 * steps * rows * 4 * hidden * inputs)


@pytest.mark.parametrize(
    ("kinds", "expected"),
    [
        (["dense", "dense", "product", "softmax", "product", "dense"], True),
        (["convolution", "dense", "dense", "product", "softmax", "product", "dense"], True),
        (["dense", "dense", "product", "softmax", "product", "dense", "convolution"], False),
        (["convolution", "convolution", "pooling", "dense", "softmax"], False),
        (["dense"] * 6, False),
    ],
)
def test_attention_without_convolutions_after_it_is_seen(kinds: list[str], expected: bool) -> None:
    table = np.zeros((len(kinds), len(COLUMN)))
    table[:, COLUMN["kind"]] = [KINDS.index(kind) for kind in kinds]
    assert attends(table) is expected
