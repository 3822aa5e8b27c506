"""Pooling over windows and over whole pictures. Imports torch: import this file inside functions only."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence

import torch
from torch import Tensor
from torch.nn import functional

from sartor.train.onnx_module.operators_base import Node, Run, always
from sartor.train.onnx_module.operators_convolution import Pads, explicit_pads, same_padding, spatial
from sartor.train.onnx_module.operators_shape import last_first

_LARGEST: Mapping[int, Run] = {1: functional.max_pool1d, 2: functional.max_pool2d, 3: functional.max_pool3d}
_AVERAGE: Mapping[int, Run] = {1: functional.avg_pool1d, 2: functional.avg_pool2d, 3: functional.avg_pool3d}


def _pads(node: Node, sizes: Sequence[int]) -> Pads:
    automatic, kernel = node.get("auto_pad", "NOTSET"), node.get("kernel_shape")
    if not automatic.startswith("SAME"):
        return explicit_pads(node, len(kernel))
    strides, dilations = spatial(node, "strides", len(kernel)), spatial(node, "dilations", len(kernel))
    return same_padding(sizes, kernel, strides, dilations, automatic == "SAME_UPPER")


def _torch_can_pad(before: Sequence[int], after: Sequence[int], kernel: Sequence[int]) -> bool:
    """Torch pads both sides alike, by at most half a window."""
    halves = all(pad <= width // 2 for pad, width in zip(before, kernel, strict=True))
    return list(before) == list(after) and halves


def _windows(node: Node, sizes: Sequence[int], pads: Pads) -> list[int]:
    """How many windows there are along each axis: ONNX leaves out those that would start in the padding behind."""
    kernel = node.get("kernel_shape")
    strides, dilations = spatial(node, "strides", len(kernel)), spatial(node, "dilations", len(kernel))
    counts = []
    for size, width, stride, dilation, before, after in zip(sizes, kernel, strides, dilations, *pads, strict=True):
        room = size + before + after - dilation * (width - 1) - 1
        count = (math.ceil if node.get("ceil_mode", 0) else math.floor)(room / stride) + 1
        counts.append(count - 1 if (count - 1) * stride >= size + before else count)
    return counts


def _cut(x: Tensor, counts: Sequence[int]) -> Tensor:
    for axis, count in enumerate(counts, start=2):
        x = x.narrow(axis, 0, count)
    return x


def _padded(x: Tensor, pads: Pads, value: float) -> Tensor:
    return functional.pad(x, last_first(x.ndim, range(2, x.ndim), *pads), value=value)


def _max_pool(node: Node) -> Run:
    kernel, rounding = list(node.get("kernel_shape")), bool(node.get("ceil_mode", 0))
    count = len(kernel)
    node.refuse_unless(count in _LARGEST, f"{count} axes, beyond 3")
    node.refuse_unless(not node.gives(1), "the positions of the largest numbers as a second output")
    strides, dilations = spatial(node, "strides", count), spatial(node, "dilations", count)

    def run(x: Tensor) -> Tensor:
        pads = _pads(node, x.shape[2:])
        if _torch_can_pad(*pads, kernel) and x.dtype.is_floating_point:
            result: Tensor = _LARGEST[count](x, kernel, strides, pads[0], dilations, rounding)
            return result
        padded = _padded(x.float(), pads, -math.inf)
        whole = _LARGEST[count](padded, kernel, strides, 0, dilations, rounding)
        return _cut(whole, _windows(node, x.shape[2:], pads)).to(x.dtype)

    return run


def _average_pool(node: Node) -> Run:
    kernel, rounding = list(node.get("kernel_shape")), bool(node.get("ceil_mode", 0))
    count, all_counted = len(kernel), bool(node.get("count_include_pad", 0))
    node.refuse_unless(count in _AVERAGE, f"{count} axes, beyond 3")
    node.refuse_unless(set(spatial(node, "dilations", count)) == {1}, "dilations other than 1")
    strides = spatial(node, "strides", count)

    def run(x: Tensor) -> Tensor:
        pads = _pads(node, x.shape[2:])
        if _torch_can_pad(*pads, kernel):
            result: Tensor = _AVERAGE[count](x, kernel, strides, pads[0], rounding, all_counted)
            return result
        counts = _windows(node, x.shape[2:], pads)
        whole = _AVERAGE[count](_padded(x, pads, 0.0), kernel, strides, 0, rounding)
        if all_counted:
            return _cut(whole, counts)
        inside = _padded(torch.ones_like(x[:1, :1]), pads, 0.0)
        shares = _AVERAGE[count](inside, kernel, strides, 0, rounding)
        return _cut(whole / shares, counts)

    return run


def _over_picture(function: Callable[..., Tensor]) -> Run:
    return lambda x: function(x, tuple(range(2, x.ndim)), keepdim=True)


POOLING: Mapping[str, Callable[[Node], Run]] = {
    "MaxPool": _max_pool,
    "AveragePool": _average_pool,
    "GlobalAveragePool": always(_over_picture(torch.mean)),
    "GlobalMaxPool": always(_over_picture(torch.amax)),
}
