"""What training is given and what it gives back. Free of torch."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

from sartor.steps.prepared import Prepared

if TYPE_CHECKING:
    from torch import Tensor, nn

Kind = Literal["classification", "regression"]


@dataclass(frozen=True)
class TrainingSettings:
    """What the Need may say under `train:`; None means derived from the data and the model.

    Attributes:
        epochs: passes over the training rows.
        time_limit_s: seconds that training may take; the schedule is shortened to end within it.
        learning_rate: peak of the schedule.
        batch: rows of each step.
        label_smoothing: share of the target spread over all classes (Szegedy et al. 2016, arXiv
            1512.00567, section 7).
        pretrained: whether the weights come from an earlier training and are only to be fine-tuned.
        recovers: whether they come from this very training, and only what a compression took is to be learnt back.
    """

    epochs: int | None = None
    time_limit_s: float | None = None
    learning_rate: float | None = None
    batch: int | None = None
    label_smoothing: float = 0.0
    pretrained: bool = False
    recovers: bool = False

    def as_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return asdict(self)

    @classmethod
    def from_dict(cls, saved: dict[str, Any]) -> TrainingSettings:
        """The inverse of `as_dict`."""
        return cls(**saved)


@dataclass(frozen=True)
class TrainingJob:
    """One training, complete.

    Attributes:
        build: makes the untrained module; called once, after the generator is seeded.
        inputs: n prepared rows; may be memory-mapped. Of each batch, fractions become float32 and whole
            numbers int64; rows that differ in length are padded to the longest of their batch.
        labels: (n,) class numbers, or (n,) or (n, outputs) targets for regression.
        outputs: classes, or values of a regression (1 for (n,) targets).
        kind: classification (cross-entropy, accuracy) or regression (squared error, root mean square error).
        settings: what the user fixed.
        seed: of weights, of the slice kept for early stopping, of the order of rows and their shifts.
        threads: threads that torch may use; small steps use one.
        rows: the row numbers to train on; None for all.
        by_name: whether the module takes even its only input by keyword; several it always does.
        shifts: whether pictures, (channels, height, width), are moved by a pixel at random.
        output: the output that is trained, where the module gives several; empty for its scores, or the first.
        teacher: makes a module whose answers are learnt beside the labels; None to learn from labels alone.
        features: how far what the module's layers gave in its last call on some rows is from another network's: a part
            of the loss. None for the answers alone.
        answers: file in which the teacher's answers to unchanged rows wait for other trainings; None keeps none.
        may_lose: how much worse than the teacher's the validation may end; a training that will not come so close
            is stopped. None stops none.
        floor: what the validation must end with, likewise; a ceiling for a regression.
    """

    build: Callable[[], nn.Module]
    inputs: Prepared
    labels: NDArray[Any]
    outputs: int
    kind: Kind = "classification"
    settings: TrainingSettings = TrainingSettings()
    seed: int = 0
    threads: int = 1
    rows: NDArray[np.int64] | None = None
    by_name: bool = False
    shifts: bool = False
    output: str = ""
    teacher: Callable[[], nn.Module] | None = None
    features: Callable[[nn.Module, Mapping[str, Tensor]], Tensor] | None = None
    answers: Path | None = None
    may_lose: float | None = None
    floor: float | None = None


@dataclass(frozen=True)
class Progress:
    """Where a training stands, for a live display.

    Attributes:
        epoch: the current epoch, from 1.
        epochs: epochs expected in all; falls when the time limit shortens the schedule.
        loss: mean training loss of the current epoch so far.
        validation: accuracy or root mean square error after the last full epoch; None before.
        seconds: since the start.
        seconds_left: expected.
    """

    epoch: int
    epochs: int
    loss: float
    validation: float | None
    seconds: float
    seconds_left: float

    def as_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return asdict(self)


@dataclass(frozen=True)
class EpochFigures:
    """One epoch: mean training loss; validation (accuracy or root mean square error) and its loss."""

    epoch: int
    loss: float
    validation: float
    validation_loss: float
    learning_rate: float
    seconds: float

    def as_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return asdict(self)


@dataclass(frozen=True)
class TrainedModel:
    """The module with its best weights, and how it came to them.

    Attributes:
        module: in evaluation mode; a regression gives real units.
        history: one entry per epoch.
        best_epoch: the epoch whose weights `module` has.
        validation: accuracy or root mean square error of these weights on the slice kept aside.
        seconds: of training, without export.
        chosen: the settings used, with None replaced.
        why: one sentence for each derived setting.
        hopeless: why it was stopped early; empty where it was not.
    """

    module: nn.Module
    history: tuple[EpochFigures, ...]
    best_epoch: int
    validation: float
    seconds: float
    chosen: TrainingSettings
    why: tuple[str, ...]
    hopeless: str = ""
