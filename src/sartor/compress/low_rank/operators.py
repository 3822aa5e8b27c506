"""Reading the operator of a layer: its weight, its bias and who reads them.

O outputs and I inputs (channels of a convolution), T taps of its kernel (1 for a product).
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from sartor.compress.low_rank.factors import Values

if TYPE_CHECKING:
    from onnx import GraphProto, ModelProto, NodeProto


def oriented(node: NodeProto, shape: list[int]) -> tuple[int, int, int]:
    """(O, I, T) of a weight's shape."""
    if node.op_type == "Conv":
        return shape[0], shape[1], math.prod(shape[2:])
    return (shape[0], shape[1], 1) if attribute(node, "transB", 0) else (shape[1], shape[0], 1)


def effective_weight(node: NodeProto, weight: Any) -> Values:
    """(O, I, T), what a layer multiplies by."""
    values = np.asarray(weight, dtype=np.float64)
    if node.op_type == "Conv":
        return values.reshape(*values.shape[:2], -1)
    return (values if attribute(node, "transB", 0) else values.T)[..., None]


def stored_weight(node: NodeProto, weight: Values, shape: Sequence[int]) -> Values:
    """The inverse of `effective_weight`."""
    if node.op_type == "Conv":
        return weight.reshape(shape)
    return weight[..., 0] if attribute(node, "transB", 0) else weight[..., 0].T


def bias_place(model: ModelProto, node: NodeProto) -> tuple[NodeProto, int] | None:
    """The operator and the number of its input that adds a constant vector to what a layer gives; None if none can.

    A Conv and a Gemm can take one when they have none; a MatMul has one where a lone Add reads it.
    """
    if node.op_type != "MatMul":
        return node, 2
    reading = [one for one in model.graph.node if node.output[0] in one.input]
    if len(reading) != 1 or reading[0].op_type != "Add" or readers(model.graph)[node.output[0]] != 1:
        return None
    position = 1 - list(reading[0].input).index(node.output[0])
    weight = next(list(one.dims) for one in model.graph.initializer if one.name == node.input[1])
    added = next((list(one.dims) for one in model.graph.initializer if one.name == reading[0].input[position]), [])
    fits = bool(added) and added[-1] == weight[-1] and math.prod(added) == weight[-1]
    return (reading[0], position) if fits else None


def bias_value(model: ModelProto, node: NodeProto, outputs: int) -> Values:
    """(O,), what a Conv or Gemm adds itself."""
    if len(node.input) < 3 or not node.input[2]:
        return np.zeros(outputs)
    return np.broadcast_to(np.asarray(constant(model, node.input[2]), dtype=np.float64).reshape(-1), outputs)


def readers(graph: GraphProto) -> Counter[str]:
    """How often each tensor is read, in the bodies of control flow and as an output of the graph, too."""
    count = Counter(name for node in graph.node for name in node.input)
    count.update(value.name for value in graph.output)
    for node in graph.node:
        for one in node.attribute:
            for body in (*one.graphs, *([one.g] if one.HasField("g") else [])):
                count.update(readers(body))
    return count


def constant(model: ModelProto, name: str) -> Any:
    """The value of an initializer."""
    from onnx import numpy_helper

    return numpy_helper.to_array(next(tensor for tensor in model.graph.initializer if tensor.name == name))


def attribute(node: NodeProto, name: str, otherwise: Any) -> Any:
    """The value of an attribute, or `otherwise`."""
    from onnx import helper

    return next((helper.get_attribute_value(one) for one in node.attribute if one.name == name), otherwise)
