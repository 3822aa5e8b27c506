"""Whole residual branches: f in x + f(x), which can be left out where both have one shape."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sartor.compress.layers import layers
from sartor.compress.pruning.shapes import known_of
from sartor.cost.order import read_names
from sartor.errors import CandidateError
from sartor.runtime.base import Array

if TYPE_CHECKING:
    from onnx import ModelProto, NodeProto


@dataclass(frozen=True)
class Branch:
    """One f in x + f(x).

    Attributes:
        sum: name of the tensor x + f(x).
        around: name of the tensor x.
        output: name of the tensor f(x), which nothing else reads.
        layers: names of the weights of products and convolutions that go with it.
    """

    sum: str
    around: str
    output: str
    layers: tuple[str, ...]


def removable_branches(model: ModelProto, example: Mapping[str, Array]) -> tuple[Branch, ...]:
    """The branches of a file, in its order.

    A branch is what is added to a tensor that it was itself computed from, in one shape and with at least one layer of
    its own (Huang et al. 2016, "Deep networks with stochastic depth", arXiv 1603.09382, leave such branches out at
    random; Fan et al. 2019, arXiv 1909.11556, of transformers).

    Args:
        example: an array for each input, of which only shapes count.
    """
    shapes = known_of(model, example).shapes
    makers = {name: node for node in model.graph.node for name in node.output if name}
    readers = Counter(name for node in model.graph.node for name in read_names(node))
    readers.update(given.name for given in model.graph.output)
    weights = {layer.outputs[0]: layer.name for layer in layers(model)}
    found = []
    for node in model.graph.node:
        names = list(node.input)
        if node.op_type != "Add" or not all(name in shapes for name in names) or shapes[names[0]] != shapes[names[1]]:
            continue
        for around, output in (names, names[::-1]):
            inside = _between(output, around, makers) if readers[output] == 1 and output in makers else None
            # What others read, too, does not go: a layer counts where all of its readers go with it.
            own = _private(inside, output, readers, makers) if inside else ()
            gone = tuple(weights[name] for name in own if name in weights)
            if gone:
                found.append(Branch(node.output[0], around, output, gone))
                break
    return tuple(found)


def drop_branches(model: ModelProto, branches: Iterable[Branch]) -> ModelProto:
    """The file without some branches, and without what only these needed.

    Raises:
        CandidateError: `unsupported` when the file has no such sum.
    """
    from onnx import ModelProto, helper

    result = ModelProto()
    result.CopyFrom(model)
    nodes = {node.output[0]: node for node in result.graph.node if node.op_type == "Add"}
    for branch in branches:
        node = nodes.get(branch.sum)
        if node is None or sorted(node.input) != sorted((branch.around, branch.output)):
            raise CandidateError("unsupported", f"no sum `{branch.sum}` of `{branch.around}` and `{branch.output}`")
        node.CopyFrom(helper.make_node("Identity", [branch.around], [branch.sum], name=node.name))
    _drop_unread(result)
    return result


def _drop_unread(model: ModelProto) -> None:
    """Remove operators and initializers that no output needs, in place."""
    from onnx import GraphProto

    graph = model.graph
    needed = {given.name for given in graph.output}
    kept: list[NodeProto] = []
    for node in reversed(graph.node):
        if needed.intersection(node.output):
            kept.append(node)
            needed.update(read_names(node))
    described = [info for info in graph.value_info if info.name in needed]
    initializers = [tensor for tensor in graph.initializer if tensor.name in needed]
    left = GraphProto(node=kept[::-1], initializer=initializers, value_info=described)
    for field in ("node", "initializer", "value_info"):
        graph.ClearField(field)
    graph.MergeFrom(left)


def _between(output: str, around: str, makers: Mapping[str, NodeProto]) -> set[str] | None:
    """Names of all that `output` is computed from after `around`; None where it does not come from that."""
    seen, open_names, reached = {output}, [output], False
    while open_names:
        node = makers.get(open_names.pop())
        for name in read_names(node) if node is not None else ():
            reached |= name == around
            if name != around and name not in seen:
                seen.add(name)
                open_names.append(name)
    return seen if reached else None


def _private(
    inside: set[str], output: str, readers: Mapping[str, int], makers: Mapping[str, NodeProto]
) -> tuple[str, ...]:
    """Those of a branch's tensors that go when nothing reads its output, in the order from its end to its start."""
    left, gone, open_names = dict(readers), [], [output]
    while open_names:
        name = open_names.pop()
        gone.append(name)
        for read in read_names(makers[name]):
            left[read] -= 1
            if left[read] == 0 and read in inside and read in makers:
                open_names.append(read)
    return tuple(gone[::-1])
