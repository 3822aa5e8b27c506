"""The probe's parts on real memory and real runtimes, as short as they can be, and GPUs as their tool writes them."""

from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np
import pytest

from sartor.errors import InputError
from sartor.figures import Figure
from sartor.machine.caches import Cache
from sartor.machine.device import Machine, this_machine
from sartor.machine.profile import Profile
from sartor.measure.bandwidth import working_sets
from sartor.measure.gpus import find_gpus, parse_gpus
from sartor.measure.matrix_model import DEPTH, INT8_FORMS, chain_flop, write_chain, write_operators
from sartor.measure.matrix_rate import thread_counts
from sartor.measure.probe import Pace, probe
from sartor.measure.probe_worker import copying, reading
from sartor.measure.repeats import figure_of_launches, launches_within
from sartor.runtime import RUNTIMES, open_runtime
from sartor.runtime.base import Settings
from sartor.runtime.executed import computes_in_int8, executed_products

SHORT = Pace(64, ((32, 128),), 1, 1, 1, 0.02, bandwidth=0.2, matrix=0.3, calls=0.2, seconds=5.0)
RECORDED = """NVIDIA A100-SXM4-80GB, 81920, 400.00, 550.54.15, 8.0
NVIDIA GeForce RTX 3060, 12288, [N/A], 550.54.15, 8.6
Quadro K620, 2048, [Not Supported], 470.199.02, [N/A]
"""


class Heard:
    """A watch that keeps what it is told."""

    def __init__(self) -> None:
        self.phases: list[str] = []
        self.steps: list[str] = []

    def phase(self, title: str, steps: int | None = None) -> None:
        self.phases.append(title)

    def tried(self, what: str, outcome: str) -> None:
        self.steps.append(f"{what}: {outcome}")

    def note(self, text: str) -> None:
        self.steps.append(text)


@pytest.fixture(scope="module")
def heard() -> Heard:
    return Heard()


@pytest.fixture(scope="module")
def profile(heard: Heard) -> Profile:
    return probe(quick=True, watch=heard, pace=SHORT)


def test_a_probe_measures_every_part_of_this_machine(profile: Profile, heard: Heard) -> None:
    cores = this_machine().cores
    assert profile.machine == this_machine()
    assert set(profile.versions) == set(RUNTIMES)
    assert {(one.operation, one.threads) for one in profile.bandwidth} == {
        (operation, count) for operation in ("read", "copy") for count in {1, cores}
    }
    measured = {(one.runtime, one.precision, one.threads) for one in profile.matrix}
    assert {(name, what, count) for name in RUNTIMES for what in ("f32", "int8") for count in {1, cores}} <= measured
    assert {one.runtime for one in profile.calls} == {one.runtime for one in profile.starts} == set(RUNTIMES)
    assert len(heard.phases) == 4
    assert any("openvino int8, 1 thread, launch 1: " in step for step in heard.steps)


def test_every_number_is_a_measured_figure_inside_its_interval(profile: Profile) -> None:
    figures = [
        *(one.rate for one in profile.bandwidth),
        *(one.rate for one in profile.matrix),
        *(figure for one in profile.calls for figure in (one.seconds, one.per_operator)),
        *(one.seconds for one in profile.starts),
        *(profile.noise.twins, profile.noise.loud, profile.noise.quiet),
    ]
    assert all(one.source == "measured" and one.low <= one.value <= one.high for one in figures)
    assert all(one.value > 0 for one in figures if one is not profile.noise.loud)


def test_figures_are_of_this_century(profile: Profile) -> None:
    """Wide enough for a starved machine; a wrong unit or a lost factor of a thousand falls out."""
    assert all(5e7 < one.rate.value < 1e14 for one in profile.bandwidth)
    assert all(1e7 < one.rate.value < 1e16 for one in profile.matrix)
    assert all(1e-7 < one.seconds.value < 0.1 for one in profile.calls)
    assert all(0.01 < one.seconds.value < 120 for one in profile.starts)


def test_integers_were_multiplied_where_int8_stands(profile: Profile) -> None:
    kernels = {one.runtime: one.kernel for one in profile.matrix if one.precision == "int8"}
    said = [note for note in profile.notes if "not in 8 bits" in note]
    for runtime, kernel in kernels.items():
        assert computes_in_int8((kernel,)) or any(note.startswith(runtime) for note in said)


def test_a_precision_that_a_runtime_lacks_is_a_note(profile: Profile) -> None:
    assert any(note.startswith("onnxruntime bf16: ") for note in profile.notes)
    with pytest.raises(InputError):
        profile.roofs("onnxruntime", "bf16", 1)


def test_what_a_probe_gives_survives_json_and_has_roofs(profile: Profile) -> None:
    assert Profile.from_dict(json.loads(json.dumps(profile.as_dict(), allow_nan=False))) == profile
    roofs = profile.roofs("openvino", "int8", this_machine().cores)
    assert {"float32", "int8"} <= set(roofs.flop_per_second)
    assert roofs.levels[-1].name == "memory"


