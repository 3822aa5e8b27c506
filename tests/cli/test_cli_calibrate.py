"""`sartor probe --calibrate` as a user calls it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import psutil
import pytest

from sartor.machine.calibration_file import calibration_path, find_calibration, samples_path
from sartor.machine.device import this_machine
from sartor.machine.profile_file import save_profile
from sartor.machine.samples import Samples
from sartor.measure.probe import runtime_versions
from tests.cli.calling import Call, caller
from tests.machine.profiles import made


@pytest.fixture
def call(capsys: pytest.CaptureFixture[str]) -> Call:
    return caller(capsys)


@pytest.fixture
def profiled(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home with a profile of this machine, so that none has to be measured."""
    monkeypatch.setenv("SARTOR_HOME", str(tmp_path))
    save_profile(replace(made(this_machine()), versions=runtime_versions()))
    return tmp_path


@pytest.mark.parametrize("given", ["3", "5 MB", "10 s", "soon"])
def test_a_time_that_is_none_is_refused(given: str, profiled: Path, call: Call) -> None:
    ended = call("probe", "--calibrate", "--time", given)
    assert ended.code == 2
    assert not calibration_path(this_machine()).exists()


def test_networks_are_timed_and_kept(profiled: Path, call: Call) -> None:
    """Too few to learn latency from, which takes minutes: `test_a_calibration_predicts` in the slow tests."""
    ended = call("probe", "--calibrate", "--time", "30 s", "--json")
    assert ended.code == 0, ended.err
    values = json.loads(ended.out)
    assert values["networks"] > 0
    assert Path(values["stored"]) == calibration_path(this_machine())
    assert find_calibration(this_machine(), runtime_versions()).calibration is not None
    with Samples(samples_path(this_machine()), runtime_versions()) as samples:
        found = list(samples.samples())
    deep = [sample for sample in found if sample.network.endswith("-deep")]
    timed = [sample for sample in found if sample not in deep]
    assert all(sample.seconds and sample.reference_seconds and sample.load_seconds for sample in timed)
    assert all(sample.seconds is None and sample.memory_bytes for sample in deep)
    assert all(sample.size_bytes for sample in found)
    assert {sample.runtime for sample in timed} == {sample.runtime for sample in deep} == {"onnxruntime", "openvino"}


def started(home: Path) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "sartor", "probe", "--calibrate", "--time", "5 min"]
    return subprocess.Popen(
        command,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "SARTOR_HOME": str(home)},
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )


def test_an_interrupt_does_not_wait_for_networks_that_are_being_built(profiled: Path) -> None:
    process = started(profiled)
    end = time.monotonic() + 60
    builders: list[psutil.Process] = []
    while not builders and time.monotonic() < end:
        time.sleep(0.2)
        builders = [one for one in psutil.Process(process.pid).children() if "sartor.fit.job" in one.cmdline()]
    time.sleep(3)  # the libraries are loaded, the first forms are being quantized
    begun = time.monotonic()
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=60)
    assert process.returncode == 130, said
    assert time.monotonic() - begun < 2, "it waited for forms that nobody needs any more"
    assert builders
    assert not any(one.is_running() for one in builders)


@pytest.mark.slow
def test_interrupted_it_keeps_what_was_timed_and_goes_on(profiled: Path, call: Call) -> None:
    process = started(profiled)
    end = time.monotonic() + 120
    before = 0
    while before < 3 and time.monotonic() < end:
        time.sleep(1)
        if samples_path(this_machine()).exists():
            with Samples(samples_path(this_machine()), runtime_versions()) as samples:
                before = len(samples.families())
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=30)
    assert process.returncode == 130, said
    assert "the same command goes on from here" in said
    assert call("probe", "--calibrate", "--time", "30 s").code == 0
    with Samples(samples_path(this_machine()), runtime_versions()) as samples:
        assert len(samples.families()) >= before


@pytest.mark.slow
@pytest.mark.timeout(1200)
def test_a_calibration_predicts(profiled: Path, call: Call) -> None:
    """The usual nine minutes: of three there are thirty networks to learn from, too few for every record."""
    ended = call("probe", "--calibrate", "--json")
    assert ended.code == 0, ended.err
    latency = [one for one in json.loads(ended.out)["records"] if one["of"].startswith("latency")]
    assert latency
    assert all(one["median_error"] < one["constant_error"] for one in latency), latency
