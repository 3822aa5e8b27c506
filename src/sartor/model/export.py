"""Export a torch module to one ONNX file, proved against its source before it takes its name."""

from __future__ import annotations

import copy
import logging
import tempfile
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from sartor.errors import ModelError
from sartor.model.agreement import Arrays, check_batches, compare, refuse_randomness
from sartor.model.onnx import parameter_count, read_signature, validate
from sartor.model.outputs import OUTPUT, named_tensors
from sartor.model.torch import call_builder, require_torch
from sartor.model.values import ExportedModel
from sartor.runtime.base import Array
from sartor.steps.prepared import SOLE, Prepared

if TYPE_CHECKING:
    from torch import nn
    from torch.onnx import ONNXProgram

INPUT, BATCH, LENGTH = "input", "batch", "length"
_SHORTEST_TRACE = 2  # torch.export takes 0 and 1 for constants, so rows and lengths are traced at two or more
_ONE_FILE_LIMIT = 1_900_000_000  # bytes; protobuf stops at 2 GiB


def export_torch(module: nn.Module, example: Prepared, to: Path, opset: int = 20) -> ExportedModel:
    """Write a module as ONNX with a free first dimension `batch`.

    Arrays that differ in length have a free dimension 1 `length` as well. The inputs are called as in `example`;
    an unnamed one is called `input` and given to the module as its only argument, named ones as keywords. The
    outputs are called as `named_tensors` says: `output` when there is one.

    The module is copied, in evaluation mode and contiguous memory order; constants and batch norms are
    folded by the exporter. The file appears at `to` only after ONNX Runtime gave the module's outputs
    for real and made-up rows, one and several, and at two lengths where rows differ in it.

    Args:
        module: maps tensors (batch, ...) to a tensor (batch, ...), or to a tuple or dictionary of them.
        example: prepared rows; the first few are used. Floating numbers become float32, integers stay.
        to: the file to write; weights go beside it only above 2 GB.
        opset: ONNX operator set.

    Raises:
        ModelError: the module is not exportable, is random in evaluation mode, an output has no batch
            dimension, or the outputs of the file differ from the module's (the error names the largest
            difference and its output).
        UserCodeError: the module's forward raised.
        MissingExtraError: torch is not installed.
    """
    require_torch("export to ONNX")
    source = _frozen(module)
    batches = check_batches(_as_taken(example))

    def run(batch: Prepared) -> Arrays:
        return _run_source(source, batch)

    refuse_randomness(type(module).__name__, run, batches[1])
    large = sum(weight.numel() * weight.element_size() for weight in source.parameters()) > _ONE_FILE_LIMIT
    outputs = list(run(batches[1]))

    def write(draft: Path) -> None:
        program = _traced(source, batches[1], outputs, opset)
        save_program(program, draft, large)

    return publish_checked(to, write, lambda draft: compare(draft, batches, run))


def publish_checked(to: Path, write: Callable[[Path], None], check: Callable[[Path], None]) -> ExportedModel:
    """Write a draft beside `to`, check it, and give it its name only then.

    Raises:
        ModelError: what `write` or `check` raise; or the draft is no valid ONNX file.
    """
    to.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=to.parent, prefix=".export-") as folder:
        draft = Path(folder) / to.name
        write(draft)
        validate(draft)
        check(draft)
        exported = ExportedModel(to, read_signature(draft), parameter_count(draft))
        _publish(draft, to)
    return exported


def save_program(program: ONNXProgram, path: Path, large: bool) -> None:
    """Write an exported program; weights go beside the file when `large`."""
    from onnx_ir.passes.common import ClearMetadataAndDocStringPass

    # Stack traces in the metadata name the user's files and change with every line.
    ClearMetadataAndDocStringPass()(program.model)
    program.save(path, external_data=large)


@contextmanager
def exporter_errors(name: str) -> Iterator[None]:
    """Silence what the exporter of torch says on every call, and tell its refusals in one sentence.

    Raises:
        ModelError: the exporter refused `name`.
    """
    import torch

    try:
        with _quiet_exporter():
            yield
    except torch.onnx.OnnxExporterError as error:
        lines = str(error.__cause__ or error).strip().splitlines() or ["no reason given"]
        reason = " ".join(lines[:2]) if lines[0].endswith(":") else lines[0]
        raise ModelError(
            f"{name} cannot be exported to ONNX: {reason}",
            "a module that torch.export can trace with any number of rows",
            "see https://docs.pytorch.org/docs/stable/onnx_export.html",
        ) from error


