"""Normalizations, softmax among them. Imports torch: import this file inside functions only.

Letters used for shapes: n rows, c channels.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from sartor.train.onnx_module.operators_base import Node, Run


def _batch_norm(node: Node) -> Run:
    epsilon, momentum = node.get("epsilon", 1e-5), node.get("momentum", 0.9)
    node.refuse_unless(node.get("spatial", 1) == 1, "spatial=0")
    if not node.get("training_mode", 0):
        node.refuse_unless(not any(node.gives(position) for position in (1, 2, 3, 4)), "statistics as outputs")
        return lambda x, scale, bias, mean, variance: functional.batch_norm(
            x, mean, variance, scale, bias, training=False, eps=epsilon
        )

    def run(x: Tensor, scale: Tensor, bias: Tensor, mean: Tensor, variance: Tensor) -> Any:
        axes = [axis for axis in range(x.ndim) if axis != 1]
        now_mean, now_variance = x.mean(axes), x.var(axes, correction=0)
        y = functional.batch_norm(x, None, None, scale, bias, training=True, eps=epsilon)
        running = mean * momentum + now_mean * (1 - momentum), variance * momentum + now_variance * (1 - momentum)
        return (y, *running) if len(node.outputs) > 1 else y

    return run


def _scaled(x: Tensor, scale: Tensor | None, bias: Tensor | None) -> Tensor:
    x = x if scale is None else x * scale
    return x if bias is None else x + bias


def layer_norm(x: Tensor, scale: Tensor | None, bias: Tensor | None, axis: int, epsilon: float) -> Tensor:
    """Mean 0 and variance 1 over the axes from `axis` on, then scaled (Ba et al. 2016, arXiv 1607.06450, eq. 4)."""
    shape = x.shape[axis:]
    if (scale is None or scale.shape == shape) and (bias is None or bias.shape == shape):
        return functional.layer_norm(x, shape, scale, bias, epsilon)
    return _scaled(functional.layer_norm(x, shape, eps=epsilon), scale, bias)


def _layer_norm(node: Node) -> Run:
    axis, epsilon = node.get("axis", -1), node.get("epsilon", 1e-5)
    wants_statistics = node.gives(1) or node.gives(2)

    def run(x: Tensor, scale: Tensor | None = None, bias: Tensor | None = None) -> Any:
        y = layer_norm(x, scale, bias, axis, epsilon)
        if not wants_statistics:
            return y
        axes = tuple(range(axis % x.ndim, x.ndim))
        variance, mean = torch.var_mean(x, axes, correction=0, keepdim=True)
        return y, mean, torch.rsqrt(variance + epsilon)

    return run


def rms_norm(x: Tensor, scale: Tensor, axis: int, epsilon: float) -> Tensor:
    """Divided by the root of the mean square (Zhang and Sennrich 2019, arXiv 1910.07467, eq. 4)."""
    shape = x.shape[axis:]
    if scale.shape == shape:
        return functional.rms_norm(x, shape, scale, epsilon)
    return functional.rms_norm(x, shape, eps=epsilon) * scale


def _rms_norm(node: Node) -> Run:
    axis, epsilon = node.get("axis", -1), node.get("epsilon", 1e-5)
    node.refuse_unless(not node.gives(1), "the inverse deviation as a second output")
    return lambda x, scale: rms_norm(x, scale, axis, epsilon)


def _skip_layer_norm(node: Node) -> Run:
    epsilon = node.get("epsilon", 1e-12)
    node.refuse_unless(not node.gives(1) and not node.gives(2), "statistics as outputs")

    def run(x: Tensor, skip: Tensor, scale: Tensor, bias: Tensor | None = None, before: Tensor | None = None) -> Any:
        total = x + skip if before is None else x + skip + before
        y = layer_norm(total, scale, bias, -1, epsilon)
        return (y, None, None, total) if node.gives(3) else y

    return run


def _skip_rms_norm(node: Node) -> Run:
    epsilon = node.get("epsilon", 1e-5)
    node.refuse_unless(not node.gives(1) and not node.gives(2), "statistics as outputs")

    def run(x: Tensor, skip: Tensor, scale: Tensor, before: Tensor | None = None) -> Any:
        total = x + skip if before is None else x + skip + before
        y = rms_norm(total, scale, -1, epsilon)
        return (y, None, None, total) if node.gives(3) else y

    return run


def _group_norm(node: Node) -> Run:
    groups, epsilon = node.get("num_groups"), node.get("epsilon", 1e-5)

    def run(x: Tensor, scale: Tensor, bias: Tensor) -> Tensor:
        channels = x.shape[1]
        if scale.shape[0] != channels:  # one number for each group, before operator set 21
            scale, bias = (each.repeat_interleave(channels // groups) for each in (scale, bias))
        return functional.group_norm(x, groups, scale, bias, epsilon)

    return run


def _instance_norm(node: Node) -> Run:
    epsilon = node.get("epsilon", 1e-5)
    # Groups of one channel: unlike instance_norm of torch, this takes pictures of one pixel as well.
    return lambda x, scale, bias: functional.group_norm(x, x.shape[1], scale, bias, epsilon)


def _mean_variance(node: Node) -> Run:
    axes = node.get("axes", [0, 2, 3])

    def run(x: Tensor) -> Tensor:
        variance, mean = torch.var_mean(x, axes, correction=0, keepdim=True)
        return (x - mean) / (torch.sqrt(variance) + 1e-9)

    return run


def _unit_length(node: Node) -> Run:
    axis, order = node.get("axis", -1), node.get("p", 2)

    def run(x: Tensor) -> Tensor:
        length = torch.linalg.vector_norm(x, order, axis, keepdim=True)
        return torch.where(length == 0, torch.zeros_like(x), x / torch.where(length == 0, 1.0, length))

    return run


def _local_response(node: Node) -> Run:
    size = node.get("size")
    node.refuse_unless(size % 2 == 1, f"an even size of {size}")
    alpha, beta, bias = node.get("alpha", 1e-4), node.get("beta", 0.75), node.get("bias", 1.0)
    return lambda x: functional.local_response_norm(x, size, alpha, beta, bias)


def _softmax(function: Callable[..., Tensor]) -> Callable[[Node], Run]:
    def build(node: Node) -> Run:
        if node.version >= 13:
            axis = node.get("axis", -1)
            return lambda x: function(x, axis)
        first = node.get("axis", 1)

        # Up to operator set 12 all axes from `axis` on are taken together.
        def run(x: Tensor) -> Tensor:
            rows = math.prod(x.shape[: first % x.ndim if first < 0 else first])
            return function(x.reshape(rows, -1), 1).reshape(x.shape)

        return run

    return build


NORMALIZATION: Mapping[str, Callable[[Node], Run]] = {
    "BatchNormalization": _batch_norm,
    "LayerNormalization": _layer_norm,
    "RMSNormalization": _rms_norm,
    "SimplifiedLayerNormalization": _rms_norm,
    "SkipLayerNormalization": _skip_layer_norm,
    "SkipSimplifiedLayerNormalization": _skip_rms_norm,
    "GroupNormalization": _group_norm,
    "InstanceNormalization": _instance_norm,
    "MeanVarianceNormalization": _mean_variance,
    "LpNormalization": _unit_length,
    "LRN": _local_response,
    "Softmax": _softmax(torch.softmax),
    "LogSoftmax": _softmax(torch.log_softmax),
}
