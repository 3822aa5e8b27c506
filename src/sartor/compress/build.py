"""From a Recipe to a model file that has run once."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from sartor.compress import float_weights, fuse, onnxruntime_int8, onnxruntime_weights, openvino_int8, openvino_weights
from sartor.compress.applicable import why_not
from sartor.compress.calibration import checked_rows, pieces
from sartor.compress.values import CALIBRATION_ROWS, BuiltVariant, StepResult, Work
from sartor.errors import CandidateError, OutputError, SartorError
from sartor.machine.device import Machine, this_machine
from sartor.model.values import ExportedModel
from sartor.plan.recipe import CompressionStep, Recipe
from sartor.runtime import open_runtime
from sartor.runtime.base import Settings
from sartor.steps.prepared import Prepared

_STEPS: dict[tuple[str, str], Callable[[Work], StepResult]] = {
    ("onnxruntime", "none"): float_weights.keep_onnx,
    ("onnxruntime", "fused"): fuse.fuse_operators,
    ("onnxruntime", "fp16-weights"): float_weights.halve_onnx,
    ("onnxruntime", "int8-dynamic"): onnxruntime_int8.quantize_dynamic,
    ("onnxruntime", "int8-static"): onnxruntime_int8.quantize_static,
    ("onnxruntime", "int8-weights"): onnxruntime_weights.store_int8,
    ("onnxruntime", "int4-weights"): onnxruntime_weights.store_int4,
    ("openvino", "none"): float_weights.keep_openvino,
    ("openvino", "fp16-weights"): float_weights.halve_openvino,
    ("openvino", "int8-static"): openvino_int8.quantize_static,
    ("openvino", "int8-weights"): openvino_weights.store_int8,
    ("openvino", "int4-weights"): openvino_weights.store_int4,
}
_OWN_FILES = {"model.onnx", "model.xml", "model.bin"}
_PROOF_ROWS = 4


def build(
    recipe: Recipe,
    source: ExportedModel,
    runtime: str,
    calibration_inputs: Prepared,
    to: Path,
    machine: Machine | None = None,
    ranges: Path | None = None,
) -> BuiltVariant:
    """Carry out a recipe for a runtime, and run the result once.

    Args:
        recipe: what to do; at most one step that does something.
        source: the model in f32.
        runtime: name of the runtime that will load the file.
        calibration_inputs: R >= 1 rows in the declared dtypes, of which the first 300 are used.
        to: folder of the variant; it appears complete or not at all. An earlier variant there is replaced.
        machine: for which integers are chosen; default: this one.
        ranges: folder for the ranges of activations, which every build of the same source and rows may share; those
            of ONNX Runtime take most of its time.

    Raises:
        CandidateError: `unsupported` when the recipe does not apply or changes nothing, `wrong-output` when
            the result gives other shapes than the source or numbers that are not finite, `failed` when
            the quantizer gives up.
        DataError: the calibration rows do not fit the model.
        OutputError: `to` holds files that are not a variant's.
    """
    machine = machine or this_machine()
    check_buildable(recipe, runtime, machine, to)
    rows = checked_rows(source, calibration_inputs, CALIBRATION_ROWS)
    to.parent.mkdir(parents=True, exist_ok=True)
    step = (*recipe.effective, CompressionStep("none"))[0]
    with TemporaryDirectory(prefix=".building-", dir=to.parent) as scratch:
        work = Work(step, source, rows, Path(scratch) / "variant", machine, ranges)
        work.folder.mkdir()
        result = _carry_out(_STEPS[runtime, step.name], work)
        _prove(result.main, runtime, work)
        _move(work.folder, to)
    return _built(result, to)


def check_buildable(recipe: Recipe, runtime: str, machine: Machine, to: Path) -> None:
    """Refuse what `build` would refuse without looking at the network.

    Raises:
        CandidateError: `unsupported`, the recipe does not apply in the runtime or on the machine.
        OutputError: `to` holds files that are not a variant's.
    """
    refused = why_not(recipe, runtime, machine)
    if refused:
        raise CandidateError("unsupported", refused)
    _refuse_foreign(to)


def _carry_out(function: Callable[[Work], StepResult], work: Work) -> StepResult:
    try:
        return function(work)
    except (SartorError, MemoryError):
        raise
    except Exception as error:
        # The quantizers raise whatever their parts raise: no type says "I cannot".
        first = (str(error).strip() or type(error).__name__).splitlines()[0]
        raise CandidateError("failed", f"{work.step.label}: {type(error).__name__}: {first}") from error


def _prove(main: Path, runtime: str, work: Work) -> None:
    """Run the file on calibration rows.

    Raises:
        CandidateError: it does not run, or gives other shapes than declared, or what is not finite.
    """
    session = open_runtime(runtime).load(main, Settings())
    piece = next(pieces(work.source, work.rows, _PROOF_ROWS))
    outputs = session.run(piece)
    declared = work.source.signature.outputs
    if len(outputs) != len(declared):
        raise CandidateError("wrong-output", f"{len(outputs)} outputs, the source has {len(declared)}")
    for spec, output in zip(declared, outputs, strict=True):
        fits = len(spec.shape) == output.ndim and all(
            isinstance(wanted, str) or wanted == given for wanted, given in zip(spec.shape, output.shape, strict=True)
        )
        if not fits:
            raise CandidateError("wrong-output", f"output `{spec.name}` has shape {output.shape}, not {spec.shape}")
        if np.issubdtype(output.dtype, np.floating) and not np.all(np.isfinite(output)):
            raise CandidateError("wrong-output", f"output `{spec.name}` holds numbers that are not finite")


def _refuse_foreign(to: Path) -> None:
    if not to.exists():
        return
    foreign = [to.name] if not to.is_dir() else sorted(p.name for p in to.iterdir() if p.name not in _OWN_FILES)
    if foreign:
        raise OutputError(f"{to} holds {foreign[0]}, which is no variant's file", "a new or empty folder")


def _move(folder: Path, to: Path) -> None:
    if to.exists():
        shutil.rmtree(to)
    folder.rename(to)


def _built(result: StepResult, to: Path) -> BuiltVariant:
    files = tuple(sorted(to.iterdir()))
    size = sum(file.stat().st_size for file in files)
    return BuiltVariant(to / result.main.name, files, size, result.changed, result.notes)
