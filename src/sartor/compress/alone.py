"""One recipe on one file, without a search."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from sartor.compress.applicable import recipes
from sartor.compress.build import build
from sartor.compress.values import BuiltVariant
from sartor.errors import DataError, InputError, ModelError, nearest
from sartor.model.onnx import check_finite, parameter_count, read_signature
from sartor.model.values import ExportedModel, Signature
from sartor.plan.recipe import Recipe
from sartor.runtime import RUNTIMES
from sartor.steps.prepared import Prepared


def compress(
    model: str | Path,
    recipe: Recipe | str,
    rows: ArrayLike | Mapping[str, ArrayLike],
    output: str | Path,
    *,
    runtime: str = "onnxruntime",
) -> BuiltVariant:
    """Carry out a recipe on an ONNX file for a runtime, and run the result once.

    Nothing is said of quality or speed: that is what `fit` is for.

    Args:
        model: an .onnx file in f32.
        recipe: a Recipe, or the name of one, such as `int8-dynamic` or `int8-static-entropy`.
        rows: (n, ...) rows of the only input, or of each input by its name; ranges are taken from the first 300.
        output: the folder to write; it appears complete or not at all.
        runtime: `onnxruntime` or `openvino`.

    Raises:
        ModelError: no such file, no ONNX file, or weights with NaN or infinity.
        InputError: no such recipe or runtime.
        DataError: the rows do not fit the model.
        OutputError: `output` holds files that are not a variant's.
        CandidateError: the recipe does not apply to this model or on this processor, and why.
    """
    path = Path(model)
    if not path.is_file():
        raise ModelError(f"no file {path}", "an .onnx file", "models of other kinds are exported by `fit`")
    if runtime not in RUNTIMES:
        raise InputError(f"unknown runtime `{runtime}`", ", ".join(RUNTIMES), nearest(runtime, RUNTIMES))
    signature = read_signature(path)
    check_finite(path)
    source = ExportedModel(path, signature, parameter_count(path))
    return build(_named(recipe, runtime), source, runtime, _prepared(rows, signature), Path(output))


def _named(recipe: Recipe | str, runtime: str) -> Recipe:
    if isinstance(recipe, Recipe):
        return recipe
    known = {one.slug: one for one in recipes(runtime, for_bytes=True)}
    if recipe not in known:
        raise InputError(f"unknown recipe `{recipe}`", ", ".join(known), nearest(recipe, known))
    return known[recipe]


def _prepared(rows: Any, signature: Signature) -> Prepared:
    names = [spec.name for spec in signature.inputs]
    if not isinstance(rows, Mapping) and len(names) > 1:
        raise DataError("rows without a name", f"rows of each input by its name: {', '.join(names)}")
    by_name = rows if isinstance(rows, Mapping) else {names[0]: rows}
    return Prepared({name: np.asarray(array) for name, array in by_name.items()})
