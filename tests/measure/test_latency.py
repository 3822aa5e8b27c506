"""Timing real models in real workers: groups, screens, floors, memory, and the noise gate."""

from __future__ import annotations

import itertools
from pathlib import Path

import numpy as np
import pytest

from sartor.bundle.values import Variant
from sartor.errors import CandidateError
from sartor.measure.floor import measure_floors
from sartor.measure.latency import Feed, Screened, screen, time_launches
from sartor.measure.memory import peak_memory
from sartor.measure.noise import NoiseGate
from sartor.measure.quality import OutputsReader
from sartor.plan.candidates import Candidate
from sartor.plan.recipe import Recipe
from sartor.runtime.base import Settings
from sartor.steps.prepared import Prepared


def write_scaling(path: Path, input_name: str, factor: float, columns: int) -> None:
    """An ONNX model that multiplies rows (batch, columns) by a factor."""
    import onnx

    value = onnx.helper.make_tensor_value_info
    kind = onnx.TensorProto.FLOAT
    graph = onnx.helper.make_graph(
        [onnx.helper.make_node("Mul", [input_name, "factor"], ["scaled"])],
        "scaling",
        [value(input_name, kind, ["batch", columns])],
        [value("scaled", kind, ["batch", columns])],
        [onnx.numpy_helper.from_array(np.array(factor, dtype=np.float32), "factor")],
    )
    onnx.save(onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 20)], ir_version=10), path)


def made(folder: Path, name: str, columns: int, runtime: str = "onnxruntime") -> tuple[Variant, Feed]:
    path, rows = folder / f"{name}.onnx", folder / f"{name}-rows.npy"
    write_scaling(path, f"{name}_input", 3.0, columns)
    array = np.arange(50 * columns, dtype=np.float32).reshape(50, columns)
    saved = Prepared({f"{name}_input": array}).save(folder / f"{name}-inputs")
    np.save(rows, np.arange(49, -1, -1))
    candidate = Candidate(name, Recipe(), runtime, Settings())
    return Variant(candidate, path, path.stat().st_size), Feed(saved, rows, 1)


def test_models_with_different_inputs_are_timed_in_one_group(tmp_path: Path) -> None:
    one, two = made(tmp_path, "one", 4), made(tmp_path, "two", 2000)
    variants, feeds = {"one": one[0], "two": two[0]}, {"one": one[1], "two": two[1]}
    found = time_launches(variants, feeds, NoiseGate(), launches=2, rounds=3, calls_wanted=30)
    assert set(found.seconds) == {"one", "two"}
    for launches in found.seconds.values():
        assert [launch.shape for launch in launches] == [(3, 10), (3, 10)]
        assert all((launch > 0).all() for launch in launches)


def test_a_slow_model_still_gets_the_calls_that_its_quantile_needs(tmp_path: Path) -> None:
    variant, feed = made(tmp_path, "net", 4)
    found = time_launches(
        {"net": variant}, {"net": feed}, NoiseGate(), launches=1, rounds=5, least_calls=61, launch_seconds=1e-9
    )
    assert found.seconds["net"][0].shape == (5, 13)


def test_a_group_names_the_variant_that_fails(tmp_path: Path) -> None:
    good, bad = made(tmp_path, "good", 4), made(tmp_path, "bad", 4)
    bad[0].path.write_bytes(b"no model")
    with pytest.raises(CandidateError) as caught:
        time_launches({"g": good[0], "b": bad[0]}, {"g": good[1], "b": bad[1]}, NoiseGate(), launches=1, rounds=1)
    assert caught.value.candidate == bad[0].id


def test_a_screen_survives_a_broken_candidate(tmp_path: Path) -> None:
    reference, feed = made(tmp_path, "net", 4)
    broken = tmp_path / "broken.onnx"
    broken.write_bytes(b"no model")
    settings = Settings(threads=2)
    variants = [
        Variant(Candidate("net", Recipe(), "onnxruntime", settings), broken, 1),
        Variant(Candidate("net", Recipe(), "onnxruntime", Settings(shape="fixed")), reference.path, 1),
        Variant(Candidate("net", Recipe(), "openvino", Settings()), reference.path, 1),
    ]
    results: list[Screened | CandidateError] = []
    screen(reference, variants, feed, lambda variant, found: results.append(found))
    assert isinstance(results[0], CandidateError)
    for found in results[1:]:
        assert isinstance(found, Screened)
        assert 1e-7 < found.seconds < 0.1


@pytest.mark.parametrize("runtime", ["onnxruntime", "openvino"])
@pytest.mark.parametrize("settings", [Settings(), Settings(shape="fixed", batch=8)])
def test_outputs_come_in_the_order_of_the_rows_also_when_calls_are_filled_up(
    tmp_path: Path, runtime: str, settings: Settings
) -> None:
    variant, feed = made(tmp_path, "net", 4, runtime)
    variant = Variant(Candidate("net", Recipe(), runtime, settings), variant.path, 1)
    feed = Feed(feed.inputs, feed.rows, settings.batch)
    with OutputsReader(variant, feed, tmp_path) as reader:
        outputs = np.concatenate([reader.read(0, 11), reader.read(11, 50)])
    expected = 3.0 * np.load(next(iter(feed.inputs["arrays"].values())))[np.load(feed.rows)]
    np.testing.assert_allclose(outputs, expected)


def test_the_memory_of_a_worker_is_its_own_and_not_that_of_its_parent(tmp_path: Path) -> None:
    ballast = np.ones(60_000_000)  # 480 MB in this process
    variant, feed = made(tmp_path, "net", 4)
    assert 10e6 < peak_memory(variant, feed) < 300e6
    assert ballast[0] == 1


def test_floors_are_small_and_above_zero(tmp_path: Path) -> None:
    floors = measure_floors(tmp_path, ("onnxruntime", "openvino"))
    assert 1e-7 < floors.call_seconds < 5e-3
    assert 10e6 < floors.memory_bytes < 500e6
    assert 0 < floors.size_bytes < 1000


def test_a_noisy_round_is_repeated_three_times_and_then_accepted_and_counted(tmp_path: Path) -> None:
    variant, feed = made(tmp_path, "net", 4)
    quiet = itertools.chain([1.0] * 25, itertools.repeat(2.0))  # learns 1.0, then the neighbours arrive
    gate = NoiseGate(probe=lambda: next(quiet))
    found = time_launches({"net": variant}, {"net": feed}, gate, launches=1, rounds=4, calls_wanted=8)
    assert (found.repeated, found.accepted) == (8, 4)
    assert found.noisy


def test_a_quiet_machine_is_not_called_noisy() -> None:
    steady = NoiseGate(probe=lambda: 1.0)
    assert steady.is_quiet()
    scattered = itertools.cycle([1.0, 5.0])  # every second probe is interrupted
    assert NoiseGate(probe=lambda: next(scattered)).is_quiet()
