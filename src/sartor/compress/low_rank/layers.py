"""Which layers of a file can be told apart into products of lower rank, and what each rank loses.

O outputs and I inputs (channels of a convolution), T taps of its kernel (1 for a product).
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import product
from typing import TYPE_CHECKING

import numpy as np

from sartor.compress.layers import Layer, layers
from sartor.compress.low_rank.factors import Second, Spectrum, Values, convolution_spectrum, product_spectrum
from sartor.compress.low_rank.moments import Moments
from sartor.compress.low_rank.operators import (
    attribute,
    bias_place,
    bias_value,
    constant,
    effective_weight,
    oriented,
    readers,
)
from sartor.plan.ranks import Ranks

if TYPE_CHECKING:
    from onnx import ModelProto, NodeProto

STEP = 8  # of which ranks are multiples: numbers in a register of AVX2, and channels in a block of the runtimes
_MOST_CHOICES = 16
_MOST_OUTPUTS = 4096  # of which all pairs are held in f64: 134 MB
_FEWEST = 2 * STEP


@dataclass(frozen=True, eq=False)
class Decomposable:
    """A layer that can become two or three.

    Attributes:
        name: of its weight.
        operator: type of its operator.
        spectrum: of what it gives.
        mean: (O,), of what it gives, its bias not counted; 0 where the mean is not kept through a bias.
        stretch: positions that it reads for each one that it gives.
    """

    name: str
    operator: str
    spectrum: Spectrum
    mean: Values
    stretch: int

    @property
    def errors(self) -> Values:
        """Share of the output's energy that is lost, by rank (r + 1,), or by those of inputs and outputs.

        About its mean where the mean is kept.
        """
        return self.spectrum.errors

    @property
    def shape(self) -> tuple[int, int, int]:
        """(O, I, T)."""
        outputs, inputs, taps = self.spectrum.weight.shape
        return outputs, inputs, taps

    @property
    def multiplications(self) -> int:
        """Of the whole layer, for one position that it gives."""
        return math.prod(self.shape)

    def error(self, ranks: Ranks) -> float:
        """That it has at these ranks; of three parts an upper bound."""
        return float(self.errors[ranks])

    def parts(self, ranks: Ranks) -> tuple[int, ...]:
        """Multiplications of each part, for one position that the layer gives."""
        outputs, inputs, taps = self.shape
        if len(ranks) == 1:
            return ranks[0] * inputs * taps, outputs * ranks[0]
        rank_in, rank_out = ranks
        first = (rank_in * inputs * self.stretch,) if rank_in < inputs else ()
        last = (outputs * rank_out,) if rank_out < outputs else ()
        return *first, rank_in * rank_out * taps, *last

    def choices(self) -> tuple[Ranks, ...]:
        """Ranks that multiply less than the whole layer, dearest last; of those with larger errors for no less, none.

        At most 16 of each number of parts.
        """
        every = [ranks for ranks in product(*self._steps()) if sum(self.parts(ranks)) < self.multiplications]
        by_count: dict[int, list[Ranks]] = {}
        for ranks in sorted(every, key=lambda one: (sum(self.parts(one)), self.error(one))):
            kept = by_count.setdefault(len(self.parts(ranks)), [])
            if not kept or self.error(ranks) < self.error(kept[-1]):
                kept.append(ranks)
        return tuple(ranks for kept in by_count.values() for ranks in _thinned(kept))

    def _steps(self) -> list[list[int]]:
        """Ranks of each axis that are tried; of a convolution's channels also all of them."""
        outputs, inputs, _ = self.shape
        if self.errors.ndim == 1:
            return [list(range(STEP, len(self.errors), STEP))]
        return [[*range(STEP, size, STEP), size] for size in (inputs, outputs)]


