"""The training loop itself. Imports torch: import this file inside functions only."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from sartor.errors import CandidateError, ModelError
from sartor.train.curve import falls_short
from sartor.train.feeding import Feed
from sartor.train.objective import Classification, Objective, Regression
from sartor.train.pace import Pace
from sartor.train.rows import Rows, batches, hold_out, in_chunks, typical
from sartor.train.settings import Derived, derive
from sartor.train.teacher import Teacher
from sartor.train.threads import thread_choice
from sartor.train.values import EpochFigures, Progress, TrainedModel, TrainingJob

_LARGEST_GRADIENT = 5.0  # norm; a rare wild batch must not undo an epoch
_SCORED_ROWS = 512  # rows at a time when scoring
_SCORED_BATCHES = 4  # or so many batches, whose memory is less than a training step's: nothing is kept
_REPORT_S = 0.5
_PATIENCE_SHARE, _LEAST_PATIENCE = 0.5, 10  # epochs without a better score before stopping

Report = Callable[[Progress], None]
Clock = Callable[[], float]


@dataclass
class _Best:
    """The best weights so far."""

    epoch: int = 0
    score: float = -math.inf
    loss: float = math.inf
    weights: dict[str, Tensor] = field(default_factory=dict)

    def offer(self, epoch: int, score: float, loss: float, module: nn.Module) -> None:
        # Scores of few rows are often equal; then the smaller loss is the better model.
        if (score, -loss) > (self.score, -self.loss):
            self.epoch, self.score, self.loss = epoch, score, loss
            self.weights = copy.deepcopy(module.state_dict())


@dataclass(frozen=True)
class _Run:
    """What stays the same from step to step."""

    job: TrainingJob
    feed: Feed
    module: nn.Module
    objective: Objective
    chosen: Derived
    fitted: Rows
    held: Sequence[Rows]
    generator: np.random.Generator
    optimizer: torch.optim.Optimizer
    pace: Pace
    threads: Generator[int, float, None]
    report: Report
    teacher: Teacher | None
    needed: float | None


def fit(job: TrainingJob, report: Report, clock: Clock) -> TrainedModel:
    """See `sartor.train.loop.train`."""
    with _torch_settings(job):
        run = _prepare(job, report, clock)
        best, history, hopeless = _Best(), list[EpochFigures](), ""
        if job.settings.recovers:
            # What was taken may be so little that training only does harm.
            best.offer(0, *_signed_score(run), run.module)
        run.pace.begin()
        while True:
            figures = _epoch(run, len(history) + 1, history[-1].validation if history else None, best)
            history.append(figures)
            hopeless = _hopeless(run, history)
            if hopeless or run.pace.finished or figures.epoch - best.epoch >= _patience(run.chosen.epochs):
                break
        if run.teacher is not None:
            run.teacher.keep()
        run.module.load_state_dict(best.weights)
        module = run.objective.finish(run.module).eval()
        module.to(memory_format=torch.contiguous_format)  # type: ignore[call-overload]
    return TrainedModel(
        module,
        tuple(history),
        best.epoch,
        best.score if run.objective.higher_is_better else -best.score,
        run.pace.seconds,
        run.chosen.settings,
        run.chosen.why,
        hopeless,
    )


def _hopeless(run: _Run, history: Sequence[EpochFigures]) -> str:
    """Why a training that must come within some distance of its teacher need not go on; empty when it may."""
    if run.needed is None or run.pace.finished:
        return ""
    sign = 1.0 if run.objective.higher_is_better else -1.0
    scores = [sign * one.validation for one in history]
    noise = run.objective.noise(history[-1].validation, sum(map(len, run.held)))
    return falls_short(scores, run.pace.progress, sign * run.needed, noise)


def _signed_score(run: _Run) -> tuple[float, float]:
    """(score, loss) now, with more for better."""
    score, loss = _score(run, lambda: None)
    return (score if run.objective.higher_is_better else -score), loss


@contextmanager
def _torch_settings(job: TrainingJob) -> Iterator[None]:
    threads = torch.get_num_threads()
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(job.seed)
        torch.set_num_threads(job.threads)
        try:
            yield
        finally:
            torch.set_num_threads(threads)


def _prepare(job: TrainingJob, report: Report, clock: Clock) -> _Run:
    started = clock()
    fitted, held = hold_out(job)
    module = job.build().float().requires_grad_(True)
    feed = Feed.of(job, module)
    module.to(memory_format=feed.layout)  # type: ignore[call-overload]
    flop = _check_outputs(module, job, feed, fitted)
    weights = sum(weight.numel() for weight in module.parameters())
    chosen = derive(job.settings, len(fitted), flop, job.threads, _bfloat16_runs(), weights)
    threads = thread_choice(chosen.threads)
    torch.set_num_threads(next(threads))
    steps = max(len(fitted) // chosen.batch, 1)
    # A forward pass is about a third of a step.
    pace = Pace(steps, chosen.epochs, job.settings.time_limit_s, len(held) / (3 * chosen.batch), clock, started)
    objective = _objective(job, fitted)
    teacher = None if job.teacher is None else Teacher(job.teacher(), feed, len(job.labels), job.answers)
    generator = np.random.default_rng([job.seed, 1])  # another stream than that of the held-out slice
    optimizer = _optimizer(module, chosen)
    chunks = in_chunks(held, min(_SCORED_ROWS, _SCORED_BATCHES * chosen.batch), job.inputs.lengths)
    needed = _needed(job, teacher, objective, chunks)
    return _Run(
        *(job, feed, module, objective, chosen, fitted, chunks, generator, optimizer, pace, threads, report),
        *(teacher, needed),
    )


def _needed(job: TrainingJob, teacher: Teacher | None, objective: Objective, held: Sequence[Rows]) -> float | None:
    """The validation that must be reached, on the same rows; None where any will do."""
    bounds = [] if job.floor is None else [job.floor]
    if teacher is not None and job.may_lose is not None:
        scores = torch.cat([teacher.answers(rows) for rows in held])
        reached = objective.score(scores, objective.targets(job.labels[np.concatenate(held)]))
        bounds.append(reached - job.may_lose if objective.higher_is_better else reached + job.may_lose)
    return (max if objective.higher_is_better else min)(bounds, default=None)


def _objective(job: TrainingJob, fitted: Rows) -> Objective:
    if job.kind == "classification":
        return Classification(job.settings.label_smoothing)
    return Regression.of(job.labels[fitted], job.output, real=job.settings.recovers)


def _check_outputs(module: nn.Module, job: TrainingJob, feed: Feed, fitted: Rows) -> float:
    """FLOP of a typical row, after checking that the outputs fit the labels."""
    name = f"{type(module).__name__}.forward"
    rows = typical(fitted, 2, job.inputs.lengths)
    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        outputs = feed.call_checked(module.eval(), feed.read(rows))
    fits = outputs.shape == (len(rows), job.outputs)
    if not fits and not (job.kind == "regression" and outputs.numel() == len(rows) * job.outputs):
        wanted = "classes" if job.kind == "classification" else "targets"
        raise ModelError(
            f"{name} gave shape {tuple(outputs.shape)} for {len(rows)} rows",
            f"({len(rows)}, {job.outputs}), for {job.outputs} {wanted}",
            "a callable may take `classes` and `input_shape` as keywords",
        )
    return float(counter.get_total_flops()) / len(rows)


def _bfloat16_runs() -> bool:
    capabilities = torch.cpu.get_capabilities()
    return bool(capabilities.get("avx512_bf16") or capabilities.get("amx_bf16"))


def _optimizer(module: nn.Module, chosen: Derived) -> torch.optim.Optimizer:
    weights = [weight for weight in module.parameters() if weight.requires_grad]
    groups = [
        {"params": [weight for weight in weights if weight.ndim > 1], "weight_decay": chosen.weight_decay},
        {"params": [weight for weight in weights if weight.ndim <= 1], "weight_decay": 0.0},
    ]
    return torch.optim.AdamW([group for group in groups if group["params"]], lr=chosen.learning_rate)


def _patience(epochs: int) -> int:
    return max(_LEAST_PATIENCE, math.ceil(_PATIENCE_SHARE * epochs))


def _epoch(run: _Run, number: int, validation: float | None, best: _Best) -> EpochFigures:
    run.module.train()
    total, steps, rate = 0.0, 0, 0.0
    reported = -math.inf
    for rows in batches(run.fitted, run.chosen.batch, run.generator, run.job.inputs.lengths):
        rate = run.chosen.learning_rate * run.chosen.schedule.factor(run.pace.progress)
        before = run.pace.seconds
        loss = _step(run, rows, rate)
        # Times of long batches and of short ones are compared per length.
        taken = (run.pace.seconds - before) / run.feed.relative_length(rows)
        torch.set_num_threads(run.threads.send(taken))
        steps += 1
        _check_finite(run, loss, number, steps)
        total += loss
        run.pace.step_done()
        if run.pace.seconds - reported >= _REPORT_S:
            reported = run.pace.seconds
            run.report(_progress(run, number, total / steps, validation))
        if run.pace.finished:
            break
    before = run.pace.seconds
    score, loss = _score(run, lambda: run.report(_progress(run, number, total / steps, validation)))
    run.pace.validation_done(run.pace.seconds - before)
    best.offer(number, score if run.objective.higher_is_better else -score, loss, run.module)
    run.report(_progress(run, number, total / steps, score))
    return EpochFigures(number, total / steps, score, loss, rate, run.pace.seconds)


def _step(run: _Run, rows: Rows, rate: float) -> float:
    inputs = run.feed.read(rows, run.generator)
    targets = run.objective.targets(run.job.labels[rows])
    with torch.autocast("cpu", torch.bfloat16, enabled=run.chosen.bfloat16):
        outputs = run.feed.call(run.module, inputs)
    loss = run.objective.loss(outputs, targets)
    if run.teacher is not None:
        loss = run.objective.imitation(outputs, loss, run.teacher.answers(rows, inputs))
    if run.job.features is not None:
        loss = loss + run.job.features(run.module, inputs)
    run.optimizer.zero_grad()
    loss.backward()  # type: ignore[no-untyped-call]
    nn.utils.clip_grad_norm_(run.module.parameters(), _LARGEST_GRADIENT)
    for group in run.optimizer.param_groups:
        group["lr"] = rate
    run.optimizer.step()
    return loss.item()


def _check_finite(run: _Run, loss: float, epoch: int, step: int) -> None:
    if not math.isfinite(loss):
        raise CandidateError(
            "failed",
            f"the training loss became {loss} at epoch {epoch}, step {step}, with learning rate "
            f"{run.chosen.learning_rate:.2g}: a lower learning rate, or inputs near 0 to 1, may help",
        )


def _score(run: _Run, report: Callable[[], None]) -> tuple[float, float]:
    """(score, loss) on the held rows, in float32 as the exported model computes.

    On a machine so slow that the time limit passes meanwhile, on as many of them as were scored by then.
    """
    run.module.eval()
    outputs, scored, reported = list[Tensor](), list[Rows](), run.pace.seconds
    with torch.inference_mode():
        for place in np.random.default_rng(run.job.seed).permutation(len(run.held)):
            if scored and run.pace.overdue:
                break
            outputs.append(run.feed.call(run.module, run.feed.read(run.held[place])))
            scored.append(run.held[place])
            if run.pace.seconds - reported >= _REPORT_S:
                reported = run.pace.seconds
                report()
        found = torch.cat(outputs)
        targets = run.objective.targets(run.job.labels[np.concatenate(scored)])
        return run.objective.score(found, targets), run.objective.loss(found, targets).item()


def _progress(run: _Run, epoch: int, loss: float, validation: float | None) -> Progress:
    pace = run.pace
    epochs = max(epoch, pace.epochs_expected)
    return Progress(epoch, epochs, loss, validation, pace.seconds, pace.seconds_left)
