"""What every stage of one fit shares: the Need with its data on disk, the trials, the clock, the watcher."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from sartor import __version__
from sartor.data.values import SPLIT_NAMES, Dataset, Splits
from sartor.errors import DataError, InputError
from sartor.fit.clock import Clock
from sartor.fit.preparing import cut_texts, inputs_of
from sartor.fit.trials import Trials
from sartor.fit.watch import Watch
from sartor.machine.calibration import Calibration
from sartor.machine.device import Machine
from sartor.measure.process import Child
from sartor.measure.quality_bounds import Outputs
from sartor.model.values import Model
from sartor.need import AGREEMENT, Limit, Need
from sartor.runtime.base import Array
from sartor.steps import InputSpec, fit_steps, for_model, prepare_rows, read_steps
from sartor.steps.prepared import Prepared


@dataclass(frozen=True)
class Inputs:
    """Prepared inputs on disk.

    Attributes:
        saved: where they are, as `Prepared.save` described them.
        steps: what made them out of the data set's rows.
        row_shapes: shape of one row of each input; of the longest row where they differ in length.
        varies: whether they do.
        cut: how many texts are cut, in words; empty where none is.
    """

    saved: dict[str, Any]
    steps: tuple[dict[str, Any], ...]
    row_shapes: Mapping[str, tuple[int, ...]]
    varies: bool
    cut: str = ""


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

    def inputs(self, specs: Sequence[Mapping[str, Any]], model: Model, base: Path) -> Inputs:
        """Inputs after `specs`, fitted on train (on calibrate where nothing trains), named and cast for a model.

        Args:
            specs: declared steps.
            model: who takes them; models that say nothing of their inputs share them.
            base: folder that files of steps are relative to.
        """
        known = repr((specs, model.kind, model.inputs, model.path if model.kind == "onnx" else None))
        if known not in self._inputs:
            fitting = self.splits.train if len(self.splits.train) else self.splits.calibrate
            steps = fit_steps(read_steps(specs, base), self.dataset.inputs[fitting])
            rows = prepare_rows(steps, self.dataset.inputs)
            prepared = fed(rows, inputs_of(model, rows))
            saved = prepared.save(self.folder / f"inputs-{len(self._inputs)}")
            shown = tuple(step.as_dict() for step in steps)
            cut = cut_texts(steps, self.dataset.inputs)
            self._inputs[known] = Inputs(saved, shown, prepared.row_shapes, prepared.lengths is not None, cut)
        return self._inputs[known]


def fed(prepared: Prepared, wanted: Sequence[InputSpec]) -> Prepared:
    """Rows as a model takes them; as they are where it is not known what it takes.

    Raises:
        DataError: what `for_model` refuses, said of the data.
    """
    if not wanted:
        return prepared
    if prepared.lengths is None:  # whether a row's shape fits is said with the model's name, by `check_inputs`
        wanted = [InputSpec(spec.name, spec.dtype) for spec in wanted]
    try:
        return for_model(prepared, wanted)
    except InputError as problem:
        hint = "name the columns or arrays of each input, data: {input: {NAME: COLUMN}}; or check `preprocess`"
        raise DataError(problem.came, problem.allowed, hint) from None


# Resident memory once the libraries are loaded, as seen with torch 2.13 and NNCF 3.4 on Linux.
_TORCH_BYTES, _QUANTIZERS_BYTES = 240e6, 130e6
_WITH_TORCH = ("export", "train", "importance", "prune", "recover")


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
            start_bytes = _TORCH_BYTES if request["do"] in _WITH_TORCH else _QUANTIZERS_BYTES
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
    step_files: str
    memory_limit: float | None
    compressed: Mapping[str, str]
    description: Mapping[str, Any]
    calibration: Calibration | None = None
    exhaustive: bool = False

    @property
    def outputs(self) -> int:
        """Columns that a model gives: one a class, or one value."""
        return len(self.data.dataset.classes) or 1

    def seen(self, split: str, outputs: Array, baseline: Array | None = None) -> Outputs:
        """Outputs on the first rows of a split, with their labels."""
        return Outputs(self.data.labels(split)[: len(outputs)], outputs, baseline, self.need.kind)

    @property
    def compares_with_itself(self) -> bool:
        """Whether every model is held against its own uncompressed outputs, not against the best model's."""
        return self.need.metric == AGREEMENT

    @property
    def quality_limits(self) -> tuple[Limit, ...]:
        """Limits on quality."""
        return tuple(limit for limit in self.limits if limit.is_quality)

    @property
    def performance_limits(self) -> tuple[Limit, ...]:
        """Limits on latency, throughput, size and memory."""
        return tuple(limit for limit in self.limits if not limit.is_quality)

    @property
    def leaves_out_slower(self) -> bool:
        """Whether what is slower than a candidate that will be proved cannot win.

        It can where something else than speed is minimised, and under a limit on memory, which only the finals know.
        """
        memory = any(limit.name == "memory" for limit in self.performance_limits)
        return self.need.minimise in ("latency", "throughput") and not memory and not self.exhaustive

    def key_parts(self) -> dict[str, Any]:
        """What every trial's key contains: splits, seed and machine."""
        return {
            "splits": dict(self.data.splits.hashes),
            "seed": self.need.seed,
            "machine": self.machine.fingerprint(),
            "sartor": __version__,
            "preprocess": repr(self.need.preprocess),
            "batch": self.need.workload.batch,
            "step_files": self.step_files,
        } | ({"metric": self.metric_code} if self.metric_code else {})

    def job_time_limit(self, stage: str) -> float:
        """Seconds that one job may take, a minute at least: what is left to train, a quarter of it otherwise."""
        return max(60.0, (1.0 if stage in ("train", "recover") else 0.25) * self.clock.left())

    def relative(self, path: Path) -> str:
        """A path as stored in a trial, so that the folder can be moved."""
        return str(path.relative_to(self.work))
