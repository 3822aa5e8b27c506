"""Which tensors of an ONNX file are weights that training may change. Imports torch: import inside functions only."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
from onnx import TensorProto, numpy_helper

from sartor.train.onnx_module.graph import Graph
from sartor.train.onnx_module.operators_base import Node

_FRACTIONS = (TensorProto.FLOAT, TensorProto.FLOAT16, TensorProto.BFLOAT16, TensorProto.DOUBLE)
_ELEMENTWISE = frozenset(("Add", "Sub", "Mul", "Div"))
_WEIGHTS: Mapping[str, tuple[int, ...]] = {
    **dict.fromkeys(("Conv", "ConvTranspose"), (1, 2)),
    **dict.fromkeys(("GRU", "LSTM", "RNN"), (1, 2, 3, 7)),
    **dict.fromkeys(
        ("BatchNormalization", "LayerNormalization", "GroupNormalization", "InstanceNormalization"), (1, 2)
    ),
    **dict.fromkeys(("RMSNormalization", "SimplifiedLayerNormalization", "PRelu", "BiasGelu", "FastGelu"), (1,)),
    **dict.fromkeys(("SkipLayerNormalization", "SkipSimplifiedLayerNormalization"), (2, 3, 4)),
    **dict.fromkeys(("MatMul", "FusedMatMul", *_ELEMENTWISE), (0, 1)),
    "Gemm": (0, 1, 2),
    "Gather": (0,),
}
_ANY_INPUT = frozenset(("Einsum", "Concat"))
# On the way from the file to its use a weight is turned, cut or rounded.
_PASSING = frozenset(
    (
        *("Concat", "Transpose", "Reshape", "Identity", "Cast", "Squeeze", "Unsqueeze", "Flatten", "Expand", "Slice"),
        *("QuantizeLinear", "DequantizeLinear"),
    )
)
# Some weights are computed from others: by their length and direction, or as a product of two thin matrices.
_COMPUTING = frozenset(
    (
        *("MatMul", "Gemm", "LayerNormalization", "Pow", "Sqrt", "ReduceL2", "ReduceSum", "ReduceSumSquare"),
        *_ELEMENTWISE,
    )
)
_JOINING = frozenset(("Concat", "MatMul", "Gemm", "LayerNormalization", *_ELEMENTWISE))  # all inputs may be weights
_SHAPES = frozenset(("Shape", "Size"))  # what these give depends on how long a row is, not on what is in it
_MASKING = 1e4  # numbers beyond this are there to drown others in a softmax


def trainable(graph: Graph) -> frozenset[str]:
    """Names of the stored tensors that are weights.

    These are fractions that stand where an operator takes weights, biases or scales, and tensors of two numbers or
    more that are added to activations, multiplied with them or set beside them. Not: masks (numbers beyond 1e4, or
    0 and 1 only), zeros set beside activations, what meets no activation, such as the frequencies of positions, and
    the statistics of batch norms (an exporter stores equal tensors once, so that one may be a bias elsewhere).
    """
    active = _activations(graph)
    origins = _origins(graph, active)
    uses = {
        (origin, _criterion(node, computed))
        for node in graph.nodes
        for position in _places(node)
        if node.has(position) and _meets(node, position, active)
        for origin, computed in origins.get(node.inputs[position], ())
    }
    statistics = {name for node in graph.nodes if node.kind == "BatchNormalization" for name in node.inputs[3:5]}
    return frozenset(
        name for name, criterion in uses if name not in statistics and _CRITERIA[criterion](graph.stored[name])
    )


def _places(node: Node) -> tuple[int, ...]:
    return tuple(range(len(node.inputs))) if node.kind in _ANY_INPUT else _WEIGHTS.get(node.kind, ())


def _activations(graph: Graph) -> set[str]:
    """Tensors whose numbers depend on those of the inputs."""
    active = set(graph.inputs)
    for node in graph.nodes:
        if node.kind not in _SHAPES and active.intersection(node.inputs):
            active.update(name for name in node.outputs if name)
    return active


def _meets(node: Node, position: int, active: set[str]) -> bool:
    """Whether a weight in this position meets an activation; rows of an embedding may be picked by position alone."""
    others = [name for place, name in enumerate(node.inputs) if place != position]
    return node.kind == "Gather" or bool(active.intersection(others))


def _origins(graph: Graph, active: set[str]) -> dict[str, frozenset[tuple[str, bool]]]:
    """For each tensor without activations: the stored tensors it is made of, and whether arithmetic lies between."""
    origins = {name: frozenset(((name, False),)) for name in graph.stored}
    for node in graph.nodes:
        if node.kind not in _PASSING | _COMPUTING or active.intersection(node.outputs):
            continue
        read = node.inputs if node.kind in _JOINING else node.inputs[:1]
        made = frozenset(
            (origin, computed or node.kind in _COMPUTING) for name in read for origin, computed in origins.get(name, ())
        )
        origins.update((name, made) for name in node.outputs if name)
    return origins


def _criterion(node: Node, computed: bool) -> str:
    """What a tensor is judged by: a place that takes nothing but weights needs no proof."""
    if node.kind == "Gather" and not computed:
        return "table"
    if computed or node.kind in _ELEMENTWISE | _ANY_INPUT:
        return "beside" if node.kind == "Concat" else "numbers"
    return "certain"


def _is_fraction(tensor: TensorProto) -> bool:
    return tensor.data_type in _FRACTIONS and 0 not in tensor.dims


def _is_table(tensor: TensorProto) -> bool:
    return _is_fraction(tensor) and len(tensor.dims) >= 2


def _is_no_mask(tensor: TensorProto) -> bool:
    if not _is_fraction(tensor) or np.prod(tensor.dims, dtype=np.int64) < 2:
        return False
    values = numpy_helper.to_array(tensor).astype(np.float32)
    drowning = not bool((np.abs(values) < _MASKING).all())
    ones = int((values == 1).sum())
    marking = 0 < ones < values.size and ones + int((values == 0).sum()) == values.size
    return not drowning and not marking


def _is_learnt_row(tensor: TensorProto) -> bool:
    return _is_no_mask(tensor) and bool(numpy_helper.to_array(tensor).astype(np.float32).any())


_CRITERIA: Mapping[str, Callable[[TensorProto], bool]] = {
    "certain": _is_fraction,
    "table": _is_table,
    "numbers": _is_no_mask,
    "beside": _is_learnt_row,
}
