"""What a calibrated machine would make of a network: operators, runtimes, changes."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import helper

from sartor.cost.capture import capture
from sartor.cost.graph import Graph
from sartor.machine.calibration import Calibration
from sartor.measure.calibration_networks import draw
from sartor.plan.inspect import inspect
from sartor.plan.inspection import bounds
from sartor.plan.outline import describe
from sartor.plan.prospects import FUSED, prospects
from tests.cost.files import graph, value, weight, write
from tests.plan.learning import learnt
from tests.plan.test_plan_inspect import TARGET


@pytest.fixture(scope="module")
def net(tmp_path_factory: pytest.TempPathFactory) -> Graph:
    path = tmp_path_factory.mktemp("net") / "net.onnx"
    onnx.save(draw(4).model, path)
    return capture(path, {"batch": 1})


def with_int8(gain: float) -> Calibration:
    """int8 in OpenVINO is `gain` times as fast as f32 there, and is off where that is off."""
    plain = learnt(spread=0.2)  # what a network is off by in all runtimes outweighs the rest
    kept = [number for number, one in enumerate(plain.efficiencies) if one.runtime == "openvino"]
    narrow = tuple(
        replace(
            plain.efficiencies[number],
            arithmetic="int8",
            seconds={name: value / gain for name, value in plain.efficiencies[number].seconds.items()},
        )
        for number in kept
    )
    places = [*range(len(plain.efficiencies)), *kept]
    covariance = tuple(tuple(plain.covariance[a][b] * (0.98 if a != b else 1) for b in places) for a in places)
    covariance = tuple(tuple(v if i != j else v * 1.05 for j, v in enumerate(row)) for i, row in enumerate(covariance))
    return replace(plain, efficiencies=(*plain.efficiencies, *narrow), covariance=covariance)


def test_each_runtime_and_arithmetic_with_its_best_threads(net: Graph) -> None:
    found = prospects(with_int8(3.0), describe(net, 1e6))
    assert {(one.runtime, one.arithmetic) for one in found} == {
        ("onnxruntime", "f32"),
        ("openvino", "f32"),
        ("openvino", "int8"),
    }
    assert [one.latency.value for one in found] == sorted(one.latency.value for one in found)
    assert all(one.threads == 2 for one in found)
    fastest = next(one for one in found if one.arithmetic == "f32")
    assert (fastest.gain.value, fastest.gain.low, fastest.gain.high) == (1, 1, 1)


def test_the_gain_of_a_ratio_is_surer_than_its_times(net: Graph) -> None:
    """OpenVINO takes twice as long here in f32, and a third of that in int8: half more than ONNX Runtime gives."""
    quantized = next(one for one in prospects(with_int8(3.0), describe(net, 1e6)) if one.arithmetic == "int8")
    assert quantized.gain.value == pytest.approx(1.5, rel=0.1)
    assert quantized.gain.low < quantized.gain.value < quantized.gain.high
    assert quantized.gain.high / quantized.gain.low < quantized.latency.high / quantized.latency.low


def test_times_of_operators_add_to_that_of_the_network(net: Graph) -> None:
    found = inspect(net, TARGET, calibration=learnt(), file_bytes=1e6)
    assert found.seconds is not None
    assert found.seconds.source == "calibrated"
    rows = sum(row.seconds.value for row in found.rows if row.seconds)
    assert rows == pytest.approx(found.seconds.value, rel=0.05)
    assert rows < found.seconds.value, "a call costs something whatever it computes"
    assert sum(row.share for row in found.rows) == pytest.approx(1.0)


def test_what_is_fused_takes_no_time_of_its_own(net: Graph) -> None:
    found = inspect(net, TARGET, calibration=learnt(), file_bytes=1e6)
    fused = [row for row in found.rows if row.bound == FUSED]
    assert fused
    assert all(row.share == 0 for row in fused)
    assert FUSED not in bounds(found.rows)


def test_what_int8_would_bring_is_calibrated_where_it_was_learnt(net: Graph) -> None:
    found = inspect(net, TARGET, calibration=with_int8(3.0), file_bytes=1e6)
    sources = {change.precision: change.factor.source for change in found.changes}
    assert sources == {"bfloat16": "roofline", "int8": "calibrated"}


def test_another_precision_takes_its_own_prediction(net: Graph) -> None:
    calibration = with_int8(3.0)
    plain = inspect(net, TARGET, calibration=calibration, file_bytes=1e6)
    narrow = inspect(net, TARGET, "int8", calibration=calibration, file_bytes=1e6)
    unknown = inspect(net, TARGET, "bfloat16", calibration=calibration, file_bytes=1e6)
    assert plain.seconds is not None
    assert narrow.seconds is not None
    assert unknown.seconds is not None
    assert narrow.seconds.value < plain.seconds.value
    assert unknown.seconds.source == "roofline"


def test_of_a_file_that_is_quantized_nothing_but_int8_is_to_be_had(tmp_path: Path) -> None:
    nodes = [
        helper.make_node("QuantizeLinear", ["x", "scale", "zero"], ["q"]),
        helper.make_node("DequantizeLinear", ["q", "scale", "zero"], ["d"]),
        helper.make_node("MatMul", ["d", "w"], ["y"]),
    ]
    weights = [
        weight("w", np.ones((64, 64), np.float32)),
        weight("scale", np.float32(0.1)),
        weight("zero", np.uint8(3)),
    ]
    file = write(tmp_path / "net.onnx", graph(nodes, [value("x", [32, 64])], [value("y", None)], weights))

    found = inspect(capture(file), TARGET, calibration=with_int8(3.0), file_bytes=2e4)

    assert {one.arithmetic for one in found.prospects} == {"int8"}
    assert found.seconds is not None
    assert found.seconds == found.prospects[0].latency
