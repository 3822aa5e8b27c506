"""What layers give and read on calibration rows, as second moments.

B rows of a piece, P positions (pixels or tokens) of a row, C channels or columns.
"""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from sartor.compress.calibration import checked_rows, pieces
from sartor.compress.layers import Layer
from sartor.compress.low_rank.factors import Second, Values
from sartor.compress.onnx_file import read_whole
from sartor.compress.switches import load
from sartor.errors import CandidateError
from sartor.model.values import ExportedModel
from sartor.runtime.base import Array
from sartor.steps.prepared import Prepared

if TYPE_CHECKING:
    from onnx import ModelProto

ROWS = 96
_ROWS_PER_PIECE = 4  # all activations of a piece are held at once


@dataclass(frozen=True, eq=False)
class Moments:
    """What one layer gives and reads; every row counts the same, every position of a row, too.

    Attributes:
        outputs: of what it gives, about 0.
        mean: (O,), of what it gives.
        inputs: of its input channels, about 0, of a convolution with a kernel larger than 1; else None.
        shape: of what it reads in a call of one row; of the middle length, where rows differ in it.
    """

    outputs: Second
    mean: Values
    inputs: Second | None
    shape: tuple[int, ...]

    @property
    def centred(self) -> Second:
        """Of what it gives, about its mean."""
        return Second(self.outputs.moment - np.outer(self.mean, self.mean), self.outputs.spread)


def measure_moments(
    source: ExportedModel,
    found: Sequence[Layer],
    calibration_inputs: Prepared,
    scratch: Path,
    threads: int,
    seconds: float,
) -> dict[str, Moments]:
    """Run calibration rows and add up what layers give.

    Args:
        source: the model in f32.
        found: the layers to look at.
        calibration_inputs: rows, of which the first 96 are used.
        scratch: an existing folder.
        threads: of the session.
        seconds: after which no further rows are looked at; one piece always is.

    Returns:
        Moments by the name of the layer.

    Raises:
        CandidateError: `wrong-output` when an activation is not finite.
        DataError: the rows do not fit the model.
    """
    rows = checked_rows(source, calibration_inputs, ROWS)
    taps = list(dict.fromkeys(name for one in found for name in (one.activation, one.outputs[0])))
    model = read_whole(source.path)
    kernels = {tensor.name for tensor in model.graph.initializer if math.prod(tensor.dims[2:]) > 1}
    model, places = _tapped(model, taps)
    session = load(model, scratch / "tapped.onnx", threads)
    outputs = {one.name: _Sums() for one in found}
    inputs = {one.name: _Sums() for one in found if one.operator == "Conv" and one.name in kernels}
    shapes: list[dict[str, tuple[int, ...]]] = []
    begun = time.monotonic()
    for piece in pieces(source, rows, _ROWS_PER_PIECE):
        if shapes and time.monotonic() - begun > seconds:
            break
        given = session.run(piece)
        shapes.append({one.name: (1, *given[places[one.activation]].shape[1:]) for one in found})
        for one in found:
            outputs[one.name].add(_by_position(one, given[places[one.outputs[0]]]), one.outputs[0])
            if one.name in inputs:
                inputs[one.name].add(_by_position(one, given[places[one.activation]]), one.activation)
    middle = shapes[len(shapes) // 2]
    return {
        name: Moments(sums.second, sums.mean, inputs[name].second if name in inputs else None, middle[name])
        for name, sums in outputs.items()
    }


class _Sums:
    """Sums over rows of their moments."""

    def __init__(self) -> None:
        self._rows, self._squares = 0, 0.0
        self._moment: Values = np.zeros(())
        self._mean: Values = np.zeros(())

    def add(self, values: Array, name: str) -> None:
        """Count rows (B, P, C) of the tensor of that name."""
        flat = values.reshape(-1, values.shape[-1])
        moment = (flat.T @ flat).astype(np.float64) / values.shape[1]
        if not np.isfinite(moment).all():
            raise CandidateError("wrong-output", f"`{name}` holds numbers that are not finite on the calibration rows")
        self._rows += len(values)
        self._squares += sum(_squared_moment(row) for row in values)
        self._moment = self._moment + moment
        self._mean = self._mean + values.mean(axis=1, dtype=np.float64).sum(axis=0)

    @property
    def mean(self) -> Values:
        """(C,)."""
        return np.asarray(self._mean / self._rows)

    @property
    def second(self) -> Second:
        """(C, C) and how far it may be off: the variance over rows, by their number."""
        moment = self._moment / self._rows
        return Second(moment, max(self._squares / self._rows - float(np.sum(moment**2)), 0.0) / self._rows)


def _squared_moment(row: Array) -> float:
    """The squared Frobenius norm of the moment of one row (P, C), by whichever product is smaller."""
    gram = row.T @ row if row.shape[0] > row.shape[1] else row @ row.T
    return float(np.vdot(gram, gram) / row.shape[0] ** 2)


def _by_position(layer: Layer, values: Array) -> Array:
    """(B, P, C)."""
    if layer.operator == "Conv":
        return np.ascontiguousarray(values.reshape(*values.shape[:2], -1).transpose(0, 2, 1))
    return values.reshape(len(values), -1, values.shape[-1])


def _tapped(model: ModelProto, tensors: Sequence[str]) -> tuple[ModelProto, dict[str, int]]:
    """The model with some tensors among its outputs, and where each is."""
    from onnx import TensorProto, helper

    inputs = {value.name for value in model.graph.input}
    present = [value.name for value in model.graph.output]
    places = {}
    for name in tensors:
        shown = name
        if name in inputs:  # which cannot be outputs themselves
            shown = f"sartor.{name}"
            model.graph.node.append(helper.make_node("Identity", [name], [shown]))
        if shown not in present:
            present.append(shown)
            model.graph.output.append(helper.make_tensor_value_info(shown, TensorProto.FLOAT, None))
        places[name] = present.index(shown)
    return model, places
