"""Nodes that one kernel of torch computes together. Imports torch: import this file inside functions only."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

from onnx import TensorProto

from sartor.train.onnx_module.graph import Graph
from sartor.train.onnx_module.operators_base import Node
from sartor.train.onnx_module.operators_linear import LINEAR_KIND


def fused(graph: Graph) -> list[Node]:
    """The nodes, with each MatMul by a stored matrix and the Add of its stored bias made one."""
    readers = Counter([name for node in graph.nodes for name in node.inputs] + list(graph.outputs))
    products = {
        node.outputs[0]: node
        for node in graph.nodes
        if node.kind == "MatMul" and readers[node.outputs[0]] == 1 and _stored_axes(graph.stored, node.inputs[1]) == 2
    }
    nodes: list[Node] = []
    for node in graph.nodes:
        pair = _product_and_bias(node, products, graph.stored)
        if pair is None:
            nodes.append(node)
            continue
        product, bias = pair
        nodes.remove(product)
        nodes.append(Node(LINEAR_KIND, "", node.version, (*product.inputs, bias), node.outputs))
    return nodes


def _stored_axes(stored: Mapping[str, TensorProto], name: str) -> int:
    return len(stored[name].dims) if name in stored else 0


def _product_and_bias(
    node: Node, products: Mapping[str, Node], stored: Mapping[str, TensorProto]
) -> tuple[Node, str] | None:
    if node.kind != "Add":
        return None
    for name, other in (node.inputs, node.inputs[::-1]):
        if name in products and _stored_axes(stored, other) == 1:
            product = products[name]
            if stored[other].dims[0] == stored[product.inputs[1]].dims[1]:
                return product, other
    return None
