"""Where a file can be equalised: products that read one tensor, and what gives that tensor."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from sartor.runtime.base import Array

if TYPE_CHECKING:
    from onnx import ModelProto, NodeProto

_PRODUCTS = ("Conv", "Gemm", "MatMul")
_GIVERS = (*_PRODUCTS, "LayerNormalization")
# A positive factor before them is one behind them. (Of Clip only from 0 on; of pools, those that keep channels.)
_PASSING = ("Relu", "LeakyRelu", "Identity", "Dropout", "MaxPool", "AveragePool", "GlobalAveragePool")


@dataclass(frozen=True)
class Site:
    """A tensor whose channels can be scaled.

    Attributes:
        activation: name of the tensor that the products read.
        axis: of its channels: 1 for convolutions, else -1.
        products: that read it, with weights of their own.
        giver: the operator that takes the division; None where none does.
        added: names of what is added between the giver and the tensor, which takes the division, too.
        separate: whether each channel is read by weights that have scales of their own.
        most: that a channel can be, where a Clip cuts it; else infinity.
    """

    activation: str
    axis: int
    products: tuple[NodeProto, ...]
    giver: NodeProto | None
    added: tuple[str, ...]
    separate: bool
    most: float


class Graph:
    """A file with its weights by name and its readers by tensor; weights are changed in place."""

    def __init__(self, model: ModelProto) -> None:
        from onnx import TensorProto

        self.model = model
        floats = (one for one in model.graph.initializer if one.data_type == TensorProto.FLOAT)
        self.weights = {tensor.name: tensor for tensor in floats}
        self.makers = {name: node for node in model.graph.node for name in node.output}
        self.readers: dict[str, list[NodeProto]] = {spec.name: [] for spec in model.graph.output}
        self.ends = {spec.name for spec in model.graph.output}
        for node in model.graph.node:
            for name in node.input:
                self.readers.setdefault(name, []).append(node)

    def array(self, name: str) -> Array:
        from onnx import numpy_helper

        return numpy_helper.to_array(self.weights[name])

    def set(self, name: str, values: Array) -> None:
        from onnx import numpy_helper

        self.weights[name].CopyFrom(numpy_helper.from_array(np.ascontiguousarray(values, np.float32), name))

    def owns(self, node: NodeProto, position: int) -> bool:
        """Whether an operator's input is a weight that nothing else reads."""
        name = node.input[position] if len(node.input) > position else ""
        return name in self.weights and len(self.readers[name]) == 1

    def input_peaks(self, site: Site) -> NDArray[np.float64]:
        """(channels,) largest magnitude of the weights that read each channel."""
        peaks: NDArray[np.float64] = np.max([self._input_peaks(node) for node in site.products], axis=0)
        return peaks

    def _input_peaks(self, node: NodeProto) -> NDArray[np.float64]:
        weight: NDArray[np.float64] = np.abs(self.array(node.input[1])).astype(np.float64)
        peaks: NDArray[np.float64]
        if node.op_type == "Conv":
            matrix = weight.reshape(*weight.shape[:2], -1).max(axis=2)
            peaks = matrix.reshape(_attribute(node, "group", 1), -1, matrix.shape[1]).max(axis=1).reshape(-1)
        else:
            peaks = weight.max(axis=0 if _transposed(node) else 1)
        return peaks

    def multiply_inputs(self, site: Site, scales: NDArray[np.float64]) -> None:
        """Multiply the weights that read each channel."""
        for node in site.products:
            weight = self.array(node.input[1])
            if node.op_type == "Conv":
                groups = _attribute(node, "group", 1)
                factors = np.repeat(scales.reshape(groups, -1), len(weight) // groups, axis=0)
                self.set(node.input[1], weight * factors.reshape(*factors.shape, *[1] * (weight.ndim - 2)))
            else:
                self.set(node.input[1], weight * (scales if _transposed(node) else scales[:, np.newaxis]))

    def divide_outputs(self, site: Site, scales: NDArray[np.float64]) -> None:
        """Divide what gives the tensor: its weights, and everything that is added on the way."""
        giver = site.giver
        assert giver is not None
        weight = self.array(giver.input[1])
        outputs_first = giver.op_type == "Conv" or (giver.op_type == "Gemm" and _transposed(giver))
        shape = (-1, *[1] * (weight.ndim - 1)) if outputs_first else (-1,)
        self.set(giver.input[1], weight / scales.reshape(shape))
        for name in (*giver.input[2:3], *site.added):
            if name:
                self.set(name, self.array(name) / scales)

    def insert_division(self, site: Site, scales: NDArray[np.float64]) -> None:
        """Put a Mul between the tensor and the products alone: whatever else reads it is left."""
        from onnx import helper, numpy_helper

        factors, scaled = f"{site.activation}.equalise", f"{site.activation}.equalised"
        self.model.graph.initializer.append(numpy_helper.from_array((1.0 / scales).astype(np.float32), factors))
        first = next(at for at, node in enumerate(self.model.graph.node) if node.name == site.products[0].name)
        node = helper.make_node("Mul", [site.activation, factors], [scaled], f"to {scaled}")
        self.model.graph.node.insert(first, node)
        for product in self.model.graph.node:
            if any(product.name == one.name for one in site.products):
                product.input[0] = scaled


def find_sites(graph: Graph) -> Iterator[Site]:
    """Tensors that products with weights of their own read as their first input, in the file's order."""
    for activation, readers in list(graph.readers.items()):
        products = tuple(node for node in readers if node.op_type in _PRODUCTS and node.input[0] == activation)
        if (
            activation in graph.weights
            or not products
            or not all(graph.owns(node, 1) and _is_plain(graph, node) for node in products)
        ):
            continue
        axes = {1 if node.op_type == "Conv" else -1 for node in products}
        if len(axes) > 1:
            continue
        axis = axes.pop()
        alone = len(products) == len(readers) and activation not in graph.ends
        giver, added, most = _giver(graph, activation, axis) if alone else _NONE
        if giver is not None or axis == -1:
            separate = all(_separate(graph, node) for node in products)
            yield Site(activation, axis, products, giver, added, separate, most)


_Giver = tuple["NodeProto | None", tuple[str, ...], float]
_NONE: _Giver = (None, (), np.inf)


def _giver(graph: Graph, tensor: str, axis: int) -> _Giver:
    """What gives a tensor through operators that let factors pass, none of which anything else reads."""
    added: list[str] = []
    most = np.inf
    while (node := graph.makers.get(tensor)) is not None:
        if node.op_type in _GIVERS:
            fits = (node.op_type == "Conv") == (axis == 1) and graph.owns(node, 1) and _is_plain(graph, node)
            biased = len(node.input) > 2 and node.input[2] != ""
            return (node, tuple(added), most) if fits and (not biased or graph.owns(node, 2)) else _NONE
        constant = next((at for at in range(len(node.input)) if graph.owns(node, at)), None)
        if node.op_type == "Add" and constant is not None and axis == -1:
            if graph.array(node.input[constant]).ndim != 1:
                return _NONE
            added.append(node.input[constant])
            tensor = node.input[1 - constant]
        elif node.op_type in _PASSING or (node.op_type == "Clip" and _from_zero(graph, node)):
            if node.op_type == "Clip" and len(node.input) > 2:
                most = min(most, float(graph.array(node.input[2])))
            tensor = node.input[0]
        else:
            return _NONE
        if len(graph.readers[tensor]) != 1 or tensor in graph.ends:
            return _NONE
    return _NONE


def _is_plain(graph: Graph, node: NodeProto) -> bool:
    """Whether outputs are sums over one axis of a weight that is laid out as usual."""
    rank = len(graph.weights[node.input[1]].dims)
    if node.op_type == "LayerNormalization":
        return rank == 1
    if node.op_type == "Conv":
        return rank >= 3
    return rank == 2 and not _attribute(node, "transA", 0)


def _separate(graph: Graph, node: NodeProto) -> bool:
    """Whether a convolution has one input channel for each group."""
    return node.op_type == "Conv" and graph.weights[node.input[1]].dims[1] == 1


def _from_zero(graph: Graph, node: NodeProto) -> bool:
    known = len(node.input) > 1 and all(name in graph.weights for name in node.input[1:])
    return known and float(graph.array(node.input[1])) == 0.0


def _transposed(node: NodeProto) -> bool:
    return bool(_attribute(node, "transB", 0))


def _attribute(node: NodeProto, name: str, otherwise: int) -> int:
    return next((int(one.i) for one in node.attribute if one.name == name), otherwise)
