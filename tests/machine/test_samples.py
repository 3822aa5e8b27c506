"""Samples and calibrations on disk: kept whole or not at all, and only while they hold."""

from __future__ import annotations

import sqlite3
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from sartor.errors import OutputError
from sartor.machine.calibration import Hardware
from sartor.machine.calibration_file import calibration_path, find_calibration, save_calibration
from sartor.machine.samples import Network, Sample, Samples
from tests.machine.profiles import CACHES, MACHINE, VERSIONS
from tests.plan.learning import learnt

NETWORK = Network(np.arange(12.0).reshape(3, 4), 100.0, 2000.0, 40.0, 8.0, 9, 5)


def sample(threads: int = 1, seconds: float = 0.5, runtime: str = "onnxruntime") -> Sample:
    return Sample("n", runtime, "f32", threads, seconds, 0.002, 0.1, 2000.0)


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("SARTOR_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


def test_networks_and_samples_come_back_as_they_were(tmp_path: Path) -> None:
    with Samples(tmp_path / "s.sqlite", VERSIONS) as kept:
        kept.keep("n", "stem", NETWORK, [sample(), sample(threads=2)])
    with Samples(tmp_path / "s.sqlite", VERSIONS) as kept:
        found = kept.networks(columns=4)["n"]
        assert np.array_equal(found.groups, NETWORK.groups)
        assert (found.activation_bytes, found.file_bytes) == (100.0, 2000.0)
        assert (found.folded_bytes, found.normalisation_bytes) == (40.0, 8.0)
        assert (found.operators, found.constants) == (9, 5)
        assert list(kept.samples()) == [sample(), sample(threads=2)]
        assert kept.families() == {"n": "stem"}


def test_a_measurement_that_is_taken_again_takes_the_place_of_the_old(tmp_path: Path) -> None:
    with Samples(tmp_path / "s.sqlite", VERSIONS) as kept:
        kept.keep("n", "stem", NETWORK, [sample(), sample(threads=2)])
        kept.keep("n", "stem", NETWORK, [sample(seconds=0.7)])
        assert sorted((s.threads, s.seconds) for s in kept.samples()) == [(1, 0.7), (2, 0.5)]


def test_other_versions_and_other_columns_are_left_out(tmp_path: Path) -> None:
    with Samples(tmp_path / "s.sqlite", VERSIONS) as kept:
        kept.keep("n", "stem", NETWORK, [sample(), sample(runtime="openvino")])
        assert kept.networks(columns=5) == {}
    with Samples(tmp_path / "s.sqlite", {**VERSIONS, "openvino": "2099.1"}) as kept:
        assert [s.runtime for s in kept.samples()] == ["onnxruntime"]


def test_forgetting_removes_everything(tmp_path: Path) -> None:
    with Samples(tmp_path / "s.sqlite", VERSIONS) as kept:
        kept.keep("n", "stem", NETWORK, [sample()])
        kept.forget()
        assert (list(kept.samples()), kept.networks(4)) == ([], {})


def test_tables_of_an_earlier_layout_are_made_anew(tmp_path: Path) -> None:
    with sqlite3.connect(tmp_path / "s.sqlite") as earlier:
        earlier.executescript("CREATE TABLE network (id TEXT); CREATE TABLE sample (id TEXT); PRAGMA user_version = 1;")
    earlier.close()
    with Samples(tmp_path / "s.sqlite", VERSIONS) as kept:
        assert kept.families() == {}
        kept.keep("n", "stem", NETWORK, [sample()])
        assert list(kept.samples()) == [sample()]


def test_a_file_that_is_none_is_one_clear_error(tmp_path: Path) -> None:
    path = tmp_path / "s.sqlite"
    path.write_text("this is no database, however long one looks at it " * 40)
    with pytest.raises(OutputError, match="cannot be used"):
        Samples(path, VERSIONS)


def test_a_calibration_is_found_while_it_holds() -> None:
    calibration = replace(learnt(), fingerprint=MACHINE.fingerprint(), versions=VERSIONS)
    assert find_calibration(MACHINE, VERSIONS).calibration is None
    assert find_calibration(MACHINE, VERSIONS).why_not == ""
    save_calibration(calibration, MACHINE)
    assert find_calibration(MACHINE, VERSIONS).calibration == calibration
    newer = find_calibration(MACHINE, {**VERSIONS, "openvino": "2099.1"})
    assert newer.calibration is None
    assert "openvino changed" in newer.why_not


def test_a_damaged_calibration_is_said_and_not_used() -> None:
    save_calibration(replace(learnt(), fingerprint=MACHINE.fingerprint(), versions=VERSIONS), MACHINE)
    path = calibration_path(MACHINE)
    path.write_text(path.read_text()[:-200])
    found = find_calibration(MACHINE, VERSIONS)
    assert found.calibration is None
    assert "damaged" in found.why_not


def test_hardware_is_read_off_a_machine_or_taken_as_usual() -> None:
    assert Hardware.of(MACHINE, CACHES) == Hardware(1 << 20, 32 << 20, 16)
    usual = Hardware.of(replace(MACHINE, isa=("avx2",)), ())
    assert (usual.near_bytes, usual.shared_bytes, usual.lanes) == (512 << 10, 16 << 20, 8)
