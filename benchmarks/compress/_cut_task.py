"""What the benchmarks of cut networks share: their options, their task, a cut, and the answers of a file."""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from _catalogue import TASKS, Skipped
from _ready import Ready, Rows, make_ready

from _common import arguments
from sartor import CompressionStep, Recipe, compress
from sartor.model.onnx import read_signature
from sartor.runtime import open_runtime
from sartor.runtime.base import Array, Settings
from sartor.steps.prepared import Prepared
from sartor.units import parse

CUT_BY = 1000  # rows that cuts are chosen by
_ROWS_A_CALL = 250
_HERE = Path(__file__).parent


def task_arguments(doc: str | None, training: str) -> argparse.ArgumentParser:
    """Options of a benchmark of one task, whose network is trained for `training` unless told otherwise."""
    parser = arguments(doc)
    parser.add_argument("--task", choices=["fashion", "cifar10", "efficientnet", "minilm"], default="fashion")
    parser.add_argument("--training", default=training, help="time that the network is trained for")
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument("--results", type=Path, help="also append the JSON line to this file")
    return parser


@contextmanager
def ready_task(options: argparse.Namespace) -> Iterator[tuple[Ready, Path] | None]:
    """The task of `task_arguments` with a trained network, and its folder; None, said, where it lacks something."""
    with tempfile.TemporaryDirectory() as temporary:
        home = (options.folder or Path(temporary)).resolve() / options.task
        try:
            source = TASKS[options.task](options.data, home)
        except Skipped as reason:
            print(f"skipped: {reason}")
            yield None
            return
        yield make_ready(source, home / "ready", parse(options.training).value, _HERE), home


def pruned_to(ready: Ready, rows: Rows, share: float, to: Path, cut: str = "channels") -> Path:
    """The network with fewer channels, or `layers`, at a share of its time in f32 in ONNX Runtime.

    Raises:
        CandidateError: it cannot be cut so far.
    """
    names = [spec.name for spec in read_signature(ready.model).inputs]
    inputs = rows.take("calibrate", CUT_BY).renamed(names).trimmed().arrays
    recipe = Recipe((CompressionStep("prune", (("time", share), ("cut", cut))),))
    return compress(ready.model, recipe, inputs, to).path


def answers(path: Path, rows: Prepared) -> Array:
    """(n, classes) scores."""
    session = open_runtime("onnxruntime").load(path, Settings("f32", 2))
    parts = (rows.take(slice(start, start + _ROWS_A_CALL)) for start in range(0, len(rows), _ROWS_A_CALL))
    return np.concatenate([np.array(session.run(part.trimmed().arrays)[0]) for part in parts])
