"""Quantization: y = saturate(round(x / scale) + zero point) and x = (y - zero point) * scale.

Source: https://onnx.ai/onnx/operators/onnx__QuantizeLinear.html. Quantized elementwise operators of ONNX Runtime are
defined as dequantize, compute, quantize (docs/ContribOperators.md); sums and products of 8-bit numbers in matrix
products and convolutions are counted under `int8`, what surrounds them under the type of the scale.
"""

from __future__ import annotations

import math

from sartor.cost.formulas.elementwise import WEIGHTS
from sartor.cost.formulas.work import (
    MICROSOFT,
    NHWC,
    ONNX,
    Formula,
    Work,
    arithmetic,
    elements,
    merged,
    out_elements,
    type_of,
    under,
)
from sartor.cost.graph import Operator

QUANTIZE = 5  # divide, round, add, and the two ends of saturation
DEQUANTIZE = 2  # subtract, multiply
REQUANTIZE = 5  # multiply by the joint scale, round, add, saturate
_MEASURE = 2  # smallest and largest, of a range that is not known before
DYNAMIC = _MEASURE + QUANTIZE


def _scaled(weight: int) -> Formula:
    """`weight` operations per element, in the type of the scale."""
    return lambda operator: arithmetic(operator, weight * elements(operator), 1)


def _dynamic(operator: Operator) -> Work:
    return arithmetic(operator, DYNAMIC * elements(operator))


def _through(weight: float, inputs: tuple[int, ...] = (0,), scale: int = 1) -> Formula:
    """Dequantize these inputs, do `weight` operations per output element, quantize the output."""

    def formula(operator: Operator) -> Work:
        incoming = DEQUANTIZE * sum(elements(operator, position) for position in inputs)
        flop = incoming + (weight + QUANTIZE) * out_elements(operator)
        return Work(merged((type_of(operator, scale), flop)))

    return formula


def _window(operator: Operator) -> Work:
    """QLinearAveragePool: a sum over the window in integers, then one requantization."""
    window = math.prod(operator.attributes.get("kernel_shape", ()))
    outputs = out_elements(operator)
    return Work(merged((type_of(operator), window * outputs), (type_of(operator, 1), REQUANTIZE * outputs)))


def _averaged(operator: Operator) -> Work:
    """Global average pool and mean: every input element is added once."""
    outputs = out_elements(operator)
    return Work(merged((type_of(operator), elements(operator)), (type_of(operator, 1), REQUANTIZE * outputs)))


def _concatenated(operator: Operator) -> Work:
    """QLinearConcat(scale, zero, then tensor, scale, zero of each): rescaled through a table of 256 entries."""
    return Work(merged((type_of(operator), (DEQUANTIZE + QUANTIZE) * 256.0 * ((len(operator.inputs) - 2) // 3))))


_POOLS: dict[str, Formula] = {"QLinearAveragePool": _window, "QLinearGlobalAveragePool": _averaged}
_LINEAR: dict[str, Formula] = {"QuantizeLinear": _scaled(QUANTIZE), "DequantizeLinear": _scaled(DEQUANTIZE)}

TABLE = {
    **under(ONNX, {**_LINEAR, "DynamicQuantizeLinear": _dynamic}),
    **under(NHWC, {"QLinearAveragePool": _window}),
    **under(
        MICROSOFT,
        {
            **_LINEAR,
            **_POOLS,
            "QLinearAdd": _through(1, (0, 3)),
            "QLinearMul": _through(1, (0, 3)),
            "QLinearSigmoid": _through(WEIGHTS["Sigmoid"]),
            "QLinearLeakyRelu": _through(WEIGHTS["LeakyRelu"]),
            "QLinearSoftmax": _through(5),
            "QLinearWhere": _through(1, (1, 4), 2),
            "QLinearReduceMean": _averaged,
            "QLinearConcat": _concatenated,
            "QuantizeWithOrder": _scaled(QUANTIZE),
            "DequantizeWithOrder": _scaled(DEQUANTIZE),
            "QOrderedGelu": _through(WEIGHTS["Gelu"]),
        },
    ),
}
