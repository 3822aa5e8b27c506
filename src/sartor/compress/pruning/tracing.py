"""Let every operator of a file say which channels are one."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from sartor.compress.pruning.labels import Labelling, Labels, Operation, Refused
from sartor.compress.pruning.moves import MOVES
from sartor.compress.pruning.rules import RULES
from sartor.compress.pruning.shapes import Known
from sartor.cost.order import bodies_of, called, read_names
from sartor.cost.proto import attributes_of
from sartor.cost.values import evaluate

if TYPE_CHECKING:
    from onnx import ModelProto, NodeProto

# Where an operator reads how large something is to be: `narrow` mends it there.
_SIZES = {"Reshape": 1, "Expand": 1, "ConstantOfShape": 0}
_ALL = {**RULES, **MOVES}


def trace(model: ModelProto, known: Known) -> tuple[Labelling, Labels, tuple[str, ...]]:
    """What the operators say, the components (labels,) that follow, and a sentence on each operator refused."""
    operations = operations_of(model)
    splits: dict[int, int] = {}
    while True:
        labelling = Labelling(known, splits)
        refused = _label(model, operations, labelling)
        components = labelling.components()
        further = _further_splits(labelling, components)
        if not further:
            return labelling, components, refused
        splits.update(further)


def operations_of(model: ModelProto) -> list[Operation]:
    """The operators in the file's order."""
    opset = next((each.version for each in model.opset_import if each.domain in ("", "ai.onnx")), 1)
    return [
        Operation(node.op_type, tuple(node.input), tuple(node.output), attributes_of(node), opset, number)
        for number, node in enumerate(model.graph.node)
    ]


def _label(model: ModelProto, operations: list[Operation], labelling: Labelling) -> tuple[str, ...]:
    """Let every operator say what is one; returns what was refused."""
    for given in model.graph.input:
        if given.name in labelling.known.shapes and given.name not in labelling.known.constants:
            labelling.give(given.name, [*map(labelling.frozen, labelling.shape(given.name))])
    refused = []
    for node, operation in zip(model.graph.node, operations, strict=True):
        if operation.kind == "Constant" or _counts(operation, labelling):
            continue
        try:
            _uncount(operation, labelling)
            if bodies_of(node) or operation.kind not in _ALL:
                raise Refused("nothing is known of how it mixes channels")
            _ALL[operation.kind](operation, labelling)
        except Refused as reason:
            if _matters(node, labelling):
                refused.append(f"{called(node)}: {reason}")
            _freeze(node, labelling)
    labelling.freeze_tensors(given.name for given in model.graph.output)
    return tuple(refused)


def _counts(operation: Operation, labelling: Labelling) -> bool:
    """Whether it computes with shapes only; the labels that are counted in what it gives are noted."""
    known = labelling.known
    outputs = [name for name in operation.outputs if name]
    if operation.kind in ("Shape", "Size"):
        axes = labelling.of(operation.inputs[0]) if operation.inputs[0] in known.shapes else ()
        axes = axes[operation.attributes.get("start", 0) : operation.attributes.get("end")]
        labelling.counted[operation.outputs[0]] = axes
        return True
    if not all(name in known.values and name in known.integers for name in outputs):
        return False
    counted = [labelling.counted.get(name, ()) for name in operation.inputs]
    found = tuple(labels for each in counted for labels in each)
    if operation.kind in ("Gather", "Slice") and counted[0]:
        numbers = [np.arange(len(counted[0])), *(known.values.get(name) for name in operation.inputs[1:])]
        picked = evaluate(operation.kind, numbers, operation.attributes, 1)
        found = found if picked is None else tuple(counted[0][number] for number in np.ravel(picked[0]))
    labelling.counted.update((name, found) for name in outputs if any(labels.any() for labels in found))
    return True


def _uncount(operation: Operation, labelling: Labelling) -> None:
    """Let stay what was counted by numbers that now are used for other things than shapes."""
    for position, name in enumerate(operation.inputs):
        if name in labelling.counted and _SIZES.get(operation.kind) != position:
            labelling.freeze(*labelling.counted[name])


def _matters(node: NodeProto, labelling: Labelling) -> bool:
    """Whether something that could else be cut stays because of an operator."""
    known = labelling.known
    read = [name for name in read_names(node) if name in known.shapes and name not in known.constants]
    return any(labels.any() for name in read for labels in labelling.of(name))


def _freeze(node: NodeProto, labelling: Labelling) -> None:
    labelling.freeze_tensors(read_names(node))
    for name in node.output:
        if name in labelling.known.shapes:
            labelling.give(name, [*map(labelling.frozen, labelling.shape(name))])


def _further_splits(labelling: Labelling, components: Labels) -> dict[int, int]:
    """For splits of one axis into three and more whose carrier had to stay, the next part to try as carrier.

    Queries, keys and values that one product makes are split into (3, heads, width), and then picked from the 3.
    """
    return {
        number: labelling.splits.get(number, 0) + 1
        for number, (labels, parts) in labelling.tried.items()
        if not components[labels].any() and labelling.splits.get(number, 0) + 1 < parts
    }
