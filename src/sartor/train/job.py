"""Training and export as one job on files: what a worker process runs. Plain functions, JSON values back."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from sartor.model.export import export_torch
from sartor.model.open import open_model
from sartor.model.torch import build_module, require_torch
from sartor.model.values import ExportedModel, Model
from sartor.train.loop import train
from sartor.train.values import Kind, Progress, TrainingJob, TrainingSettings

if TYPE_CHECKING:
    from torch import nn

_SETTLING_ROWS = 64
_CHECKED_ROWS = 8  # real rows that the exported file is compared on


def train_and_export(
    reference: str,
    base: Path,
    inputs_path: Path,
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
    """Train a model on rows of memory-mapped arrays and write it as ONNX, verified against the module.

    Args:
        reference: model reference of the Need, `zoo:...` or `package.module:callable`.
        base: the folder that references are relative to.
        inputs_path: .npy of all prepared rows (n, ...).
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
        history, settings and why.

    Raises:
        ModelError, DataError, CandidateError, UserCodeError, MissingExtraError: see `train`, `export_torch`.
    """
    require_torch(reference)
    model = open_model(reference, base)
    inputs, numbers = np.load(inputs_path, mmap_mode="r"), np.load(rows)

    def build() -> nn.Module:
        return build_module(model, inputs.shape[1:], outputs, base)

    labels = np.load(labels_path)
    job = TrainingJob(build, inputs, labels, outputs, kind, settings, seed, threads, numbers)
    trained = train(job, report)
    started = time.perf_counter()
    exported = _export(trained.module, inputs, numbers, to)
    return {
        **_exported_values(exported),
        "seconds": trained.seconds,
        "export_seconds": time.perf_counter() - started,
        "epochs": len(trained.history),
        "best_epoch": trained.best_epoch,
        "validation": trained.validation,
        "history": [figures.as_dict() for figures in trained.history],
        "settings": trained.chosen.as_dict(),
        "why": list(trained.why),
    }


def export_untrained(
    reference: str, base: Path, inputs_path: Path, outputs: int, seed: int, threads: int, to: Path
) -> dict[str, Any]:
    """Write a model as it is built: random weights for the zoo, to be timed before any training.

    A callable that loads weights is exported with them. Arguments as in `train_and_export`; the inputs
    give the shape and a few rows to verify with.

    Returns:
        path, signature, parameters and export_seconds.

    Raises:
        ModelError, UserCodeError, MissingExtraError: see `build_module`, `export_torch`.
    """
    require_torch(reference)
    started = time.perf_counter()
    model = open_model(reference, base)
    inputs = np.load(inputs_path, mmap_mode="r")
    module = _build_seeded(model, inputs.shape[1:], outputs, base, seed, threads)
    if model.kind == "zoo":
        _settle_norms(module, np.array(inputs[:_SETTLING_ROWS], dtype=np.float32))
    exported = _export(module, inputs, np.arange(min(_CHECKED_ROWS, len(inputs))), to)
    return {**_exported_values(exported), "export_seconds": time.perf_counter() - started}


def _build_seeded(
    model: Model, input_shape: tuple[int, ...], outputs: int, base: Path, seed: int, threads: int
) -> nn.Module:
    import torch

    torch.set_num_threads(threads)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return build_module(model, input_shape, outputs, base)


def _settle_norms(module: nn.Module, rows: NDArray[np.float32]) -> None:
    """Give batch norms the statistics of real rows.

    Untouched ones fold to biases of zero, which the exporter drops: the file would then have fewer
    operands than the trained one whose time it stands for, and activations of another size.
    """
    import torch

    if len(rows) > 1:  # one row has no variance
        with torch.no_grad():
            module.train()(torch.from_numpy(rows))


def _export(module: nn.Module, inputs: NDArray[Any], rows: NDArray[np.int64], to: Path) -> ExportedModel:
    real = np.asarray(inputs[rows[:_CHECKED_ROWS]], dtype=np.float32)
    return export_torch(module, inputs.shape[1:], to, real_inputs=real)


def _exported_values(exported: ExportedModel) -> dict[str, Any]:
    return {
        "path": str(exported.path),
        "signature": exported.signature.as_dict(),
        "parameters": exported.parameters,
    }
