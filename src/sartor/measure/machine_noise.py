"""How steady the machine is: identical workers against each other, and how often a fixed computation is late."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

from sartor.bundle.values import Variant
from sartor.figures import Figure
from sartor.machine.measured import Noise
from sartor.measure.latency import Feed, time_launches
from sartor.measure.matrix_model import write_chain
from sartor.measure.noise import NoiseGate
from sartor.measure.quantiles import ratio_bounds
from sartor.measure.repeats import ALPHA
from sartor.measure.statistics import proportion_bounds
from sartor.plan.candidates import Candidate
from sartor.plan.recipe import Recipe
from sartor.runtime.base import Settings
from sartor.steps.prepared import Prepared

_ROWS, _WIDTH = 32, 256  # about a fifth of a millisecond: a small model's call
_LAUNCH_SECONDS = 0.4  # of each twin in one launch
_PAUSE = 0.01  # seconds between two looks


def measure_noise(
    folder: Path, launches: int, look_seconds: float, on_launch: Callable[[int], None] = lambda done: None
) -> Noise:
    """Time a model in two identical workers over fresh launches, and look for loud moments.

    Raises:
        CandidateError: a worker died twice.
    """
    gate = NoiseGate()
    loud = _loud(gate, look_seconds)
    feed, variant = _twin(folder)
    timed = time_launches(
        {"one": variant, "other": variant},
        {"one": feed, "other": feed},
        gate,
        launches=launches,
        rounds=6,
        calls_wanted=300,
        launch_seconds=_LAUNCH_SECONDS,
        on_launch=on_launch,
    )
    twins = ratio_bounds(list(zip(timed.seconds["one"], timed.seconds["other"], strict=True)), ALPHA)
    quiet = Figure(gate.quiet_seconds, "s", 0.0, gate.quiet_seconds, "measured")  # the least that was seen
    return Noise(Figure(twins.value, "", twins.low, twins.high, "measured"), loud, quiet)


def _loud(gate: NoiseGate, seconds: float) -> Figure:
    """Share of loud moments, with exact bounds as if moments were independent."""
    deadline = time.monotonic() + seconds
    looks: list[bool] = []
    while not looks or time.monotonic() < deadline:
        looks.append(not gate.is_quiet())
        time.sleep(_PAUSE)
    bounds = proportion_bounds(sum(looks), len(looks), ALPHA)
    return Figure(bounds.value, "%", bounds.low, bounds.high, "measured")


def _twin(folder: Path) -> tuple[Feed, Variant]:
    path = write_chain(folder / "twin.onnx", _ROWS, _WIDTH, "float")
    rows = folder / "twin-rows.npy"
    np.save(rows, np.arange(_ROWS))
    inputs = np.random.default_rng(2).normal(size=(_ROWS, _WIDTH)).astype(np.float32)
    feed = Feed(Prepared({"x": inputs}).save(folder / "twin"), rows, _ROWS)
    return feed, Variant(Candidate("twin", Recipe(()), "onnxruntime", Settings(batch=_ROWS)), path, 0)
