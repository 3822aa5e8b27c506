"""Biases that make up for what rounded weights shift.

A product with rounded weights W' gives E[W'x] in place of E[Wx] on average, which is off by (W' - W) E[x]: as much for
each output channel as its weights were rounded to one side. What is missing is added to the bias (Nagel et al. 2019,
"Data-free quantization through weight equalization and bias correction", arXiv 1906.04721, section 4.2, equation 15),
with E[x] from calibration rows through the f32 file, as NNCF's fast bias correction takes it.

Of a convolution W is summed over its window: positions at the border, whose window holds padding, are taken as the
others are.

EfficientNet-Lite0, answers kept of 400 pictures, 7-bit weights, `minmax`: 61.8% without, 80.3% with it, for 8 s on 100
rows (`percentile`: 60.8% and 80.3%); the mean squared change of the outputs falls from 0.122 of their variance to
0.032. The empirical form, which measures each layer's shift in the int8 file, was tried, too: 0.3% with all layers at
once, 3.5% with eight at a time, for each layer then makes up again for what those before it shifted.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from sartor.compress.channel_statistics import channel_means
from sartor.model.values import ExportedModel
from sartor.runtime.base import Array
from sartor.steps.prepared import Prepared

if TYPE_CHECKING:
    from onnx import ModelProto, NodeProto, TensorProto

_PRODUCTS = ("Conv", "Gemm")


def correct_biases(quantized: ModelProto, prepared: ModelProto, source: ExportedModel, rows: Prepared) -> int:
    """Change the biases of an int8 file, in place.

    Args:
        quantized: made of `prepared` by ONNX Runtime's quantizer: weights and biases behind DequantizeLinear, operators
            under the names that they had.
        prepared: the same network in f32.
        source: of both, whose signature says how rows are cut into pieces.
        rows: R >= 1 calibration rows.

    Returns:
        How many convolutions and Gemms were corrected; those without a bias stay as they are.
    """
    tensors = _Tensors.of(quantized)
    before = {tensor.name: tensor for tensor in prepared.graph.initializer}
    named = {node.name: node for node in prepared.graph.node}
    pairs = [
        (named[node.name], node)
        for node in quantized.graph.node
        if node.name in named and tensors.is_biased_product(node) and named[node.name].input[1] in before
    ]
    means = channel_means(prepared, source, rows, {old.input[0]: _channel_axis(old) for old, _ in pairs})
    for old, new in pairs:
        weight = tensors.array(before[old.input[1]])
        error = _laid_out(new, weight) - _laid_out(new, tensors.values(new.input[1]))
        tensors.add(new.input[2], mean_shift(error, means[old.input[0]], _groups(old)))
    return len(pairs)


def has_biases(prepared: ModelProto) -> bool:
    """Whether a file in f32 holds anything that can be corrected."""
    return any(node.op_type in _PRODUCTS and len(node.input) > 2 for node in prepared.graph.node)


def mean_shift(error: Array, mean: NDArray[np.float64], groups: int = 1) -> NDArray[np.float64]:
    """What an error of the weights takes from each output on average: `error` applied to the mean input.

    Args:
        error: (outputs, inputs of a group, ...) what rounding took from the weights; further axes are a window.
        mean: (inputs,) of each input channel.
        groups: of the convolution.

    Returns:
        (outputs,) to be added to the bias.
    """
    summed = error.reshape(*error.shape[:2], -1).sum(axis=2, dtype=np.float64)
    inputs = np.repeat(mean.reshape(groups, -1), len(summed) // groups, axis=0)
    shift: NDArray[np.float64] = np.einsum("oi,oi->o", summed, inputs)
    return shift


def _channel_axis(node: NodeProto) -> int:
    return 1 if node.op_type == "Conv" else -1


def _groups(node: NodeProto) -> int:
    return next((int(one.i) for one in node.attribute if one.name == "group"), 1)


def _laid_out(node: NodeProto, weight: Array) -> Array:
    """A weight with its outputs first."""
    transposed = node.op_type == "Conv" or any(one.name == "transB" and one.i for one in node.attribute)
    return weight if transposed else weight.T


@dataclass(frozen=True)
class _Tensors:
    """Initializers of a file by their name, and the DequantizeLinear that gives a tensor."""

    initializers: Mapping[str, TensorProto]
    widened: Mapping[str, NodeProto]

    @classmethod
    def of(cls, model: ModelProto) -> _Tensors:
        initializers = {tensor.name: tensor for tensor in model.graph.initializer}
        nodes = (node for node in model.graph.node if node.op_type == "DequantizeLinear")
        return cls(initializers, {node.output[0]: node for node in nodes if node.input[0] in initializers})

    def is_biased_product(self, node: NodeProto) -> bool:
        """Whether weight and bias are integers of this file."""
        wanted = node.input[1:3] if node.op_type in _PRODUCTS else []
        return len(wanted) == 2 and all(name in self.widened for name in wanted)

    @staticmethod
    def array(tensor: TensorProto) -> Array:
        from onnx import numpy_helper

        return numpy_helper.to_array(tensor)

    def scales(self, name: str, rank: int) -> Array:
        """Of a dequantized tensor, so that they broadcast to it."""
        node = self.widened[name]
        scales = self.array(self.initializers[node.input[1]])
        axis = next((one.i for one in node.attribute if one.name == "axis"), 1)
        return scales if scales.size == 1 else scales.reshape([-1 if at == axis % rank else 1 for at in range(rank)])

    def values(self, name: str) -> Array:
        """What a symmetric tensor stands for."""
        integers = self.array(self.initializers[self.widened[name].input[0]])
        return integers.astype(np.float32) * self.scales(name, integers.ndim)

    def add(self, name: str, shift: NDArray[np.float64]) -> None:
        """Add to a bias in 32-bit integers."""
        from onnx import numpy_helper

        tensor = self.initializers[self.widened[name].input[0]]
        ends = np.iinfo(np.int32)
        sums = self.array(tensor) + np.rint(shift / self.scales(name, 1))
        tensor.CopyFrom(numpy_helper.from_array(np.clip(sums, ends.min, ends.max).astype(np.int32), tensor.name))
