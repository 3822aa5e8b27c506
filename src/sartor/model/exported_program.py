"""Programs of torch.export, `.pt2` files: what goes in, and one ONNX file from them.

Such a file is checked before torch loads it: see `exported_archive`.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from sartor.errors import ModelError
from sartor.model.agreement import Arrays, check_batches, compare, refuse_randomness
from sartor.model.checkpoint import hash_files, refuse_pointer
from sartor.model.export import BATCH, exporter_errors, publish_checked, save_program
from sartor.model.exported_archive import AGAIN, ALLOWED, check_samples, checked_program, input_names
from sartor.model.outputs import named_tensors
from sartor.model.torch import require_torch
from sartor.model.values import ExportedModel, Model
from sartor.runtime.base import Array
from sartor.steps.prepared import SOLE, Prepared

if TYPE_CHECKING:
    from torch import nn
    from torch.export import ExportedProgram
    from torch.onnx import ONNXProgram

_ONE_FILE_LIMIT = 1_900_000_000  # bytes; protobuf stops at 2 GiB


def open_exported_program(reference: str, base: Path) -> Model:
    """A `.pt2` file as a model: its inputs are read without torch, and nothing of it is run.

    Raises:
        ModelError: no such file, no program, or one that could run code when it is loaded.
    """
    from sartor.model.open import slug

    path = (base / Path(reference).expanduser()).resolve()
    if not path.is_file():
        raise ModelError(f"no file `{reference}` (looked for {path})", "the path of a .pt2 file")
    refuse_pointer(path)
    inputs = input_names(path, checked_program(path))
    return Model(slug(path.stem), reference, "exported-program", False, hash_files([path]), path=path, inputs=inputs)


def export_program(model: Model, example: Prepared, to: Path, opset: int = 20) -> ExportedModel:
    """Write an exported program as ONNX, compared with the program on `example` and on made-up rows.

    Dimensions that the program leaves free are free in the file, the first one as `batch`. A program with a fixed
    batch gives a file with a fixed batch, compared on that many rows.

    Args:
        model: as `open_exported_program` returned it.
        example: prepared rows; a sole array without a name stands for the only input.
        to: the file to write.
        opset: ONNX operator set.

    Raises:
        ModelError: rows that the program cannot take, a program that is not exportable, or outputs that differ.
        MissingExtraError: torch is not installed.
    """
    require_torch(model.reference)
    program = load_program(model)
    rows = _rows_of(program, model, example)
    batches = check_batches(rows) if _free_batch(program) else [rows]

    module = program.module()

    def run(batch: Prepared) -> Arrays:
        return _run(program, module, batch, model.reference)

    refuse_randomness(model.reference, run, batches[-1])
    large = sum(weight.numel() * weight.element_size() for weight in program.state_dict.values()) > _ONE_FILE_LIMIT
    outputs = list(run(batches[-1]))
    return publish_checked(
        to,
        lambda draft: save_program(_to_onnx(program, model, outputs, opset), draft, large),
        lambda draft: compare(draft, batches, run),
    )


def load_program(model: Model) -> ExportedProgram:
    """The program, after its archive was found to hold nothing that runs code.

    Raises:
        ModelError: the archive is refused, or torch cannot read it.
        MissingExtraError: torch is not installed.
    """
    require_torch(model.reference)
    import torch

    assert model.path is not None
    checked_program(model.path)
    check_samples(model.path)
    try:
        return torch.export.load(model.path)
    except Exception as error:  # noqa: BLE001 - any error of torch's reader of files from outside
        reason = next(iter(str(error).strip().splitlines()), type(error).__name__)
        raise ModelError(f"{model.path} cannot be read by torch: {reason}", ALLOWED, AGAIN) from None


def _shapes(program: ExportedProgram) -> dict[str, tuple[Any, ...]]:
    names = set(program.graph_signature.user_inputs)
    return {node.name: tuple(node.meta["val"].shape) for node in program.graph.nodes if node.name in names}


def _free_batch(program: ExportedProgram) -> bool:
    return not all(isinstance(shape[0], int) for shape in _shapes(program).values() if shape)


def _rows_of(program: ExportedProgram, model: Model, example: Prepared) -> Prepared:
    """As many rows as the program takes, with its names and number types."""
    if SOLE not in example.arrays and set(model.inputs) - set(example.arrays):
        raise ModelError(
            f"rows with {', '.join(example.arrays)} for {model.reference}", f"rows with {', '.join(model.inputs)}"
        )
    if SOLE in example.arrays and len(model.inputs) != 1:
        raise ModelError(f"rows of one array for {model.reference}", f"rows with {', '.join(model.inputs)}")
    rows = example.take(slice(0, 16)).renamed(model.inputs)
    fixed = {shape[0] for shape in _shapes(program).values() if shape and isinstance(shape[0], int)}
    if not _free_batch(program):
        rows = rows.take(np.resize(np.arange(len(rows)), max(fixed)))
    dtypes = {node.name: node.meta["val"].dtype for node in program.graph.nodes if node.name in set(model.inputs)}
    arrays = {name: _of_type(array, dtypes[name]) for name, array in rows.arrays.items()}
    return Prepared(arrays, rows.lengths, rows.padding).trimmed()


def _of_type(array: Array, dtype: Any) -> Array:
    import torch

    return torch.from_numpy(np.array(array)).to(dtype).numpy()


def _run(program: ExportedProgram, module: nn.Module, batch: Prepared, name: str) -> dict[str, Array]:
    import torch

    tensors = [torch.from_numpy(np.array(array)) for array in batch.arrays.values()]
    flat = dict(zip(batch.arrays, tensors, strict=True))
    args, keywords = _arguments(program, list(flat.values()))
    try:
        with torch.no_grad():
            outputs = named_tensors(module(*args, **keywords), name)
    except (RuntimeError, AssertionError) as error:
        shapes = ", ".join(f"{key} {tuple(tensor.shape)}" for key, tensor in flat.items())
        raise ModelError(
            f"{name} refuses {shapes}: {str(error).strip().splitlines()[0]}",
            "rows of the shape that it was exported for",
        ) from None
    return {key: tensor.numpy() for key, tensor in outputs.items()}


def _arguments(program: ExportedProgram, flat: list[Any]) -> tuple[Any, Any]:
    from torch.utils import _pytree

    assert program.call_spec.in_spec is not None
    args, keywords = _pytree.tree_unflatten(flat, program.call_spec.in_spec)
    return args, keywords


def _to_onnx(program: ExportedProgram, model: Model, outputs: list[str], opset: int) -> ONNXProgram:
    import torch

    with exporter_errors(model.reference):
        written = torch.onnx.export(
            program,
            input_names=list(model.inputs),
            output_names=outputs,
            opset_version=opset,
            dynamo=True,
            optimize=True,
            verbose=False,
        )
    assert written is not None  # only the exporter without dynamo returns None
    _name_batch(written)
    return written


def _name_batch(program: ONNXProgram) -> None:
    """Call the free first dimension `batch`: torch gave it a name such as `s77`."""
    import onnx_ir

    values = [*program.model.graph.inputs, *program.model.graph.outputs]
    first = next((value.shape[0] for value in values if value.shape and not isinstance(value.shape[0], int)), None)
    for value in values:
        if first is not None and value.shape is not None:
            named = [onnx_ir.SymbolicDim(BATCH) if size == first else size for size in value.shape]
            value.shape = onnx_ir.Shape(named)
