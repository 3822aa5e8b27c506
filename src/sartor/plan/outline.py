"""The outline of a network: what its time depends on, one row of numbers a fused group. No names, no weights.

It is all that a calibration learns from and predicts with, so it can be stored beside a measured time and reused.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sartor.cost.count import operator_flop
from sartor.cost.fusion import EXPENSIVE, Group, fused
from sartor.cost.graph import Graph, Operator, Tensor
from sartor.cost.memory import activation_peak
from sartor.machine.samples import Network

Outline = NDArray[np.float64]
"""(groups, len(COLUMNS))"""

PRODUCTS = (
    *("convolution", "pointwise", "depthwise", "grouped", "transposed", "dense", "product", "attention"),
    "recurrent",
)
"""Kinds whose time is in multiplications."""
CONVOLUTIONS, MATRICES = PRODUCTS[:5], PRODUCTS[5:8]
OTHERS = (
    *("normalisation", "softmax", "elementwise", "reduction", "pooling", "transpose", "movement", "resampling"),
    *("view", "other"),
)
KINDS = (*PRODUCTS, *OTHERS)

FOLLOWERS = ("shifted", "joined", "mapped", "costly")
"""How an elementwise operator changes a result: by a constant, by another activation, by itself alone, or by an
expensive function."""
COLUMNS = (
    "kind",  # number in KINDS
    "times",  # runs in one run of the network
    *("batch", "rows", "columns", "depth"),  # so many products of (rows, depth) by (depth, columns)
    *("area", "stride"),  # of a window
    "steps",  # that wait for each other
    *("read", "written"),  # elements of activations
    "flop",
    "weight",  # elements of constants that no group before it has
    "costly",  # 1 where the leader is an expensive function
    *(f"{name}_{what}" for name in FOLLOWERS for what in ("count", "elements")),
)
COLUMN = {name: number for number, name in enumerate(COLUMNS)}


def outline(graph: Graph) -> Outline:
    """The groups of a graph, in the order they run. A constant that several share counts where it is first used."""
    return _outlined(fused(graph))


def _outlined(groups: Iterable[Group]) -> Outline:
    seen: set[str] = set()
    rows = [_row(group, seen) for group in groups]
    return np.array(rows, dtype=np.float64).reshape(-1, len(COLUMNS))


def describe(graph: Graph, file_bytes: float) -> Network:
    """What predictions need of a graph.

    Args:
        file_bytes: of its ONNX file.
    """
    groups = fused(graph)
    return Network(
        _outlined(groups),
        float(activation_peak(graph)),
        float(file_bytes),
        _folded_bytes(graph, groups),
        _normalisation_bytes(graph),
        len(graph.operators),
        len(graph.weights),
    )


def _folded_bytes(graph: Graph, groups: Iterable[Group]) -> float:
    """Of constants that only folded operators read, less what folding leaves in their place."""
    stored = {tensor.name for tensor in graph.weights}
    running = [operator for group in groups for operator in group.operators]
    made = {tensor.name for operator in running for tensor in operator.outputs} | {t.name for t in graph.inputs}
    known = stored | made
    read = {t.name: t for operator in running for t in operator.inputs if t is not None and t.name}
    left = sum(tensor.size_bytes for name, tensor in read.items() if name not in known)
    return float(sum(t.size_bytes for t in graph.weights if t.name not in read) - left)


def _normalisation_bytes(graph: Graph) -> float:
    """Of the constants of batch normalisations, which compressors fold into the product before them."""
    names = {t.name for one in graph.operators if one.type == "BatchNormalization" for t in one.inputs if t is not None}
    return float(sum(tensor.size_bytes for tensor in graph.weights if tensor.name in names))


@dataclass(frozen=True)
class _Sizes:
    """A group as B products of an (M, K) by a (K, N) matrix, or as what it goes through."""

    batch: float = 1.0
    rows: float = 1.0
    columns: float = 1.0
    depth: float = 1.0
    area: float = 1.0
    stride: float = 1.0
    steps: float = 0.0


def _row(group: Group, seen: set[str]) -> list[float]:
    leader, kind = group.leader, group.kind if group.kind in KINDS else "other"
    given = [t for number, t in enumerate(leader.inputs) if t is not None and number not in group.constants]
    sizes = _sizes(leader, kind)
    followers = dict.fromkeys((f"{name}_{what}" for name in FOLLOWERS for what in ("count", "elements")), 0.0)
    for follower in group.followers:
        name = _way(follower)
        followers[f"{name}_count"] += 1.0
        followers[f"{name}_elements"] += float(follower.outputs[0].elements)
    return [
        *(float(KINDS.index(kind)), float(group.times), sizes.batch, sizes.rows, sizes.columns, sizes.depth),
        *(sizes.area, sizes.stride, sizes.steps, _elements(given), _elements(leader.outputs)),
        *(operator_flop(leader), _weight(group, seen), float(leader.type in EXPENSIVE)),
        *followers.values(),
    ]


def _weight(group: Group, seen: set[str]) -> float:
    new = {t.name: t.elements for number in group.constants if (t := group.leader.inputs[number]) is not None}
    found = sum(elements for name, elements in new.items() if name not in seen)
    seen.update(new)
    return float(found)


def _elements(tensors: Iterable[Tensor]) -> float:
    return float(sum(tensor.elements for tensor in tensors if tensor.name))


def _way(follower: Operator) -> str:
    if follower.type in EXPENSIVE:
        return "costly"
    others = [t.elements for t in follower.inputs if t is not None and t.elements > 1]
    if len(others) < 2:
        return "mapped"
    return "joined" if min(others) == follower.outputs[0].elements else "shifted"


def _sizes(leader: Operator, kind: str) -> _Sizes:
    """Ones where the shapes are not known, or not those of the operator's definition."""
    if not leader.shapes_known or not leader.outputs:
        return _Sizes()
    try:
        return _SIZES.get(kind, _of_others)(leader)
    except (IndexError, TypeError, ValueError, ZeroDivisionError):
        return _Sizes()


