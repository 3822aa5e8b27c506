"""The layers of a file that can be left in f32 one by one: its products and convolutions with weights of their own.

A layer is named after its weight. Exporters and optimisers rename operators and split them, but weights keep the name
that the file gives them, in every runtime.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sartor.compress.onnx_file import SMALLEST_WEIGHT
from sartor.errors import CandidateError, nearest

if TYPE_CHECKING:
    from onnx import ModelProto, NodeProto

_OPERATORS = ("Conv", "MatMul", "Gemm")
_RECURRENT = ("GRU", "LSTM", "RNN")
_FOLLOWERS = (
    *("Add", "BatchNormalization", "Clip", "HardSigmoid", "HardSwish", "LeakyRelu", "Mul", "Relu", "Sigmoid"),
    *("Identity", "Dropout"),
)
_FOLDED = "ConvBnFusion_W_"  # ONNX Runtime's name of a weight that a normalisation was folded into


@dataclass(frozen=True)
class Layer:
    """One product or convolution.

    Attributes:
        name: of its weight.
        node: name of its operator; may be empty.
        operator: type of its operator.
        activation: name of the tensor that the weight is applied to.
        outputs: names of the tensor that it gives, and of what activations and the like make of that one alone.
        followers: names of the operators that make the outputs, its own left out.
        after: the layer that its activation is one of the outputs of; empty where there is none.
    """

    name: str
    node: str
    operator: str
    activation: str
    outputs: tuple[str, ...]
    after: str
    followers: tuple[str, ...] = ()


def layers(model: ModelProto) -> tuple[Layer, ...]:
    """The layers of a file in its order; of operators that share a weight, the first.

    Weights of fewer than 256 elements and operators inside control flow are not told apart.
    """
    firsts: dict[str, NodeProto] = {}
    weights = _weights(model)
    for node in model.graph.node:
        weight = next((name for name in node.input[:2] if name in weights), None)
        if node.op_type in _OPERATORS and weight is not None:
            firsts.setdefault(weight, node)
    made = _made_of(model, {node.output[0]: weight for weight, node in firsts.items()})
    outputs: dict[str, list[str]] = {}
    for tensor, weight in made.items():
        outputs.setdefault(weight, []).append(tensor)
    makers = {node.output[0]: node.name for node in model.graph.node if node.output}
    return tuple(
        Layer(
            *(weight, node.name, node.op_type, read, tuple(outputs[weight]), made.get(read, "")),
            followers=tuple(makers[name] for name in outputs[weight] if name != node.output[0]),
        )
        for weight, node in firsts.items()
        for read in [next((name for name in node.input[:2] if name != weight), weight)]
    )


def timed_layers(model: ModelProto) -> tuple[Layer, ...]:
    """The layers, and recurrent ones after them: none of these is stored by itself, but they take time alike."""
    weights = {tensor.name for tensor in model.graph.initializer}
    recurrent = (node for node in model.graph.node if node.op_type in _RECURRENT and node.input[1] in weights)
    return (
        *layers(model),
        *(Layer(n.input[1], n.name, n.op_type, n.input[0], tuple(filter(None, n.output)), "") for n in recurrent),
    )


def nodes_of(model: ModelProto, names: Iterable[str]) -> list[NodeProto]:
    """The operators of some layers, in a file that may have been optimised since the layers were named.

    Raises:
        CandidateError: `unsupported`, naming a layer that the file does not have.
    """
    weights = _weights(model)
    readers: dict[str, list[NodeProto]] = {}
    for node in model.graph.node:
        for name in weights.intersection(node.input[:2]) if node.op_type in _OPERATORS else ():
            readers.setdefault(name.removeprefix(_FOLDED), []).append(node)
    found = []
    for name in names:
        if name not in readers:
            raise CandidateError("unsupported", f"no layer has the weight `{name}`. {nearest(name, readers)}".strip())
        found += readers[name]
    return found


def with_followers(model: ModelProto, kept: Iterable[NodeProto]) -> list[NodeProto]:
    """Some operators, and whatever is computed elementwise of their outputs alone, such as an activation.

    A quantizer would else round what a layer in f32 gives over all that it spans, before an activation cuts it.
    """
    region = list(kept)
    made = _made_of(model, {node.output[0]: "kept" for node in region})
    names = {node.name for node in region}
    return region + [node for node in model.graph.node if node.output[0] in made and node.name not in names]


def _weights(model: ModelProto) -> set[str]:
    from onnx import TensorProto

    floats = (tensor for tensor in model.graph.initializer if tensor.data_type == TensorProto.FLOAT)
    return {tensor.name for tensor in floats if math.prod(tensor.dims) >= SMALLEST_WEIGHT}


def _made_of(model: ModelProto, starts: Mapping[str, str]) -> dict[str, str]:
    """Tensors that are made elementwise of one start alone, starts among them, by what that start stands for."""
    made = dict(starts)
    constants = {tensor.name for tensor in model.graph.initializer} | {""}
    constants.update(node.output[0] for node in model.graph.node if node.op_type == "Constant")
    for node in model.graph.node:
        origins = {made.get(name, "") for name in node.input if name not in constants}
        if node.op_type in _FOLLOWERS and node.output[0] not in made and len(origins) == 1 and origins != {""}:
            made[node.output[0]] = origins.pop()
    return made
