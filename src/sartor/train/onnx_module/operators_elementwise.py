"""Operators that treat each number alone. Imports torch: import this file inside functions only."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from sartor.train.onnx_module.operators_base import DTYPES, Node, Run, always, type_name

_SELU_ALPHA, _SELU_GAMMA = 1.67326319217681884765625, 1.05070102214813232421875

_NAMED_ALIKE = (
    *("abs", "ceil", "erf", "exp", "floor", "log", "reciprocal", "relu", "round", "sigmoid", "sign", "sqrt", "tanh"),
    *("acos", "acosh", "asin", "asinh", "atan", "atanh", "cos", "cosh", "sin", "sinh", "tan"),
)


def _clip(node: Node) -> Run:
    if node.version < 11:
        low, high = node.get("min", -math.inf), node.get("max", math.inf)
        return lambda x: torch.clamp(x, low, high)
    known = all(not node.has(position) or position in node.constants for position in (1, 2))
    if not known:
        return lambda x, low=None, high=None: x if low is None and high is None else torch.clamp(x, low, high)
    bounds = [node.constants[position].item() if position in node.constants else None for position in (1, 2)]
    if bounds == [None, None]:
        return lambda x, *_: x
    return lambda x, *_: torch.clamp(x, bounds[0], bounds[1])


def _cast(node: Node) -> Run:
    target = node.get("to")
    node.refuse_unless(target in DTYPES, f"to numbers of type {type_name(target)}")
    dtype = DTYPES[target]
    return lambda x: x.to(dtype)


def _divide(x: Tensor, y: Tensor) -> Tensor:
    return x / y if x.dtype.is_floating_point else torch.div(x, y, rounding_mode="trunc")


def _modulo(node: Node) -> Run:
    return torch.fmod if node.get("fmod", 0) else torch.remainder


def _power(x: Tensor, y: Tensor) -> Tensor:
    return torch.pow(x, y).to(x.dtype)


def _power_builder(node: Node) -> Run:
    # Squares and roots have kernels of their own where the exponent is a number.
    if 1 in node.constants and node.constants[1].numel() == 1 and node.constants[1].ndim == 0:
        exponent = node.constants[1].item()
        return lambda x, _: torch.pow(x, exponent).to(x.dtype)
    return _power


def _over_all(function: Callable[[Tensor, Tensor], Tensor]) -> Run:
    return lambda *tensors: functools.reduce(function, tensors)


def _mean(*tensors: Tensor) -> Tensor:
    return functools.reduce(torch.add, tensors) / len(tensors)


def _gelu(node: Node) -> Run:
    form = node.get("approximate", "none")
    return lambda x: functional.gelu(x, approximate=form)


def _bias_gelu(x: Tensor, bias: Tensor | None = None) -> Tensor:
    return functional.gelu(x if bias is None else x + bias)


def _fast_gelu(x: Tensor, bias: Tensor | None = None) -> Tensor:
    return functional.gelu(x if bias is None else x + bias, approximate="tanh")


def _quick_gelu(node: Node) -> Run:
    alpha = node.get("alpha", 1.702)
    return lambda x: x * torch.sigmoid(alpha * x)


def _swish(node: Node) -> Run:
    alpha = node.get("alpha", 1.0)
    return functional.silu if alpha == 1.0 else lambda x: x * torch.sigmoid(alpha * x)


def _leaky_relu(node: Node) -> Run:
    slope = node.get("alpha", 0.01)
    return lambda x: functional.leaky_relu(x, slope)


def _elu(node: Node) -> Run:
    alpha = node.get("alpha", 1.0)
    return lambda x: functional.elu(x, alpha)


def _celu(node: Node) -> Run:
    alpha = node.get("alpha", 1.0)
    return lambda x: functional.celu(x, alpha)


def _selu(node: Node) -> Run:
    alpha, gamma = node.get("alpha", _SELU_ALPHA), node.get("gamma", _SELU_GAMMA)
    return lambda x: gamma * functional.elu(x, alpha)


def _hard_sigmoid(node: Node) -> Run:
    alpha, beta = node.get("alpha", 0.2), node.get("beta", 0.5)
    return lambda x: torch.clamp(alpha * x + beta, 0, 1)


def _thresholded(node: Node) -> Run:
    alpha = node.get("alpha", 1.0)
    return lambda x: functional.threshold(x, alpha, 0.0)


def _shrink(node: Node) -> Run:
    bias, bound = node.get("bias", 0.0), node.get("lambd", 0.5)

    def run(x: Tensor) -> Tensor:
        return torch.where(x > bound, x - bias, torch.where(x < -bound, x + bias, torch.zeros_like(x))).to(x.dtype)

    return run


def _slope(x: Tensor, slope: Tensor) -> Tensor:
    return torch.where(x < 0, slope * x, x)


def _is_infinite(node: Node) -> Run:
    negative, positive = node.get("detect_negative", 1), node.get("detect_positive", 1)

    def run(x: Tensor) -> Tensor:
        infinite = torch.isinf(x)
        return infinite & ((x < 0) & bool(negative) | (x > 0) & bool(positive))

    return run


def _dropout(node: Node) -> Run:
    active = 2 in node.constants and bool(node.constants[2].item())
    node.refuse_unless(not node.has(2) or 2 in node.constants, "a training_mode that is not known beforehand")
    node.refuse_unless(not active, "training_mode, which makes the outputs random")
    mask = node.gives(1)
    return lambda x, *_: (x, torch.ones_like(x, dtype=torch.bool)) if mask else x


def _standardised(node: Node) -> Run:
    """What scikit-learn's scalers become: columns less an offset, times a scale."""
    offset, scale = node.get("offset", [0.0]), node.get("scale", [1.0])
    return lambda x: (x.float() - x.new_tensor(offset, dtype=torch.float32)) * x.new_tensor(scale, dtype=torch.float32)


