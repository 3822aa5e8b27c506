"""Memory: the bytes of activations that are alive while a graph runs in its order.

A tensor lives from the operator that makes it to the last one that reads it; inputs of the graph live throughout, for
the caller holds them, and outputs until the end. While an operator runs its inputs and outputs are all alive: that an
elementwise operator writes into its input's memory is not assumed, though runtimes do it where they can. A view shares
the memory of what it views. A body's own activations are alive while its operator runs; of several bodies the largest
counts. Weights are not activations. Fragments and the workspace of kernels are not counted, and neither is a tensor
of unknown shape (`Graph.notes` and `Cost.unknown` say where there are any).
"""

from __future__ import annotations

from collections.abc import Iterator

from sartor.cost.formulas import is_view
from sartor.cost.graph import Graph, Operator, Tensor


def activation_peak(graph: Graph) -> int:
    """The largest number of bytes of activations alive at once."""
    return max(activation_timeline(graph), default=sum(tensor.size_bytes for tensor in graph.inputs))


def activation_timeline(graph: Graph) -> tuple[int, ...]:
    """Bytes of activations alive while each operator runs, in order. Linear in the operators."""
    owners = _owners(graph)
    first, last = _lifetimes(graph, owners)
    changes = [0] * (len(graph.operators) + 1)
    for name, tensor in _owned(graph, owners):
        changes[first[name]] += tensor.size_bytes
        changes[last[name] + 1] -= tensor.size_bytes
    alive, timeline = 0, []
    for operator, change in zip(graph.operators, changes, strict=False):
        alive += change
        timeline.append(alive + max((activation_peak(body.graph) for body in operator.bodies), default=0))
    return tuple(timeline)


def _owners(graph: Graph) -> dict[str, str]:
    """The tensor whose memory each one lies in: its own name, or through views the name of what is viewed."""
    owners = {tensor.name: tensor.name for tensor in (*graph.inputs, *graph.weights)}
    for operator in graph.operators:
        viewed = operator.inputs[0] if operator.inputs and is_view(operator) else None
        for position, tensor in enumerate(operator.outputs):
            shared = position == 0 and viewed is not None
            owners[tensor.name] = owners.get(viewed.name, viewed.name) if shared and viewed else tensor.name
    return owners


def _lifetimes(graph: Graph, owners: dict[str, str]) -> tuple[dict[str, int], dict[str, int]]:
    """The first and last operator, by position, during which the memory of each owner is in use."""
    end = len(graph.operators) - 1
    first = {tensor.name: 0 for tensor in graph.inputs}
    last = {tensor.name: end for tensor in graph.inputs}
    for position, operator in enumerate(graph.operators):
        for tensor in operator.outputs:
            owner = owners[tensor.name]
            first.setdefault(owner, position)
            last[owner] = max(position, last.get(owner, 0))
        for name in _read(operator):
            owner = owners.get(name, name)
            last[owner] = max(position, last.get(owner, 0))
    for tensor in graph.outputs:
        last[owners.get(tensor.name, tensor.name)] = end
    return first, last


def _read(operator: Operator) -> Iterator[str]:
    """Names that an operator reads, those that its bodies take from outside included."""
    yield from (tensor.name for tensor in operator.inputs if tensor is not None)
    for body in operator.bodies:
        for inner in body.graph.operators:
            yield from _read(inner)
        yield from (tensor.name for tensor in body.graph.outputs)


def _owned(graph: Graph, owners: dict[str, str]) -> Iterator[tuple[str, Tensor]]:
    """Every tensor with memory of its own, weights excepted."""
    weights = {tensor.name for tensor in graph.weights}
    made = [tensor for operator in graph.operators for tensor in operator.outputs]
    seen = set(weights)
    for tensor in (*graph.inputs, *made):
        if owners[tensor.name] == tensor.name and tensor.name not in seen:
            seen.add(tensor.name)
            yield tensor.name, tensor
