"""A calibration of this machine that predicts what a test says, whatever the network."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from sartor.machine.calibration import Calibration, Efficiency, Hardware, Record
from sartor.machine.calibration_file import save_calibration
from sartor.machine.device import this_machine
from sartor.measure.probe import runtime_versions

SPREAD = 0.1


def save(seconds: Mapping[tuple[str, str], float], spread: float = SPREAD) -> Calibration:
    """Store one that predicts these seconds by runtime and arithmetic, half of them with all cores."""
    machine = this_machine()
    record = Record(-1.645 * spread, 1.645 * spread, 0.7 * spread, 1.6 * spread, 1.0, 100)
    efficiencies = tuple(
        Efficiency(runtime, arithmetic, threads, {"call": value / threads}, (), record)
        for (runtime, arithmetic), value in seconds.items()
        for threads in sorted({1, machine.cores})
    )
    count = len(efficiencies)
    errors = spread**2 * (0.8 * np.ones((count, count)) + 0.2 * np.eye(count))
    calibration = Calibration(
        machine.fingerprint(),
        runtime_versions(),
        Hardware(512e3, 16e6, 16),
        1_790_000_000.0,
        100,
        efficiencies,
        (),
        {},
        tuple(map(tuple, errors.tolist())),
        {},
    )
    save_calibration(calibration, machine)
    return calibration
