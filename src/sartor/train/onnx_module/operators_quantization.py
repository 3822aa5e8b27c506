"""QuantizeLinear and DequantizeLinear, through which gradients pass. Imports torch: import inside functions only.

Quantized numbers are kept as f32 that hold whole numbers. Rounding passes its gradient on unchanged, the
straight-through estimator (Bengio et al. 2013, arXiv 1308.3432, section 4); numbers beyond the range have none.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import torch
from onnx import TensorProto
from torch import Tensor

from sartor.train.onnx_module.operators_base import Node, Run, type_name

_RANGES: Mapping[torch.dtype, tuple[int, int]] = {
    torch.uint8: (0, 255),
    torch.int8: (-128, 127),
    torch.int16: (-32768, 32767),
}
_TYPES = {TensorProto.UINT8: torch.uint8, TensorProto.INT8: torch.int8, TensorProto.INT16: torch.int16}


def _along(values: Tensor, x: Tensor, axis: int, block: int) -> Tensor:
    """Scales or zero points in a shape that x can be divided by."""
    if block:
        return values.repeat_interleave(block, axis).narrow(axis, 0, x.shape[axis])
    if values.ndim == 0 or values.numel() == 1:
        return values.reshape(())
    return values.reshape([-1 if each == axis % x.ndim else 1 for each in range(x.ndim)])


def _quantize(node: Node) -> Run:
    axis, block, target = node.get("axis", 1), node.get("block_size", 0), node.get("output_dtype", 0)
    node.refuse_unless(not target or target in _TYPES, f"to numbers of type {type_name(target)}")
    node.refuse_unless(not node.has(2) or 2 in node.constants, "a zero point that is not known beforehand")
    dtype = node.constants[2].dtype if 2 in node.constants else _TYPES.get(target, torch.uint8)
    node.refuse_unless(dtype in _RANGES, f"to numbers of type {dtype}")
    low, high = _RANGES[dtype]

    def run(x: Tensor, scale: Tensor, zero: Tensor | None = None) -> Tensor:
        ratio = x / _along(scale, x, axis, block)
        rounded = ratio + (ratio.round() - ratio).detach()
        shifted = rounded if zero is None else rounded + _along(zero, x, axis, block)
        return shifted.clamp(low, high)

    return run


def _dequantize(node: Node) -> Run:
    axis, block = node.get("axis", 1), node.get("block_size", 0)

    def run(x: Tensor, scale: Tensor, zero: Tensor | None = None) -> Tensor:
        whole = x.float()
        if zero is not None:
            whole = whole - _along(zero.float(), x, axis, block)
        return whole * _along(scale, x, axis, block)

    return run


QUANTIZATION: Mapping[str, Callable[[Node], Run]] = {
    "QuantizeLinear": _quantize,
    "DequantizeLinear": _dequantize,
}