def _as_taken(example: Prepared) -> Prepared:
    """The rows with the names and number types that the module and the file take."""
    names = [INPUT if name == SOLE else name for name in example.arrays]
    arrays = {name: _plain(array) for name, array in zip(names, example.arrays.values(), strict=True)}
    padding = {INPUT if name == SOLE else name: number for name, number in example.padding.items()}
    return Prepared(arrays, example.lengths, padding)


def _plain(array: Array) -> Array:
    few = np.asarray(array[:16])  # the array may be a memory map of all rows
    return few.astype(np.float32) if few.dtype.kind == "f" else few


def _frozen(module: nn.Module) -> nn.Module:
    import torch

    # Training may have left weights in channels-last order, which the file would store transposed.
    copied = copy.deepcopy(module).cpu().float().eval().requires_grad_(False)
    copied.to(memory_format=torch.contiguous_format)  # type: ignore[call-overload]
    return copied


def _run_source(source: nn.Module, batch: Prepared) -> dict[str, Array]:
    import torch

    name = f"{type(source).__name__}.forward"
    tensors = {key: torch.from_numpy(np.array(array)) for key, array in batch.arrays.items()}
    with torch.no_grad():
        outputs = named_tensors(call_builder(name, _call, source, tensors), name)
    for key, tensor in outputs.items():
        if tensor.ndim < 1 or tensor.shape[0] != len(batch):
            of = "" if key == OUTPUT else f" in `{key}`"
            raise ModelError(
                f"{name} returned shape {tuple(tensor.shape)}{of} for {len(batch)} rows",
                f"a first dimension of {len(batch)}",
                "keep the batch as the first dimension",
            )
    return {key: tensor.numpy() for key, tensor in outputs.items()}


def _call(source: nn.Module, tensors: dict[str, Any]) -> Any:
    return source(tensors[INPUT]) if list(tensors) == [INPUT] else source(**tensors)


def _traced(source: nn.Module, batch: Prepared, outputs: Sequence[str], opset: int) -> ONNXProgram:
    import torch

    from sartor.model.tracing import Positional

    batch = _traceable(batch)
    free = tuple({0: BATCH, 1: LENGTH} if name in batch.padding else {0: BATCH} for name in batch.arrays)
    module = Positional(source, list(batch.arrays), lambda tensors: _call(source, tensors)).eval()
    _forget_dispatch()
    with exporter_errors(type(source).__name__):
        program = torch.onnx.export(
            module,
            tuple(torch.from_numpy(np.array(array)) for array in batch.arrays.values()),
            input_names=list(batch.arrays),
            output_names=list(outputs),
            opset_version=opset,
            dynamic_shapes=(free,),
            dynamo=True,
            optimize=True,
            verbose=False,
        )
    assert program is not None  # only the exporter without dynamo returns None
    return program


def _forget_dispatch() -> None:
    """Make a second recurrent network in one process export like the first.

    Torch 2.13 keeps how the last export dispatched these operators, and the next one then unrolls them to the
    length of its example.
    """
    import torch

    for name in ("gru", "lstm", "rnn_tanh", "rnn_relu"):
        for form in ("input", "data"):
            cache = getattr(getattr(getattr(torch.ops.aten, name), form), "_dispatch_cache", None)
            if cache is not None:
                cache.clear()


def _traceable(batch: Prepared) -> Prepared:
    rows = np.resize(np.arange(len(batch)), _SHORTEST_TRACE)
    two = batch.take(rows)
    return two.of_length(max(batch.longest, _SHORTEST_TRACE))


@contextmanager
def _quiet_exporter() -> Iterator[None]:
    """Silence what the exporter of torch 2.13 says on every call."""
    logger = logging.getLogger("torch.onnx._internal.exporter._registration")

    def speaks_of_else(record: logging.LogRecord) -> bool:
        return "torchvision is not installed" not in record.getMessage()

    logger.addFilter(speaks_of_else)
    try:
        with warnings.catch_warnings():
            # Of its own code, of shared dimensions, of recurrent weights. What the user's forward warns of was shown
            # when it was run before this.
            warnings.simplefilter("ignore")
            yield
    finally:
        logger.removeFilter(speaks_of_else)


def _publish(draft: Path, to: Path) -> None:
    # Weights first, the model last: whoever sees the model sees all of it.
    for part in sorted(draft.parent.iterdir(), key=lambda part: part == draft):
        part.replace(to.parent / part.name)
