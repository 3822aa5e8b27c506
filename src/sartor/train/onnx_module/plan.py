"""The steps that give a graph's tensors, planned once. Imports torch: import this file inside functions only."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from sartor.train.onnx_module.fusion import fused
from sartor.train.onnx_module.graph import Graph
from sartor.train.onnx_module.operators import build
from sartor.train.onnx_module.operators_base import DTYPES, Node, RefusedError, Run, tensor_of, type_name

_OLDEST, _NEWEST = (
    7,
    28,
)  # operator sets; older ones broadcast by an attribute, newer ones may have settings unknown here
# Quantized numbers are held as fractions, which only these read as what they stand for.
_MOVING = frozenset(
    (
        *("Reshape", "Transpose", "Flatten", "Squeeze", "Unsqueeze", "Slice", "Concat", "Split", "Gather", "Identity"),
        *("MaxPool", "Expand", "Tile", "GatherElements", "GatherND", "DepthToSpace", "SpaceToDepth"),
    )
)


@dataclass(frozen=True)
class Step:
    """One call.

    Attributes:
        inputs: names of the tensors it is given; empty for None.
        outputs: names of what it gives; empty where nobody wants it.
        last: names of the tensors that nothing reads after this step.
    """

    run: Run
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    last: tuple[str, ...] = ()


@dataclass(frozen=True)
class Plan:
    """What computes a graph.

    Attributes:
        constants: tensors known before any row that a step reads or that are given.
        refused: why the graph cannot be computed, a sentence for each cause; empty when it can.
    """

    steps: tuple[Step, ...]
    constants: Mapping[str, Tensor]
    refused: tuple[str, ...]


def plan(graph: Graph, weights: Collection[str]) -> Plan:
    """Steps for all that depends on rows or weights; the rest is computed now.

    Args:
        weights: names of stored tensors that may change and therefore are no constants.
    """
    refused = [*_refused_types(graph), *_misread_quantized(graph)]
    constants: dict[str, Tensor] = {}
    steps: list[Step] = []
    with torch.no_grad():
        for name in graph.stored.keys() - weights:
            try:
                constants[name] = tensor_of(graph.stored[name])
            except RefusedError as error:
                refused.append(str(error))
        for node in fused(graph):
            try:
                _add(node, steps, constants)
            except RefusedError as error:
                refused.append(str(error))
    read = {name for step in steps for name in step.inputs} | set(graph.outputs)
    kept = {name: value for name, value in constants.items() if name in read}
    return Plan(_with_last(steps, {*graph.outputs, *kept, *weights}), kept, tuple(dict.fromkeys(refused)))


def _add(node: Node, steps: list[Step], constants: dict[str, Tensor]) -> None:
    known = {place: constants[name] for place, name in enumerate(node.inputs) if name in constants}
    run = build(replace(node, constants=known))
    given = [place for place, name in enumerate(node.inputs) if name]
    if given and len(known) < len(given):
        steps.append(Step(run, node.inputs, node.outputs))
        return
    values = run(*(known.get(place) for place in range(len(node.inputs))))
    constants.update((name, value) for name, value in zip(node.outputs, _several(values), strict=False) if name)


def _several(values: Tensor | Sequence[Tensor]) -> Sequence[Tensor]:
    return (values,) if isinstance(values, Tensor) else values


def _with_last(steps: Sequence[Step], kept: Collection[str]) -> tuple[Step, ...]:
    """Each step with the names that nothing reads after it, so that their memory can be given back."""
    seen = set(kept)
    backwards = []
    for step in reversed(steps):
        names = {name for name in (*step.inputs, *step.outputs) if name}
        backwards.append(replace(step, last=tuple(names - seen)))
        seen |= names
    return tuple(reversed(backwards))


def _refused_types(graph: Graph) -> list[str]:
    versions = {node.version for node in graph.nodes}
    foreign = [
        f"operator set {version}: one from {_OLDEST} to {_NEWEST} is needed"
        for version in versions
        if not _OLDEST <= version <= _NEWEST
    ]
    return foreign + [
        f"input `{name}`: numbers of type {type_name(kind)}"
        for name, kind in graph.inputs.items()
        if kind not in DTYPES and name in graph.read
    ]


def _misread_quantized(graph: Graph) -> list[str]:
    """Why quantized numbers would be misread: an operator that computes with them as whole numbers."""
    quantized: set[str] = set()
    refused = []
    for node in graph.nodes:
        read = quantized.intersection(node.inputs)
        if node.kind == "QuantizeLinear" or (read and node.kind in _MOVING):
            quantized.update(name for name in node.outputs if name)
        elif read and node.kind != "DequantizeLinear":
            refused.append(f"{node.kind}: computes with the whole numbers that QuantizeLinear gives")
    return refused
