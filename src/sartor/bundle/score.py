"""Offline scoring: rows in, predictions in a file."""

from __future__ import annotations

import csv
import json
import uuid
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from sartor.bundle.bundle import Bundle
from sartor.data.unlabelled import read_rows
from sartor.errors import OutputError

Predictions = list[dict[str, Any]]
Writer = Callable[[Predictions, Any], None]
_CHUNK = 1024  # rows prepared and run at a time


def score(bundle: Bundle, source: str, drop: Sequence[str], write: Writer) -> int:
    """Predict every row of a source and write the predictions; gives the number of rows.

    Raises:
        InputError: the source cannot be read or does not fit the model.
        OutputError: the file cannot be written; an older one is left as it was.
    """
    kind = bundle.takes
    rows = read_rows(source, drop, kind)
    one_row = isinstance(rows, np.ndarray) and rows.dtype.kind in "biuf" and rows.ndim < 2
    parts = [rows] if one_row else [rows[first : first + _CHUNK] for first in range(0, len(rows), _CHUNK)]
    outputs = np.concatenate([bundle.outputs(part) for part in parts])
    write(bundle.label(outputs), outputs)
    return len(outputs)


def writer_for(path: Path) -> Writer:
    """What writes predictions to a file of this suffix.

    Raises:
        OutputError: unknown suffix, or a folder that is not there.
    """
    writers = {".csv": _write_csv, ".jsonl": _write_jsonl, ".npz": _write_npz}
    if path.suffix not in writers:
        raise OutputError(f"`{path}` ends in `{path.suffix}`", ", ".join(writers), "the suffix chooses the format")
    if not path.parent.is_dir():
        raise OutputError(f"no folder `{path.parent}`", "an existing folder")
    write_to = writers[path.suffix]

    def write(predictions: Predictions, outputs: Any) -> None:
        draft = path.with_name(f".{path.stem}-{uuid.uuid4().hex}{path.suffix}")
        try:
            write_to(draft, predictions, outputs)
            draft.replace(path)
        except OSError as error:
            draft.unlink(missing_ok=True)
            raise OutputError(
                f"cannot write `{path}`: {error.strerror}", "a folder with room that you may write to"
            ) from None

    return write


def _write_csv(path: Path, predictions: Predictions, outputs: Any) -> None:
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, ["row", *predictions[0]])
        writer.writeheader()
        writer.writerows({"row": number, **row} for number, row in enumerate(predictions))


def _write_jsonl(path: Path, predictions: Predictions, outputs: Any) -> None:
    with path.open("w", encoding="utf-8") as file:
        file.writelines(json.dumps(row, ensure_ascii=False) + "\n" for row in predictions)


def _write_npz(path: Path, predictions: Predictions, outputs: Any) -> None:
    columns: dict[str, Any] = {name: np.array([row[name] for row in predictions]) for name in predictions[0]}
    with path.open("wb") as file:
        np.savez_compressed(file, outputs=outputs, **columns)