def _shape(operator: Operator, position: int) -> tuple[int, ...]:
    tensor = operator.inputs[position]
    return (tensor.shape or ()) if tensor is not None else ()


def _of_convolution(leader: Operator) -> _Sizes:
    out, weight = leader.outputs[0].shape or (), _shape(leader, 1)
    groups, area = float(leader.attributes.get("group", 1)), float(math.prod(weight[2:]))
    stride = float(max(leader.attributes.get("strides") or [1]))
    if leader.type == "ConvTranspose":
        inside = _shape(leader, 0)
        rows = float(inside[0] * math.prod(inside[2:]))
        return _Sizes(groups, rows, weight[1] * area, weight[0] / groups, area, stride)
    return _Sizes(groups, float(out[0] * math.prod(out[2:])), weight[0] / groups, weight[1] * area, area, stride)


def _of_product(leader: Operator) -> _Sizes:
    out, left = leader.outputs[0].shape or (), _shape(leader, 0)
    depth = float(left[0] if leader.attributes.get("transA") else left[-1])
    if len(out) < 2:
        return _Sizes(1.0, 1.0, float(math.prod(out)), depth)
    return _Sizes(float(math.prod(out[:-2])), float(out[-2]), float(out[-1]), depth)


def _of_dense(leader: Operator) -> _Sizes:
    sizes = _of_product(leader)
    return _Sizes(1.0, sizes.batch * sizes.rows, sizes.columns, sizes.depth)


def _of_recurrent(leader: Operator) -> _Sizes:
    steps, batch, _ = _shape(leader, 0)
    ways, gates, width = _shape(leader, 2)
    return _Sizes(float(ways), float(batch), float(gates), float(width), steps=float(steps * ways))


def _of_others(leader: Operator) -> _Sizes:
    out = leader.outputs[0].shape or (1,)
    area = float(math.prod(leader.attributes.get("kernel_shape") or (1,)))
    stride = float(max(leader.attributes.get("strides") or [1]))
    last = float(max(1, out[-1]))
    return _Sizes(1.0, math.prod(out) / last, last, 1.0, area, stride)


_SIZES = {
    **dict.fromkeys(("convolution", "pointwise", "depthwise", "grouped", "transposed"), _of_convolution),
    **{"product": _of_product, "dense": _of_dense, "recurrent": _of_recurrent},
}
