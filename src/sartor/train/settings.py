"""Training settings derived from the number of rows and the model, one numbered step each."""

from __future__ import annotations

import math
from dataclasses import dataclass

from sartor.train.values import TrainingSettings

_STEPS = 1000  # steps after which the models of the zoo were seen to gain little on small data
_FEWEST_EPOCHS, _MOST_EPOCHS = 5, 40
_SMALLEST_BATCH, _LARGEST_BATCH = 16, 256
_STEPS_PER_EPOCH = 25  # small data: at least about this many steps an epoch
_RATE, _RATE_BATCH = 4e-3, 256  # AdamW on the zoo's models: measured on Fashion-MNIST and digits
_SHARED_STEP = 3e8  # FLOP; a smaller step is over before a second thread has helped
_HEAVY_STEP = 5e9  # FLOP; below it a step is bound by overheads that bfloat16 only adds to


@dataclass(frozen=True)
class Derived:
    """Settings without gaps, the arithmetic, and a sentence for each value that was derived."""

    settings: TrainingSettings
    epochs: int
    batch: int
    learning_rate: float
    bfloat16: bool
    threads: int
    why: tuple[str, ...]


def derive(settings: TrainingSettings, rows: int, flop_per_row: float, threads: int, bfloat16_runs: bool) -> Derived:
    """Fill in what the user left open.

    Args:
        settings: what the user fixed.
        rows: training rows, without the slice for early stopping.
        flop_per_row: floating-point operations of one forward pass of one row.
        threads: threads that may be used.
        bfloat16_runs: whether this CPU has bfloat16 instructions.
    """
    why = []
    # 1. Batch: the power of two that gives small data some 25 steps an epoch, within 16 to 256.
    batch = settings.batch
    if batch is None:
        power = 2 ** round(math.log2(max(rows, 1) / _STEPS_PER_EPOCH)) if rows > _STEPS_PER_EPOCH else 1
        batch = min(max(power, _SMALLEST_BATCH), _LARGEST_BATCH)
        why.append(f"batch {batch}: a power of two near {rows} rows / {_STEPS_PER_EPOCH} steps an epoch")
    batch = min(batch, rows)
    # 2. Epochs: some 1,000 steps in all, but 5 passes at least and 40 at most.
    epochs = settings.epochs
    if epochs is None:
        steps = max(rows // batch, 1)
        epochs = min(max(math.ceil(_STEPS / steps), _FEWEST_EPOCHS), _MOST_EPOCHS)
        why.append(f"{epochs} epochs: about {_STEPS} steps at {steps} an epoch, 5 to 40 epochs")
    # 3. Learning rate: grows with the square root of the batch, as the noise of Adam's step falls
    #    (Malladi et al. 2022, arXiv 2205.10287).
    rate = settings.learning_rate
    if rate is None:
        rate = _RATE * math.sqrt(batch / _RATE_BATCH)
        why.append(f"learning rate {rate:.2g}: {_RATE} at batch {_RATE_BATCH}, by the square root of the batch")
    # 4. Arithmetic: a step is three forward passes (forward, and two products backward).
    step_flop = 3 * flop_per_row * batch
    bfloat16 = bfloat16_runs and step_flop >= _HEAVY_STEP
    if bfloat16:
        why.append(f"bfloat16: this CPU has it and a step takes {step_flop / 1e9:.0f} GFLOP")
    # 5. Threads: waiting for each other costs more than a small step; on a busy machine, many times more.
    if threads > 1 and step_flop < _SHARED_STEP:
        why.append(f"1 thread of {threads}: a step takes only {step_flop / 1e9:.2g} GFLOP")
        threads = 1
    full = TrainingSettings(epochs, settings.time_limit_s, rate, batch, settings.label_smoothing)
    return Derived(full, epochs, batch, rate, bfloat16, threads, tuple(why))
