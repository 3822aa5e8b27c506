"""Reductions along axes. Imports torch: import this file inside functions only."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping

import torch
from torch import Tensor

from sartor.train.onnx_module.operators_base import Node, Run, numbers

Reduction = Callable[[Tensor, list[int], bool], Tensor]


def _product(x: Tensor, axes: list[int], keep: bool) -> Tensor:
    for axis in sorted((axis % max(x.ndim, 1) for axis in axes), reverse=True):
        x = torch.prod(x, axis, keepdim=keep)
    return x


def _extreme(function: Callable[..., Tensor], largest: bool) -> Reduction:
    def reduce(x: Tensor, axes: list[int], keep: bool) -> Tensor:
        if x.numel():
            return function(x, axes, keep)
        # Of nothing, the largest number is the smallest that there is.
        shape = torch.sum(x, axes, keep).shape
        return torch.full(shape, _least(x.dtype) if largest else _most(x.dtype), dtype=x.dtype, device=x.device)

    return reduce


def _least(dtype: torch.dtype) -> float:
    if dtype == torch.bool:
        return False
    return -math.inf if dtype.is_floating_point else torch.iinfo(dtype).min


def _most(dtype: torch.dtype) -> float:
    if dtype == torch.bool:
        return True
    return math.inf if dtype.is_floating_point else torch.iinfo(dtype).max


def _same_type(function: Callable[..., Tensor]) -> Reduction:
    return lambda x, axes, keep: function(x, axes, keepdim=keep).to(x.dtype)


def _mean(x: Tensor, axes: list[int], keep: bool) -> Tensor:
    if x.dtype.is_floating_point:
        return torch.mean(x, axes, keep)
    return torch.mean(x.double(), axes, keep).to(x.dtype)


_REDUCTIONS: Mapping[str, Reduction] = {
    "ReduceSum": _same_type(torch.sum),
    "ReduceMean": _mean,
    "ReduceMax": _extreme(torch.amax, True),
    "ReduceMin": _extreme(torch.amin, False),
    "ReduceProd": _product,
    "ReduceL1": lambda x, axes, keep: torch.sum(torch.abs(x), axes, keep).to(x.dtype),
    "ReduceL2": lambda x, axes, keep: torch.linalg.vector_norm(x.float(), 2, axes, keep).to(x.dtype),
    "ReduceSumSquare": lambda x, axes, keep: torch.sum(x * x, axes, keep).to(x.dtype),
    "ReduceLogSum": lambda x, axes, keep: torch.log(torch.sum(x, axes, keep)),
    "ReduceLogSumExp": lambda x, axes, keep: torch.logsumexp(x, axes, keep),
}


def _reduce(node: Node) -> Run:
    function, keep = _REDUCTIONS[node.kind], bool(node.get("keepdims", 1))
    axes_of, nothing = numbers(node, 1, "axes"), node.get("noop_with_empty_axes", 0)

    def run(*inputs: Tensor) -> Tensor:
        x, axes = inputs[0], axes_of(inputs)
        if axes:
            return function(x, axes, keep)
        if nothing:
            # A reduction along no axis still squares, takes logarithms, and so on, of each number alone.
            return function(x.unsqueeze(-1), [-1], False)
        return function(x, list(range(x.ndim)), keep)

    return run


REDUCTION: Mapping[str, Callable[[Node], Run]] = dict.fromkeys(_REDUCTIONS, _reduce)
