"""Does an ONNX file give what its source gives? The rows that both are asked with, and the comparison."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from sartor.errors import ModelError
from sartor.runtime.base import Array, outputs_agree
from sartor.steps.prepared import Prepared

SEVERAL = 5
"""Rows of the checks with several rows; differs from the two rows that modules are traced with."""

Arrays = Mapping[str, Array]


def check_batches(real: Prepared) -> list[Prepared]:
    """Batches to compare a file and its source on: real and made-up rows, one and several, at two lengths.

    Made-up floating rows have the mean and spread of the real ones; made-up integers are the real ones, each
    column shuffled on its own, since most other numbers would name no word.

    Raises:
        ModelError: no rows.
    """
    if not len(real):
        raise ModelError("no rows to check the exported model with", "at least one prepared row")
    real = real.take(slice(0, SEVERAL)).trimmed()
    made_up = _made_up(real, np.random.default_rng(0))
    batches = [batch.take(slice(0, rows)) for batch in (real, made_up) for rows in (1, SEVERAL)]
    if real.lengths is None:
        return batches
    other = real.longest // 2 if real.longest > 1 else 2
    return [*(batch.trimmed() for batch in batches), made_up.of_length(other)]


def refuse_randomness(source: str, run: Callable[[Prepared], Arrays], batch: Prepared) -> None:
    """Ask the source twice.

    Raises:
        ModelError: the answers differ.
    """
    first, second = run(batch), run(batch)
    for name, wanted in first.items():
        if not np.array_equal(wanted, second[name], equal_nan=wanted.dtype.kind == "f") and (
            outputs_agree(wanted, second[name]) > 1
        ):
            raise ModelError(
                f"{source} gives different `{name}` for the same rows: it is random when it is used",
                "a model that gives the same outputs for the same rows",
                "look for dropout or noise that does not heed `self.training`",
            )


def compare(path: Path, batches: Sequence[Prepared], run: Callable[[Prepared], Arrays]) -> None:
    """Run a file in ONNX Runtime beside its source.

    Args:
        path: the ONNX file; its outputs have the names that `run` gives them.
        batches: rows with the names of the file's inputs.
        run: the source.

    Raises:
        ModelError: an output differs in shape, or by more than rounding.
    """
    session = open_session(path)
    names = [value.name for value in session.get_outputs()]
    taken = {value.name for value in session.get_inputs()}
    for batch in batches:
        wanted = run(batch)
        given = {name: np.ascontiguousarray(array) for name, array in batch.arrays.items() if name in taken}
        got = dict(zip(names, _answer(session, given, path), strict=True))
        for name in names:
            _check_equal(name, np.asarray(wanted[name]), np.asarray(got[name]))


def open_session(model: Path | bytes) -> Any:
    """An ONNX Runtime session with one thread that is silent, for a file or for a model in memory."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.log_severity_level = 4  # what goes wrong is raised, its warnings mean nothing to the user
    return onnxruntime.InferenceSession(
        model if isinstance(model, bytes) else str(model), options, providers=["CPUExecutionProvider"]
    )


def _answer(session: Any, given: Arrays, path: Path) -> Any:
    try:
        return session.run(None, dict(given))
    except Exception as error:  # noqa: BLE001 - ONNX Runtime has many classes of errors and no base
        shapes = ", ".join(f"{name} {array.shape}" for name, array in given.items())
        raise ModelError(
            f"{path.name} cannot be run with {shapes}: {str(error).strip().splitlines()[0]}",
            "a model that takes any number of rows, and rows of any length where they differ in it",
            "a module whose forward branches on the batch or the length cannot be exported",
        ) from None


def _made_up(real: Prepared, generator: np.random.Generator) -> Prepared:
    arrays = {name: _made_up_array(array, generator) for name, array in real.arrays.items()}
    lengths = None if real.lengths is None else np.full(SEVERAL, real.longest)
    return Prepared(arrays, lengths, real.padding)


def _made_up_array(real: Array, generator: np.random.Generator) -> Array:
    shape = (SEVERAL, *real.shape[1:])
    if real.dtype.kind == "f":
        spread = float(real.std()) or 1.0
        return (generator.standard_normal(shape) * spread + float(real.mean())).astype(real.dtype)
    repeated = real[np.resize(np.arange(len(real)), SEVERAL)]
    return generator.permuted(repeated, axis=0)


def _check_equal(name: str, wanted: Array, got: Array) -> None:
    if wanted.shape != got.shape:
        raise ModelError(
            f"the exported file gives `{name}` the shape {got.shape}, the module {wanted.shape}",
            "equal outputs",
            "a module whose forward branches on the batch cannot be exported",
        )
    if outputs_agree(wanted, got) > 1:
        largest = float(np.max(np.abs(wanted.astype(np.float64) - got.astype(np.float64))))
        raise ModelError(
            f"the exported file differs from the module by {largest:.3g} in `{name}` "
            f"({len(wanted)} rows, largest value {float(np.max(np.abs(wanted))):.3g})",
            "equal outputs within rounding",
            "look for data-dependent code in forward",
        )
