"""Shapes of ONNX Runtime's own operators, which its saved optimised models hold and ONNX knows nothing of.

Two domains: `com.microsoft` (fused and quantized operators) and `com.microsoft.nchwc` (convolutions on blocks of
channels). ONNX Runtime saves no shapes with them, so they are worked out here: most by asking ONNX about the standard
operator they stand for. Definitions: https://github.com/microsoft/onnxruntime/blob/main/docs/ContribOperators.md.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sartor.cost.kinds import make_type, shape_of
from sartor.cost.proto import attributes_of

if TYPE_CHECKING:
    from onnx import NodeProto, TypeProto

    from sartor.cost.shapes import Scope

Shape = tuple[int, ...]


class _UnknownError(Exception):
    """An input that the rule needs has no known shape."""


@dataclass(frozen=True)
class _Call:
    """One operator to be typed: its inputs by position and its attributes."""

    node: NodeProto
    kinds: dict[str, TypeProto]
    scope: Scope
    attributes: dict[str, Any]

    def has(self, position: int) -> bool:
        return len(self.node.input) > position and bool(self.node.input[position])

    def kind(self, position: int) -> TypeProto:
        return self.kinds[self.node.input[position]] if self.has(position) else _raise()

    def shape(self, position: int) -> Shape:
        shape = shape_of(self.kind(position))
        return _raise() if shape is None else shape

    def like(self, position: int, shape: Sequence[int] | None = None) -> TypeProto:
        """A type with an input's element type and, unless another is given, its shape."""
        code = self.kind(position).tensor_type.elem_type
        return make_type(code, self.shape(position) if shape is None else shape)

    def asked(self, op_type: str, shapes: Sequence[Shape], **attributes: Any) -> Shape:
        """The shape of the standard operator's output for floating inputs of these shapes."""
        from onnx import TensorProto, defs, helper, shape_inference

        names = [f"input_{number}" for number in range(len(shapes))]
        version = max(self.scope.opsets.version(""), 13)
        schema = defs.get_schema(op_type, version, "")
        kept = {name: value for name, value in self.attributes.items() if name in schema.attributes} | attributes
        node = helper.make_node(op_type, names, ["output"], **kept)
        kinds = {name: make_type(TensorProto.FLOAT, shape) for name, shape in zip(names, shapes, strict=True)}
        opsets = [helper.make_opsetid("", version)]
        found = shape_inference.infer_node_outputs(schema, node, kinds, opset_imports=opsets)
        shape = shape_of(found["output"])
        return _raise() if shape is None else shape


_Rule = Callable[[_Call], "list[TypeProto]"]


def contrib_types(node: NodeProto, kinds: dict[str, TypeProto], scope: Scope) -> dict[str, TypeProto]:
    """Types of the outputs; empty for an operator without a rule or with unknown inputs."""
    from onnx import checker, shape_inference

    domain = "nchwc:" if node.domain == "com.microsoft.nchwc" else ""
    rule = _RULES.get(domain + node.op_type)
    if rule is None:
        return {}
    try:
        found = rule(_Call(node, kinds, scope, attributes_of(node)))
    except (_UnknownError, IndexError, KeyError, ZeroDivisionError):
        return {}
    except (shape_inference.InferenceError, checker.ValidationError, ValueError) as error:
        scope.failures.append(f"{node.op_type} `{node.name}`: {' '.join(str(error).split())}")
        return {}
    return dict(zip(node.output, found, strict=False))


def _raise() -> Any:
    raise _UnknownError


def _same(position: int = 0) -> _Rule:
    return lambda call: [call.like(position)]


def _as(op_type: str, *positions: int, dtype: int | None = None) -> _Rule:
    """The standard operator on some of the inputs; the element type of one of them, the first unless said."""

    def rule(call: _Call) -> list[TypeProto]:
        shapes = [call.shape(position) for position in positions]
        return [call.like(positions[0] if dtype is None else dtype, call.asked(op_type, shapes))]

    return rule


def _blocked(op_type: str, *positions: int) -> _Rule:
    """As `_as`; with `channels_last` the first input and the output have their channels at the end."""

    def rule(call: _Call) -> list[TypeProto]:
        shapes = [call.shape(position) for position in positions]
        last = bool(call.attributes.get("channels_last")) or call.node.op_type.startswith("Nhwc")
        if last:
            shapes[0] = _channels_first(shapes[0])
        found = call.asked(op_type, shapes)
        return [call.like(positions[0], _channels_last(found) if last else found)]

    return rule