def decompositions(model: ModelProto, moments: Mapping[str, Moments] | None = None) -> tuple[Decomposable, ...]:
    """The layers that can be decomposed, in the file's order, with the error of each rank.

    Products and 1 x 1 convolutions become two, larger convolutions up to three (see `low_rank_factors`).

    Args:
        model: in f32.
        moments: of what layers give, by their names, as `measure_moments` finds; of the larger convolutions with their
            inputs. A layer without is decomposed by its weight alone.
    """
    nodes = _nodes(model)
    return tuple(
        _decomposable(model, nodes[one.name], one, (moments or {}).get(one.name))
        for one in layers(model)
        if why_whole(model, one) is None
    )


def _decomposable(model: ModelProto, node: NodeProto, layer: Layer, moments: Moments | None) -> Decomposable:
    weight = effective_weight(node, constant(model, layer.name))
    place = bias_place(model, node)
    mean, outputs = np.zeros(len(weight)), None
    if moments is not None and place is not None:
        own = bias_value(model, node, len(weight)) if place[0] is node else 0.0
        mean, outputs = moments.mean - own, moments.centred
    elif moments is not None:
        outputs = moments.outputs
    spectrum = _spectrum(weight, outputs, moments)
    return Decomposable(layer.name, layer.operator, spectrum, mean, math.prod(attribute(node, "strides", [1])))


def _spectrum(weight: Values, outputs: Second | None, moments: Moments | None) -> Spectrum:
    if weight.shape[2] == 1:
        return product_spectrum(weight, outputs)
    return convolution_spectrum(weight, outputs, None if moments is None else moments.inputs)


def why_whole(model: ModelProto, layer: Layer) -> str | None:
    """Why a layer stays as it is; None for one that can be decomposed."""
    node, weight = _nodes(model)[layer.name], next(one for one in model.graph.initializer if one.name == layer.name)
    if layer.name in {value.name for value in model.graph.input}:
        return "its weight is an input of the file"
    if readers(model.graph)[layer.name] > 1:
        return "several operators share its weight"
    if node.input[1] != layer.name or attribute(node, "transA", 0):
        return "its weight stands on the left of the product"
    if attribute(node, "alpha", 1.0) != 1.0 or attribute(node, "beta", 1.0) != 1.0:
        return "it scales its product or its bias"
    if layer.operator != "Conv" and len(weight.dims) != 2:
        return f"its weight has {len(weight.dims)} dimensions, not 2"
    if attribute(node, "group", 1) != 1:
        return "it is a convolution in groups, whose weights are few for what they give"
    outputs, inputs, taps = oriented(node, list(weight.dims))
    if min(outputs, inputs * taps) < _FEWEST:
        return f"it has fewer than {_FEWEST} inputs or outputs"
    if outputs > _MOST_OUTPUTS:
        return f"it has {outputs} outputs, of which all pairs would have to be held; at most {_MOST_OUTPUTS}"
    return _why_not_bias(model, node, outputs)


def _why_not_bias(model: ModelProto, node: NodeProto, outputs: int) -> str | None:
    if node.op_type == "MatMul" or len(node.input) < 3 or not node.input[2]:
        return None
    found = next((tensor for tensor in model.graph.initializer if tensor.name == node.input[2]), None)
    if found is None:
        return "its bias is computed"
    fits = math.prod(found.dims) in (1, outputs) and all(size == 1 for size in found.dims[:-1])
    return None if fits else f"its bias has the shape {tuple(found.dims)}"


def _nodes(model: ModelProto) -> dict[str, NodeProto]:
    """The operator of each layer, by the name of its weight."""
    by_output = {node.output[0]: node for node in model.graph.node}
    return {one.name: by_output[one.outputs[0]] for one in layers(model)}


def _thinned(ranks: list[Ranks]) -> list[Ranks]:
    """At most 16 of them, evenly, ends among them."""
    if len(ranks) <= _MOST_CHOICES:
        return ranks
    return [ranks[number] for number in np.linspace(0, len(ranks) - 1, _MOST_CHOICES).round().astype(int)]
