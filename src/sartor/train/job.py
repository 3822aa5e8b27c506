"""Training and export as one job on files: what a worker process runs. Plain functions, JSON values back."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from sartor.errors import DataError, ModelError
from sartor.model.open import open_model
from sartor.model.values import ExportedModel, Model
from sartor.steps.prepared import SOLE, Prepared
from sartor.train.modules import export_module, train_module
from sartor.train.values import Kind, Progress, TrainingSettings
from sartor.train.work import Lesson, Trained, Work


def train_and_export(
    reference: str,
    base: Path,
    inputs: Mapping[str, Any],
    labels_path: Path,
    rows: Path,
    outputs: int,
    kind: Kind,
    settings: TrainingSettings,
    seed: int,
    threads: int,
    to: Path,
    report: Callable[[Progress], None],
) -> dict[str, Any]:
    """Train a model on rows of memory-mapped arrays and write it as ONNX, verified against its source.

    Args:
        reference: model reference of the Need, such as `zoo:...`, `package.module:callable` or a folder.
        base: the folder that references are relative to.
        inputs: all prepared rows, as `Prepared.save` returned them.
        labels_path: .npy of all labels (n,).
        rows: .npy of the row numbers to train on.
        outputs: classes, or values of a regression.
        kind: classification or regression.
        settings: what the user fixed.
        seed: of everything random.
        threads: threads of torch.
        to: the ONNX file to write.
        report: called with the progress.

    Returns:
        path, signature, parameters, seconds (training), export_seconds, epochs, best_epoch, validation,
        history, settings and why. What is fitted in one go has one epoch, no history and validation None.

    Raises:
        ModelError: a model of a kind that is only taken as it is, or see `train`, `export_torch`.
        DataError, CandidateError, UserCodeError, MissingExtraError: see `train`, `export_torch`.
    """
    started = time.perf_counter()
    model = open_model(reference, base)
    _check_kind(model, _TRAINERS, "be trained")
    lesson = Lesson(np.load(labels_path), np.load(rows), kind, settings, report)
    trained = _TRAINERS[model.kind](Work(model, base, _taken(model, inputs), outputs, seed, threads, to), lesson)
    return {
        **_exported_values(trained.exported),
        "seconds": trained.seconds,
        "export_seconds": time.perf_counter() - started - trained.seconds,
        "epochs": trained.epochs,
        "best_epoch": trained.best_epoch,
        "validation": trained.validation,
        "history": list(trained.history),
        "settings": trained.settings.as_dict(),
        "why": list(trained.why),
    }


def export_untrained(
    reference: str, base: Path, inputs: Mapping[str, Any], outputs: int, seed: int, threads: int, to: Path
) -> dict[str, Any]:
    """Write a model as it is built: random weights for the zoo, to be timed before any training.

    A model that brings weights is exported with them. Arguments as in `train_and_export`; the inputs
    give the shape and a few rows to verify with.

    Returns:
        path, signature, parameters and export_seconds.

    Raises:
        ModelError: an ONNX file, which needs no export, or see `build_module`, `export_torch`.
        UserCodeError, MissingExtraError: see `build_module`, `export_torch`.
    """
    started = time.perf_counter()
    model = open_model(reference, base)
    _check_kind(model, _EXPORTERS, "be exported")
    exported = _EXPORTERS[model.kind](Work(model, base, _taken(model, inputs), outputs, seed, threads, to))
    return {**_exported_values(exported), "export_seconds": time.perf_counter() - started}


def _fit_sklearn(work: Work, lesson: Lesson) -> Trained:
    from sartor.model.sklearn import fit_and_convert

    started = time.perf_counter()
    exported = fit_and_convert(
        work.model, work.inputs, lesson.labels, lesson.rows, work.to, base=work.base, seed=work.seed
    )
    why = f"fitted by scikit-learn on all {len(lesson.rows)} rows at once"
    return Trained(exported, time.perf_counter() - started, lesson.settings, why=(why,))


def _convert_sklearn(work: Work) -> ExportedModel:
    from sartor.model.sklearn import convert

    return convert(work.model, work.inputs, work.to, work.base)


def _convert_keras(work: Work) -> ExportedModel:
    from sartor.model.keras import convert

    return convert(work.model, work.example(), work.to)


def _convert_program(work: Work) -> ExportedModel:
    from sartor.model.exported_program import export_program

    return export_program(work.model, work.example(), work.to)


_TRAINERS: Mapping[str, Callable[[Work, Lesson], Trained]] = {
    "zoo": train_module,
    "torch": train_module,
    "huggingface": train_module,
    "sklearn": _fit_sklearn,
}
_EXPORTERS: Mapping[str, Callable[[Work], ExportedModel]] = {
    "zoo": export_module,
    "torch": export_module,
    "huggingface": export_module,
    "exported-program": _convert_program,
    "sklearn": _convert_sklearn,
    "keras": _convert_keras,
}


def _check_kind(model: Model, known: Iterable[str], what: str) -> None:
    if model.kind not in known:
        raise ModelError(
            f"{model.reference} cannot {what}", f"a model of kind {', '.join(known)}", "say `train: false`"
        )


def _taken(model: Model, inputs: Mapping[str, Any]) -> Prepared:
    """All rows, with the arrays that the model takes and no others.

    Raises:
        DataError: an input of the model that the rows do not have.
    """
    prepared = Prepared.load(inputs)
    if len(prepared.arrays) == 1:
        prepared = _unnamed(prepared)
    try:
        return prepared.renamed(model.inputs) if model.inputs else prepared
    except KeyError:
        raise DataError(
            f"rows with {', '.join(prepared.arrays)} for {model.reference}",
            f"rows with {', '.join(model.inputs)}",
            "check `input:` and `preprocess`",
        ) from None


def _unnamed(prepared: Prepared) -> Prepared:
    """A sole array stands for the only input of a model, whatever it is called."""
    (array,) = prepared.arrays.values()
    padding = {SOLE: next(iter(prepared.padding.values()))} if prepared.padding else {}
    return Prepared({SOLE: array}, prepared.lengths, padding)


def _exported_values(exported: ExportedModel) -> dict[str, Any]:
    return {
        "path": str(exported.path),
        "signature": exported.signature.as_dict(),
        "parameters": exported.parameters,
    }
