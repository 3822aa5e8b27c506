"""Parameters: the numbers that a model has learnt, counted from its Graph."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator

from sartor.cost.graph import Graph, Operator, Tensor

_FLOATS = ("float", "bfloat", "complex")  # how the names of floating types begin
_WORDS = {"int16", "int32", "int64", "uint16", "uint32", "uint64", "bool", "string", "undefined"}
_RECURRENT = {"LSTM", "GRU", "RNN", "DynamicQuantizeLSTM"}
_STATES = {5, 6}  # of recurrent operators: the states that they start from
# Inputs that choose rather than weigh: bounds, exponents, scales of pictures, masks.
_SETTINGS = {"Where", "Clip", "Pow", "Resize", "Upsample", "Pad", "Range", "OneHot", "NonMaxSuppression", "Equal"}
_SETTINGS |= {"Less", "Greater", "LessOrEqual", "GreaterOrEqual", "Cast", "Shape", "ConstantOfShape", "Dropout"}
# Where quantized operators have their numbers; the rest are scales and zero points.
_QUANTIZED = {
    **{"DequantizeLinear": {0}, "QuantizeLinear": {0}, "QLinearConv": {0, 3, 8}, "QLinearMatMul": {0, 3}},
    **{"QGemm": {0, 3, 6}, "QAttention": {0, 1, 2}, "QLinearAdd": {0, 3}, "QLinearMul": {0, 3}},
    **{"ConvInteger": {0, 1}, "MatMulInteger": {0, 1}, "DynamicQuantizeMatMul": {0, 1, 4}},
    **{"MatMulIntegerToFloat": {0, 1, 6}},
    **{"DynamicQuantizeLSTM": {1, 2, 3, 7}},
}


def parameters(graph: Graph) -> int:
    """Numbers learnt: elements of the weights that meet the caller's data, each weight once, tied copies once.

    Left out are shapes, axes and masks of attention, scales and zero points of quantization, starting states of
    recurrent operators, and constants that meet nothing but other constants (the frequencies of rotary positions).
    What an exporter folds is counted as it stands in the file: a batch normalisation that is part of a convolution
    no more, tables that it computed from positions as the weights that they look like, a token that it repeated for
    each row of a fixed batch as often as it stands there.
    """
    uses = _uses(graph)
    others = graph.copies | _masks(graph) | _stand_ins(graph)
    weights = {tensor.name: tensor for part in _graphs(graph) for tensor in part.weights}
    learnt = sum(
        _logical_elements(tensor, uses[name])
        for name, tensor in weights.items()
        if name not in others and any(_is_learnt(tensor, *use) for use in uses[name])
    )
    return learnt + sum(_listed_numbers(operator) for operator, _ in graph.walk())


Use = tuple[Operator, int, bool]  # an operator, the position of the weight, and whether data meet it there


def _uses(graph: Graph) -> dict[str, list[Use]]:
    """Who reads each weight. In bodies every value counts as data."""
    uses: dict[str, list[Use]] = defaultdict(list)
    data = {tensor.name for tensor in graph.inputs}
    for operator in graph.operators:
        meets = _reads(operator, data) and operator.type not in ("Shape", "Size")
        if meets or operator.bodies:
            data.update(tensor.name for tensor in operator.outputs)
        _note(uses, operator, meets)
        for body in operator.bodies:
            for inner, _ in body.graph.walk():
                _note(uses, inner, True)
    return uses


def _masks(graph: Graph) -> set[str]:
    """Constants added to the scores of attention for all heads alike: which position may see which.

    A learnt bias of positions has a number for each head, the third dimension from the end.
    """
    softmaxed = {
        tensor.name
        for operator in graph.operators
        if operator.type == "Softmax"
        for tensor in operator.inputs
        if tensor
    }
    return {
        tensor.name
        for operator in graph.operators
        if operator.type == "Add" and operator.outputs[0].name in softmaxed
        for position in operator.weights
        if (tensor := operator.inputs[position]) and len(tensor.shape or ()) > 2 and (tensor.shape or ())[-3] == 1
    }


def _stand_ins(graph: Graph) -> set[str]:
    """Scales and offsets of the InstanceNormalization by which exporters write a group normalisation.

    It normalises what a Reshape put into groups; the learnt scale and offset follow it.
    """
    reshaped = {operator.outputs[0].name for operator in graph.operators if operator.type == "Reshape"}
    return {
        tensor.name
        for operator in graph.operators
        if operator.type == "InstanceNormalization" and operator.inputs[0] and operator.inputs[0].name in reshaped
        for position in operator.weights
        if (tensor := operator.inputs[position])
    }


def _reads(operator: Operator, data: set[str]) -> bool:
    return any(tensor is not None and tensor.name in data for tensor in operator.inputs)


def _note(uses: dict[str, list[Use]], operator: Operator, meets: bool) -> None:
    for position in operator.weights:
        tensor = operator.inputs[position]
        if tensor is not None:
            uses[tensor.name].append((operator, position, meets))


def _is_learnt(tensor: Tensor, operator: Operator, position: int, meets: bool) -> bool:
    if operator.type in _SETTINGS or (operator.type in _RECURRENT and position in _STATES):
        return False
    if operator.type in _QUANTIZED:
        return position in _QUANTIZED[operator.type] and bool(tensor.shape)
    if not tensor.shape:
        return False
    # A table is read by positions, which need not be data; elsewhere constants that meet constants are no weights.
    table = operator.type in ("Gather", "GatherND", "GatherBlockQuantized") and position == 0 and len(tensor.shape) > 1
    return (meets or table or _passes_on(operator)) and _is_number(tensor)


def _passes_on(operator: Operator) -> bool:
    """Whether an operator only lays its one weight out anew, so that another will meet the data."""
    return operator.type in ("Transpose", "Reshape", "Unsqueeze", "Squeeze", "Concat", "Split", "Slice", "Expand")


def _is_number(tensor: Tensor) -> bool:
    return tensor.dtype.startswith(_FLOATS) or tensor.dtype not in _WORDS


def _logical_elements(tensor: Tensor, uses: list[Use]) -> int:
    """Elements as the model means them: weights of MatMulNBits are packed, several to a byte."""
    operator, position, _ = uses[0]
    if operator.type in ("MatMulNBits", "MatMulBnb4") and position == 1:
        return int(operator.attributes["N"]) * int(operator.attributes["K"])
    return tensor.elements


def _graphs(graph: Graph) -> Iterator[Graph]:
    yield graph
    for operator in graph.operators:
        for body in operator.bodies:
            yield from _graphs(body.graph)


def _listed_numbers(operator: Operator) -> int:
    """Numbers learnt that operators of `ai.onnx.ml` have as attributes; leaves of trees have no threshold."""
    if operator.domain != "ai.onnx.ml":
        return 0
    lists = {name: value for name, value in operator.attributes.items() if isinstance(value, tuple)}
    floats = [value for name, value in lists.items() if name != "nodes_hitrates"]
    count = sum(len(value) for value in floats if value and isinstance(value[0], float))
    return count - list(lists.get("nodes_modes", ())).count("LEAF")
