"""What each operator that moves numbers and computes none says of channels."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from sartor.compress.pruning.labels import Labelling, Labels, Operation, Refused
from sartor.compress.pruning.rules import Rule
from sartor.runtime.base import Array


def reshape(operation: Operation, labelling: Labelling) -> None:
    """Axes that are merged carry their labels on; of an axis that is split, one part carries them.

    Which part is `Labelling.splits`' to say, the outermost unless said: (heads width) -> (heads, width) leaves heads
    to be cut whole.
    """
    read = labelling.of(operation.inputs[0])
    after = labelling.shape(operation.outputs[0])
    axes: list[Labels] = [labelling.frozen(size) for size in after]
    labelling.freeze(*(labels for labels in read if len(labels) == 1))
    sizes = labelling.value(operation.given(1)) if operation.kind == "Reshape" and operation.given(1) else None
    if sizes is not None and (sizes == -1).any():
        labelling.inferred[operation.outputs[0]] = int(np.argmin(sizes))
    for ins, outs in _blocks([len(labels) for labels in read], after):
        flat = _merged([read[axis] for axis in ins], labelling)
        if flat.any():
            carrier, labels = _split(flat, [after[axis] for axis in outs], operation.number, labelling)
            axes[outs[carrier]] = labels
            free = any(labelling.known.free(operation.inputs[0])[axis] for axis in ins)
            # How many rows a merged axis has is for the Reshape to find; a number would hold for the example only.
            if len(ins) > 1 and free and labelling.inferred.get(operation.outputs[0]) != outs[carrier]:
                labelling.freeze(labels)
    labelling.give(operation.outputs[0], axes)


def _blocks(before: Sequence[int], after: Sequence[int]) -> list[tuple[list[int], list[int]]]:
    """The smallest runs of axes that a reshape turns into each other; axes of length 1 are in none."""
    blocks: list[tuple[list[int], list[int]]] = []
    ins = [axis for axis, size in enumerate(before) if size != 1]
    outs = [axis for axis, size in enumerate(after) if size != 1]
    while ins and outs:
        left, right = [ins.pop(0)], [outs.pop(0)]
        while (sizes := (math.prod(before[axis] for axis in left), math.prod(after[axis] for axis in right))) and (
            sizes[0] != sizes[1]
        ):
            side, rest = (left, ins) if sizes[0] < sizes[1] else (right, outs)
            if not rest:
                raise Refused("its shapes do not agree")
            side.append(rest.pop(0))
        blocks.append((left, right))
    return blocks


def _merged(axes: Sequence[Labels], labelling: Labelling) -> Labels:
    """The labels of axes that become one: those of the first that has any; a second that has stays."""
    carriers = [number for number, labels in enumerate(axes) if labels.any()]
    for number in carriers[1:]:
        labelling.freeze(axes[number])
    if not carriers:
        return labelling.frozen(math.prod(map(len, axes)))
    grid = np.moveaxis(np.zeros([len(labels) for labels in axes], np.int64), carriers[0], -1) + axes[carriers[0]]
    return np.moveaxis(grid, -1, carriers[0]).reshape(-1)


def _split(flat: Labels, sizes: Sequence[int], number: int, labelling: Labelling) -> tuple[int, Labels]:
    """The part that carries the labels, and these."""
    grid = flat.reshape(sizes)
    rows = [np.moveaxis(grid, axis, 0).reshape(size, -1) for axis, size in enumerate(sizes)]
    exact = [axis for axis, labels in enumerate(rows) if (labels == labels[:, :1]).all()]
    carrier = exact[0] if exact else labelling.splits.get(number, 0)
    labels = rows[carrier]
    if not exact:
        labelling.join(np.broadcast_to(labels[:, :1], labels.shape).reshape(-1), labels.reshape(-1))
        if len(sizes) > 2:
            labelling.tried[number] = (labels[:, 0], len(sizes))
    return carrier, np.ascontiguousarray(labels[:, 0])


def transpose(operation: Operation, labelling: Labelling) -> None:
    """Axes in another order."""
    read = labelling.of(operation.inputs[0])
    order = operation.attributes.get("perm", range(len(read))[::-1])
    labelling.give(operation.outputs[0], [read[axis] for axis in order])


def concatenation(operation: Operation, labelling: Labelling) -> None:
    """Labels one after another; the other axes are one."""
    parts = [labelling.of(name) for name in operation.inputs]
    axis = operation.attributes["axis"] % len(parts[0])
    for part in parts[1:]:
        for number, labels in enumerate(part):
            if number != axis:
                labelling.join(parts[0][number], labels)
    whole = list(parts[0])
    whole[axis] = np.concatenate([part[axis] for part in parts])
    labelling.give(operation.outputs[0], whole)


def splitting(operation: Operation, labelling: Labelling) -> None:
    """Pieces of the labels."""
    read = list(labelling.of(operation.inputs[0]))
    axis = operation.attributes.get("axis", 0) % len(read)
    whole, start = read[axis], 0
    for name in operation.outputs:
        read[axis] = whole[start : start + labelling.shape(name)[axis]]
        labelling.give(name, read)
        start += len(read[axis])


def slicing(operation: Operation, labelling: Labelling) -> None:
    """A run of the labels; an axis of which every n-th or a part that depends on the rows is taken stays."""
    axes = list(labelling.of(operation.inputs[0]))
    bounds = slice_bounds(operation, labelling)
    if bounds is None:
        labelling.freeze(*axes)
        labelling.give(operation.outputs[0], [*map(labelling.frozen, labelling.shape(operation.outputs[0]))])
        return
    fixed = all(name in labelling.known.constants for name in operation.inputs[1:] if name)
    for axis, part in bounds.items():
        if not fixed or part.step != 1:
            labelling.freeze(axes[axis])
            axes[axis] = labelling.frozen(labelling.shape(operation.outputs[0])[axis])
        else:
            axes[axis] = axes[axis][part]
    labelling.give(operation.outputs[0], axes)


def slice_bounds(operation: Operation, labelling: Labelling) -> dict[int, slice] | None:
    """The part of each sliced axis; None where it depends on the rows."""
    rank = len(labelling.shape(operation.inputs[0]))
    given: list[Array | None] = []
    for position, key in enumerate(("starts", "ends", "axes", "steps"), 1):
        value = operation.attributes.get(key)
        if operation.given(position):
            value = labelling.value(operation.inputs[position])
            if value is None:
                return None
        given.append(None if value is None else np.ravel(value))
    starts, ends, axes, steps = given
    if starts is None or ends is None:
        return None
    axes = np.arange(len(starts)) if axes is None else axes
    steps = np.ones_like(starts) if steps is None else steps
    listed = zip(axes.tolist(), starts.tolist(), ends.tolist(), steps.tolist(), strict=True)
    return {axis % rank: slice(start, end, step) for axis, start, end, step in listed}


def gather(operation: Operation, labelling: Labelling) -> None:
    """The axis that is picked from stays; rows of an embedding keep their width."""
    read, picked = (labelling.of(name) for name in operation.inputs[:2])
    axis = operation.attributes.get("axis", 0) % len(read)
    labelling.freeze(read[axis])
    labelling.give(operation.outputs[0], [*read[:axis], *picked, *read[axis + 1 :]])


def padding(operation: Operation, labelling: Labelling) -> None:
    """What is added stays."""
    read = labelling.of(operation.inputs[0])
    pads = operation.attributes.get("pads", operation.attributes.get("paddings"))
    if operation.given(1):
        pads = labelling.value(operation.inputs[1])
    if pads is None or operation.given(3):
        raise Refused("its widths are not known")
    before, after = np.reshape(pads, (2, -1)).tolist()
    plain = operation.attributes.get("mode", "constant") == "constant"
    axes = []
    for labels, first, last in zip(read, before, after, strict=True):
        if min(first, last) < 0 or (not plain and (first or last)):
            labelling.freeze(labels)
            axes.append(labelling.frozen(len(labels) + first + last))
        else:
            axes.append(np.pad(labels, (first, last)))
    labelling.give(operation.outputs[0], axes)


def resizing(operation: Operation, labelling: Labelling) -> None:
    """Axes whose length changes stay."""
    if operation.attributes.get("keep_aspect_ratio_policy", "stretch") != "stretch":
        raise Refused("its sizes follow from each other")
    axes = []
    for labels, size in zip(labelling.of(operation.inputs[0]), labelling.shape(operation.outputs[0]), strict=True):
        if len(labels) != size:
            labelling.freeze(labels)
        axes.append(labels if len(labels) == size else labelling.frozen(size))
    labelling.give(operation.outputs[0], axes)


def tiling(operation: Operation, labelling: Labelling) -> None:
    """Copies of a channel go with it."""
    axes = labelling.of(operation.inputs[0])
    after = labelling.shape(operation.outputs[0])
    tiled = [np.tile(labels, size // max(len(labels), 1)) for labels, size in zip(axes, after, strict=True)]
    labelling.give(operation.outputs[0], tiled)


def expansion(operation: Operation, labelling: Labelling) -> None:
    """An axis that comes of one number may get any length: its labels are free."""
    read = labelling.of(operation.inputs[0])
    after = labelling.shape(operation.outputs[0])
    axes: list[Labels] = [*map(labelling.fresh, after[: len(after) - len(read)])]
    for labels, size in zip(read, after[len(axes) :], strict=True):
        if len(labels) != size:
            labelling.freeze(labels)
        axes.append(labels if len(labels) == size else labelling.fresh(size))
    labelling.give(operation.outputs[0], axes)


def constant_of_shape(operation: Operation, labelling: Labelling) -> None:
    """All its numbers are one, so that any may be left out."""
    labelling.give(operation.outputs[0], [*map(labelling.fresh, labelling.shape(operation.outputs[0]))])


def triangle(operation: Operation, labelling: Labelling) -> None:
    """Trilu: both axes of the matrices stay."""
    read = labelling.of(operation.inputs[0])
    labelling.freeze(*read[-2:])
    labelling.give(operation.outputs[0], read)


MOVES: dict[str, Rule] = {
    **dict.fromkeys(("Reshape", "Flatten", "Squeeze", "Unsqueeze"), reshape),
    "Transpose": transpose,
    "Concat": concatenation,
    "Split": splitting,
    "Slice": slicing,
    "Gather": gather,
    "Pad": padding,
    **dict.fromkeys(("Resize", "Upsample"), resizing),
    "Tile": tiling,
    "Expand": expansion,
    "ConstantOfShape": constant_of_shape,
    "Trilu": triangle,
}
