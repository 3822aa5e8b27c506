"""An ONNX file with some of its layers replaced by products of lower rank."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from sartor.compress.layers import nodes_of
from sartor.compress.low_rank.factors import Values, factors, kept_outputs
from sartor.compress.low_rank.layers import Decomposable
from sartor.compress.low_rank.operators import bias_place, constant, oriented, readers
from sartor.errors import CandidateError
from sartor.plan.ranks import Ranks

if TYPE_CHECKING:
    from onnx import ModelProto, NodeProto

_PARTS = ("first", "core", "last")


@dataclass(frozen=True)
class _Part:
    """One operator in the place of a layer: its weight's name and value, (O', I', T), and whether it has the kernel."""

    name: str
    weight: Values
    is_core: bool


def decompose(model: ModelProto, found: Sequence[Decomposable], ranks: Mapping[str, Ranks]) -> ModelProto:
    """A copy of a model in which some layers are two or three.

    Their weights are called after the old one, `w.first`, `w.core` and `w.last`; the last part keeps the operator's
    name, its output and its bias. All other tensors stay as they are called. What a lower rank takes from the mean of
    the output is added to the bias.

    Args:
        model: in f32; it is not changed.
        found: its decompositions.
        ranks: of the layers to decompose, by their names.

    Raises:
        CandidateError: `unsupported` when a layer is none of `found`, or a rank none of its own.
    """
    by_name = {one.name: one for one in found}
    copy = type(model)()
    copy.CopyFrom(model)
    replaced: dict[str, list[NodeProto]] = {}
    for name, wanted in ranks.items():
        if name not in by_name:
            raise CandidateError("unsupported", f"the layer `{name}` cannot be decomposed")
        one, node = by_name[name], nodes_of(copy, [name])[0]
        parts = _parts(one, wanted)
        if np.any(one.mean):
            bias = own_bias(copy, node, name)
            values = corrected_bias(one, [part.weight for part in parts], constant(copy, bias))
            set_constant(copy, bias, values)
        replaced[node.output[0]] = _chain(copy, node, parts, name, constant(copy, name).shape[2:])
    rebuilt = [new for node in copy.graph.node for new in replaced.get(node.output[0], [node])]
    del copy.graph.node[:]
    copy.graph.node.extend(rebuilt)
    _forget_unread(copy, set(ranks))
    return copy


def _parts(one: Decomposable, ranks: Ranks) -> list[_Part]:
    """The operators that a layer becomes."""
    most = [size - 1 for size in one.errors.shape]
    if len(ranks) != len(most) or not all(1 <= rank <= limit for rank, limit in zip(ranks, most, strict=True)):
        raise CandidateError("unsupported", f"`{one.name}` has ranks of at most {tuple(most)}, not {ranks}")
    values = factors(one.spectrum, ranks)
    if one.errors.ndim == 1:
        return [_Part("first", values[0], True), _Part("last", values[1], False)]
    core = int(ranks[0] < one.shape[1])
    names = _PARTS[1 - core :][: len(values)]
    return [_Part(name, value, place == core) for place, (name, value) in enumerate(zip(names, values, strict=True))]


def own_bias(model: ModelProto, node: NodeProto, name: str) -> str:
    """The name of a constant that is added to what a layer gives and that nothing else reads.

    A Conv or Gemm without one gets zeros, and a bias that others read is copied, in place, both as `<weight>.bias`.
    Empty for a MatMul behind which no constant is added.
    """
    place = bias_place(model, node)
    if place is None:
        return ""
    holder, position = place
    given = holder.input[position] if len(holder.input) > position else ""
    if given and readers(model.graph)[given] == 1:
        return str(given)
    outputs = oriented(node, list(constant(model, name).shape))[0]
    set_constant(model, f"{name}.bias", constant(model, given) if given else np.zeros(outputs))
    _read(holder, position, f"{name}.bias")
    return f"{name}.bias"


def corrected_bias(one: Decomposable, parts: Sequence[Values], before: Any) -> Values:
    """A bias in its shape, with what a layer's parts take from the output's mean added."""
    bias = np.asarray(before, dtype=np.float64)
    lost = one.mean - kept_outputs(parts) @ one.mean
    return bias + lost.reshape(bias.shape if bias.size == lost.size else lost.shape)


def _chain(
    model: ModelProto, node: NodeProto, parts: Sequence[_Part], name: str, kernel: Sequence[int]
) -> list[NodeProto]:
    """The operators of a layer's parts, one after another; their weights are added to the model."""
    made, given = [], next(value for value in node.input if value != name)
    for part in parts:
        weight, is_last = f"{name}.{part.name}" if len(parts) > 1 else name, part is parts[-1]
        output = node.output[0] if is_last else f"{node.output[0]}.{part.name}"
        new = _operator(node, part, is_last)
        new.name = node.name if is_last else f"{node.name or node.output[0]}.{part.name}"
        new.input.extend([given, weight, *(node.input[2:] if is_last else [])])
        new.output.append(output)
        set_constant(model, weight, _stored(node, part, kernel, is_last))
        made.append(new)
        given = output
    return made


def _operator(node: NodeProto, part: _Part, is_last: bool) -> NodeProto:
    """Without names: a convolution's strides and the like go with its kernel, a Gemm's first part is a MatMul."""
    from onnx import helper

    if node.op_type != "Conv":
        # A Gemm without a bias needs opset 11.
        is_gemm = is_last and node.op_type == "Gemm"
        return helper.make_node("Gemm", [], [], transB=1) if is_gemm else helper.make_node("MatMul", [], [])
    new = helper.make_node("Conv", [], [])
    if part.is_core:
        new.attribute.extend(node.attribute)
    return new


def _stored(node: NodeProto, part: _Part, kernel: Sequence[int], is_last: bool) -> Values:
    """A part's weight in the shape that its operator takes."""
    if node.op_type == "Conv":
        return part.weight.reshape(*part.weight.shape[:2], *(kernel if part.is_core else [1] * len(kernel)))
    flat = part.weight[..., 0]
    return flat if is_last and node.op_type == "Gemm" else flat.T


def set_constant(model: ModelProto, name: str, values: Values) -> None:
    """Give the initializer of that name a value in f32; it is added where there is none."""
    from onnx import numpy_helper

    tensor = numpy_helper.from_array(np.ascontiguousarray(values, dtype=np.float32), name)
    present = next((one for one in model.graph.initializer if one.name == name), None)
    if present is None:
        model.graph.initializer.append(tensor)
    else:
        present.CopyFrom(tensor)


def _read(node: NodeProto, position: int, name: str) -> None:
    """Make an operator read that tensor at that place, in place."""
    if len(node.input) > position:
        node.input[position] = name
    else:
        node.input.append(name)


def _forget_unread(model: ModelProto, names: set[str]) -> None:
    """Drop weights that nothing reads any more, in place, and what is said of their shapes."""
    gone = {name for name in names if not readers(model.graph)[name]}
    weights = [one for one in model.graph.initializer if one.name not in gone]
    shapes = [one for one in model.graph.value_info if one.name not in gone]
    del model.graph.initializer[:], model.graph.value_info[:]
    model.graph.initializer.extend(weights)
    model.graph.value_info.extend(shapes)