def _channels_first(shape: Shape) -> Shape:
    return (shape[0], shape[-1], *shape[1:-1])


def _channels_last(shape: Shape) -> Shape:
    return (shape[0], *shape[2:], shape[1])


def _broadcast(*positions: int) -> _Rule:
    def rule(call: _Call) -> list[TypeProto]:
        import numpy as np

        shape = np.broadcast_shapes(*(call.shape(position) for position in positions))
        return [call.like(positions[0], shape)]

    return rule


def _fused_matmul(call: _Call) -> list[TypeProto]:
    left, right = call.shape(0), call.shape(1)
    left = _turned(left, call.attributes.get("transBatchA", 0), call.attributes.get("transA", 0))
    right = _turned(right, call.attributes.get("transBatchB", 0), call.attributes.get("transB", 0))
    return [call.like(0, call.asked("MatMul", [left, right]))]


def _turned(shape: Shape, batch: int, matrix: int) -> Shape:
    """What FusedMatMul multiplies: `transBatch` moves the first dimension last but one, `trans` swaps the last two."""
    if batch and len(shape) > 2:
        shape = (*shape[1:-1], shape[0], shape[-1])
    return (*shape[:-2], shape[-1], shape[-2]) if matrix and len(shape) > 1 else shape


def _normalised(call: _Call) -> list[TypeProto]:
    """Output, mean, inverse deviation, and the sum that the next layer skips from."""
    from onnx import TensorProto

    statistics = make_type(TensorProto.FLOAT, (*call.shape(0)[:-1], 1))
    return [call.like(0), statistics, statistics, call.like(0)]


def _embedded(call: _Call) -> list[TypeProto]:
    """EmbedLayerNormalization(ids, segments, words, ...): output, index of masks, sum."""
    shape = (*call.shape(0), call.shape(2)[-1])
    return [call.like(2, shape), call.like(0, call.shape(0)[:1]), call.like(2, shape)]


