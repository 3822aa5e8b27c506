"""Weights that a file holds twice: a tied embedding and its transpose, which exporters write out for the head."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from onnx import GraphProto, TensorProto

_SAMPLES = 64  # numbers compared; weights that are not tied agree in none of them


def transposed_copies(graph: GraphProto, folder: Path) -> frozenset[str]:
    """Names of matrices whose numbers are those of a table that `Gather` reads, transposed or as they are.

    Of each pair a few numbers spread over the table are read from the file, never the whole.
    """
    tables = {node.input[0] for node in graph.node if node.op_type == "Gather"}
    matrices = [tensor for tensor in graph.initializer if len(tensor.dims) == 2]
    return frozenset(
        other.name
        for table in matrices
        if table.name in tables
        for other in matrices
        if other.name not in tables and _is_copy(table, other, folder)
    )


def _is_copy(table: TensorProto, other: TensorProto, folder: Path) -> bool:
    shape, wanted = tuple(table.dims), tuple(other.dims)
    if table.data_type != other.data_type or sorted(shape) != sorted(wanted):
        return False
    return any(_same_numbers(table, other, turned, folder) for turned in _ways(shape, wanted))


def _ways(shape: tuple[int, ...], wanted: tuple[int, ...]) -> Iterator[bool]:
    if shape == wanted:
        yield False
    if shape[::-1] == wanted:
        yield True


def _same_numbers(table: TensorProto, other: TensorProto, turned: bool, folder: Path) -> bool:
    import numpy as np

    ours, theirs = _numbers(table, folder), _numbers(other, folder)
    if ours is None or theirs is None or not ours.size:
        return False
    rows, columns = (np.linspace(0, size - 1, _SAMPLES).astype(int) for size in ours.shape)
    columns = np.roll(columns, _SAMPLES // 3)  # off the diagonal, where a square matrix equals its transpose
    sampled = ours[rows, columns]
    same = theirs[columns, rows] if turned else theirs[rows, columns]
    return bool((sampled == same).all()) and len(np.unique(sampled)) > 1


def _numbers(tensor: TensorProto, folder: Path) -> np.ndarray | None:
    """The bits of a matrix, mapped where they lie; None where they cannot be reached."""
    import numpy as np
    from onnx import helper

    itemsize = helper.tensor_dtype_to_np_dtype(tensor.data_type).itemsize
    bits = np.dtype(f"V{itemsize}") if itemsize not in (1, 2, 4, 8) else np.dtype(f"u{itemsize}")
    shape = tuple(tensor.dims)
    try:
        if tensor.data_location != tensor.EXTERNAL:
            return np.frombuffer(tensor.raw_data, bits).reshape(shape)
        entry = {pair.key: pair.value for pair in tensor.external_data}
        path = (folder / entry["location"]).resolve()
        if not path.is_relative_to(folder.resolve()):
            return None
        return np.memmap(path, bits, "r", int(entry.get("offset", 0)), shape)
    except (OSError, ValueError, KeyError):
        return None
