"""Convolutions and transposed convolutions. Imports torch: import this file inside functions only."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from torch import Tensor
from torch.nn import functional

from sartor.train.onnx_module.operators_base import Node, Run
from sartor.train.onnx_module.operators_shape import last_first

_CONVOLUTIONS: Mapping[int, Run] = {1: functional.conv1d, 2: functional.conv2d, 3: functional.conv3d}
_TRANSPOSED: Mapping[int, Run] = {
    1: functional.conv_transpose1d,
    2: functional.conv_transpose2d,
    3: functional.conv_transpose3d,
}
Pads = tuple[list[int], list[int]]  # before and after, for each axis


def same_padding(
    sizes: Sequence[int], kernel: Sequence[int], strides: Sequence[int], dilations: Sequence[int], upper: bool
) -> Pads:
    """What SAME_UPPER and SAME_LOWER pad, so that ceil(size / stride) numbers come out.

    Source: ONNX operator Conv, attribute `auto_pad`; an odd pixel goes behind (`upper`) or before.
    """
    smaller, larger = [], []
    for size, width, stride, dilation in zip(sizes, kernel, strides, dilations, strict=True):
        total = max((-(-size // stride) - 1) * stride + dilation * (width - 1) + 1 - size, 0)
        smaller.append(total // 2)
        larger.append(total - total // 2)
    return (smaller, larger) if upper else (larger, smaller)


def explicit_pads(node: Node, axes: int) -> Pads:
    """The pads that a node gives in numbers, zeros by default."""
    pads = list(node.get("pads", [0] * (2 * axes)))
    return pads[:axes], pads[axes:]


def spatial(node: Node, name: str, axes: int) -> list[int]:
    """A setting for each axis of a picture, one by default."""
    return list(node.get(name, [1] * axes))


def _axes(node: Node) -> int | None:
    """How many axes the kernel has, where this is known beforehand."""
    if "kernel_shape" in node.attributes:
        return len(node.attributes["kernel_shape"])
    return node.constants[1].ndim - 2 if 1 in node.constants else None


def _convolution(node: Node) -> Run:
    axes = _axes(node)
    node.refuse_unless(axes is None or axes in _CONVOLUTIONS, f"{axes} axes, beyond 3")
    automatic, groups = node.get("auto_pad", "NOTSET"), node.get("group", 1)

    def run(x: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
        count = weight.ndim - 2
        strides, dilations = spatial(node, "strides", count), spatial(node, "dilations", count)
        before, after = explicit_pads(node, count)
        if automatic.startswith("SAME"):
            upper = automatic == "SAME_UPPER"
            before, after = same_padding(x.shape[2:], weight.shape[2:], strides, dilations, upper)
        if before != after:
            x = functional.pad(x, last_first(x.ndim, range(2, x.ndim), before, after))
            before = [0] * count
        result: Tensor = _CONVOLUTIONS[count](x, weight, bias, strides, before, dilations, groups)
        return result

    return run


def _transposed(node: Node) -> Run:
    axes = _axes(node)
    node.refuse_unless(axes is None or axes in _TRANSPOSED, f"{axes} axes, beyond 3")
    groups = node.get("group", 1)

    def run(x: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
        count = weight.ndim - 2
        strides, dilations = spatial(node, "strides", count), spatial(node, "dilations", count)
        # All that the kernel reaches, then cropped: torch itself crops both sides by the same number only.
        whole: Tensor = _TRANSPOSED[count](x, weight, None, strides, 0, 0, groups, dilations)
        before, behind = _crop(node, x.shape[2:], whole.shape[2:], strides)
        cut = functional.pad(whole, last_first(x.ndim, range(2, x.ndim), before, behind))
        return cut if bias is None else cut + bias.reshape(1, -1, *[1] * count)

    return run


def _crop(node: Node, sizes: Sequence[int], whole: Sequence[int], strides: Sequence[int]) -> Pads:
    """What is added before and behind each axis of the whole product; negative where it is cut off.

    Source: ONNX operator ConvTranspose, attributes `pads`, `output_shape`, `output_padding`, `auto_pad`.
    """
    count = len(whole)
    more = list(node.get("output_padding", [0] * count))
    automatic, wanted = node.get("auto_pad", "NOTSET"), node.get("output_shape")
    if wanted is None and automatic.startswith("SAME"):
        wanted = [size * stride for size, stride in zip(sizes, strides, strict=True)]
    if wanted is None:
        before, after = explicit_pads(node, count)
        return [-pad for pad in before], [extra - pad for extra, pad in zip(more, after, strict=True)]
    totals = [size + extra - target for size, extra, target in zip(whole, more, wanted[-count:], strict=True)]
    halves = [total // 2 for total in totals]
    if automatic != "SAME_UPPER":
        halves = [total - half for total, half in zip(totals, halves, strict=True)]
    rest = [extra - (total - half) for extra, total, half in zip(more, totals, halves, strict=True)]
    return [-half for half in halves], rest


CONVOLUTION: Mapping[str, Callable[[Node], Run]] = {"Conv": _convolution, "ConvTranspose": _transposed}
