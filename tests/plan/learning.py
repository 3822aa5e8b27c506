"""Made-up networks with known times, and the calibration that is learnt from them."""

from __future__ import annotations

from functools import cache

import numpy as np

from sartor.machine.calibration import Calibration, Hardware
from sartor.machine.samples import Network, Sample
from sartor.plan.calibrate import Subject, calibrate
from sartor.plan.outline import COLUMN, KINDS

BOX = Hardware(512e3, 16e6, 16)
SUBJECT = Subject("abc", {"onnxruntime": "1", "openvino": "2"}, BOX, {"onnxruntime": 0.3})
RATE, CALL, OPERATOR = 50e9, 20e-6, 2e-6
"""FLOP/s, seconds of a call, and of one more operator, of the machine that is made up."""


def network(random: np.random.Generator, groups: int = 6) -> Network:
    """Dense layers and norms of random sizes."""
    table = np.zeros((groups, len(COLUMN)))
    for row in table:
        rows, columns, depth = 2.0 ** random.uniform(2, 9, 3)
        dense = random.random() < 0.7
        row[COLUMN["kind"]] = KINDS.index("dense" if dense else "normalisation")
        row[COLUMN["times"]] = 1
        row[COLUMN["rows"]], row[COLUMN["columns"]], row[COLUMN["depth"]] = rows, 16 * round(columns / 16 + 1), depth
        row[COLUMN["batch"]], row[COLUMN["area"]], row[COLUMN["stride"]] = 1, 1, 1
        row[COLUMN["read"]], row[COLUMN["written"]] = rows * depth, rows * columns
        row[COLUMN["flop"]] = 2 * rows * row[COLUMN["columns"]] * depth if dense else 8 * rows * columns
        row[COLUMN["weight"]] = columns * depth if dense else columns
    weights = table[:, COLUMN["weight"]].sum()
    largest, file_bytes = float(table[:, COLUMN["written"]].max() * 4), float(4 * weights + 300 * groups)
    return Network(table, largest, file_bytes, 0.0, 0.0, 3 * groups, groups)


def seconds(one: Network, threads: int = 1) -> float:
    """What the made-up machine takes."""
    dense = one.groups[:, COLUMN["kind"]] == KINDS.index("dense")
    flop = float(one.groups[dense, COLUMN["flop"]].sum())
    other = float(one.groups[~dense, COLUMN["written"]].sum())
    return CALL + len(one.groups) * OPERATOR + flop / (RATE * threads) + other * 1e-9


def samples_of(name: str, one: Network, noise: np.random.Generator, spread: float) -> list[Sample]:
    """Two runtimes, the second half as fast, with one thread and two; what a network is off by is off in all."""
    own = float(np.exp(noise.normal(0.0, spread)))
    found = []
    for runtime, factor in (("onnxruntime", 1.0), ("openvino", 2.0)):
        for threads in (1, 2):
            shaken = own * float(np.exp(noise.normal(0.0, 0.02)))
            taken = factor * shaken * seconds(one, threads)
            size = one.file_bytes if runtime == "onnxruntime" else 1.02 * one.file_bytes + 5000
            memory = 60e6 + 2.5 * one.file_bytes
            found.append(Sample(name, runtime, "f32", threads, taken, None, 0.01 + taken, size, memory))
    return found


@cache
def learnt(count: int = 80, spread: float = 0.05, seed: int = 0) -> Calibration:
    random = np.random.default_rng(seed)
    networks = {f"n{number}": network(random) for number in range(count)}
    samples = [sample for name, one in networks.items() for sample in samples_of(name, one, random, spread)]
    return calibrate(SUBJECT, networks, samples)
