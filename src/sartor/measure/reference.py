"""A reference network, timed beside every other: what it takes now against what it takes at a quiet moment.

On a shared machine the same call takes a third longer from one minute to the next, without any moment looking loud to
a fixed computation in one core: neighbours take cache and bandwidth. The reference has products in both, so a time
that is scaled by it is that of a quiet machine, whenever it was taken (`plan/calibrate.py`). Seen on two cores of a
shared server: the errors of predictions fell from 13.5% to 9.6% by it, and were 9.0% in an hour that was quiet.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from sartor.bundle.values import Variant
from sartor.measure.latency import Feed, load, timed_round
from sartor.measure.network import Network
from sartor.measure.process import Child
from sartor.plan.candidates import Candidate
from sartor.plan.recipe import Recipe
from sartor.runtime.base import Settings
from sartor.steps.prepared import Prepared

_CHANNELS, _SIDE, _WIDTH, _ROWS = 32, 28, 784, 8
_CALLS = 3
_WARM = 0.05


@dataclass(frozen=True)
class Beside:
    """The time of a call, and what the reference took beside it.

    Attributes:
        seconds: as on a machine that is as loud as it was for the reference.
        reference: seconds of the reference, the median over rounds.
    """

    seconds: float
    reference: float


@dataclass(frozen=True)
class Reference:
    """The reference in ONNX Runtime; workers load it for each number of threads.

    Args:
        folder: where its files are written.
    """

    folder: Path

    def __post_init__(self) -> None:
        import onnx

        self.folder.mkdir(parents=True, exist_ok=True)
        network = Network((_CHANNELS, _SIDE, _SIDE))
        x = "x"
        for _ in range(2):
            x = network.act(network.conv(x, _CHANNELS), "relu")
        # Weights of 5 MB: they come out of a cache that neighbours share.
        x = network.slice(network.reshape(x, (_CHANNELS, _WIDTH)), 1, 0, _ROWS)
        output = network.dense(network.act(network.dense(x, _WIDTH), "relu"), _WIDTH)
        onnx.save(network.model(output), self.file)
        np.save(self._rows, np.arange(2))
        values = np.random.default_rng(0).normal(size=(2, _CHANNELS, _SIDE, _SIDE)).astype(np.float32)
        Prepared({"x": values}).save(self.folder / "reference")

    @property
    def file(self) -> Path:
        """The network."""
        return self.folder / "reference.onnx"

    @property
    def _rows(self) -> Path:
        return self.folder / "reference-rows.npy"

    @property
    def feed(self) -> Feed:
        """What it is fed with."""
        arrays = {"x": str(self.folder / "reference" / "0.npy")}
        return Feed({"arrays": arrays, "lengths": None, "padding": {}}, self._rows, 1)

    def load(self, worker: Child, threads: int) -> None:
        """Load it beside what else the worker holds, whose inputs have to be opened again.

        Raises:
            CandidateError: the worker died.
        """
        self.feed.open_in(worker)
        settings = Settings(threads=threads, shape="fixed", batch=1)
        variant = Variant(Candidate("reference", Recipe(), "onnxruntime", settings), self.file, 0)
        load(worker, variant, _name(threads), _WARM)

    def beside(self, worker: Child, name: str, calls: int, rounds: int, threads: int) -> Beside:
        """The median call of another network: the median over rounds, each against the reference around it.

        Raises:
            CandidateError: the worker died.
        """
        ratios, beside, before = [], [], self._seconds(worker, threads)
        for index in range(rounds):
            own = float(np.median(timed_round(worker, name, calls, index * calls)))
            after = self._seconds(worker, threads)
            beside.append((before + after) / 2)
            ratios.append(own / beside[-1])
            before = after
        reference = float(np.median(beside))
        return Beside(float(np.median(ratios)) * reference, reference)

    def _seconds(self, worker: Child, threads: int) -> float:
        return float(np.median(timed_round(worker, _name(threads), _CALLS, 0)))


def _name(threads: int) -> str:
    return f"reference-{threads}"
