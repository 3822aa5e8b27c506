"""Train one model: the public door. Works without torch until it is called."""

from __future__ import annotations

import time
from collections.abc import Callable

from sartor.errors import ModelError
from sartor.model.torch import require_torch
from sartor.train.values import Progress, TrainedModel, TrainingJob, TrainingSettings


def train(
    job: TrainingJob, report: Callable[[Progress], None], clock: Callable[[], float] = time.perf_counter
) -> TrainedModel:
    """Train a module with AdamW, keeping the weights that do best on a tenth of the rows.

    The learning rate warms up and falls to zero: as a cosine, or in a line where pretrained weights are fine-tuned.
    Rows that differ in length share a batch with rows of similar length (`sartor.train.rows.batches`).

    Repeatable for equal seed, threads and kind of CPU, unless the time limit shortens the schedule or
    neighbours on the machine make one thread faster than several (weights then differ by rounding).
    The state of torch's generator and its thread count are restored.

    Args:
        job: module, rows and settings.
        report: called with the progress about twice a second, between steps.
        clock: seconds; for tests.

    Raises:
        ModelError: a setting out of range, or a module whose outputs do not fit the labels.
        DataError: fewer than two rows.
        CandidateError: the loss became infinite or NaN (`failed`).
        MissingExtraError: torch is not installed.
        UserCodeError: the user's module raised.
    """
    require_torch("training")
    _check(job.settings)
    from sartor.train.fitting import fit

    return fit(job, report, clock)


def _check(settings: TrainingSettings) -> None:
    positive = {
        "epochs": settings.epochs,
        "time_limit_s": settings.time_limit_s,
        "learning_rate": settings.learning_rate,
        "batch": settings.batch,
    }
    for name, value in positive.items():
        if value is not None and not value > 0:
            raise ModelError(f"training {name} {value}", "a number above 0")
    if not 0 <= settings.label_smoothing < 1:
        raise ModelError(f"label_smoothing {settings.label_smoothing}", "from 0 to below 1")
