"""The order in which operators can run, and the names that they read."""

from __future__ import annotations

import heapq
from collections.abc import Collection, Iterator, Sequence
from typing import TYPE_CHECKING

from sartor.errors import ModelError, nearest

if TYPE_CHECKING:
    from onnx import GraphProto, NodeProto


def in_order(nodes: Sequence[NodeProto], known: Collection[str], file: str) -> list[NodeProto]:
    """The operators so that each comes after those it reads from, otherwise as the file has them.

    Kahn's algorithm (1962, CACM 5(11)) with the earliest operator of the file first.

    Args:
        known: names that are there before anything runs: inputs, weights, values of outer graphs.
        file: what errors call the model.

    Raises:
        ModelError: an operator that reads what nothing gives, or operators that wait for each other.
    """
    giver = {name: number for number, node in enumerate(nodes) for name in node.output if name}
    waits = [_waits(node, giver, known, file) for node in nodes]
    readers: list[list[int]] = [[] for _ in nodes]
    for number, names in enumerate(waits):
        for needed in names:
            readers[needed].append(number)
    open_inputs = [len(names) for names in waits]
    ready = [number for number, count in enumerate(open_inputs) if count == 0]
    order: list[int] = []
    while ready:
        order.append(heapq.heappop(ready))
        for number in readers[order[-1]]:
            open_inputs[number] -= 1
            if open_inputs[number] == 0:
                heapq.heappush(ready, number)
    if len(order) < len(nodes):
        stuck = nodes[_on_a_cycle(waits, set(order))]
        raise ModelError(
            f"{file} has a cycle: {called(stuck)} waits, through others, for its own output",
            "operators that can run one after the other",
            "export it again",
        )
    return [nodes[number] for number in order]


def called(node: NodeProto) -> str:
    """An operator as an error names it."""
    return f"{node.op_type} `{node.name or next(iter(node.output), '')}`"


def bodies_of(node: NodeProto) -> dict[str, GraphProto]:
    """Graphs inside an operator, by attribute."""
    from onnx import AttributeProto

    return {each.name: each.g for each in node.attribute if each.type == AttributeProto.GRAPH}


def read_names(node: NodeProto) -> Iterator[str]:
    """Names that an operator reads, those that its bodies take from outside included."""
    yield from (name for name in node.input if name)
    for body in bodies_of(node).values():
        yield from _taken_from_outside(body)


def _taken_from_outside(graph: GraphProto) -> Iterator[str]:
    own = {value.name for value in graph.input} | {tensor.name for tensor in graph.initializer}
    own |= {tensor.values.name for tensor in graph.sparse_initializer}
    own |= {name for node in graph.node for name in node.output}
    yield from (name for node in graph.node for name in read_names(node) if name not in own)
    yield from (value.name for value in graph.output if value.name not in own)


def _waits(node: NodeProto, giver: dict[str, int], known: Collection[str], file: str) -> set[int]:
    found = set()
    for name in read_names(node):
        if name in giver:
            found.add(giver[name])
        elif name not in known:
            raise ModelError(
                f"{called(node)} of {file} reads `{name}`, which nothing gives",
                "inputs, weights and outputs of other operators",
                nearest(name, [*giver, *known]) or "export it again",
            )
    return found


def _on_a_cycle(waits: Sequence[set[int]], done: set[int]) -> int:
    """Follow what waits for what until an operator comes twice."""
    number = next(number for number in range(len(waits)) if number not in done)
    seen: set[int] = set()
    while number not in seen:
        seen.add(number)
        number = min(waits[number] - done)
    return number
