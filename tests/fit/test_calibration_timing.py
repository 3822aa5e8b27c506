"""Networks of a calibration side by side in one worker, also when that worker dies."""

from __future__ import annotations

import os
import signal
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest

from sartor.cost.capture import capture
from sartor.fit.calibration_building import ROWS, Built
from sartor.fit.calibration_timing import Timer
from sartor.machine.device import this_machine
from sartor.measure.calibration_networks import draw
from sartor.measure.process import Child
from sartor.measure.reference import Reference
from sartor.plan.outline import describe
from sartor.plan.recipe import Recipe
from sartor.steps.prepared import Prepared


def built(number: int, folder: Path) -> Built:
    """A network as it is, in ONNX Runtime."""
    drawn, mine = draw(number), folder / str(number)
    mine.mkdir()
    source = mine / "network.onnx"
    onnx.save(drawn.model, source)
    shape = (ROWS, *drawn.shape)
    values = np.zeros(shape, np.int64) if drawn.vocabulary else np.ones(shape, np.float32)
    np.save(mine / "rows.npy", np.arange(ROWS))
    size = source.stat().st_size
    network = describe(capture(source, {"batch": drawn.batch}), size)
    files = {("onnxruntime", Recipe()): (source, size)}
    return Built(drawn, mine, network, Prepared({"x": values}).save(mine / "inputs"), files)


def times(timer: Timer, networks: list[Built]) -> dict[str, int]:
    return {one.drawn.name: sum(s.seconds is not None for s in found) for one, found in timer.measure(networks)}


@pytest.fixture
def networks(tmp_path: Path) -> list[Built]:
    return [built(number, tmp_path) for number in (0, 1, 2)]


def test_every_network_is_timed_with_each_number_of_threads(networks: list[Built], tmp_path: Path) -> None:
    machine = this_machine()
    expected = len({1, machine.cores})
    assert times(Timer(tmp_path, machine), networks) == {one.drawn.name: expected for one in networks}


def test_a_worker_that_is_killed_while_it_times_costs_nothing(
    networks: list[Built], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plain = Reference.beside
    killed: list[int] = []

    def beside(self: Reference, worker: Child, *rest: Any) -> Any:
        if not killed:
            killed.append(worker.pid)
            os.kill(worker.pid, signal.SIGKILL)
        return plain(self, worker, *rest)

    monkeypatch.setattr(Reference, "beside", beside)
    found = times(Timer(tmp_path, this_machine()), networks)
    assert killed
    assert set(found) == {one.drawn.name for one in networks}
    assert min(found.values()) >= 1


def test_a_network_that_kills_its_worker_is_left_out_alone(
    networks: list[Built], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plain, name = Reference.beside, networks[1].drawn.name

    def beside(self: Reference, worker: Child, timed: Any, *rest: Any) -> Any:
        if any(one.name.startswith(f"{name} ") for one in timed):
            os.kill(worker.pid, signal.SIGKILL)
        return plain(self, worker, timed, *rest)

    monkeypatch.setattr(Reference, "beside", beside)
    found = times(Timer(tmp_path, this_machine()), networks)
    assert found.pop(name) == 0
    assert min(found.values()) >= 1
