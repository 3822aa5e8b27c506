"""A reference network beside everything that is timed, and times at the quietest of several moments.

On a shared machine neighbours take cache, bandwidth and turns, in bursts of a fraction of a second and in spells of
minutes. Bursts only ever slow a call down, so the quietest of several rounds that lie apart is what the machine gives:
on two cores of a shared server, two such times of the same network were 1.4% apart (median; one in ten more than
7%), medians of rounds that lie together 5.6% (35%). A spell is seen by a reference network, with products in both
caches and cores: where even its quietest round was slow, times are scaled by it (`plan/calibrate.py`).
"""

from __future__ import annotations

from collections.abc import Sequence
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
_CALLS = 6  # the first find caches cold and the other core asleep, which says nothing of neighbours
_WARM = 0.05


@dataclass(frozen=True)
class Timed:
    """What a worker has loaded and is to be timed.

    Attributes:
        name: under which it is loaded.
        threads: that it uses.
        calls: in a round.
    """

    name: str
    threads: int
    calls: int


@dataclass(frozen=True)
class Beside:
    """The time of a call, and what the reference took beside it, in seconds: the median of the quietest round of the
    one, the quickest call of the other."""

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

    def beside(self, worker: Child, timed: Sequence[Timed], passes: int, rounds: int) -> list[Beside]:
        """Time everything in `passes`, each of which goes through all of it: more passes see more moments.

        Args:
            rounds: of each in a pass, the reference before them.

        Raises:
            CandidateError: the worker died.
        """
        own: list[list[float]] = [[] for _ in timed]
        reference: list[list[float]] = [[] for _ in timed]
        for _ in range(passes):
            for number, one in enumerate(timed):
                reference[number].append(self._seconds(worker, one.threads))
                for _ in range(rounds):
                    start = len(own[number]) * one.calls
                    own[number].append(float(np.median(timed_round(worker, one.name, one.calls, start))))
        return [Beside(min(seconds), min(beside)) for seconds, beside in zip(own, reference, strict=True)]

    def _seconds(self, worker: Child, threads: int) -> float:
        return float(timed_round(worker, _name(threads), _CALLS, 0).min())


def _name(threads: int) -> str:
    return f"reference-{threads}"
