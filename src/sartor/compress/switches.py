"""A model with switches at its layers, each of which rounds a weight or an input to 8 bits."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from sartor.compress.calibration import pieces
from sartor.compress.layers import Layer
from sartor.compress.onnx_file import read_whole, write_whole
from sartor.errors import CandidateError
from sartor.machine.device import Machine
from sartor.model.values import ExportedModel
from sartor.runtime import open_runtime
from sartor.runtime.base import Array, Session, Settings
from sartor.steps.prepared import Prepared

if TYPE_CHECKING:
    from onnx import GraphProto, ModelProto, NodeProto, TensorProto

SWITCH = "sartor.switch"
"""Name of the input, (2 layers,) of bool: which weights are in 8 bits, then which inputs."""
ROWS_PER_PIECE = 16
# Of what a layer reads its ends and how much it is, and how much it gives.
_LOOKS = ("ReduceMin", "ReduceMax", "Size", "Size")


@dataclass(frozen=True)
class Span:
    """What a layer reads over the rows: its smallest and largest value with zero within; and numbers for one row."""

    low: float
    high: float
    elements_in: float
    elements_out: float


def spans_of(source: ExportedModel, found: Sequence[Layer], rows: Prepared, scratch: Path, threads: int) -> list[Span]:
    """What each layer reads.

    Raises:
        CandidateError: `wrong-output` when it is not finite.
    """
    session = load(_looked_at(read_whole(source.path), found), scratch / "spans.onnx", threads)
    own, pieces_seen = len(source.signature.outputs), []
    for piece in pieces(source, rows, ROWS_PER_PIECE):
        values = np.array([float(value) for value in session.run(piece)[own:]]).reshape(-1, len(_LOOKS))
        values[:, 2:] /= len(next(iter(piece.values())))
        pieces_seen.append(values)
    seen = np.stack(pieces_seen)
    lows, highs = np.minimum(seen[..., 0].min(axis=0), 0.0), np.maximum(seen[..., 1].max(axis=0), 0.0)
    for layer, low, high in zip(found, lows, highs, strict=True):
        if not np.isfinite(high - low):
            detail = f"`{layer.activation}` holds numbers that are not finite on the calibration rows"
            raise CandidateError("wrong-output", detail)
    sizes = seen[..., 2:].mean(axis=0)
    return [Span(*map(float, one)) for one in zip(lows, highs, sizes[:, 0], sizes[:, 1], strict=True)]


def _looked_at(model: ModelProto, found: Sequence[Layer]) -> ModelProto:
    """The model with four numbers of each layer behind its own outputs: see `_LOOKS`."""
    from onnx import TensorProto, helper

    for layer in found:
        for operator, tensor in zip(_LOOKS, [*3 * [layer.activation], layer.outputs[0]], strict=True):
            output = f"sartor.{len(model.graph.output)}"
            node = helper.make_node(operator, [tensor], [output])
            if operator != "Size":
                node.attribute.append(helper.make_attribute("keepdims", 0))
            kind = TensorProto.INT64 if operator == "Size" else TensorProto.FLOAT
            model.graph.node.append(node)
            model.graph.output.append(helper.make_tensor_value_info(output, kind, []))
    return model


def switchable(
    source: ExportedModel, found: Sequence[Layer], spans: Sequence[Span], machine: Machine, scratch: Path, threads: int
) -> Session:
    """The model with one more input, (2 layers,) of bool: which weights are in 8 bits, then which inputs.

    A layer stands in both branches of an `If`, so that only one of them computes, with weights that the runtime may lay
    out for speed: weights that a `Where` chooses made EfficientNet-Lite0 ten times as slow.
    """
    from onnx import TensorProto, helper, numpy_helper

    model = read_whole(source.path)
    graph = model.graph
    weights = {tensor.name: tensor for tensor in graph.initializer}
    by_weight = {layer.name: number for number, layer in enumerate(found)}
    switches = 2 * len(found)
    graph.input.append(helper.make_tensor_value_info(SWITCH, TensorProto.BOOL, [switches]))
    graph.initializer.extend(numpy_helper.from_array(np.array(n), f"sartor.at.{n}") for n in range(switches))
    nodes = []
    for count, node in enumerate(graph.node):
        number = next((by_weight[name] for name in node.input[:2] if name in by_weight), None)
        # What shares the weight but not the input keeps f32: its range was not looked at.
        if number is None or node.op_type != found[number].operator or found[number].activation not in node.input[:2]:
            nodes.append(node)
            continue
        layer, own = found[number], f"sartor.{count}"
        rounded = _rounded(node, weights[layer.name], 127 if machine.exact_int8 else 63)
        branches = [
            _with_weight(node, layer, weight, f"{own}.{name}", f"{own}.x")
            for name, weight in (("int8", rounded), ("f32", weights[layer.name]))
        ]
        nodes += [
            *_switched(len(found) + number, f"{own}.x", *_on_grid(spans[number], layer.activation, f"{own}.grid")),
            *_switched(number, node.output[0], *branches),
        ]
    del graph.node[:]
    graph.node.extend(nodes)
    return load(model, scratch / "switchable.onnx", threads)


def _switched(switch: int, output: str, on: GraphProto, off: GraphProto) -> list[NodeProto]:
    """What a switch chooses between."""
    from onnx import helper

    chosen = f"{output}.switch"
    return [
        helper.make_node("Gather", [SWITCH, f"sartor.at.{switch}"], [chosen]),
        helper.make_node("If", [chosen], [output], then_branch=on, else_branch=off),
    ]


def _with_weight(node: NodeProto, layer: Layer, weight: TensorProto, name: str, activation: str) -> GraphProto:
    """A layer as the body of a branch, with a copy of its weight inside."""
    from onnx import helper

    own, output = type(weight)(), f"{name}.y"
    own.CopyFrom(weight)
    own.name = f"{name}.w"
    copy = type(node)()
    copy.CopyFrom(node)
    for position, given in enumerate(node.input):
        copy.input[position] = {layer.name: own.name, layer.activation: activation}.get(given, given)
    copy.output[0] = output
    return helper.make_graph([copy], name, [], [helper.make_empty_tensor_value_info(output)], [own])


def _on_grid(span: Span, activation: str, name: str) -> tuple[GraphProto, GraphProto]:
    """Bodies that give a tensor rounded to 8 bits over a range, and as it is."""
    from onnx import helper, numpy_helper

    step = max((span.high - span.low) / 255.0, float(np.finfo(np.float32).tiny))
    zero = float(np.clip(round(-span.low / step), 0, 255))
    numbers = {"step": step, "least": -zero, "most": 255.0 - zero}
    tensors = [numpy_helper.from_array(np.array(value, np.float32), f"{name}.{key}") for key, value in numbers.items()]
    rounding = [
        helper.make_node("Div", [activation, f"{name}.step"], [f"{name}.shared"]),
        helper.make_node("Round", [f"{name}.shared"], [f"{name}.whole"]),
        helper.make_node("Clip", [f"{name}.whole", f"{name}.least", f"{name}.most"], [f"{name}.cut"]),
        helper.make_node("Mul", [f"{name}.cut", f"{name}.step"], [f"{name}.x"]),
    ]
    same = [helper.make_node("Identity", [activation], [f"{name}.same"])]
    on, off = (helper.make_empty_tensor_value_info(f"{name}.{end}") for end in ("x", "same"))
    return (
        helper.make_graph(rounding, f"{name}.on", [], [on], tensors),
        helper.make_graph(same, f"{name}.off", [], [off]),
    )


def _rounded(node: NodeProto, weight: TensorProto, levels: int) -> TensorProto:
    """A weight with the values that its 8 bits stand for."""
    from onnx import numpy_helper

    integers, scale = rounded_weight(numpy_helper.to_array(weight), _channel_axis(node, weight), levels)
    return numpy_helper.from_array(integers.astype(np.float32) * scale, weight.name)


def rounded_weight(weight: Array, axis: int | None, levels: int) -> tuple[NDArray[np.int8], NDArray[np.float32]]:
    """A weight in 8 bits, symmetric, with one scale for each index of `axis`; None: one for all.

    Args:
        weight: any shape.
        axis: of the output channels.
        levels: largest integer.

    Returns:
        Integers of the weight's shape, and scales that broadcast to it.
    """
    others = None if axis is None else tuple(number for number in range(weight.ndim) if number != axis)
    largest = np.max(np.abs(weight), axis=others, keepdims=True)
    scale = np.where(largest > 0, largest / levels, 1.0).astype(np.float32)
    return np.clip(np.rint(weight / scale), -levels, levels).astype(np.int8), scale


def _channel_axis(node: NodeProto, weight: TensorProto) -> int | None:
    """The axis of the output channels in a weight; None where the weight stands on the left of a product."""
    if node.op_type == "Conv":
        return 0
    if node.input[1] != weight.name:
        return None
    transposed = any(one.name == "transB" and one.i for one in node.attribute)
    return 0 if transposed else len(weight.dims) - 1


def load(model: ModelProto, path: Path, threads: int) -> Session:
    """Write a model and open it in the runtime that reads every file."""
    return open_runtime("onnxruntime").load(write_whole(model, path), Settings(threads=threads))
