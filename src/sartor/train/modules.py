"""Models whose weights torch holds: built, trained and exported."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from sartor.model.export import export_torch
from sartor.model.torch import build_module, require_torch
from sartor.model.values import ExportedModel
from sartor.steps.prepared import Prepared
from sartor.train.loop import train
from sartor.train.values import TrainingJob
from sartor.train.work import Lesson, Trained, Work

if TYPE_CHECKING:
    from torch import nn

_SETTLING_ROWS = 64


def train_module(work: Work, lesson: Lesson) -> Trained:
    """Train on some rows and write the best weights.

    Raises:
        ModelError, DataError, CandidateError, UserCodeError, MissingExtraError: see `train`, `export_torch`.
    """
    require_torch(work.model.reference)
    library = work.model.kind == "huggingface"
    example = work.example(lesson.rows)
    job = TrainingJob(
        lambda: build_module(work.model, example, work.outputs, work.base),
        work.inputs,
        lesson.labels,
        work.outputs,
        lesson.kind,
        replace(lesson.settings, pretrained=lesson.settings.pretrained or library),
        work.seed,
        work.threads,
        lesson.rows,
        by_name=library,
        shifts=work.model.kind == "zoo",
        output=work.model.output,
    )
    trained = train(job, lesson.report)
    return Trained(
        export_torch(trained.module, example, work.to),
        trained.seconds,
        trained.chosen,
        len(trained.history),
        trained.best_epoch,
        trained.validation,
        tuple(figures.as_dict() for figures in trained.history),
        trained.why,
    )


def export_module(work: Work) -> ExportedModel:
    """Write a module as it is built: random weights for the zoo, loaded ones where its builder loads them.

    Raises:
        ModelError, UserCodeError, MissingExtraError: see `build_module`, `export_torch`.
    """
    require_torch(work.model.reference)
    module = _build_seeded(work)
    if work.model.kind == "zoo":
        settle_norms(module, work.inputs)
    return export_torch(module, work.example(), work.to)


def _build_seeded(work: Work) -> nn.Module:
    import torch

    torch.set_num_threads(work.threads)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(work.seed)
        return build_module(work.model, work.example(), work.outputs, work.base)


def settle_norms(module: nn.Module, inputs: Prepared) -> None:
    """Give the batch norms of a module, where it has any, the statistics of real rows.

    Untouched ones fold to biases of zero, which the exporter drops: the file would then have fewer
    operands than the trained one whose time it stands for, and activations of another size.
    """
    import torch
    from torch.nn.modules.batchnorm import _BatchNorm

    from sartor.train.feeding import call_with, tensors_of

    count = min(_SETTLING_ROWS, len(inputs))
    norms = any(isinstance(part, _BatchNorm) for part in module.modules())
    if norms and count > 1:  # one row has no variance
        with torch.no_grad():
            call_with(module.train(), tensors_of(inputs.take(np.arange(count)).trimmed()), by_name=False)
