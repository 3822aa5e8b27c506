"""Convolutions: every output element is a sum over one window of one group of channels.

With weights (M, C / groups, k1, k2, ...) an output element takes C / groups * k1 * k2 products and as many additions
(two FLOP per product; TensorFlow's profiler and `torch.utils.flop_counter` count the same), and one more for the
bias. Windows that reach into the padding count in full, as both of them count. Sources: Dumoulin and Visin 2016,
"A guide to convolution arithmetic" (arXiv 1603.07285); https://onnx.ai/onnx/operators/onnx__Conv.html. Algorithms
that need fewer products (Winograd, FFT) are not assumed.
"""

from __future__ import annotations

import math

from sartor.cost.formulas.elementwise import ACTIVATIONS
from sartor.cost.formulas.quantization import REQUANTIZE
from sartor.cost.formulas.work import (
    MICROSOFT,
    NCHWC,
    NHWC,
    ONNX,
    Formula,
    Work,
    arithmetic,
    elements,
    has,
    merged,
    out_elements,
    out_shape,
    shape,
    type_of,
    under,
)
from sartor.cost.graph import Operator

_SAMPLE = 7  # a bilinear sample: 4 products, 3 additions


def _products(operator: Operator, weight: int) -> float:
    """Two FLOP for every product of a convolution whose weights are at this position, first dimension outputs."""
    return 2.0 * out_elements(operator) * math.prod(shape(operator, weight)[1:])


def _added(operator: Operator, *positions: int) -> float:
    """One operation per output element for each of the bias and the skip connection that is given."""
    return float(sum(has(operator, position) for position in positions) * out_elements(operator))


def _convolution(operator: Operator) -> Work:
    """Conv, and FusedConv with its sum and activation: Y = activation(X * W + B + Z)."""
    activation = ACTIVATIONS.get(operator.attributes.get("activation", ""), 0) * out_elements(operator)
    return arithmetic(operator, _products(operator, 1) + _added(operator, 2, 3) + activation)


def _integer(operator: Operator) -> Work:
    """ConvInteger: the zero points are corrected by sums that are not counted."""
    return arithmetic(operator, _products(operator, 1))


def _quantized(operator: Operator) -> Work:
    """QLinearConv(x, scale, zero, w, scale, zero, y scale, y zero, bias)."""
    products = _products(operator, 3) + _added(operator, 8)
    return Work(merged((type_of(operator), products), (type_of(operator, 1), REQUANTIZE * out_elements(operator))))


def _transposed(bias: int) -> Formula:
    """The adjoint of a convolution: an input element meets (M / groups) * k1 * k2 weights of (C, M / groups, ...)."""

    def formula(operator: Operator) -> Work:
        products = 2.0 * elements(operator) * math.prod(shape(operator, 1)[1:])
        return arithmetic(operator, products + _added(operator, bias))

    return formula


def _quantized_transposed(operator: Operator) -> Work:
    products = 2.0 * elements(operator) * math.prod(shape(operator, 3)[1:]) + _added(operator, 8)
    return Work(merged((type_of(operator), products), (type_of(operator, 1), REQUANTIZE * out_elements(operator))))


def _deformable(operator: Operator) -> Work:
    """DeformConv(X, W, offset, B, mask): a convolution over bilinear samples, each weighted where there is a mask.

    Samples: batch * C * k1 * k2 * output positions (Dai et al. 2017, arXiv 1703.06211; masks Zhu et al. 2018,
    arXiv 1811.11168).
    """
    batch, channels, *_ = shape(operator, 0)
    window = math.prod(shape(operator, 1)[2:])
    samples = batch * channels * window * math.prod(out_shape(operator)[2:])
    sampling = samples * (_SAMPLE + has(operator, 4))
    return arithmetic(operator, _products(operator, 1) + _added(operator, 3) + sampling)


def _causal(operator: Operator) -> Work:
    """CausalConvWithState: depthwise along the last axis, weights (channels, 1, k), then perhaps SiLU."""
    activated = str(operator.attributes.get("activation", "none")).lower() in {"silu", "swish"}
    activation = ACTIVATIONS["Swish"] * out_elements(operator) if activated else 0
    return arithmetic(operator, _products(operator, 1) + _added(operator, 2) + activation)


def _gathered(operator: Operator) -> Work:
    """Col2Im: every column element is added to its place."""
    return arithmetic(operator, elements(operator))


_PLAIN: dict[str, Formula] = {
    "Conv": _convolution,
    "ConvTranspose": _transposed(2),
    "QLinearConv": _quantized,
}

TABLE = {
    **under(ONNX, _PLAIN),
    **under(
        ONNX,
        {
            "ConvInteger": _integer,
            "DeformConv": _deformable,
            "CausalConvWithState": _causal,
            "Col2Im": _gathered,
        },
    ),
    **under(NHWC, {**_PLAIN, "QLinearConvTranspose": _quantized_transposed}),
    **under(NCHWC, {"Conv": _convolution}),
    **under(
        MICROSOFT,
        {
            **dict.fromkeys(("FusedConv", "NhwcConv", "NhwcFusedConv"), _convolution),
            "QLinearConv": _quantized,
            "ConvTransposeWithDynamicPads": _transposed(3),
            "CausalConvWithState": _causal,
        },
    ),
}
