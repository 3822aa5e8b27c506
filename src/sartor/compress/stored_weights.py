"""Weights of an ONNX file that may be stored in 8 bits: which they are, and how they are rounded and widened again.

K inputs that a product sums over, N outputs.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from sartor.compress.onnx_file import float_weights
from sartor.runtime.base import Array

if TYPE_CHECKING:
    from onnx import ModelProto, NodeProto

LARGEST = 127
# Positions at which operators take a weight. Others hold constants that are no weights, such as anchors or masks.
_POSITIONS = {
    **{"Conv": (1,), "ConvTranspose": (1,), "MatMul": (0, 1), "Gemm": (0, 1), "Gather": (0,)},
    **{"LSTM": (1, 2), "GRU": (1, 2), "RNN": (1, 2)},
}
_RECURRENT = ("LSTM", "GRU", "RNN")


def store_in_8_bits(model: ModelProto) -> int:
    """Round the weights that only products, convolutions, tables and recurrent layers read, in place.

    Each becomes an int8 tensor behind a Cast and a Mul by its scales, which a runtime computes once, while it loads the
    file: what computes is f32, as fast as before. (A DequantizeLinear in their place is computed in each call by ONNX
    Runtime, seen in 1.32, which folds all constants but those.)

    Returns:
        How many elements were rounded.
    """
    from onnx import TensorProto, helper, numpy_helper

    readers = _readers(model)
    widening: list[NodeProto] = []
    elements = 0
    for tensor, values in list(float_weights(model)):
        name = tensor.name
        summed = summed_axes(values.ndim, name, readers.get(name, ()))
        if summed is None or not np.isfinite(values).all():
            continue
        integers, scales = rounded_rows(values, summed)
        tensor.CopyFrom(numpy_helper.from_array(integers, f"{name}.int8"))
        model.graph.initializer.append(numpy_helper.from_array(scales, f"{name}.scales"))
        cast = helper.make_node("Cast", [f"{name}.int8"], [f"{name}.wide"], f"{name}.cast", to=TensorProto.FLOAT)
        widening += [cast, helper.make_node("Mul", [f"{name}.wide", f"{name}.scales"], [name], f"{name}.scale")]
        elements += values.size
    nodes = [*widening, *model.graph.node]
    del model.graph.node[:]
    model.graph.node.extend(nodes)
    return elements


def rounded_rows(weight: Array, summed: tuple[int, ...]) -> tuple[NDArray[np.int8], NDArray[np.float32]]:
    """A weight in 8 bits, symmetric around zero, with one scale for all that is summed into one output.

    Args:
        weight: any shape, finite.
        summed: axes that share a scale.

    Returns:
        Integers of the weight's shape between -127 and 127, and scales that broadcast to it: the largest magnitude over
        `summed` becomes 127, so that each weight is off by half a scale at most.
    """
    largest = np.max(np.abs(weight), axis=summed, keepdims=True).astype(np.float64)
    scales = np.where(largest > 0, largest / LARGEST, 1.0).astype(np.float32)
    scales = np.maximum(scales, np.finfo(np.float32).tiny)
    return np.clip(np.rint(weight / scales), -LARGEST, LARGEST).astype(np.int8), scales


def summed_axes(rank: int, name: str, readers: Iterable[NodeProto]) -> tuple[int, ...] | None:
    """The axes of a weight that share a scale, by the operators that read it; None where one of them is none of ours.

    Any choice is right, for weights are widened before they are used; with a scale for each output they lose least.
    """
    found: set[tuple[int, ...]] = set()
    for node in readers:
        positions = [index for index, read in enumerate(node.input) if read == name]
        if rank < 2 or not set(positions) <= set(_POSITIONS.get(node.op_type, ())):
            return None
        found |= {_summed_by(node, position, rank) for position in positions}
    return min(found) if found else None


def _summed_by(node: NodeProto, position: int, rank: int) -> tuple[int, ...]:
    if node.op_type in _RECURRENT or (node.op_type in ("MatMul", "Gemm") and position == 0):
        return (rank - 1,)
    if node.op_type == "Gemm":
        transposed = any(one.name == "transB" and one.i for one in node.attribute)
        return (1,) if transposed else (0,)
    if node.op_type == "MatMul":
        return (rank - 2,)
    if node.op_type == "ConvTranspose":
        return (0, *range(2, rank))
    return tuple(range(1, rank))


def _readers(model: ModelProto) -> dict[str, list[NodeProto]]:
    """Operators by the tensors that they read; those inside control flow stand for the whole operator."""
    found: dict[str, list[NodeProto]] = {}
    for node in model.graph.node:
        inner = {name for one in node.attribute for each in one.g.node for name in each.input}
        for name in {*node.input, *inner}:
            found.setdefault(name, []).append(node)
    return found
