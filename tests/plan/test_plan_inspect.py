"""Inspect: shares, what binds, what would change it, layers; every model of ONNX's test data goes through."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import helper

from sartor.cost.capture import capture
from sartor.cost.count import count
from sartor.cost.counted import counted
from sartor.cost.graph import Graph, Operator, Tensor
from sartor.cost.roofline import MemoryLevel, Roofs
from sartor.cost.transformer import decode_cost, kv_bytes_per_token, parameters, prefill_cost, read_transformer
from sartor.plan.calibrated import predict_latency
from sartor.plan.inspect import inspect
from sartor.plan.inspect_transformer import inspect_transformer
from sartor.plan.inspection import Target, bounds, groups
from sartor.plan.layers import layers
from sartor.plan.outline import describe
from sartor.plan.predict import predict
from sartor.plan.prospects import is_quantized
from tests.cost.files import graph, value, weight, write
from tests.plan.learning import learnt

DATA = Path(onnx.__file__).parent / "backend/test/data"
ROOFS = Roofs(
    "box",
    {"float32": 100e9, "bfloat16": 200e9, "int8": 400e9},
    (MemoryLevel("L2", 50e9, 1e6), MemoryLevel("DRAM", 10e9, 1e10)),
    1e-6,
)
TARGET = Target(ROOFS, "measured", 1e10)
LLAMA: Mapping[str, Any] = {
    **{"model_type": "llama", "hidden_size": 64, "intermediate_size": 128, "num_hidden_layers": 2},
    **{"num_attention_heads": 4, "num_key_value_heads": 2, "vocab_size": 100, "rms_norm_eps": 1e-5},
}


def write_net(path: Path, width: int = 1024) -> Path:
    """Two square products of so many numbers with a Relu between, named as PyTorch does; 512 rows."""
    numbers = np.ones((width, width), np.float32)
    nodes = [
        helper.make_node("MatMul", ["x", "net.first.weight"], ["a"]),
        helper.make_node("Relu", ["a"], ["b"]),
        helper.make_node("MatMul", ["b", "net.second.weight"], ["y"]),
    ]
    weights = [weight("net.first.weight", numbers), weight("net.second.weight", 2 * numbers)]
    return write(path, graph(nodes, [value("x", [512, width])], [value("y", None)], weights))


@pytest.fixture(scope="module")
def net(tmp_path_factory: pytest.TempPathFactory) -> Graph:
    return capture(write_net(tmp_path_factory.mktemp("inspect") / "net.onnx"))


def test_totals_are_those_of_the_count(net: Graph) -> None:
    found = inspect(net)
    assert found.cost == count(net)
    assert found.facts["parameters"].value == 2 * 1024**2
    assert found.facts["flop_float32"].value == 2 * 2 * 512 * 1024**2 + 512 * 1024
    assert (found.seconds, found.target, found.changes) == (None, None, ())
    assert found.counted_by == "flop"


def test_each_operator_is_at_its_own_roof(net: Graph) -> None:
    found = inspect(net, TARGET)
    first, relu, second = found.rows
    # 2 x 512 x 1024 x 1024 FLOP at 100 GFLOP/s and the call; a Relu reads and writes 2 MiB at 10 GB/s.
    assert first.seconds is not None
    assert relu.seconds is not None
    assert first.seconds.value == pytest.approx(2 * 512 * 1024**2 / 100e9 + 1e-6)
    assert relu.seconds.value == pytest.approx(2 * 512 * 1024 * 4 / 10e9 + 1e-6)
    assert [row.bound for row in found.rows] == ["compute", "memory:DRAM", "compute"]
    assert found.heaviest[-1] == relu
    assert second.share == pytest.approx(first.share)


def test_shares_add_to_one_and_times_to_the_whole(net: Graph) -> None:
    found = inspect(net, TARGET)
    assert found.seconds is not None
    assert sum(row.share for row in found.rows) == pytest.approx(1)
    assert sum(bounds(found.rows).values()) == pytest.approx(1)
    assert sum(group.share for group in groups(found.rows)) == pytest.approx(1)
    assert found.seconds.value == pytest.approx(sum(row.seconds.value for row in found.rows if row.seconds))


def test_the_interval_says_that_the_roofline_is_optimistic(net: Graph) -> None:
    seconds = inspect(net, TARGET).seconds
    assert seconds is not None
    # Fused, only arithmetic is left: (4 x 512 x 1024 x 1024 + 512 x 1024) FLOP at 100 GFLOP/s.
    assert seconds.low == pytest.approx((4 * 512 * 1024**2 + 512 * 1024) / 100e9)
    assert (seconds.high, seconds.source) == (math.inf, "roofline")


def test_int8_moves_time_from_compute_to_memory(net: Graph) -> None:
    found = inspect(net, TARGET)
    bfloat16, int8 = found.changes
    assert (bfloat16.precision, int8.precision) == ("bfloat16", "int8")
    # int8: 2.68 ms of arithmetic a product against 0.52 ms of traffic: still compute, but 4 times as fast.
    assert int8.moved == 0
    assert int8.factor.low <= int8.factor.value <= int8.factor.high
    # At 1 GB/s a product in int8 takes 5.2 ms of traffic, in float32 8.4 ms against 10.7 ms of arithmetic.
    slow = Target(Roofs("box", ROOFS.flop_per_second, (MemoryLevel("DRAM", 1e9, 1e10),)), "measured", 1e10)
    moved = inspect(net, slow).changes[1]
    assert moved.moved == pytest.approx(sum(row.share for row in inspect(net, slow).rows if row.bound == "compute"))
    assert moved.after == {"memory:DRAM": pytest.approx(1)}
    assert 1 < moved.factor.low < moved.factor.high < 4.01  # all narrow: a quarter of everything


def test_a_precision_that_was_asked_for_is_no_change_any_more(net: Graph) -> None:
    found = inspect(net, TARGET, "bfloat16")
    assert set(found.cost.flop) == {"bfloat16", "float32"}
    assert [change.precision for change in found.changes] == ["int8"]
    seconds, as_written = found.seconds, inspect(net, TARGET).seconds
    assert seconds is not None
    assert as_written is not None
    assert seconds.value < as_written.value


def test_what_does_not_fit_is_said(net: Graph) -> None:
    small = Target(ROOFS, "measured", 1e6)
    assert any("more than the 1 MB of box" in note for note in inspect(net, small).notes)


def test_a_type_without_a_rate_is_said(net: Graph) -> None:
    slow = Target(Roofs("box", {"float32": 1e9}, ROOFS.levels), "measured", 1e10)
    assert inspect(net, slow, "int8").notes == ("no rate in int8 is known of box: taken at that of float32",)
    assert inspect(net, slow).notes == ()


def test_layers_come_from_weights_and_what_follows_stands_with_them(net: Graph) -> None:
    assert [row.layer for row in inspect(net).rows] == [("first",), ("first",), ("second",)]


def operator(name: str = "", reads: str = "x", gives: str = "y", weights: str = "") -> Operator:
    inputs = tuple(Tensor(each, "float32", (1,)) for each in (reads, *filter(None, [weights])))
    given = frozenset({1}) if weights else frozenset[int]()
    return Operator(name, "MatMul", "", inputs, (Tensor(gives, "float32", (1,)),), given)


def test_layers_of_names_that_are_paths() -> None:
    named = [operator("/encoder/layer.0/dense/MatMul"), operator("/head/MatMul"), operator("Add_7")]
    assert layers(named) == (("encoder", "layer.0", "dense"), ("head",), ("head",))


def test_a_renamed_weight_belongs_with_its_bias() -> None:
    product = operator(reads="x", gives="a", weights="val_3")
    bias = operator(reads="a", gives="b", weights="layer.1.dense.bias")
    before = operator(reads="z", gives="x", weights="layer.0.norm.weight")
    assert layers([before, product, bias]) == (("0", "norm"), ("1", "dense"), ("1", "dense"))


def test_equal_weights_that_an_exporter_merged_name_their_first_reader_only() -> None:
    first, other = (operator(reads=x, gives=y, weights="a.norm.weight") for x, y in (("x", "p"), ("q", "y")))
    middle = operator(reads="p", gives="q", weights="b.dense.weight")
    assert layers([first, middle, other]) == (("a", "norm"), ("b", "dense"), ("b", "dense"))


def test_a_language_model_from_its_config() -> None:
    model = read_transformer({**LLAMA, "architectures": ["LlamaForCausalLM"]})
    found = inspect_transformer(model, "tiny", 4, 32, "bfloat16", TARGET)
    prefill, decode = found.rows
    assert prefill.cost == prefill_cost(model, 4, 32, "bfloat16")
    assert decode.cost == decode_cost(model, 4, 32, "bfloat16")
    assert found.facts["parameters"].value == parameters(model)
    assert found.facts["kv_per_token"].value == kv_bytes_per_token(model)
    assert decode.seconds is not None
    assert found.facts["decode_tokens"].value == pytest.approx(4 / decode.seconds.value)
    assert [(change.precision, change.phase) for change in found.changes] == [("int8", "prefill"), ("int8", "decode")]
    assert all(1 <= change.factor.low <= change.factor.high <= 2.0001 for change in found.changes)


def sample() -> list[Path]:
    """Some forty of the installed models, evenly spread."""
    paths = sorted(DATA.rglob("*.onnx"))
    return paths[:: max(1, len(paths) // 40)]


def check(captured: Graph, what: object) -> int:
    """Inspect a graph; gives how many operators are unknown, which must be told."""
    found = inspect(captured, TARGET)
    assert found.seconds is not None, what
    assert found.seconds.value >= 0, what
    assert found.cost.unknown == count(captured).unknown, what
    assert sum(row.share for row in found.rows) == pytest.approx(1 if found.rows else 0), what
    assert found.as_dict()["unknown"] == found.cost.unknown
    calibrated = inspect(captured, TARGET, calibration=learnt(), file_bytes=1e6)
    assert calibrated.seconds is not None, what
    if is_quantized(captured):  # the calibration that is made up here knows f32 alone
        assert calibrated.seconds.source == "roofline", what
        return sum(found.cost.unknown.values())
    assert calibrated.seconds.source == "calibrated", what
    assert 0 < calibrated.seconds.low <= calibrated.seconds.value <= calibrated.seconds.high < math.inf, what
    # What constants decide alone takes no time at all.
    assert sum(row.share for row in calibrated.rows) == pytest.approx(0) or sum(
        row.share for row in calibrated.rows
    ) == pytest.approx(1), what
    return sum(found.cost.unknown.values())


def test_models_of_the_onnx_package_can_be_inspected() -> None:
    paths = sample()
    unknown = [check(capture(path), path) for path in paths]
    assert len(paths) >= 40
    assert sum(map(bool, unknown)) <= len(paths) // 4


@pytest.mark.slow
def test_every_model_of_the_onnx_package_can_be_inspected() -> None:
    paths = sorted(DATA.rglob("*.onnx"))
    unknown = [check(capture(path), path) for path in paths]
    assert len(paths) > 100
    assert sum(map(bool, unknown)) <= len(paths) // 4


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")  # what the cases of the package themselves warn of
def test_every_operator_of_the_onnx_package_can_be_inspected(tmp_path: Path) -> None:
    from onnx.backend.test.loader import load_model_tests

    cases = load_model_tests(kind="node")
    for case in cases:
        assert case.model is not None
        path = tmp_path / "model.onnx"
        path.write_bytes(case.model.SerializeToString())
        check(capture(path), case.name)
    assert len(cases) > 1500


def test_a_prediction_takes_a_moment() -> None:
    captured = capture(DATA / "light/light_densenet121.onnx")  # 1,746 operators, more than most have

    def seconds(predicts: Callable[[], object]) -> float:
        started = time.process_time()
        predicts()
        return time.process_time() - started

    def calibrated() -> object:
        return predict_latency(learnt(), describe(captured, 1e6), "onnxruntime", "f32", 1)

    calibrated()  # what is learnt is made up once
    for predicts in (lambda: predict(counted(captured), ROOFS), calibrated):
        assert min(seconds(predicts) for _ in range(3)) < 4 * 0.05
