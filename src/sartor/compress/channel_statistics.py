"""What the channels of some tensors hold over calibration rows: their means, or their largest magnitudes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from sartor.compress.calibration import pieces
from sartor.compress.onnx_file import write_whole
from sartor.model.onnx import with_outputs
from sartor.model.values import ExportedModel
from sartor.runtime import open_runtime
from sartor.runtime.base import Array, Settings
from sartor.steps.prepared import Prepared

if TYPE_CHECKING:
    from onnx import ModelProto

Channels = dict[str, NDArray[np.float64]]
_ROWS_PER_PIECE = 4  # all tensors of one piece are in memory together


def channel_means(model: ModelProto, source: ExportedModel, rows: Prepared, tensors: Mapping[str, int]) -> Channels:
    """Mean of each channel over rows and all other axes: (channels,) by the name of the tensor.

    Args:
        model: a file with the inputs of `source`; it is not changed.
        source: whose signature says how rows are cut into pieces.
        rows: R >= 1 calibration rows.
        tensors: names of f32 tensors of the file, with the axis of their channels: 1, or -1 for the last.
    """
    sums: Channels = {name: np.zeros(1) for name in tensors}
    counts = dict.fromkeys(tensors, 0)
    for name, table in _tables(model, source, rows, tensors):
        sums[name] = sums[name] + table.sum(axis=0, dtype=np.float64)
        counts[name] += len(table)
    return {name: total / counts[name] for name, total in sums.items()}


def channel_peaks(model: ModelProto, source: ExportedModel, rows: Prepared, tensors: Mapping[str, int]) -> Channels:
    """Largest magnitude of each channel: (channels,) by the name of the tensor. Arguments as of `channel_means`."""
    peaks: Channels = {name: np.zeros(1) for name in tensors}
    for name, table in _tables(model, source, rows, tensors):
        peaks[name] = np.maximum(peaks[name], np.abs(table).max(axis=0))
    return peaks


def _tables(
    model: ModelProto, source: ExportedModel, rows: Prepared, tensors: Mapping[str, int]
) -> Iterator[tuple[str, Array]]:
    """Each tensor of each piece of rows as (values, channels)."""
    if not tensors:
        return
    with TemporaryDirectory(prefix="sartor-") as scratch:
        path = write_whole(with_outputs(model, list(tensors)), Path(scratch) / "observed.onnx")
        session = open_runtime("onnxruntime").load(path, Settings())
        for piece in pieces(source, rows, _ROWS_PER_PIECE):
            for (name, axis), values in zip(tensors.items(), session.run(piece), strict=True):
                yield name, np.moveaxis(values, axis, -1).reshape(-1, values.shape[axis])
