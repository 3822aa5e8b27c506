"""What every stage of one fit shares: the Need with its data on disk, the trials, the clock, the watcher."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from sartor import __version__
from sartor.data.values import SPLIT_NAMES, Dataset, Splits
from sartor.errors import DataError
from sartor.fit.clock import Clock
from sartor.fit.trials import Trials
from sartor.fit.watch import Watch
from sartor.machine.device import Machine
from sartor.measure.process import Child
from sartor.need import Limit, Need
from sartor.runtime.base import Array
from sartor.steps import apply_steps, fit_steps, read_steps


@dataclass(frozen=True)
class Inputs:
    """Prepared inputs on disk, and the steps that made them out of the data set's rows."""

    path: Path
    steps: tuple[dict[str, Any], ...]
    row_shape: tuple[int, ...]


@dataclass
class DataOnDisk:
    """The data set as files that workers map: labels, row numbers, and inputs per list of steps."""

    dataset: Dataset
    splits: Splits
    folder: Path
    _inputs: dict[str, Inputs] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        np.save(self.labels_path, self.dataset.labels)
        for name in SPLIT_NAMES:
            np.save(self.rows_path(name), getattr(self.splits, name))

    @property
    def labels_path(self) -> Path:
        """File of all labels."""
        return self.folder / "labels.npy"

    def rows_path(self, split: str) -> Path:
        """File with the row numbers of a split."""
        return self.folder / f"rows-{split}.npy"

    def rows(self, split: str) -> Array:
        """Row numbers of a split."""
        chosen: Array = getattr(self.splits, split)
        return chosen

    def labels(self, split: str) -> Array:
        """Labels of a split, in its order."""
        return self.dataset.labels[self.rows(split)]

    def inputs(self, specs: tuple[Mapping[str, Any], ...], dtype: str) -> Inputs:
        """Inputs after `specs`, fitted on train (on calibrate where nothing trains) and cast for a model."""
        name = f"inputs-{len(self._inputs)}.npy"
        known = repr((specs, dtype))
        if known not in self._inputs:
            fitting = self.splits.train if len(self.splits.train) else self.splits.calibrate
            steps = fit_steps(read_steps(specs), self.dataset.inputs[fitting])
            prepared = _cast(apply_steps(steps, self.dataset.inputs), dtype)
            np.save(self.folder / name, prepared)
            saved = tuple(step.as_dict() for step in steps)
            self._inputs[known] = Inputs(self.folder / name, saved, prepared.shape[1:])
        return self._inputs[known]


def _cast(prepared: Array, dtype: str) -> Array:
    cast = prepared.astype(dtype, copy=False)
    if cast.dtype.kind in "iub" and not np.array_equal(cast, prepared):
        raise DataError(
            "fractions in the inputs", f"whole numbers: the model takes {dtype}", "check `input:` and `preprocess`"
        )
    return cast


# Resident memory once the libraries are loaded, as seen with torch 2.13 and NNCF 3.4 on Linux.
_START_BYTES = {"export": 240e6, "train": 240e6, "build": 130e6}


class Jobs:
    """The building worker, started when first needed and again after it died."""

    def __init__(self, memory_limit: float | None) -> None:
        self._memory_limit = memory_limit
        self._child: Child | None = None

    def ask(
        self,
        request: dict[str, Any],
        time_limit: float,
        on_progress: Callable[[dict[str, Any]], None] = lambda progress: None,
    ) -> dict[str, Any]:
        """Run one job.

        Raises:
            CandidateError: it failed, crashed, hung or ran out of memory.
            InputError: the user's model or data is at fault.
        """
        if self._child is None or not self._child.alive:
            self.close()
            start_bytes = _START_BYTES[request["do"]]
            self._child = Child("sartor.fit.job", self._memory_limit, start_bytes, closely=True)
        return self._child.ask(request, time_limit, on_progress)

    def close(self) -> None:
        """End the worker and free its memory."""
        if self._child is not None:
            self._child.close()
            self._child = None


@dataclass(frozen=True)
class Run:
    """One fit on its way."""

    need: Need
    base: Path
    work: Path
    data: DataOnDisk
    limits: tuple[Limit, ...]
    trials: Trials
    jobs: Jobs
    clock: Clock
    watch: Watch
    machine: Machine
    versions: Mapping[str, str]
    metric_code: str
    memory_limit: float | None

    @property
    def outputs(self) -> int:
        """Columns that a model gives: one a class, or one value."""
        return len(self.data.dataset.classes) or 1

    @property
    def quality_limits(self) -> tuple[Limit, ...]:
        """Limits on quality."""
        return tuple(limit for limit in self.limits if limit.is_quality)

    @property
    def performance_limits(self) -> tuple[Limit, ...]:
        """Limits on latency, throughput, size and memory."""
        return tuple(limit for limit in self.limits if not limit.is_quality)

    def key_parts(self) -> dict[str, Any]:
        """What every trial's key contains: splits, seed and machine."""
        return {
            "splits": dict(self.data.splits.hashes),
            "seed": self.need.seed,
            "machine": self.machine.fingerprint(),
            "sartor": __version__,
            "preprocess": repr(self.need.preprocess),
            "batch": self.need.workload.batch,
        } | ({"metric": self.metric_code} if self.metric_code else {})

    def job_time_limit(self, stage: str) -> float:
        """Seconds that one job may take, a minute at least: what is left to train, a quarter of it otherwise."""
        return max(60.0, (1.0 if stage == "train" else 0.25) * self.clock.left())

    def relative(self, path: Path) -> str:
        """A path as stored in a trial, so that the folder can be moved."""
        return str(path.relative_to(self.work))
