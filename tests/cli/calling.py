"""Calling the command line in this process, with a small model and small data around it."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

from sartor.cli.main import run
from tests.bundle.making import CLASSES, FEATURES, NAMES, write_net

ROWS = 450  # of which 200 are in confirm when nothing is trained


@dataclass(frozen=True)
class Ended:
    """How a command ended."""

    code: int
    out: str
    err: str

    @property
    def error(self) -> dict[str, str]:
        """The error object on stdout; nothing else may stand there."""
        found: dict[str, dict[str, str]] = json.loads(self.out)
        assert set(found) == {"error"}
        assert set(found["error"]) == {"kind", "came", "allowed", "hint"}
        return found["error"]


Call = Callable[..., Ended]


def caller(capsys: pytest.CaptureFixture[str]) -> Call:
    """A function that runs one command line."""

    def call(*arguments: str | Path) -> Ended:
        capsys.readouterr()
        code = run([str(argument) for argument in arguments])
        captured = capsys.readouterr()
        return Ended(code, captured.out, captured.err)

    return call


def write_rows(path: Path, rows: int = ROWS, **columns: Any) -> Path:
    """A .csv of rows that the net gets right mostly; `columns` replace columns."""
    random = np.random.default_rng(0)
    labels = np.arange(rows) % CLASSES
    inputs = random.normal(size=(rows, FEATURES)) + 4 * np.eye(CLASSES, FEATURES)[labels]
    table: dict[str, list[Any]] = {f"x{n}": [f"{value:.4f}" for value in inputs[:, n]] for n in range(FEATURES)}
    table["label"] = [NAMES[number] for number in labels]
    table.update(columns)
    lines = [",".join(map(str, row)) for row in zip(*table.values(), strict=True)]
    path.write_text("\n".join([",".join(table), *lines]) + "\n")
    return path


def write_need(folder: Path, **changes: Any) -> Path:
    """A Need on `net.onnx` and `rows.csv` beside it; a change to None takes a key out."""
    values: dict[str, Any] = {
        "task": "tabular-classification",
        "model": "net.onnx",
        "data": {"source": "rows.csv"},
        "train": False,
        "require": {"accuracy": ">= 0.8"},
        "budget": {"time": "30 s"},
        **changes,
    }
    kept = {key: value for key, value in values.items() if value is not None}
    path = folder / "need.yaml"
    path.write_text(yaml.safe_dump(kept, sort_keys=False))
    return path


def write_all(folder: Path, **changes: Any) -> Path:
    """Model, data and Need; gives the Need."""
    write_net(folder / "net.onnx")
    write_rows(folder / "rows.csv")
    return write_need(folder, **changes)


def snapshot(folder: Path) -> dict[str, bytes | None]:
    """Every file and folder with its content."""
    return {str(path.relative_to(folder)): path.read_bytes() if path.is_file() else None for path in folder.rglob("*")}
