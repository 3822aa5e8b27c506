"""How much each layer's 8 bits change what a model answers, measured on calibration rows.

One session holds the model with two switches at each layer: one rounds its weight to 8 bits a channel, the other its
input to 8 bits over the range that the rows span, which is what the quantizers do to them. The errors nearly add, since
what one rounds is independent of what another does (Zhou et al. 2018, "Adaptive quantization for deep neural network",
section 3), so the best set to leave in f32 is found from them without trying sets. That they add is checked: `together`
is measured beside their sum. EfficientNet-Lite0 on 32 pictures: five of its 50 layers, at its start, make 80% of the
error.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sartor.compress.calibration import checked_rows, pieces
from sartor.compress.layers import layers
from sartor.compress.onnx_file import read_whole
from sartor.compress.switches import ROWS_PER_PIECE, SWITCH, spans_of, switchable
from sartor.errors import CandidateError
from sartor.machine.device import Machine
from sartor.model.values import ExportedModel
from sartor.runtime.base import Array, Session
from sartor.steps.prepared import Prepared

_ROWS = 32
_FIRST_OPSET = 11  # with Round


@dataclass(frozen=True)
class Sensitivity:
    """What one layer's 8 bits do.

    Attributes:
        name: of the layer: that of its weight.
        operator: type of its operator.
        weight_error: mean squared change of the judged output that its rounded weight makes, as a share of that
            output's variance over the rows.
        input_error: the same for its rounded input.
        elements_in: numbers that it reads for one row.
        elements_out: numbers that it gives for one row.
    """

    name: str
    operator: str
    weight_error: float
    input_error: float
    elements_in: float
    elements_out: float

    @property
    def error(self) -> float:
        """Of both."""
        return self.weight_error + self.input_error


@dataclass(frozen=True)
class Sensitivities:
    """Of all layers of one model.

    Attributes:
        layers: in the file's order.
        together: the error with all layers in 8 bits at once.
        rows: that were looked at.
    """

    layers: tuple[Sensitivity, ...]
    together: float
    rows: int

    @property
    def sum(self) -> float:
        """What `together` would be if errors added exactly."""
        return sum(one.error for one in self.layers)

    def as_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return {"layers": [asdict(one) for one in self.layers], "together": self.together, "rows": self.rows}

    @classmethod
    def from_dict(cls, saved: Mapping[str, Any]) -> Sensitivities:
        """The inverse of `as_dict`."""
        return cls(tuple(Sensitivity(**one) for one in saved["layers"]), saved["together"], saved["rows"])


def measure_sensitivities(
    source: ExportedModel, calibration_inputs: Prepared, output: int, machine: Machine, threads: int, seconds: float
) -> Sensitivities:
    """Round one weight or input at a time.

    Args:
        source: the model in f32.
        calibration_inputs: rows, of which the first 32 are used.
        output: number of the output that is judged.
        machine: whose 8-bit weights have 7 bits where its sums would saturate.
        threads: of the session.
        seconds: after which no further rows are looked at; a first piece of up to 16 always is.

    Raises:
        CandidateError: `unsupported` when no layer can be told apart; `wrong-output` when what one reads is not finite.
        DataError: the rows do not fit the model.
    """
    rows = checked_rows(source, calibration_inputs, _ROWS)
    model = read_whole(source.path)
    found = layers(model)
    opset = next(one.version for one in model.opset_import if one.domain in ("", "ai.onnx"))
    if not found or opset < _FIRST_OPSET:
        why = f"opset {opset} cannot round" if found else "no product or convolution has weights of its own"
        raise CandidateError("unsupported", f"no layer can be told apart: {why}")
    with TemporaryDirectory(prefix="sartor-") as scratch:
        spans = spans_of(source, found, rows, Path(scratch), threads)
        session = switchable(source, found, spans, machine, Path(scratch), threads)
        changes, together, spread, seen = _changes(session, source, rows, output, len(found), seconds)
    sensitivities = (
        Sensitivity(one.name, one.operator, float(weight), float(read), span.elements_in, span.elements_out)
        for one, (weight, read), span in zip(found, changes / spread, spans, strict=True)
    )
    return Sensitivities(tuple(sensitivities), together / spread, seen)


def _changes(
    session: Session, source: ExportedModel, rows: Prepared, output: int, count: int, seconds: float
) -> tuple[NDArray[np.float64], float, float, int]:
    """Mean squared changes (layers, 2) and all together, the variance of the answers, and the rows looked at."""
    begun, seen, switches = time.monotonic(), 0, 2 * count
    squared = np.zeros(switches + 1)
    plain: list[Array] = []
    patterns = [*np.eye(switches, dtype=bool), np.ones(switches, dtype=bool)]
    for piece in pieces(source, rows, ROWS_PER_PIECE):
        if seen and time.monotonic() - begun > seconds:
            break

        def answers(switches: Array, piece: Mapping[str, Array] = piece) -> Array:
            given: Array = session.run({**piece, SWITCH: switches})[output].astype(np.float64)
            return given

        off = answers(np.zeros(switches, dtype=bool))
        squared += [float(np.sum((answers(pattern) - off) ** 2)) for pattern in patterns]
        plain.append(off.reshape(-1))
        seen += len(next(iter(piece.values())))
    whole = np.concatenate(plain)
    spread = float(np.var(whole)) or 1.0
    return squared[:-1].reshape(2, count).T / whole.size, squared[-1] / whole.size, spread, seen