def _identity(x: Any) -> Any:
    return x


ELEMENTWISE: Mapping[str, Callable[[Node], Run]] = {
    **{name.capitalize(): always(getattr(torch, name)) for name in _NAMED_ALIKE},
    "Neg": always(torch.neg),
    "Not": always(torch.logical_not),
    "IsNaN": always(torch.isnan),
    "Softplus": always(functional.softplus),
    "Softsign": always(functional.softsign),
    "Mish": always(functional.mish),
    "HardSwish": always(functional.hardswish),
    "Identity": always(_identity),
    "Add": always(torch.add),
    "Sub": always(torch.sub),
    "Mul": always(torch.mul),
    "Div": always(_divide),
    "Pow": _power_builder,
    "Mod": _modulo,
    "Equal": always(torch.eq),
    "Greater": always(torch.gt),
    "GreaterOrEqual": always(torch.ge),
    "Less": always(torch.lt),
    "LessOrEqual": always(torch.le),
    "And": always(torch.logical_and),
    "Or": always(torch.logical_or),
    "Xor": always(torch.logical_xor),
    "BitwiseAnd": always(torch.bitwise_and),
    "BitwiseOr": always(torch.bitwise_or),
    "BitwiseXor": always(torch.bitwise_xor),
    "BitwiseNot": always(torch.bitwise_not),
    "Max": always(_over_all(torch.maximum)),
    "Min": always(_over_all(torch.minimum)),
    "Sum": always(_over_all(torch.add)),
    "Mean": always(_mean),
    "Where": always(torch.where),
    "Clip": _clip,
    "Cast": _cast,
    "CastLike": always(lambda x, other: x.to(other.dtype)),
    "Gelu": _gelu,
    "BiasGelu": always(_bias_gelu),
    "FastGelu": always(_fast_gelu),
    "QuickGelu": _quick_gelu,
    "Swish": _swish,
    "LeakyRelu": _leaky_relu,
    "Elu": _elu,
    "Celu": _celu,
    "Selu": _selu,
    "HardSigmoid": _hard_sigmoid,
    "ThresholdedRelu": _thresholded,
    "Shrink": _shrink,
    "PRelu": always(_slope),
    "IsInf": _is_infinite,
    "Dropout": _dropout,
    "Scaler": _standardised,
}
