"""What each unit is worth, by one of three measures."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import numpy as np
from numpy.typing import NDArray

from sartor.compress.calibration import pieces
from sartor.compress.pruning.activation import activation
from sartor.compress.pruning.importance import Importance, magnitude, taylor, weights_of
from sartor.compress.pruning.values import ChannelGroups
from sartor.model.values import ExportedModel
from sartor.steps.prepared import Prepared
from sartor.train.gradients import weight_gradients
from sartor.train.values import Kind

if TYPE_CHECKING:
    from onnx import ModelProto

Measure = Literal["magnitude", "activation", "taylor"]

_GRADIENTS = 32
_ACTIVATION_ROWS = 256
_BATCH = 32


def unit_importance(
    measure: Measure,
    source: ExportedModel,
    model: ModelProto,
    groups: ChannelGroups,
    inputs: Prepared,
    rows: NDArray[np.int64],
    *,
    output: str,
    kind: Kind,
    seed: int,
    threads: int,
) -> dict[str, Importance]:
    """(units,) by the name of a group.

    Args:
        measure: `magnitude` and `taylor` of `importance`, or `activation`.
        source: the file that the model was read from.
        model: that the groups were found in, without weights that two operators share.
        groups: of the model.
        inputs: prepared rows, by the names of the file's inputs.
        rows: numbers of those that may be looked at.
        output: name of the output that counts, by gradients.
        kind: what that output means.
        seed: of the rows that gradients are taken of.
        threads: of the runtime, or of torch.

    Raises:
        DataError: there are no rows.
        CandidateError: `unsupported`, an operator that gradients cannot be taken through.
        MissingExtraError: gradients are asked for and torch is not installed.
    """
    if measure == "magnitude":
        return magnitude(groups, weights_of(model))
    if measure == "activation":
        batches = pieces(source, inputs.take(rows[:_ACTIVATION_ROWS]), _BATCH)
        return activation(model, groups, batches, threads)
    gradients = weight_gradients(model, output, kind, inputs, rows, batches=_GRADIENTS, seed=seed, threads=threads)
    return taylor(groups, weights_of(model), gradients)
