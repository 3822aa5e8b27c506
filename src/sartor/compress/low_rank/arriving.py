"""How much of what a layer loses arrives at the answers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from sartor.compress.layers import nodes_of
from sartor.compress.low_rank.factors import Values, composed, factors
from sartor.compress.low_rank.graph import corrected_bias, own_bias
from sartor.compress.low_rank.layers import Decomposable
from sartor.compress.low_rank.operators import constant, stored_weight
from sartor.compress.switches import load
from sartor.plan.ranks import Ranks
from sartor.runtime.base import Array

if TYPE_CHECKING:
    from pathlib import Path

    from onnx import ModelProto

_PROBE_ERROR = 0.03  # of a layer's output: about what the layers of a decomposed network have, far above rounding


def arriving_errors(
    model: ModelProto,
    found: Sequence[Decomposable],
    given: Sequence[Mapping[str, Array]],
    output: int,
    scratch: Path,
    threads: int,
) -> dict[str, float]:
    """By layer, the share of the answers' variance that changes for each share of the layer's output that is lost.

    One session takes the weights as inputs, and gets one of them at a lower rank at a time. Of several layers the
    errors nearly add, as those of rounding do (see `sensitivity`).

    Args:
        model: the whole model.
        found: its decompositions.
        given: inputs of some calls.
        output: number of the output that is judged.
        scratch: an existing folder.
        threads: of the session.
    """
    overridable = type(model)()
    overridable.CopyFrom(model)
    biases = {one.name: own_bias(overridable, nodes_of(overridable, [one.name])[0], one.name) for one in found}
    _take_as_inputs(overridable, [*biases, *filter(None, biases.values())])
    session = load(overridable, scratch / "overridable.onnx", threads)

    def answers(override: Mapping[str, Array]) -> Array:
        runs = (session.run({**piece, **override})[output] for piece in given)
        return np.concatenate([answer.astype(np.float64).reshape(-1) for answer in runs])

    plain = answers({})
    spread = float(np.var(plain)) or 1.0
    arriving = {}
    for one in found:
        ranks = _probe(one)
        changed = answers(_lower(overridable, one, ranks, biases[one.name])) - plain
        arriving[one.name] = float(np.mean(changed**2)) / spread / max(one.error(ranks), 1e-9)
    return arriving


def _probe(one: Decomposable) -> Ranks:
    """The choice with an error next to what decomposed layers have."""
    choices = one.choices()
    distances = [abs(np.log(max(one.error(ranks), 1e-9) / _PROBE_ERROR)) for ranks in choices]
    return choices[int(np.argmin(distances))]


def _lower(model: ModelProto, one: Decomposable, ranks: Ranks, bias: str) -> dict[str, Array]:
    """A layer's weight and bias at a lower rank, in one piece."""
    parts = factors(one.spectrum, ranks)
    weight = stored_weight(nodes_of(model, [one.name])[0], composed(parts), constant(model, one.name).shape)
    override: dict[str, Values] = {one.name: weight}
    if bias:
        override[bias] = corrected_bias(one, parts, constant(model, bias))
    return {name: np.ascontiguousarray(values, dtype=np.float32) for name, values in override.items()}


def _take_as_inputs(model: ModelProto, names: Sequence[str]) -> None:
    """Let a caller give other values of some initializers, in place."""
    from onnx import TensorProto, helper

    tensors = {tensor.name: tensor for tensor in model.graph.initializer}
    model.graph.input.extend(
        helper.make_tensor_value_info(name, TensorProto.FLOAT, tensors[name].dims) for name in names
    )
