"""What a cut changes in operators: sizes that they have as attributes or read from constants."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from sartor.compress.pruning.values import Units
from sartor.cost.proto import attributes_of

if TYPE_CHECKING:
    from onnx import NodeProto, TensorProto

    Mend = Callable[[NodeProto, "Cut"], list[NodeProto]]


@dataclass
class Cut:
    """Which elements of which tensors go.

    Attributes:
        units: as in ChannelGroups.
        inferred: as in ChannelGroups.
        kept: (units + 1,), whether each stays; the last is for what belongs to none.
        constants: of the file.
        makers: the operator that gives each tensor, by name.
        opset: version of its standard operators.
        added: constants that mended operators read.
    """

    units: Mapping[str, tuple[Units, ...]]
    inferred: Mapping[str, int]
    kept: NDArray[np.bool_]
    constants: Mapping[str, TensorProto]
    makers: Mapping[str, NodeProto]
    opset: int
    added: list[TensorProto] = field(default_factory=list)

    def masks(self, name: str) -> list[NDArray[np.bool_]]:
        """Along each axis of a tensor, whether each element stays; empty where all do."""
        masks = [self.kept[axis] for axis in self.units.get(name, ())]
        return [] if all(mask.all() for mask in masks) else masks

    def constant(self, name: str) -> TensorProto:
        """A constant without what goes."""
        from onnx import numpy_helper

        masks = self.masks(name)
        if not masks:
            return self.constants[name]
        values = numpy_helper.to_array(self.constants[name])
        for axis, mask in enumerate(masks):
            if not mask.all():
                values = np.compress(mask, values, axis)
        return numpy_helper.from_array(np.ascontiguousarray(values), name)

    def lengths(self, name: str) -> dict[int, int]:
        """The new length of each axis of a tensor that becomes shorter."""
        return {axis: int(mask.sum()) for axis, mask in enumerate(self.masks(name)) if not mask.all()}

    def add(self, values: NDArray[Any], name: str) -> str:
        """A new constant; returns its name."""
        from onnx import numpy_helper

        self.added.append(numpy_helper.from_array(values, name))
        return name


def mended(node: NodeProto, cut: Cut) -> list[NodeProto]:
    """The operator as it must be after the cut, after others that compute what it reads."""
    mend = _MENDS.get(node.op_type)
    return [node] if mend is None else mend(node, cut)


def _changed(node: NodeProto, inputs: Mapping[int, str], **attributes: int | list[int] | None) -> NodeProto:
    """A copy with other inputs at some positions, and with other attributes; None for one that goes."""
    from onnx import NodeProto, helper

    copy = NodeProto()
    copy.CopyFrom(node)
    copy.input.extend([""] * (max(inputs, default=-1) + 1 - len(copy.input)))
    for position, name in inputs.items():
        copy.input[position] = name
    left = [attribute for attribute in copy.attribute if attribute.name not in attributes]
    del copy.attribute[:]
    copy.attribute.extend(left)
    given = {key: value for key, value in attributes.items() if value is not None}
    copy.attribute.extend(helper.make_attribute(key, value) for key, value in given.items())
    return copy


def _constant(node: NodeProto, cut: Cut) -> list[NodeProto]:
    from onnx import helper

    name = node.output[0]
    if not cut.masks(name):
        return [node]
    return [helper.make_node("Constant", [], [name], name=node.name, value=cut.constant(name))]


def _grouped(node: NodeProto, cut: Cut) -> list[NodeProto]:
    """Conv and ConvTranspose: as many groups as before for each channel that is read."""
    groups = attributes_of(node).get("group", 1)
    masks = cut.masks(node.input[0])
    if groups == 1 or not masks:
        return [node]
    share = int(masks[1].sum()) * groups
    return [_changed(node, {}, group=share // len(masks[1]))]


def _sized(position: int) -> Mend:
    """Operators that read the lengths of all axes of what they give, or of the last ones."""

    def mend(node: NodeProto, cut: Cut) -> list[NodeProto]:
        rank, lengths = len(cut.units.get(node.output[0], ())), cut.lengths(node.output[0])
        lengths.pop(cut.inferred.get(node.output[0], -1), None)
        if not lengths:
            return [node]
        if position >= len(node.input):  # Reshape before opset 5
            shape = list(attributes_of(node)["shape"])
            return [_changed(node, {}, shape=[lengths.get(axis, size) for axis, size in enumerate(shape)])]
        name, before = _with_lengths(node.input[position], lengths, rank, f"lengths of {node.output[0]}", cut)
        return [*before, _changed(node, {position: name})]

    return mend


def _with_lengths(old: str, lengths: Mapping[int, int], rank: int, name: str, cut: Cut) -> tuple[str, list[NodeProto]]:
    """A tensor of lengths in which some are others; its name, and the operators that make it."""
    from onnx import helper, numpy_helper

    if old in cut.constants:
        sizes = numpy_helper.to_array(cut.constants[old]).astype(np.int64)
        missing = rank - len(sizes)
        places = [axis for axis in lengths if axis >= missing]
        sizes[[axis - missing for axis in places]] = [lengths[axis] for axis in places]
        return cut.add(sizes, name), []
    pieces = _pieces(old, rank, cut)
    if lengths.keys() <= {start + place for _, start, known in pieces for place in range(len(known))}:
        inputs = []
        for piece, start, known in pieces:
            sizes = np.array([lengths.get(start + place, size) for place, size in enumerate(known)], np.int64)
            inputs.append(cut.add(sizes, f"{name} from {start}") if known else piece)
        return name, [helper.make_node("Concat", inputs, [name], name=name, axis=0)]
    chosen = np.array([axis in lengths for axis in range(rank)])
    sizes = np.array([lengths.get(axis, 0) for axis in range(rank)])
    inputs = [cut.add(chosen, f"{name}: which"), cut.add(sizes, f"{name}: new"), old]
    return name, [helper.make_node("Where", inputs, [name], name=name)]


def _pieces(shape: str, rank: int, cut: Cut) -> list[tuple[str, int, list[int]]]:
    """(name, first axis, lengths where they are constant) of the pieces that a shape is concatenated from.

    None where it is not, or where it is not known how long those are that are computed.
    """
    from onnx import numpy_helper

    maker = cut.makers.get(shape)
    names = list(maker.input) if maker is not None and maker.op_type == "Concat" else []
    known = [
        np.ravel(numpy_helper.to_array(cut.constants[name])).tolist() if name in cut.constants else [] for name in names
    ]
    computed = sum(not values for values in known)
    left = rank - sum(map(len, known))
    if computed > 1 and left != computed:
        return []
    sizes = [len(values) or left // computed for values in known]
    starts = [sum(sizes[:place]) for place in range(len(sizes))]
    return list(zip(names, starts, known, strict=True))


def _split(node: NodeProto, cut: Cut) -> list[NodeProto]:
    masks = cut.masks(node.input[0])
    axis = attributes_of(node).get("axis", 0)
    if not masks or masks[axis].all():
        return [node]
    sizes = [int(cut.kept[cut.units[name][axis]].sum()) for name in node.output]
    if cut.opset < 13:
        return [_changed(node, {}, split=sizes)]
    name = cut.add(np.array(sizes, np.int64), f"pieces of {node.input[0]} for {node.output[0]}")
    return [_changed(node, {1: name}, num_outputs=None)]


def _slice(node: NodeProto, cut: Cut) -> list[NodeProto]:
    """Where the run of an axis that is left begins and ends."""
    from onnx import numpy_helper

    masks = cut.masks(node.input[0])
    if not masks:
        return [node]
    given = dict(zip(("starts", "ends", "axes"), node.input[1:4], strict=False))
    attributes = attributes_of(node)
    read = {key: numpy_helper.to_array(cut.constants[name]) for key, name in given.items() if name in cut.constants}
    read |= {key: np.array(attributes[key]) for key in ("starts", "ends", "axes") if key in attributes}
    if "starts" not in read or "ends" not in read:
        return [node]  # bounds that are computed are of axes that stay
    starts, ends = read["starts"].copy(), read["ends"].copy()
    for place, axis in enumerate(read.get("axes", np.arange(len(starts))).tolist()):
        before = np.concatenate([[0], np.cumsum(masks[axis])])
        if before[-1] < len(masks[axis]):
            start, end, _ = slice(int(starts[place]), int(ends[place])).indices(len(masks[axis]))
            starts[place], ends[place] = before[start], before[end]
    if not given:
        return [_changed(node, {}, starts=starts.tolist(), ends=ends.tolist())]
    names = {1: cut.add(starts, f"starts of {node.output[0]}"), 2: cut.add(ends, f"ends of {node.output[0]}")}
    return [_changed(node, names)]


def _recurrent(node: NodeProto, cut: Cut) -> list[NodeProto]:
    lengths = cut.lengths(node.input[2])
    return [_changed(node, {}, hidden_size=lengths[2])] if 2 in lengths else [node]


def _resized(node: NodeProto, cut: Cut) -> list[NodeProto]:
    """Resize to sizes; scales stay as they are."""
    lengths = cut.lengths(node.output[0])
    if not lengths or len(node.input) < 4 or not node.input[3]:
        return [node]
    rank = len(cut.units[node.output[0]])
    axes = [axis % rank for axis in attributes_of(node).get("axes", range(rank))]
    lengths = {axes.index(axis): size for axis, size in lengths.items() if axis in axes}
    name, before = _with_lengths(node.input[3], lengths, len(axes), f"lengths of {node.output[0]}", cut)
    return [*before, _changed(node, {3: name})]


_MENDS: dict[str, Mend] = {
    "Constant": _constant,
    **dict.fromkeys(("Conv", "ConvTranspose"), _grouped),
    **dict.fromkeys(("Reshape", "Expand"), _sized(1)),
    "ConstantOfShape": _sized(0),
    "Split": _split,
    "Slice": _slice,
    **dict.fromkeys(("GRU", "LSTM", "RNN"), _recurrent),
    "Resize": _resized,
}
