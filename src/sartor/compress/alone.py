"""One recipe on one file, without a search."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, get_args

import numpy as np
from numpy.typing import ArrayLike, NDArray

from sartor.compress.applicable import recipes
from sartor.compress.build import build, check_buildable
from sartor.compress.calibration import checked_rows
from sartor.compress.reshape import Given, check_steps, reshape
from sartor.compress.values import BuiltVariant
from sartor.errors import DataError, InputError, ModelError, nearest
from sartor.machine.device import this_machine
from sartor.model.onnx import check_finite, parameter_count, read_signature
from sartor.model.values import ExportedModel, Signature
from sartor.plan.recipe import RESHAPING, CompressionStep, Recipe
from sartor.runtime import RUNTIMES
from sartor.steps.prepared import Prepared
from sartor.train.values import Kind, TrainingSettings


def compress(
    model: str | Path,
    recipe: Recipe | str,
    rows: ArrayLike | Mapping[str, ArrayLike],
    output: str | Path,
    *,
    runtime: str = "onnxruntime",
    labels: ArrayLike | None = None,
    kind: Kind = "classification",
    epochs: int | None = None,
    time_limit_s: float | None = None,
    seed: int = 0,
    teacher: str | Path | None = None,
) -> BuiltVariant:
    """Carry out a recipe on an ONNX file for a runtime, and run the result once.

    Nothing is proved of quality or speed: that is what `fit` is for.

    Args:
        model: an .onnx file in f32.
        recipe: a Recipe, or names joined by `+`, carried out from left to right: `prune`, `low-rank` and `recover` give
            another network, and at most one last step says how it is stored, such as `int8-dynamic` or
            `int8-static-entropy`. `prune` and `low-rank` go to half of the time; a Recipe names other shares:
            `CompressionStep("prune", (("time", 0.7),))`.
        rows: (n, ...) rows of the only input, or of each input by its name; ranges are taken from the first 300, a
            recovery learns from all.
        output: the folder to write; it appears complete or not at all.
        runtime: `onnxruntime` or `openvino`.
        labels: (n,) class numbers, or targets of a regression, that a recovery learns beside the model's answers; None
            for its answers alone.
        kind: what the model's first output means, to a recovery: `classification` or `regression`.
        epochs: of a recovery; None for as many as its data ask for.
        time_limit_s: seconds that a recovery may take; None for no limit.
        seed: of a recovery.
        teacher: an .onnx file with the model's inputs and outputs, a larger or a better one, whose answers a recovery
            learns; None for those of the model itself.

    Raises:
        ModelError: no such file, no ONNX file, a teacher with other inputs or outputs, or weights with NaN or infinity.
        InputError: no such recipe, runtime, kind or setting, or steps in another order.
        DataError: the rows do not fit the model, or the labels do not fit the rows.
        MissingExtraError: a recovery is asked for and torch is not installed.
        OutputError: `output` holds files that are not a variant's.
        CandidateError: the recipe does not apply to this model or on this processor, and why.
    """
    path = Path(model)
    if not path.is_file():
        raise ModelError(f"no file {path}", "an .onnx file", "models of other kinds are exported by `fit`")
    _check_known("runtime", runtime, [*RUNTIMES])
    _check_known("kind", kind, get_args(Kind))
    found, signature = _named(recipe, runtime), read_signature(path)
    check_buildable(found.storing, runtime, this_machine(), Path(output))
    check_finite(path)
    source, prepared = ExportedModel(path, signature, parameter_count(path)), _prepared(rows, signature)
    if not found.reshaping.steps:
        return build(found, source, runtime, prepared, Path(output))
    prepared = checked_rows(source, prepared, len(prepared))
    learnt, training = _labels(labels, len(prepared), kind, signature), TrainingSettings(epochs, time_limit_s)
    with TemporaryDirectory() as scratch:
        given = Given(
            *(source, found, runtime, prepared, Path(scratch), learnt, kind, training, seed),
            teacher=None if teacher is None else _teacher(Path(teacher), signature),
        )
        network, notes = reshape(given)
        built = build(found.storing, network, runtime, prepared, Path(output))
    return replace(built, changed=True, notes=(*notes, *built.notes))


def _check_known(what: str, name: str, allowed: Sequence[str]) -> None:
    if name not in allowed:
        raise InputError(f"unknown {what} `{name}`", ", ".join(allowed), nearest(name, allowed))


def _teacher(path: Path, student: Signature) -> Path:
    """The file, once it is known to take and give what the student does."""
    if not path.is_file():
        raise ModelError(f"no file {path}", "an .onnx file")
    signature = read_signature(path)
    for ours, theirs in ((student.inputs, signature.inputs), (student.outputs[:1], signature.outputs)):
        names = {spec.name: spec.shape[1:] for spec in theirs}
        for spec in ours:
            if names.get(spec.name) != spec.shape[1:]:
                came = f"a teacher without `{spec.name}` of shape {spec.shape}"
                raise ModelError(came, "a network with the same inputs and the same first output as the model's")
    check_finite(path)
    return path


def _named(recipe: Recipe | str, runtime: str) -> Recipe:
    found = recipe if isinstance(recipe, Recipe) else _recipe_of(recipe, runtime)
    if found.effective != (*found.reshaping.steps, *found.storing.steps):
        allowed = f"{', '.join(RESHAPING)} first, then at most one step that says how the network is stored"
        raise InputError(f"steps in this order: {found.label}", allowed)
    check_steps(found)
    return found


def _recipe_of(names: str, runtime: str) -> Recipe:
    known = {one.slug: one for one in recipes(runtime, for_bytes=True)}
    known |= {name: Recipe((CompressionStep(name),)) for name in RESHAPING}
    steps: tuple[CompressionStep, ...] = ()
    for name in names.split("+"):
        if name.strip() not in known:
            raise InputError(f"unknown recipe `{name}`", ", ".join(known), nearest(name, known))
        steps += known[name.strip()].steps
    return Recipe(steps)


def _labels(labels: ArrayLike | None, count: int, kind: Kind, signature: Signature) -> NDArray[Any] | None:
    if labels is None:
        return None
    found = np.asarray(labels)
    if len(found) != count:
        raise DataError(f"{len(found)} labels of {count} rows", "one label for each row")
    if kind == "regression":
        return found
    columns = signature.outputs[0].shape[-1]
    most = max(2, columns) if isinstance(columns, int) else None  # one column stands for two classes
    if found.dtype.kind not in "iu" or found.min() < 0 or (most is not None and found.max() >= most):
        ends = f"{found.min()} to {found.max()}" if found.dtype.kind in "iuf" else str(found.dtype)
        raise DataError(f"labels {ends}", f"whole numbers from 0 to {most - 1}" if most else "whole numbers from 0")
    return found


def _prepared(rows: Any, signature: Signature) -> Prepared:
    names = [spec.name for spec in signature.inputs]
    if not isinstance(rows, Mapping) and len(names) > 1:
        raise DataError("rows without a name", f"rows of each input by its name: {', '.join(names)}")
    by_name = rows if isinstance(rows, Mapping) else {names[0]: rows}
    return Prepared({name: np.asarray(array) for name, array in by_name.items()})
