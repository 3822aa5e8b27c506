"""What of an ONNX file is computed: the nodes that some tensors need. Imports torch: import inside functions only."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from onnx import AttributeProto, ModelProto, NodeProto, TensorProto, helper, numpy_helper

from sartor.errors import CandidateError
from sartor.train.onnx_module.operators_base import Node

_NUMBERS = {"value_int": "int64", "value_ints": "int64", "value_float": "float32", "value_floats": "float32"}


@dataclass(frozen=True)
class Graph:
    """The part of a file that gives some tensors.

    Attributes:
        nodes: in the order of the file, without Constant nodes.
        stored: initializers and the tensors of Constant nodes, by name.
        inputs: type of the numbers of each input of the file; 0 where it is no tensor.
        outputs: names of the tensors that are given.
        types: type of the numbers of each tensor that the file declares as an output.
    """

    nodes: tuple[Node, ...]
    stored: Mapping[str, TensorProto]
    inputs: Mapping[str, int]
    outputs: tuple[str, ...]
    types: Mapping[str, int]

    @property
    def read(self) -> frozenset[str]:
        """Names of the tensors that a node reads or that are given."""
        return frozenset(name for node in self.nodes for name in node.inputs).union(self.outputs)


def read_graph(model: ModelProto, outputs: Sequence[str] = ()) -> Graph:
    """The nodes that `outputs` need; those of the file where none are named.

    Raises:
        CandidateError: `failed`, no tensor is called as one of `outputs`.
    """
    if model.functions:
        from onnx.inliner import inline_local_functions

        model = inline_local_functions(model)
    graph = model.graph
    stored = {tensor.name: tensor for tensor in graph.initializer} | dict(_constants(graph.node))
    wanted = tuple(outputs) or tuple(output.name for output in graph.output)
    version = next((each.version for each in model.opset_import if each.domain in ("", "ai.onnx")), 0)
    inputs = {value.name: value.type.tensor_type.elem_type for value in graph.input if value.name not in stored}
    nodes = [node for node in graph.node if _tensor_name(node) not in stored]
    _check_named(wanted, {*stored, *inputs, *(name for node in nodes for name in node.output)})
    needed, kept = set(wanted), []
    for node in reversed(nodes):
        if needed.intersection(node.output):
            needed.update(_read_by(node))
            kept.append(node)
    types = {value.name: value.type.tensor_type.elem_type for value in graph.output}
    return Graph(
        tuple(_node(node, version, needed) for node in reversed(kept)),
        {name: tensor for name, tensor in stored.items() if name in needed},
        inputs,
        wanted,
        types,
    )


def _check_named(wanted: Iterable[str], known: set[str]) -> None:
    missing = [name for name in wanted if name not in known]
    if missing:
        raise CandidateError("failed", f"the network has no tensor `{missing[0]}`")


def _read_by(node: NodeProto) -> set[str]:
    # What the branches of a conditional read counts as read by it.
    inner = (attribute.g for attribute in node.attribute if attribute.type == AttributeProto.GRAPH)
    return {name for name in node.input if name} | {
        name for graph in inner for each in graph.node for name in _read_by(each)
    }


def _node(node: NodeProto, version: int, needed: set[str]) -> Node:
    outputs = tuple(name if name in needed else "" for name in node.output)
    # A Split says by the number of its outputs what it does, so that number stays.
    domain = "" if node.domain == "ai.onnx" else node.domain
    return Node(node.op_type, domain, version, tuple(node.input), outputs, _attributes(node))


def _attributes(node: NodeProto) -> dict[str, Any]:
    values = {attribute.name: helper.get_attribute_value(attribute) for attribute in node.attribute}
    return {name: _text(value) for name, value in values.items()}


def _text(value: Any) -> Any:
    if isinstance(value, bytes):
        return value.decode()
    if isinstance(value, list):
        return [_text(each) for each in value]
    return value


def _tensor_name(node: NodeProto) -> str:
    return node.output[0] if node.op_type == "Constant" else ""


def _constants(nodes: Iterable[NodeProto]) -> Iterable[tuple[str, TensorProto]]:
    """Tensors of Constant nodes; one of strings or a sparse one is left, to be refused as an operator."""
    for node in nodes:
        if node.op_type != "Constant":
            continue
        attribute = node.attribute[0]
        if attribute.name == "value":
            yield node.output[0], attribute.t
        elif attribute.name in _NUMBERS:
            values = np.array(helper.get_attribute_value(attribute), _NUMBERS[attribute.name])
            yield node.output[0], numpy_helper.from_array(values, node.output[0])


def stored_in_place(model: ModelProto) -> dict[str, TensorProto]:
    """The tensors that a file itself holds, by name: those that can be written to."""
    found = {tensor.name: tensor for tensor in model.graph.initializer}
    for node in model.graph.node:
        if node.op_type == "Constant" and node.attribute[0].name == "value":
            found[node.output[0]] = node.attribute[0].t
    return found
