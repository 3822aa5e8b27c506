"""Operators that move numbers without changing them. Imports torch: import this file inside functions only."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from sartor.train.onnx_module.operators_base import Inputs, Node, Run, always, number, numbers, tensor_of


def _reshape(node: Node) -> Run:
    shape_of, keep_zero = numbers(node, 1, "shape"), node.get("allowzero", 0)

    def run(*inputs: Tensor) -> Tensor:
        shape, x = shape_of(inputs) or [], inputs[0]
        if not keep_zero and 0 in shape:
            shape = [x.shape[axis] if size == 0 else size for axis, size in enumerate(shape)]
        return x.reshape(shape)

    return run


def _transpose(node: Node) -> Run:
    order = node.get("perm")
    if order is None:
        return lambda x: x.permute(tuple(reversed(range(x.ndim))))
    return lambda x: x.permute(order)


def _flatten(node: Node) -> Run:
    axis = node.get("axis", 1)

    def run(x: Tensor) -> Tensor:
        first = math.prod(x.shape[: axis if axis >= 0 else x.ndim + axis])
        return x.reshape(first, math.prod(x.shape) // first if first else -1)

    return run


def _squeeze(node: Node) -> Run:
    axes_of = numbers(node, 1, "axes")

    def run(*inputs: Tensor) -> Tensor:
        axes = axes_of(inputs)
        return inputs[0].squeeze() if axes is None else inputs[0].squeeze(axes)

    return run


def _unsqueeze(node: Node) -> Run:
    axes_of = numbers(node, 1, "axes")

    def run(*inputs: Tensor) -> Tensor:
        x, axes = inputs[0], axes_of(inputs) or []
        for axis in sorted(axis % (x.ndim + len(axes)) for axis in axes):
            x = x.unsqueeze(axis)
        return x

    return run


def _expand(node: Node) -> Run:
    shape_of = numbers(node, 1)

    def run(*inputs: Tensor) -> Tensor:
        # Both ways: a 1 in the wanted shape leaves a longer axis as it is.
        return inputs[0].expand(np.broadcast_shapes(inputs[0].shape, tuple(shape_of(inputs) or ())))

    return run


def _tile(node: Node) -> Run:
    repeats_of = numbers(node, 1)
    return lambda *inputs: inputs[0].repeat(repeats_of(inputs))


def _concat(node: Node) -> Run:
    axis = node.get("axis", 1)
    return lambda *tensors: torch.cat(tensors, axis)


def _split(node: Node) -> Run:
    axis, count = node.get("axis", 0), len(node.outputs)
    sizes_of = numbers(node, 1, "split")

    def run(*inputs: Tensor) -> Sequence[Tensor]:
        sizes = sizes_of(inputs)
        if sizes is None:
            length = inputs[0].shape[axis]
            each = -(-length // count)
            sizes = [min(each, length - each * number) for number in range(count)]
        return torch.split(inputs[0], sizes, axis)

    return run


def _slice(node: Node) -> Run:
    if node.version < 10:
        starts_of, ends_of = numbers(node, 9, "starts"), numbers(node, 9, "ends")
        axes_of, steps_of = numbers(node, 9, "axes"), numbers(node, 9)
    else:
        starts_of, ends_of, axes_of, steps_of = (numbers(node, position) for position in (1, 2, 3, 4))

    def run(*inputs: Tensor) -> Tensor:
        x, starts, ends = inputs[0], starts_of(inputs) or [], ends_of(inputs) or []
        axes = axes_of(inputs) or range(len(starts))
        steps = steps_of(inputs) or [1] * len(starts)
        for start, end, axis, step in zip(starts, ends, axes, steps, strict=True):
            x = _sliced(x, start, end, axis, step)
        return x

    return run


def _sliced(x: Tensor, start: int, end: int, axis: int, step: int) -> Tensor:
    axis %= x.ndim
    positions = range(x.shape[axis])[slice(start, _end(end, step, x.shape[axis]), step)]
    if step > 0:
        return x[(slice(None),) * axis + (slice(positions.start, max(positions.stop, positions.start), step),)]
    return x.index_select(axis, torch.tensor(list(positions), dtype=torch.int64, device=x.device))


def _end(end: int, step: int, size: int) -> int | None:
    # Going backwards, an end before the first number means all of them; Python would count it from the last.
    return None if step < 0 and end < -size else end


def _pad(node: Node) -> Run:
    mode = node.get("mode", "constant")
    pads_of, axes_of = numbers(node, 1, "pads"), numbers(node, 3)
    value_of = number(node, 2, node.get("value", 0.0))

    def run(*inputs: Tensor) -> Tensor:
        x, pads = inputs[0], pads_of(inputs) or []
        axes = [axis % x.ndim for axis in axes_of(inputs) or range(x.ndim)]
        before, after = pads[: len(axes)], pads[len(axes) :]
        if mode != "constant":
            return _padded_by_index(x, axes, before, after, mode)
        return functional.pad(x, last_first(x.ndim, axes, before, after), value=value_of(inputs))

    return run


def last_first(dimensions: int, axes: Sequence[int], before: Sequence[int], after: Sequence[int]) -> list[int]:
    """Padding in the order of torch: (before, after) of the last axis, of the one before it, and so on."""
    padding = [0] * (2 * dimensions)
    for axis, left, right in zip(axes, before, after, strict=True):
        padding[2 * (dimensions - 1 - axis) : 2 * (dimensions - axis)] = [left, right]
    return padding


def _padded_by_index(x: Tensor, axes: Sequence[int], before: Sequence[int], after: Sequence[int], mode: str) -> Tensor:
    for axis, left, right in zip(axes, before, after, strict=True):
        if left or right:
            crop = slice(max(-left, 0), x.shape[axis] - max(-right, 0))
            positions = np.pad(np.arange(x.shape[axis])[crop], (max(left, 0), max(right, 0)), mode=mode)  # type: ignore[call-overload]
            x = x.index_select(axis, torch.from_numpy(positions).to(x.device))
    return x


def _shape(node: Node) -> Run:
    start, end = node.get("start", 0), node.get("end")
    return lambda x: torch.tensor(x.shape[start:end], dtype=torch.int64, device=x.device)


def _size(x: Tensor) -> Tensor:
    return torch.tensor(x.numel(), dtype=torch.int64, device=x.device)


def _range(start: Tensor, limit: Tensor, delta: Tensor) -> Tensor:
    return torch.arange(start.item(), limit.item(), delta.item(), dtype=start.dtype, device=start.device)


def _constant_of_shape(node: Node) -> Run:
    stored = node.get("value")
    value = torch.zeros(1) if stored is None else tensor_of(stored)
    shape_of, fill, dtype = numbers(node, 0), value.item(), value.dtype

    def run(*inputs: Tensor) -> Tensor:
        return torch.full(shape_of(inputs) or [], fill, dtype=dtype, device=inputs[0].device)

    return run


def _depth_to_space(node: Node) -> Run:
    block, mode = node.get("blocksize"), node.get("mode", "DCR")

    def run(x: Tensor) -> Tensor:
        rows, channels, height, width = x.shape
        depth = channels // block**2
        if mode == "CRD":
            parts = x.reshape(rows, depth, block, block, height, width).permute(0, 1, 4, 2, 5, 3)
        else:
            parts = x.reshape(rows, block, block, depth, height, width).permute(0, 3, 4, 1, 5, 2)
        return parts.reshape(rows, depth, height * block, width * block)

    return run


def _space_to_depth(node: Node) -> Run:
    block, mode = node.get("blocksize"), node.get("mode", "DCR")
    node.refuse_unless(mode == "DCR", f"mode {mode}")

    def run(x: Tensor) -> Tensor:
        rows, channels, height, width = x.shape
        parts = x.reshape(rows, channels, height // block, block, width // block, block).permute(0, 3, 5, 1, 2, 4)
        return parts.reshape(rows, channels * block**2, height // block, width // block)

    return run


def _triangle(node: Node) -> Run:
    function = torch.triu if node.get("upper", 1) else torch.tril
    diagonal_of = number(node, 1, 0)

    def run(*inputs: Inputs) -> Tensor:
        return function(inputs[0], int(diagonal_of(inputs)))  # type: ignore[arg-type]

    return run


SHAPE: Mapping[str, Callable[[Node], Run]] = {
    "Reshape": _reshape,
    "Transpose": _transpose,
    "Flatten": _flatten,
    "Squeeze": _squeeze,
    "Unsqueeze": _unsqueeze,
    "Expand": _expand,
    "Tile": _tile,
    "Concat": _concat,
    "Split": _split,
    "Slice": _slice,
    "Pad": _pad,
    "Shape": _shape,
    "Size": always(_size),
    "Range": always(_range),
    "ConstantOfShape": _constant_of_shape,
    "DepthToSpace": _depth_to_space,
    "SpaceToDepth": _space_to_depth,
    "Trilu": _triangle,
}
