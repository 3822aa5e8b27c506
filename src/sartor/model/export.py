"""Export a torch module to one ONNX file, proved against its source before it takes its name."""

from __future__ import annotations

import copy
import logging
import tempfile
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from sartor.errors import ModelError
from sartor.model.onnx import parameter_count, read_signature, validate
from sartor.model.torch import call_builder, require_torch
from sartor.model.values import ExportedModel
from sartor.runtime.base import Array, outputs_agree

if TYPE_CHECKING:
    from torch import Tensor, nn
    from torch.onnx import ONNXProgram

INPUT, OUTPUT, BATCH = "input", "output", "batch"
_TRACED_ROWS = 2  # torch.export treats 0 and 1 as constants, so the example has two rows
_CHECKED_ROWS = (1, 5)  # one row, and a batch that differs from the traced one
_ONE_FILE_LIMIT = 1_900_000_000  # bytes; protobuf stops at 2 GiB


def export_torch(
    module: nn.Module,
    example_shape: tuple[int, ...],
    to: Path,
    opset: int = 20,
    real_inputs: Array | None = None,
) -> ExportedModel:
    """Write a module as ONNX with a free first dimension `batch`, one `input` and one `output`.

    The module is copied, in evaluation mode and contiguous memory order; constants and batch norms are
    folded by the exporter. The file appears at `to` only after ONNX Runtime gave the module's outputs
    for random rows (and for `real_inputs`) at one row and at several.

    Args:
        module: maps (batch, *example_shape) float32 to one tensor (batch, ...).
        example_shape: shape of one row, without the batch.
        to: the file to write; weights go beside it only above 2 GB.
        opset: ONNX operator set.
        real_inputs: (n, *example_shape) prepared rows to check with as well; the first few are used.

    Raises:
        ModelError: the module is not exportable, its output has no batch dimension, or the outputs of
            the file differ from the module's.
        UserCodeError: the module's forward raised.
        MissingExtraError: torch is not installed.
    """
    require_torch("export to ONNX")
    source = _frozen(module)
    checks = _check_inputs(example_shape, real_inputs)
    expected = [_run_source(source, rows) for rows in checks]
    to.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=to.parent, prefix=".export-") as folder:
        draft = Path(folder) / to.name
        _write(source, example_shape, draft, opset)
        validate(draft)
        _compare(draft, checks, expected)
        exported = ExportedModel(to, read_signature(draft), parameter_count(draft))
        _publish(draft, to)
    return exported


def _frozen(module: nn.Module) -> nn.Module:
    import torch

    # Training may have left weights in channels-last order, which the file would store transposed.
    copied = copy.deepcopy(module).cpu().float().eval().requires_grad_(False)
    copied.to(memory_format=torch.contiguous_format)  # type: ignore[call-overload]
    return copied


def _check_inputs(example_shape: tuple[int, ...], real_inputs: Array | None) -> list[Array]:
    generator = np.random.default_rng(0)
    checks: list[Array] = [
        generator.standard_normal((rows, *example_shape), dtype=np.float32) for rows in _CHECKED_ROWS
    ]
    if real_inputs is not None:
        if real_inputs.shape[1:] != example_shape:
            raise ModelError(f"rows of shape {real_inputs.shape[1:]}", f"rows of shape {example_shape}")
        checks += [np.array(real_inputs[:rows], dtype=np.float32) for rows in _CHECKED_ROWS if len(real_inputs) >= rows]
    return checks


def _run_source(source: nn.Module, rows: Array) -> Array:
    import torch

    name = f"{type(source).__name__}.forward"
    with torch.no_grad():
        output = call_builder(name, source, torch.from_numpy(rows))
    if not isinstance(output, torch.Tensor):
        raise ModelError(f"{name} returned {type(output).__name__}", "one tensor (batch, ...)")
    if output.ndim < 1 or output.shape[0] != len(rows):
        raise ModelError(
            f"{name} returned shape {tuple(output.shape)} for {len(rows)} rows",
            f"a first dimension of {len(rows)}",
            "keep the batch as the first dimension",
        )
    array: Array = output.numpy()
    return array


def _write(source: nn.Module, example_shape: tuple[int, ...], path: Path, opset: int) -> None:
    import torch

    example = torch.randn(_TRACED_ROWS, *example_shape)
    try:
        with _quiet_exporter():
            program = _trace(source, example, opset)
    except torch.onnx.OnnxExporterError as error:
        reason = next(iter(str(error.__cause__ or error).strip().splitlines()), "no reason given")
        raise ModelError(
            f"{type(source).__name__} cannot be exported to ONNX: {reason}",
            "a module that torch.export can trace with any number of rows",
            "see https://docs.pytorch.org/docs/stable/onnx_export.html",
        ) from error
    _strip_traces(program)
    large = sum(weight.numel() * weight.element_size() for weight in source.parameters()) > _ONE_FILE_LIMIT
    program.save(path, external_data=large)


def _trace(source: nn.Module, example: Tensor, opset: int) -> ONNXProgram:
    import torch

    program = torch.onnx.export(
        source,
        (example,),
        input_names=[INPUT],
        output_names=[OUTPUT],
        opset_version=opset,
        dynamic_shapes=({0: BATCH},),
        dynamo=True,
        optimize=True,
        verbose=False,
    )
    assert program is not None  # only the exporter without dynamo returns None
    return program


def _strip_traces(program: ONNXProgram) -> None:
    """Drop the stack traces in the file's metadata: they name the user's files and change with every line."""
    from onnx_ir.passes.common import ClearMetadataAndDocStringPass

    ClearMetadataAndDocStringPass()(program.model)


@contextmanager
def _quiet_exporter() -> Iterator[None]:
    """Silence what the exporter of torch 2.13 says on every call, of its own code and of torchvision."""
    logger = logging.getLogger("torch.onnx._internal.exporter._registration")

    def speaks_of_else(record: logging.LogRecord) -> bool:
        return "torchvision is not installed" not in record.getMessage()

    logger.addFilter(speaks_of_else)
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message=r".*LeafSpec.*", category=FutureWarning)
            yield
    finally:
        logger.removeFilter(speaks_of_else)


def _compare(path: Path, checks: list[Array], expected: list[Array]) -> None:
    session = _session(path)
    names = [value.name for value in session.get_outputs()]
    for rows, wanted in zip(checks, expected, strict=True):
        got = session.run(None, {INPUT: rows})
        for name, array in zip(names, got, strict=True):
            _check_equal(name, np.asarray(wanted), np.asarray(array))


def _session(path: Path) -> Any:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.log_severity_level = 3  # errors only; warnings of its optimizer mean nothing to the user
    return onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])


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
            "look for random or data-dependent code in forward",
        )


def _publish(draft: Path, to: Path) -> None:
    # Weights first, the model last: whoever sees the model sees all of it.
    for part in sorted(draft.parent.iterdir(), key=lambda part: part == draft):
        part.replace(to.parent / part.name)
