"""Training settings derived from the number of rows and the model, one numbered step each."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

from sartor.train.pace import Schedule
from sartor.train.values import TrainingSettings

_SHARED_STEP = 3e8  # FLOP; a smaller step is over before a second thread has helped
_HEAVY_STEP = 5e9  # FLOP; below it a step is bound by overheads that bfloat16 only adds to
_STEPS_PER_EPOCH = 25  # small data: at least about this many steps an epoch


@dataclass(frozen=True)
class _Start:
    """What the derived settings rest on: it depends on where the weights come from.

    Attributes:
        steps: steps in all that are worth their time.
        epochs: fewest and most passes over the rows.
        batch: smallest and largest.
        rate: learning rate at `rate_batch` rows.
        rate_batch: rows of the batch that `rate` is known for.
        weight_decay: on matrices and kernels only.
        schedule: of the learning rate.
        source: where these numbers come from, for the sentences; empty when measured here.
    """

    steps: int
    epochs: tuple[int, int]
    batch: tuple[int, int]
    rate: float
    rate_batch: int
    weight_decay: float
    schedule: Schedule
    source: str = ""


# Steps after which the models of the zoo were seen to gain little on small data; the rate was measured on
# Fashion-MNIST and digits. Weight decay: Loshchilov and Hutter 2019, arXiv 1711.05101.
_FROM_NOTHING = _Start(1000, (5, 40), (16, 256), 4e-3, 256, 0.05, Schedule("cosine", 0.05))
# Devlin et al. 2019, arXiv 1810.04805: batch 32 and 3 epochs (4.1), rates up to 5e-5 (A.3), weight decay and linear
# fall (A.2). Small data takes more steps, the first tenth of them warming up: Mosbach et al. 2021, arXiv 2006.04884.
_PRETRAINED = _Start(300, (3, 10), (32, 32), 5e-5, 32, 0.01, Schedule("linear", 0.1), "arXiv 1810.04805")
# Models below BERT's size take rates up to 3e-4: Turc et al. 2019, arXiv 1908.08962. On 540 sentences of SST-2 a MiniLM
# of 22 million weights was right in 0.74 of the dev set after one epoch at 2e-4 and in 0.51 at 5e-5; after ten epochs
# no rate from 5e-5 to 2e-4 was better than another (0.79 to 0.80).
_SMALL_PRETRAINED = replace(_PRETRAINED, rate=2e-4, source="arXiv 1908.08962")
_SMALL = 50e6  # weights
# What a compression took is learnt back at a quarter of the rate that it was learnt at, of transformers as well, and in
# small steps: time is short, and batches of 64 win back more in it than those of 256 (docs/log.md, "recovery", "small
# steps" and "gentle steps").
_RECOVERY_RATE = 1 / 4
_RECOVERY = replace(_FROM_NOTHING, rate=_RECOVERY_RATE * _FROM_NOTHING.rate, batch=(16, 64))


@dataclass(frozen=True)
class Derived:
    """Settings without gaps, the arithmetic, and a sentence for each value that was derived."""

    settings: TrainingSettings
    epochs: int
    batch: int
    learning_rate: float
    weight_decay: float
    schedule: Schedule
    bfloat16: bool
    threads: int
    why: tuple[str, ...]


def _start(settings: TrainingSettings, weights: int) -> _Start:
    if settings.pretrained:
        start = _SMALL_PRETRAINED if weights < _SMALL else _PRETRAINED
        return replace(start, rate=_RECOVERY_RATE * start.rate) if settings.recovers else start
    return _RECOVERY if settings.recovers else _FROM_NOTHING


def recovery_rows(rows: int, *, pretrained: bool) -> int:
    """How many rows a whole recovery passes, of which there are `rows`; transformers are `pretrained`."""
    settings = TrainingSettings(recovers=True, pretrained=pretrained)
    return rows * derive(settings, rows, 0.0, 1, bfloat16_runs=False).epochs


def derive(
    settings: TrainingSettings, rows: int, flop_per_row: float, threads: int, bfloat16_runs: bool, weights: int = 0
) -> Derived:
    """Fill in what the user left open.

    Args:
        settings: what the user fixed, and whether the weights are pretrained.
        rows: training rows, without the slice for early stopping.
        flop_per_row: floating-point operations of one forward pass of one row.
        threads: threads that may be used.
        bfloat16_runs: whether this CPU has bfloat16 instructions.
        weights: numbers that the model learns.
    """
    start = _start(settings, weights)
    cited = f" ({start.source})" if start.source else ""
    why = []
    # 1. Batch: the power of two that gives small data some 25 steps an epoch, within 16 to 256; when fine-tuning
    #    the one that the learning rate is known for.
    batch = settings.batch
    if batch is None:
        power = 2 ** round(math.log2(max(rows, 1) / _STEPS_PER_EPOCH)) if rows > _STEPS_PER_EPOCH else 1
        batch = min(max(power, start.batch[0]), start.batch[1])
        known = f"usual for fine-tuning ({_PRETRAINED.source}, 4.1)"
        near = f"a power of two near {rows} rows / {_STEPS_PER_EPOCH} steps an epoch"
        why.append(f"batch {batch}: {known if settings.pretrained else near}")
    batch = min(batch, rows)
    # 2. Epochs: some 1,000 steps in all, but 5 passes at least and 40 at most; fine-tuning 300, 3 and 10.
    epochs = settings.epochs
    if epochs is None:
        steps, (fewest, most) = max(rows // batch, 1), start.epochs
        epochs = min(max(math.ceil(start.steps / steps), fewest), most)
        why.append(f"{epochs} epochs: about {start.steps} steps at {steps} an epoch, {fewest} to {most} epochs")
    # 3. Learning rate: grows with the square root of the batch, as the noise of Adam's step falls
    #    (Malladi et al. 2022, arXiv 2205.10287).
    rate = settings.learning_rate
    if rate is None:
        rate = start.rate * math.sqrt(batch / start.rate_batch)
        size = f" for {weights / 1e6:.0f} million pretrained weights" if settings.pretrained else ""
        at = f"{start.rate} at batch {start.rate_batch}{size}{cited}"
        why.append(f"learning rate {rate:.2g}: {at}, by the square root of the batch")
    # 4. What surrounds the rate: fine-tuning decays weights less and lets the rate fall in a line.
    if settings.pretrained:
        schedule = f"a rate that rises over {start.schedule.ramp:.0%} of the steps and falls in a line"
        why.append(f"weight decay {start.weight_decay}, {schedule}: fine-tuning (arXiv 1810.04805, A.2; 2006.04884)")
    # 5. Arithmetic: a step is three forward passes (forward, and two products backward).
    step_flop = 3 * flop_per_row * batch
    bfloat16 = bfloat16_runs and step_flop >= _HEAVY_STEP
    if bfloat16:
        why.append(f"bfloat16: this CPU has it and a step takes {step_flop / 1e9:.0f} GFLOP")
    # 6. Threads: waiting for each other costs more than a small step; on a busy machine, many times more.
    if threads > 1 and step_flop < _SHARED_STEP:
        why.append(f"1 thread of {threads}: a step takes only {step_flop / 1e9:.2g} GFLOP")
        threads = 1
    full = replace(settings, epochs=epochs, learning_rate=rate, batch=batch)
    return Derived(full, epochs, batch, rate, start.weight_decay, start.schedule, bfloat16, threads, tuple(why))
