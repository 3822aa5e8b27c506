"""What each operator that computes says of channels: which must live and die together, and which must stay.

Letters: N rows, C channels in, M channels out, H hidden units, D directions.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from sartor.compress.pruning.labels import Axes, Labelling, Labels, Operation, Refused

Rule = Callable[[Operation, Labelling], None]
_GATES = {"RNN": 1, "GRU": 3, "LSTM": 4}


def elementwise(operation: Operation, labelling: Labelling) -> None:
    """Operands broadcast: what stands at one place is one channel."""
    names = [name for name in operation.inputs if name]
    # The labels of what is computed come before those of constants, so that reshapes see channels as they were made.
    names.sort(key=lambda name: name in labelling.known.constants)
    labelling.give(operation.outputs[0], broadcast([labelling.of(name) for name in names], labelling))


def broadcast(operands: Sequence[Axes], labelling: Labelling) -> list[Labels]:
    """The labels of what tensors broadcast to. An axis of length 1 that is spread over channels stays."""
    rank = max(len(axes) for axes in operands)
    result = []
    for axis in range(-rank, 0):
        present = [axes[axis] for axes in operands if len(axes) >= -axis]
        size = max((len(labels) for labels in present), key=lambda length: (length != 1, length))
        whole = [labels for labels in present if len(labels) == size]
        for labels in present:
            if len(labels) == size:
                labelling.join(whole[0], labels)
            else:
                labelling.freeze(labels)
        result.append(whole[0])
    return result


def unary(operation: Operation, labelling: Labelling) -> None:
    """Each element alone; further inputs are scalars."""
    for name in operation.inputs[1:]:
        labelling.freeze(*labelling.of(name) if name else ())
    axes = labelling.of(operation.inputs[0])
    for name in operation.outputs:
        labelling.give(name, axes)


def quantized(operation: Operation, labelling: Labelling) -> None:
    """One scale, or one a channel."""
    axes = labelling.of(operation.inputs[0])
    if operation.attributes.get("block_size"):
        raise Refused("scales of blocks")
    for name in operation.inputs[1:]:
        for labels in labelling.of(name) if name else ():
            labelling.join(axes[operation.attributes.get("axis", 1)], labels)
    labelling.give(operation.outputs[0], axes)


def product(operation: Operation, labelling: Labelling) -> None:
    """MatMul: what is summed over is one channel in both; the rest is passed on."""
    first, second = (labelling.of(name) for name in operation.inputs[:2])
    labelling.join(first[-1], second[-2] if len(second) > 1 else second[-1])
    outer = broadcast([first[:-2], second[:-2]], labelling) if len(first) > 2 or len(second) > 2 else []
    labelling.give(operation.outputs[0], [*outer, *first[-2:-1], *(second[-1:] if len(second) > 1 else ())])


def general_product(operation: Operation, labelling: Labelling) -> None:
    """Gemm."""
    first, second = (labelling.of(name) for name in operation.inputs[:2])
    rows, summed = first[:: -1 if operation.attributes.get("transA") else 1]
    also_summed, columns = second[:: -1 if operation.attributes.get("transB") else 1]
    labelling.join(summed, also_summed)
    operands: list[Axes] = [(rows, columns)]
    if operation.given(2):
        operands.append(labelling.of(operation.given(2)))
    labelling.give(operation.outputs[0], broadcast(operands, labelling))


def convolution(operation: Operation, labelling: Labelling) -> None:
    """Conv and ConvTranspose. Of grouped ones whole groups are cut, which in depthwise ones are single channels."""
    read, weight = (labelling.of(name) for name in operation.inputs[:2])
    labelling.freeze(*read[2:], *weight[2:])
    groups = operation.attributes.get("group", 1)
    transposed = operation.kind == "ConvTranspose"
    if groups == 1:
        ins, outs = weight[:2] if transposed else weight[1::-1]
        labelling.join(read[1], ins)
    else:
        labelling.freeze(weight[1])
        outs = _grouped(read[1], weight, groups, transposed, labelling)
    if operation.given(2):
        labelling.join(outs, labelling.of(operation.given(2))[0])
    spatial = labelling.shape(operation.outputs[0])[2:]
    labelling.give(operation.outputs[0], [read[0], outs, *map(labelling.frozen, spatial)])


def _grouped(read: Labels, weight: Axes, groups: int, transposed: bool, labelling: Labelling) -> Labels:
    """The labels (M,) of the channels out, each joined to all of its group."""
    first = read.reshape(groups, -1)[:, 0]
    labelling.join(np.repeat(first, len(read) // groups), read)
    labelling.join(np.repeat(first, len(weight[0]) // groups), weight[0])
    return np.repeat(first, len(weight[1])) if transposed else weight[0]


def pooling(operation: Operation, labelling: Labelling) -> None:
    """Over everything but rows and channels."""
    read = labelling.of(operation.inputs[0])
    labelling.freeze(*read[2:])
    for name in filter(None, operation.outputs):
        labelling.give(name, [*read[:2], *map(labelling.frozen, labelling.shape(name)[2:])])


def batch_norm(operation: Operation, labelling: Labelling) -> None:
    """BatchNormalization and InstanceNormalization: numbers of each channel."""
    if operation.attributes.get("training_mode"):
        raise Refused("it is in its training mode")
    read = labelling.of(operation.inputs[0])
    for name in operation.inputs[1:]:
        labelling.join(read[1], labelling.of(name)[0])
    if operation.kind == "InstanceNormalization":
        labelling.freeze(*read[2:])
    labelling.give(operation.outputs[0], read)


def layer_norm(operation: Operation, labelling: Labelling) -> None:
    """LayerNormalization and RMSNormalization: over the last axes."""
    read = labelling.of(operation.inputs[0])
    axis = operation.attributes.get("axis", -1) % len(read)
    labelling.averaged += read[axis:]
    parameters = [labelling.of(name) for name in operation.inputs[1:] if name]
    broadcast([read, *parameters], labelling)
    for name in filter(None, operation.outputs):
        reduced = labelling.shape(name) != labelling.shape(operation.inputs[0])
        tail = [labelling.frozen(1) for _ in read[axis:]] if reduced else read[axis:]
        labelling.give(name, [*read[:axis], *tail])


def softmax(operation: Operation, labelling: Labelling) -> None:
    """What it is taken over stays; before opset 13 that is all axes from one on."""
    read = labelling.of(operation.inputs[0])
    old = operation.opset < 13
    axis = operation.attributes.get("axis", 1 if old else -1) % len(read)
    labelling.freeze(*(read[axis:] if old else read[axis : axis + 1]))
    labelling.give(operation.outputs[0], read)


def reduction(operation: Operation, labelling: Labelling) -> None:
    """Sums go on without what is cut, means change, and extremes would forget a zero: these stay."""
    read = labelling.of(operation.inputs[0])
    axes = reduced_axes(operation, labelling, len(read))
    over = [read[axis] for axis in axes]
    if operation.kind == "ReduceMean":
        labelling.averaged += over
    elif operation.kind not in ("ReduceSum", "ReduceL1", "ReduceL2", "ReduceSumSquare"):
        labelling.freeze(*over)
    keep = operation.attributes.get("keepdims", 1)
    left = [labels if axis not in axes else labelling.frozen(1) for axis, labels in enumerate(read)]
    labelling.give(operation.outputs[0], [labels for axis, labels in enumerate(left) if keep or axis not in axes])


def reduced_axes(operation: Operation, labelling: Labelling, rank: int) -> frozenset[int]:
    """The axes that a reduction is taken over.

    Raises:
        Refused: they are computed from the rows.
    """
    axes = operation.attributes.get("axes")
    if operation.given(1):
        axes = labelling.value(operation.inputs[1])
        if axes is None:
            raise Refused("its axes are not known")
    if axes is None or len(axes) == 0:
        return frozenset(() if operation.attributes.get("noop_with_empty_axes") else range(rank))
    return frozenset(int(axis) % rank for axis in axes)


def recurrent(operation: Operation, labelling: Labelling) -> None:
    """RNN, GRU and LSTM: the hidden units of all gates, and of both directions, are one."""
    gates = _GATES[operation.kind]
    read, weight, recurrence = (labelling.of(name) for name in operation.inputs[:3])
    hidden = recurrence[2]
    labelling.join(read[2], weight[2])
    labelling.join(np.tile(hidden, gates), weight[1])
    labelling.join(np.tile(hidden, gates), recurrence[1])
    labelling.freeze(*read[:2], weight[0], recurrence[0])
    for position, copies in ((3, 2 * gates), (7, 3)):  # biases (D, 2 gates H) and peepholes (D, 3 H)
        if operation.given(position):
            given = labelling.of(operation.given(position))
            labelling.freeze(given[0])
            labelling.join(np.tile(hidden, copies), given[1])
    for position in (5, 6):  # initial states, (D, N, H) or (N, D, H)
        if operation.given(position):
            *outer, states = labelling.of(operation.given(position))
            labelling.freeze(*outer)
            labelling.join(hidden, states)
    for name in filter(None, operation.outputs):
        labelling.give(name, [*map(labelling.frozen, labelling.shape(name)[:-1]), hidden])


def einsum(operation: Operation, labelling: Labelling) -> None:
    """Axes of one letter are one."""
    terms, arrow, result = operation.attributes["equation"].replace(" ", "").partition("->")
    if not arrow or "." in terms:
        raise Refused(f"the equation `{operation.attributes['equation']}`")
    letters: dict[str, Labels] = {}
    for term, name in zip(terms.split(","), operation.inputs, strict=True):
        for letter, labels in zip(term, labelling.of(name), strict=True):
            labelling.join(letters.setdefault(letter, labels), labels)
    labelling.give(operation.outputs[0], [letters[letter] for letter in result])


def attention(operation: Operation, labelling: Labelling) -> None:
    """Attention over (N, heads, length, width): heads of queries live and die with those of the keys they share."""
    query, key, value = (labelling.of(name) for name in operation.inputs[:3])
    if len(query) != 4 or any(operation.inputs[4:]) or any(operation.outputs[1:]):
        raise Refused("heads in one axis with their width, or caches")
    shared = len(query[1]) // len(key[1])
    labelling.join(np.repeat(key[1], shared), query[1])
    labelling.join(key[1], value[1])
    broadcast([query[:1], key[:1], value[:1]], labelling)
    labelling.freeze(*query[2:], *key[2:], *value[2:])
    if operation.given(3):
        mask = labelling.of(operation.inputs[3])
        broadcast([(query[0], query[1], query[2], key[2]), mask], labelling)
    labelling.give(operation.outputs[0], [query[0], query[1], query[2], value[3]])


_UNARY = (
    *("Abs", "Acos", "Asin", "Atan", "BiasedGelu", "BitwiseNot", "Cast", "Ceil", "Celu", "Clip", "Cos", "Dropout"),
    *("Elu", "Erf", "Exp", "Floor", "Gelu", "HardSigmoid", "HardSwish", "Identity", "IsInf", "IsNaN", "LeakyRelu"),
    *("Log", "Mish", "Neg", "Not", "QuickGelu", "Reciprocal", "Relu", "Round", "Selu", "Shrink", "Sigmoid", "Sign"),
    *("Sin", "Softplus", "Softsign", "Sqrt", "Swish", "Tan", "Tanh", "ThresholdedRelu", "LpNormalization"),
)
_ELEMENTWISE = (
    *("Add", "And", "Div", "Equal", "Greater", "GreaterOrEqual", "Less", "LessOrEqual", "Max", "Mean", "Min", "Mod"),
    *("Mul", "Or", "PRelu", "Pow", "Sub", "Sum", "Where", "Xor"),
)
RULES: dict[str, Rule] = {
    **dict.fromkeys(_UNARY, unary),
    **dict.fromkeys(_ELEMENTWISE, elementwise),
    **dict.fromkeys(("QuantizeLinear", "DequantizeLinear"), quantized),
    "MatMul": product,
    "Gemm": general_product,
    **dict.fromkeys(("Conv", "ConvTranspose"), convolution),
    **dict.fromkeys(("AveragePool", "GlobalAveragePool", "GlobalMaxPool", "LpPool", "MaxPool"), pooling),
    **dict.fromkeys(("BatchNormalization", "InstanceNormalization"), batch_norm),
    **dict.fromkeys(("LayerNormalization", "RMSNormalization"), layer_norm),
    **dict.fromkeys(("Hardmax", "LogSoftmax", "Softmax"), softmax),
    **dict.fromkeys(("ReduceL1", "ReduceL2", "ReduceMax", "ReduceMean", "ReduceMin"), reduction),
    **dict.fromkeys(("ReduceSum", "ReduceSumSquare", "ReduceProd", "ReduceLogSum", "ReduceLogSumExp"), reduction),
    **dict.fromkeys(_GATES, recurrent),
    "Einsum": einsum,
    "Attention": attention,
}