def _attention(call: _Call) -> list[TypeProto]:
    """Attention(input, weights of query, key and value side by side, ...)."""
    batch, length, _ = call.shape(0)
    widths = call.attributes.get("qkv_hidden_sizes")
    width = widths[2] if widths else call.shape(1)[1] // 3
    code = 3 if call.node.op_type == "QAttention" else 0  # the scale of the input is a float
    heads = call.attributes["num_heads"]
    past = call.shape(4)[3] if call.node.op_type == "Attention" and call.has(4) else 0
    present = (2, batch, heads, past + length, width // heads)
    return [call.like(code, (batch, length, width)), call.like(code, present)]


def _multi_head(call: _Call) -> list[TypeProto]:
    """MultiHeadAttention(query, key, value, bias, padding, relative, past key, past value)."""
    query = call.shape(0)
    if len(query) == 5:  # packed: batch, length, heads, 3, size of a head
        return [call.like(0, (query[0], query[1], query[2] * query[4]))]
    batch, length, width = query
    heads = call.attributes["num_heads"]
    value = call.shape(2) if call.has(2) else query
    wide = value[-1] if len(value) == 3 else value[1] * value[3]
    past = call.shape(6)[2] if call.has(6) else 0
    total = past + (value[1] if len(value) == 3 else value[2])
    keys = (batch, heads, total, width // heads)
    return [call.like(0, (batch, length, wide)), call.like(0, keys), call.like(0, (batch, heads, total, wide // heads))]


def _group_query(call: _Call) -> list[TypeProto]:
    """GroupQueryAttention(query, key, value, past key, past value, ...); query may hold all three."""
    batch, length, width = call.shape(0)
    heads, groups = call.attributes["num_heads"], call.attributes["kv_num_heads"]
    size = width // heads if call.has(1) else width // (heads + 2 * groups)
    past = call.shape(3)[2] if call.has(3) else 0
    present = call.like(0, (batch, groups, past + length, size))
    return [call.like(0, (batch, length, heads * size)), present, present]


def _few_bits(call: _Call) -> list[TypeProto]:
    """MatMulNBits, MatMulBnb4: the weight is packed, its width is an attribute."""
    return [call.like(0, (*call.shape(0)[:-1], call.attributes["N"]))]


def _quantized_lstm(call: _Call) -> list[TypeProto]:
    length, batch, _ = call.shape(0)
    hidden, directions = call.attributes["hidden_size"], call.shape(1)[0]
    state = call.like(0, (directions, batch, hidden))
    return [call.like(0, (length, directions, batch, hidden)), state, state]


def _concatenated(call: _Call) -> list[TypeProto]:
    """QLinearConcat(scale, zero point, then tensor, scale, zero point of each)."""
    shapes = [call.shape(position) for position in range(2, len(call.node.input), 3)]
    return [call.like(2, call.asked("Concat", shapes))]


def _gemm(call: _Call) -> list[TypeProto]:
    """QGemm(a, scale, zero, b, scale, zero, c, scale, zero): quantized only if the last two are given."""
    return [call.like(0 if call.has(7) else 1, call.asked("Gemm", [call.shape(0), call.shape(3)]))]


def _dequantized(call: _Call) -> list[TypeProto]:
    return [call.like(1, call.shape(0))]


def _quantized(call: _Call) -> list[TypeProto]:
    from onnx import TensorProto

    return [call.like(2, call.shape(0)) if call.has(2) else make_type(TensorProto.UINT8, call.shape(0))]


def _reorder_input(call: _Call) -> list[TypeProto]:
    shape = call.shape(0)
    return [call.like(0, _channels_first(shape) if call.attributes.get("channels_last") else shape)]


def _reorder_output(call: _Call) -> list[TypeProto]:
    batch, _, *rest = call.shape(0)
    shape = (batch, call.attributes["channels"], *rest)
    return [call.like(0, _channels_last(shape) if call.attributes.get("channels_last") else shape)]


def _upsampled(call: _Call) -> list[TypeProto]:
    scales = call.attributes["scales"]
    return [call.like(0, tuple(size * scale for size, scale in zip(call.shape(0), scales, strict=True)))]


_RULES: dict[str, _Rule] = {
    **{
        name: _same()
        for name in (
            *("BiasGelu", "BiasAdd", "BiasSoftmax", "FastGelu", "Gelu", "QuickGelu", "ScaledSiLU", "GroupNorm"),
            *("RotaryEmbedding", "Inverse", "QLinearSigmoid", "QLinearLeakyRelu", "QLinearSoftmax"),
        )
    },
    "LayerNormalization": _normalised,
    "SimplifiedLayerNormalization": _normalised,
    "SkipLayerNormalization": _normalised,
    "SkipSimplifiedLayerNormalization": _normalised,
    "FusedConv": _as("Conv", 0, 1),
    "NhwcFusedConv": _blocked("Conv", 0, 1),
    "NhwcMaxPool": _blocked("MaxPool", 0),
    "QLinearConv": _blocked("Conv", 0, 3),
    "QLinearAveragePool": _blocked("AveragePool", 0),
    "QLinearGlobalAveragePool": _blocked("GlobalAveragePool", 0),
    "QLinearAdd": _broadcast(0, 3),
    "QLinearMul": _broadcast(0, 3),
    "QLinearWhere": _broadcast(1, 0, 4),
    "QLinearConcat": _concatenated,
    "QGemm": _gemm,
    "QAttention": _attention,
    "QuantizeLinear": _quantized,
    "DequantizeLinear": _dequantized,
    "DynamicQuantizeMatMul": _as("MatMul", 0, 1),
    "DynamicQuantizeLSTM": _quantized_lstm,
    "MatMulIntegerToFloat": _as("MatMul", 0, 1, dtype=2),
    "MatMulNBits": _few_bits,
    "MatMulBnb4": _few_bits,
    "FusedMatMul": _fused_matmul,
    "TransposeMatMul": _fused_matmul,
    "FusedMatMulActivation": _fused_matmul,
    "FusedGemm": _as("Gemm", 0, 1),
    "GemmFastGelu": _as("MatMul", 0, 1),
    "Attention": _attention,
    "MultiHeadAttention": _multi_head,
    "GroupQueryAttention": _group_query,
    "EmbedLayerNormalization": _embedded,
    "nchwc:Conv": _as("Conv", 0, 1),
    "nchwc:MaxPool": _as("MaxPool", 0),
    "nchwc:AveragePool": _as("AveragePool", 0),
    "nchwc:GlobalMaxPool": _as("GlobalMaxPool", 0),
    "nchwc:GlobalAveragePool": _as("GlobalAveragePool", 0),
    "nchwc:ReorderInput": _reorder_input,
    "nchwc:ReorderOutput": _reorder_output,
    "nchwc:Upsample": _upsampled,
}
