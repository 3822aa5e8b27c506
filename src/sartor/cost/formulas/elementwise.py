"""Elementwise operators: so many primitive operations for each element of the output.

Addition, multiplication, division, comparison, selection, and each of exp, log, erf, tanh, sin, sqrt and power count
as one, as TensorFlow's profiler counts them (`tensorflow/python/profiler/internal/flops_registry.py`: Neg, Log,
Reciprocal, RealDiv, Pow, Less and Maximum 1 per element, Rsqrt 2). An operator that is defined by a formula counts
the primitives of that formula, https://onnx.ai/onnx/operators/. What it takes a processor for an `exp` is a matter of
time, not of counting: the calibration learns it.
"""

from __future__ import annotations

from sartor.cost.formulas.work import MICROSOFT, ONNX, Formula, Work, arithmetic, elements, has, out_elements, under
from sartor.cost.graph import Operator

_ONE = (
    *("Abs", "Neg", "Reciprocal", "Sqrt", "Exp", "Log", "Erf", "Sign", "Floor", "Ceil", "Round", "IsNaN", "IsInf"),
    *("Sin", "Cos", "Tan", "Asin", "Acos", "Atan", "Sinh", "Cosh", "Tanh", "Asinh", "Acosh", "Atanh", "Relu", "Not"),
    *("Add", "Sub", "Mul", "Div", "Pow", "Mod", "And", "Or", "Xor", "BitShift"),
    *("BitwiseAnd", "BitwiseOr", "BitwiseXor", "BitwiseNot"),
    *("Equal", "Less", "LessOrEqual", "Greater", "GreaterOrEqual"),
    *("RandomNormal", "RandomNormalLike", "RandomUniform", "RandomUniformLike"),  # a draw counts as one
)

WEIGHTS = {
    **dict.fromkeys(_ONE, 1),
    "Sigmoid": 4,  # 1 / (1 + exp(-x)): negate, exp, add, divide
    "LeakyRelu": 2,  # multiply, select
    "PRelu": 2,
    "ThresholdedRelu": 2,  # compare, select
    "Clip": 2,  # max, min
    "Elu": 4,  # alpha (exp(x) - 1), select
    "Selu": 5,
    "Celu": 7,  # max(0, x) + min(0, alpha (exp(x / alpha) - 1))
    "HardSigmoid": 4,  # max(0, min(1, alpha x + beta))
    "HardSwish": 5,
    "Softplus": 3,  # log(1 + exp(x))
    "Softsign": 3,  # x / (1 + |x|)
    "Mish": 5,  # x tanh(softplus(x))
    "Swish": 6,  # x sigmoid(alpha x)
    "Shrink": 3,  # two comparisons, one addition
    "SwiGLU": 7,  # swish of the gate, times the value
    "Bernoulli": 2,  # draw, compare
    "Gelu": 5,  # x / 2 (1 + erf(x / sqrt 2)); with tanh see below
}
_GELU_TANH = 8  # x / 2 (1 + tanh(sqrt(2 / pi) (x + 0.044715 x^3)))

ACTIVATIONS = {name: weight for name, weight in WEIGHTS.items() if name not in {"PRelu", "SwiGLU", "Bernoulli"}}


def per_output(weight: float, position: int = 0) -> Formula:
    """`weight` operations per element of the output, under the type of one input."""
    return lambda operator: _weighted(operator, weight, position)


def per_input(weight: float) -> Formula:
    """`weight` operations per element of the first input."""
    return lambda operator: arithmetic(operator, weight * elements(operator))


def _weighted(operator: Operator, weight: float, position: int) -> Work:
    flop = weight * out_elements(operator)
    if not has(operator, position):  # random numbers have no input
        return Work({operator.outputs[0].dtype: flop})
    return arithmetic(operator, flop, position)


def _folded(final: int) -> Formula:
    """Any number of inputs, folded two at a time; `final` operations per element at the end."""
    return lambda operator: arithmetic(operator, (len(operator.inputs) - 1 + final) * out_elements(operator))


def _gelu(operator: Operator) -> Work:
    weight = _GELU_TANH if operator.attributes.get("approximate") == "tanh" else WEIGHTS["Gelu"]
    return arithmetic(operator, weight * out_elements(operator))


def _biased(weight: int) -> Formula:
    """An activation after the bias and whatever else is added, each one operation per element."""
    return lambda operator: arithmetic(
        operator, (weight + sum(has(operator, position) for position in (1, 2))) * out_elements(operator)
    )


TABLE = {
    **under(ONNX, {name: per_output(weight) for name, weight in WEIGHTS.items()}),
    **under(
        ONNX,
        {
            **{"Sum": _folded(0), "Max": _folded(0), "Min": _folded(0), "Mean": _folded(1)},
            "Gelu": _gelu,
            "Where": per_output(1, 1),
        },
    ),
    **under(
        MICROSOFT,
        {
            "Gelu": per_output(WEIGHTS["Gelu"]),
            "QuickGelu": per_output(WEIGHTS["Swish"]),
            "ScaledSiLU": per_output(WEIGHTS["Swish"] + 1),
            "BiasGelu": _biased(WEIGHTS["Gelu"]),
            "FastGelu": _biased(_GELU_TANH),
            "BiasAdd": _biased(0),
            "BiasDropout": _biased(0),
            "BiasSplitGelu": per_output(2 + WEIGHTS["Gelu"] + 1),  # bias on both halves, Gelu of one, product
            "GatedAdd": per_output(2),
            "ComplexMul": per_output(3),  # 6 for two numbers
            "ComplexMulConj": per_output(3),
            "MulInteger": per_output(3),  # two zero points, one product
            "IsAllFinite": per_input(1),
        },
    ),
}