@pytest.mark.parametrize("size", [16 << 10, 100_000, 1 << 20])
def test_a_pass_reads_and_copies_what_it_says(size: int) -> None:
    read, copy = reading(size), copying(size)
    assert np.array_equal(read.run(), np.ones(read.moved_bytes // (size // 8 * 8)))
    copy.run()
    assert copy.moved_bytes % 128 == 0
    assert copy.moved_bytes >= 0.8 * size


def test_working_sets_grow_by_their_step_from_16_kib_past_the_last_cache() -> None:
    plain = Machine("", "x86_64", 4, (), 64 << 30, "Linux", "3.11")
    assert working_sets(plain, (), 4) == tuple((16 << 10) * 4**step for step in range(8))
    large = working_sets(plain, (Cache(3, 512 << 20, 64, 1, 4),), 2)
    assert large[-1] == 2 << 30
    small = Machine("", "x86_64", 4, (), 1 << 30, "Linux", "3.11")
    assert working_sets(small, (), 2)[-1] == 128 << 20


@pytest.mark.parametrize("cores", [1, 2, 3, 6, 64])
def test_thread_counts_end_with_all_cores(cores: int) -> None:
    counts = thread_counts(cores)
    assert counts[0] == 1
    assert counts[-1] == cores
    assert len(set(counts)) == len(counts)


@pytest.mark.parametrize("runtime", RUNTIMES)
def test_the_integer_chain_computes_nearly_what_the_float_one_does(tmp_path: Path, runtime: str) -> None:
    inputs = {"x": np.random.default_rng(0).normal(size=(32, 128)).astype(np.float32)}
    paths = [write_chain(tmp_path / f"{form}.onnx", 32, 128, form) for form in ("float", INT8_FORMS[runtime])]
    exact, rounded = (np.array(open_runtime(runtime).load(path, Settings()).run(inputs)[0]) for path in paths)
    assert np.std(exact) == pytest.approx(1, rel=0.5)
    error = np.sqrt(np.mean((exact - rounded) ** 2)) / np.std(exact)
    assert 0 < error < 0.1  # four products in 8 bits
    assert [computes_in_int8(executed_products(runtime, path, Settings())) for path in paths] == [False, True]


@pytest.mark.parametrize("runtime", RUNTIMES)
def test_no_runtime_fuses_the_chain_of_operators(tmp_path: Path, runtime: str) -> None:
    path = write_operators(tmp_path / "operators.onnx", 5)
    inputs = {"x": np.ones((1, 8, 1, 1), dtype=np.float32)}
    (output,) = open_runtime(runtime).load(path, Settings()).run(inputs)
    assert np.allclose(output, 0.8**5, rtol=1e-5)


def test_the_kernels_of_an_unknown_runtime_are_an_error(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="did you mean `openvino`"):
        executed_products("openvno", tmp_path / "any.onnx", Settings())


def test_operations_of_a_chain() -> None:
    assert chain_flop(2, 3) == 2 * 2 * 3 * 3 * DEPTH


def test_a_figure_over_launches_is_their_geometric_mean_with_students_bounds() -> None:
    figure = figure_of_launches([1.0, 4.0], "s")
    # t(1) at 95% is 6.314 (Student 1908); log standard deviation of two is half their distance times the root of 2.
    assert figure.value == pytest.approx(2)
    assert math.log(figure.high / 2) == pytest.approx(6.314 * math.log(2) * math.sqrt(2) / math.sqrt(2), rel=1e-3)
    assert figure.low * figure.high == pytest.approx(4)


def test_one_launch_says_nothing_of_others() -> None:
    figure = figure_of_launches([3.0], "s")
    assert figure.value == pytest.approx(3)
    assert (figure.low, figure.high) == (0.0, math.inf)


@pytest.mark.parametrize("values", [[], [0.0], [-1.0, 1.0]])
def test_no_figure(values: list[float]) -> None:
    with pytest.raises(ValueError, match="positive"):
        figure_of_launches(values, "s")


def test_launches_end_with_the_time_but_not_before_the_least() -> None:
    assert list(launches_within(5, 0.0)) == [0, 1]
    assert list(launches_within(3, 60.0)) == [0, 1, 2]
    assert list(launches_within(1, 60.0)) == [0]


def test_gpus_are_read_as_their_tool_writes_them() -> None:
    first, second, third = parse_gpus(RECORDED)
    assert (first.name, first.driver, first.capability) == ("NVIDIA A100-SXM4-80GB", "550.54.15", "8.0")
    assert first.memory == Figure.exact(81920 * 2.0**20, "B")
    assert first.power_limit == Figure.exact(400.0, "W")
    assert (second.power_limit, third.power_limit, third.capability) == (None, None, "")


@pytest.mark.parametrize("text", ["", "\n", "No devices were found\n"])
def test_no_gpus(text: str) -> None:
    assert parse_gpus(text) == ()


def test_a_machine_without_the_tool_has_no_gpus_and_nothing_to_say(tmp_path: Path) -> None:
    found = find_gpus(str(tmp_path / "nvidia-smi"))
    assert (found.gpus, found.notes) == ((), ())


def test_a_tool_that_fails_is_a_note(tmp_path: Path) -> None:
    tool = tmp_path / "nvidia-smi"
    tool.write_text("#!/bin/sh\necho 'NVIDIA-SMI has failed because the driver is not running'\nexit 9\n")
    tool.chmod(0o755)
    (note,) = find_gpus(str(tool)).notes
    assert "ended with 9" in note
    assert "driver is not running" in note
    tool.chmod(0o644)
    assert "could not be asked" in find_gpus(str(tool)).notes[0]


@pytest.mark.slow
@pytest.mark.parametrize(("quick", "seconds"), [(True, 30), (False, 180)])
def test_the_time_that_is_promised(quick: bool, seconds: float) -> None:
    assert probe(quick).elapsed_s < seconds
