"""One training or export: what is given to the library that does it, and what comes back. Free of torch."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sartor.model.values import ExportedModel, Model
from sartor.steps.prepared import Prepared
from sartor.train.values import Kind, Progress, TrainingSettings

_CHECKED_ROWS = 8  # real rows that the exported file is compared on


@dataclass(frozen=True)
class Work:
    """What every library needs to write a model.

    Attributes:
        model: what was opened.
        base: the folder that its reference is relative to.
        inputs: all prepared rows, memory-mapped.
        outputs: classes, or values of a regression.
        seed: of everything random.
        threads: threads that the library may use.
        to: the ONNX file to write.
    """

    model: Model
    base: Path
    inputs: Prepared
    outputs: int
    seed: int
    threads: int
    to: Path

    def example(self, rows: NDArray[np.int64] | None = None) -> Prepared:
        """A few real rows, by default the first ones, in memory."""
        numbers = np.arange(len(self.inputs)) if rows is None else rows
        return self.inputs.take(numbers[:_CHECKED_ROWS]).trimmed()


@dataclass(frozen=True)
class Lesson:
    """What a model is trained on, and how.

    Attributes:
        labels: (n,) class numbers, or targets of a regression, of all rows.
        rows: numbers of the rows to train on.
        kind: classification or regression.
        settings: what the user fixed.
        report: called with the progress.
    """

    labels: NDArray[Any]
    rows: NDArray[np.int64]
    kind: Kind
    settings: TrainingSettings
    report: Callable[[Progress], None]


@dataclass(frozen=True)
class Trained:
    """A trained model on disk, with the plain values that its training is reported by."""

    exported: ExportedModel
    seconds: float
    settings: TrainingSettings
    epochs: int = 1
    best_epoch: int = 1
    validation: float | None = None
    history: tuple[dict[str, Any], ...] = ()
    why: tuple[str, ...] = ()
