"""Weights with zeros in an ONNX file: the smallest of each layer, anywhere or in a pattern.

No runtime was seen to compute less for them on a processor with AVX2 (docs/compression.md). What zeros gain is the size
of a file that is compressed, and weights that hardware with 2:4 kernels (NVIDIA since Ampere) would take.
"""

from __future__ import annotations

import re
import zlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from sartor.compress.layers import layers
from sartor.compress.low_rank.operators import attribute, constant
from sartor.errors import CandidateError, InputError
from sartor.plan.recipe import CompressionStep

if TYPE_CHECKING:
    from onnx import ModelProto, NodeProto

Weights = NDArray[np.float32]
_SHARE = 0.5  # of the weights, for a step that says neither a share nor a pattern


@dataclass(frozen=True)
class Pattern:
    """Of every `of` neighbouring inputs of an output at most `kept` have a weight.

    Raises:
        ValueError: `kept` is not between 1 and `of` - 1.
    """

    kept: int
    of: int

    def __post_init__(self) -> None:
        if not 1 <= self.kept < self.of:
            raise ValueError(f"{self.kept}:{self.of} keeps nothing or everything")


def zeros_of(step: CompressionStep) -> float | Pattern:
    """What a step asks for: a share of the weights, or of every few neighbours how many stay.

    >>> zeros_of(CompressionStep("zeros", (("pattern", "2:4"),)))
    Pattern(kept=2, of=4)

    Raises:
        InputError: both at once, no share above 0 and below 1, or no such pattern.
    """
    given = dict(step.settings)
    if len(given) > 1:
        raise InputError("zeros with a share and a pattern", "one of them")
    if "pattern" not in given:
        share = given.get("share", _SHARE)
        if isinstance(share, str) or not 0 < share < 1:
            raise InputError(f"zeros in a share of {share}", "a share above 0 and below 1, such as 0.5")
        return float(share)
    match = re.fullmatch(r"([1-9]\d*):([1-9]\d*)", str(given["pattern"]))
    if match is None or int(match[1]) >= int(match[2]):
        raise InputError(f"zeros in the pattern {given['pattern']}", "how many of how many stay, such as 2:4")
    return Pattern(int(match[1]), int(match[2]))


def sparsify(model: ModelProto, zeros: float | Pattern) -> ModelProto:
    """A copy of a model in which the smallest weights of each layer are 0.

    Magnitude pruning without training (Han et al. 2015, arXiv 1506.02626), layer by layer; a pattern goes along the
    input channels, as the 2:4 of Mishra et al. 2021 (arXiv 2104.08378). Inputs behind the last whole group keep theirs.

    Args:
        model: in f32; it is not changed.
        zeros: share of the weights of each layer, above 0 and below 1, or a pattern.

    Raises:
        ValueError: the share is out of its range.
        CandidateError: `unsupported` when no layer has enough inputs for the pattern, or no layer has weights.
    """
    from onnx import numpy_helper

    if not isinstance(zeros, Pattern) and not 0.0 < zeros < 1.0:
        raise ValueError(f"a share of {zeros} zeros is none, or leaves no weights")
    copy = type(model)()
    copy.CopyFrom(model)
    tensors = {tensor.name: tensor for tensor in copy.graph.initializer}
    by_output = {node.output[0]: node for node in copy.graph.node}
    changed = 0
    for layer in layers(copy):
        weight = constant(copy, layer.name)
        thinned = _thinned(weight, zeros, _input_axis(by_output[layer.outputs[0]], layer.name, weight.ndim))
        changed += int(np.count_nonzero(thinned != weight))
        tensors[layer.name].CopyFrom(numpy_helper.from_array(thinned, layer.name))
    if not changed:
        raise CandidateError("unsupported", "no product or convolution has weights that could be set to 0")
    return copy


def zero_share(model: ModelProto) -> float:
    """Share of the weights of all layers that are 0, between 0 and 1."""
    weights = [constant(model, layer.name) for layer in layers(model)]
    return sum(int(np.sum(one == 0)) for one in weights) / max(sum(int(one.size) for one in weights), 1)


def compressed_size(model: ModelProto) -> int:
    """Bytes of the file when it is zipped: the size in which zeros count."""
    return len(zlib.compress(model.SerializeToString(), level=6))


def _thinned(weight: Weights, zeros: float | Pattern, axis: int) -> Weights:
    if isinstance(zeros, Pattern):
        return np.moveaxis(_in_pattern(np.moveaxis(weight, axis, -1), zeros), -1, axis)
    count = round(zeros * weight.size)
    smallest = np.argsort(np.abs(weight), axis=None, kind="stable")[:count]
    thinned = weight.copy()
    thinned.reshape(-1)[smallest] = 0.0
    return thinned


def _in_pattern(weight: Weights, pattern: Pattern) -> Weights:
    """With the pattern along the last axis."""
    whole = weight.shape[-1] // pattern.of * pattern.of
    groups = weight[..., :whole].reshape(-1, pattern.of).copy()
    smallest = np.argsort(np.abs(groups), axis=1, kind="stable")[:, : pattern.of - pattern.kept]
    np.put_along_axis(groups, smallest, np.float32(0.0), axis=1)
    thinned = weight.copy()
    thinned[..., :whole] = groups.reshape(*weight.shape[:-1], whole)
    return thinned


def _input_axis(node: NodeProto, name: str, dimensions: int) -> int:
    """The axis of a weight that is summed over: input channels of a convolution."""
    if node.op_type == "Conv":
        return 1
    is_left = node.input[0] == name
    turned = bool(attribute(node, "transA" if is_left else "transB", 0))
    return dimensions - (1 if is_left != turned else 2)
