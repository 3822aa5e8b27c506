"""Short training of a network that a compression changed, from its file to a file. Torch is imported when called."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import numpy as np
from numpy.typing import NDArray

from sartor.errors import CandidateError
from sartor.measure.child import speaks_of_memory
from sartor.model.export import publish_checked
from sartor.model.torch import require_torch
from sartor.steps.prepared import Prepared
from sartor.train.loop import train
from sartor.train.values import Kind, Progress, TrainedModel, TrainingJob, TrainingSettings

if TYPE_CHECKING:
    from onnx import ModelProto
    from torch import Tensor, nn

    from sartor.train.answers import Answers
    from sartor.train.features import Features
    from sartor.train.onnx_module import OnnxModule


_ANSWERED_ROWS = 256  # at a time
_FEATURE_ROWS = 16  # that layers of both networks are compared on before training
_MOST_PARTS = 64  # of a batch: with larger ones a part is a row or few
_LEAST_S = 1.0  # that a training is given which begins anew when its time is over


@dataclass(frozen=True)
class Recovery:
    """One recovery.

    Attributes:
        student: the ONNX file whose weights are to be learnt.
        trained_as: a file with the same weights and more operators, such as those that round to 8 bits, in which they
            are learnt; None for the student itself.
        teacher: the ONNX file whose answers it is to give.
        to: the file to write.
        inputs: all prepared rows under the names of the file's inputs.
        labels: (n,) class numbers, or targets of a regression; None for what the teacher answers.
        rows: numbers of the rows to learn from.
        kind: classification or regression.
        output: name of the output that is learnt.
        settings: what is fixed of the training.
        seed: of the order of rows and of their shifts.
        threads: that torch may use.
        shifts: whether pictures are moved by a pixel.
        may_lose: how much worse than the teacher's the validation may end; None for any distance.
        floor: what it must end with; None for anything.
        features: weight of what layers of the teacher give beside its answers; 0 to learn its answers alone.
        answers: file in which the teacher's answers to the rows wait for other recoveries by it; None keeps none.
    """

    student: Path
    teacher: Path
    to: Path
    inputs: Prepared
    labels: NDArray[Any] | None
    rows: NDArray[np.int64]
    kind: Kind
    output: str
    settings: TrainingSettings
    trained_as: Path | None = None
    seed: int = 0
    threads: int = 1
    shifts: bool = False
    may_lose: float | None = None
    floor: float | None = None
    features: float = 0.0
    answers: Path | None = None


def recover(recovery: Recovery, report: Callable[[Progress], None]) -> dict[str, Any]:
    """Learn a file's weights from its teacher and the labels, and write the best ones.

    The weights that it came with are kept where no epoch gave better ones. Where memory ends, training begins anew
    with batches in parts: see `InParts`.

    Returns:
        path, parameters, seconds, epochs, best_epoch, validation, history, settings, why and `hopeless`: why the
        training was stopped before its end, or empty.

    Raises:
        CandidateError: `unsupported` with the operator that cannot be learnt through, `failed` when the loss became
            infinite, `memory` when even small parts of a batch do not fit.
        DataError, MissingExtraError: see `train`.
    """
    require_torch("training")
    import onnx

    network, trained = _within_memory(recovery, report)

    def write(draft: Path) -> None:
        student = _file(recovery.student)
        network.write_to(student)
        onnx.save(student, str(draft))

    exported = publish_checked(recovery.to, write, lambda draft: None)
    return {
        "path": str(exported.path),
        "signature": exported.signature.as_dict(),
        "parameters": exported.parameters,
        "seconds": trained.seconds,
        "epochs": len(trained.history),
        "best_epoch": trained.best_epoch,
        "validation": trained.validation,
        "history": [figures.as_dict() for figures in trained.history],
        "settings": trained.chosen.as_dict(),
        "why": list(trained.why),
        "hopeless": trained.hopeless,
    }


def _within_memory(recovery: Recovery, report: Callable[[Progress], None]) -> tuple[OnnxModule, TrainedModel]:
    """Learn, and where memory ends begin anew with batches in twice as many parts."""
    started, parts = time.perf_counter(), 1
    while True:
        try:
            network, trained = _learn(_with_time(recovery, started) if parts > 1 else recovery, parts, report)
        except (MemoryError, RuntimeError) as error:
            if not isinstance(error, MemoryError) and not speaks_of_memory(str(error)):
                raise
            if parts == _MOST_PARTS:
                detail = f"training ran out of memory, even with each batch in {parts} parts"
                raise CandidateError("memory", detail) from error
        else:
            why = f"each batch in {parts} parts, whose gradients are added up: memory ran out with larger ones"
            return network, trained if parts == 1 else replace(trained, why=(*trained.why, why))
        # Here, where the error and all that its frames hold is gone.
        parts *= 2


def _with_time(recovery: Recovery, started: float) -> Recovery:
    """The same in what is left of its time limit."""
    limit = recovery.settings.time_limit_s
    left = None if limit is None else max(limit - (time.perf_counter() - started), _LEAST_S)
    return replace(recovery, settings=replace(recovery.settings, time_limit_s=left))


def _learn(recovery: Recovery, parts: int, report: Callable[[Progress], None]) -> tuple[OnnxModule, TrainedModel]:
    """One training from the weights of the file."""
    from sartor.train.answering import Answering
    from sartor.train.answers import Answers, form_of
    from sartor.train.onnx_module import OnnxModule
    from sartor.train.parts import InParts

    student = _file(recovery.trained_as or recovery.student)
    features = _features(recovery, student) if recovery.features else None
    network = OnnxModule(student, [recovery.output, *(features.names if features else ())])
    teacher = Answering(recovery.teacher, recovery.output, recovery.threads)
    taken, imitated = (InParts(one, parts) if parts > 1 else one for one in (network, teacher))
    form, columns = form_of(imitated, recovery.kind, recovery.inputs, recovery.rows)
    answers = Answers(imitated, form)
    labels = _answered(recovery, answers) if recovery.labels is None else recovery.labels
    job = TrainingJob(
        lambda: Answers(taken, form),
        recovery.inputs,
        labels,
        columns,
        recovery.kind,
        replace(recovery.settings, recovers=True),
        recovery.seed,
        recovery.threads,
        recovery.rows,
        shifts=recovery.shifts,
        teacher=lambda: answers,
        features=None if features is None else _distance(features, recovery.features),
        answers=recovery.answers,
        may_lose=recovery.may_lose,
        floor=recovery.floor,
    )
    return network, train(job, report)


def _features(recovery: Recovery, student: ModelProto) -> Features:
    import onnx

    from sartor.train.features import Features
    from sartor.train.feeding import tensors_of

    rows = recovery.inputs.take(recovery.rows[:_FEATURE_ROWS]).trimmed()
    arrays = {name: tensor.numpy() for name, tensor in tensors_of(rows).items()}
    return Features(student, onnx.load(str(recovery.teacher)), arrays, recovery.threads)


def _distance(features: Features, weight: float) -> Callable[[nn.Module, Mapping[str, Tensor]], Tensor]:
    def distance(module: nn.Module, inputs: Mapping[str, Tensor]) -> Tensor:
        return weight * features.distance(cast("Answers", module).features, inputs)

    return distance


def _file(path: Path) -> ModelProto:
    import onnx

    from sartor.train.onnx_module import unsupported_operators

    model = onnx.load(str(path))
    refused = unsupported_operators(model)
    if refused:
        raise CandidateError("unsupported", f"its weights cannot be learnt: {refused[0]}")
    return model


def _answered(recovery: Recovery, teacher: nn.Module) -> NDArray[Any]:
    """(n,) classes that the teacher gives the rows to learn from, or (n, columns) values; zero for other rows."""
    import torch

    from sartor.train.feeding import call_with, tensors_of

    found: NDArray[Any] | None = None
    for start in range(0, len(recovery.rows), _ANSWERED_ROWS):
        rows = recovery.rows[start : start + _ANSWERED_ROWS]
        with torch.inference_mode():
            columns = call_with(teacher, tensors_of(recovery.inputs.take(rows).trimmed()), by_name=False).numpy()
        answered = columns.argmax(1) if recovery.kind == "classification" else columns
        if found is None:
            found = np.zeros((len(recovery.inputs), *answered.shape[1:]), answered.dtype)
        found[rows] = answered
    assert found is not None, "rows to learn from"
    return found
