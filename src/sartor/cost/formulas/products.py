"""Matrix products: an M x K by K x N product takes M N K multiplications and as many additions, 2 M N K FLOP.

Source: Golub and Van Loan, "Matrix Computations", section 1.1. Biases and factors other than one are one operation
per output element. Block-quantized weights (MatMulNBits) are counted as the product they stand for, in the type that
the runtime multiplies; unpacking the weights is not counted, and what is read is the packed weight.
"""

from __future__ import annotations

import math

from sartor.cost.formulas.elementwise import ACTIVATIONS
from sartor.cost.formulas.quantization import DYNAMIC, REQUANTIZE
from sartor.cost.formulas.work import (
    MICROSOFT,
    ONNX,
    Formula,
    Shape,
    UnknownShapeError,
    Work,
    arithmetic,
    elements,
    has,
    merged,
    out_elements,
    shape,
    type_of,
    under,
)
from sartor.cost.graph import Operator

_ACCURACY = {0: "", 1: "float32", 2: "float16", 3: "bfloat16", 4: "int8"}  # MatMulNBits, `accuracy_level`
_FAST_GELU = 8


def _inner(operator: Operator) -> int:
    """K: what the left matrix is summed over. FusedMatMul may swap its axes and take the first for a batch."""
    left = shape(operator, 0)
    if operator.attributes.get("transA") and len(left) > 1:
        return left[0] if operator.attributes.get("transBatchA") and len(left) > 2 else left[-2]
    return left[-1] if left else 1


def _products(operator: Operator) -> float:
    return 2.0 * out_elements(operator) * _inner(operator)


def _bias(operator: Operator, position: int) -> float:
    return float(out_elements(operator) if has(operator, position) else 0)


def _scaling(operator: Operator) -> float:
    return float(out_elements(operator) if operator.attributes.get("alpha", 1.0) != 1.0 else 0)


def _matmul(operator: Operator) -> Work:
    return arithmetic(operator, _products(operator))


def _fused(bias: int | None = None, activation: int = 0) -> Formula:
    """alpha A B + C, then an activation: a given weight, or the one that the attribute names."""

    def formula(operator: Operator) -> Work:
        named = ACTIVATIONS.get(operator.attributes.get("activation", ""), 0)
        flop = _products(operator) + _scaling(operator) + (activation or named) * out_elements(operator)
        return arithmetic(operator, flop + (0 if bias is None else _bias(operator, bias)))

    return formula


def _quantized(scale: int, bias: int | None, after: int) -> Formula:
    """An 8-bit product with `after` operations per output element in the type of the scale."""

    def formula(operator: Operator) -> Work:
        flop = _products(operator) + (0 if bias is None else _bias(operator, bias))
        return Work(merged((type_of(operator), flop), (type_of(operator, scale), after * out_elements(operator))))

    return formula


def _to_float(operator: Operator) -> Work:
    """MatMulIntegerToFloat(A, B, scale, scale, zero, zero, bias): scaled, then the bias."""
    after = out_elements(operator) + _bias(operator, 6)
    return Work(merged(("int8", _products(operator)), (type_of(operator, 2), after)))


def _dynamic(operator: Operator) -> Work:
    """DynamicQuantizeMatMul(A, B, scale, zero, bias): A is quantized first, the 8-bit product scaled after."""
    around = DYNAMIC * elements(operator) + out_elements(operator) + _bias(operator, 4)
    return Work(merged(("int8", _products(operator)), (type_of(operator), around)))


def _blocks(operator: Operator) -> Work:
    """MatMulNBits(A, B, scales, zero points, order of groups, bias): 2 M N K with N, K of the attributes."""
    outputs = out_elements(operator)
    multiplied = _ACCURACY.get(operator.attributes.get("accuracy_level", 0), "") or type_of(operator)
    products = 2.0 * outputs * operator.attributes.get("K", shape(operator, 0)[-1])
    return Work(merged((multiplied, products), (type_of(operator), _bias(operator, 5))))


def _block_projections(sizes: tuple[tuple[str, int], ...], gated: bool) -> Formula:
    """MatMulNBitsQkv and MatMulNBitsMlp: RMS norm (4 per element), skip, and products that share their input."""

    def formula(operator: Operator) -> Work:
        rows = math.prod(shape(operator, 0)[:-1])
        inner, attributes = operator.attributes["K"], operator.attributes
        wide = sum(attributes[name] * times for name, times in sizes)
        multiplied = _ACCURACY.get(attributes.get("accuracy_level", 0), "") or type_of(operator)
        norm = (4 * has(operator, 2) + has(operator, 1)) * rows * inner
        gate = (ACTIVATIONS["Swish"] + 1) * out_elements(operator) if gated else 0
        return Work(merged((multiplied, 2.0 * rows * inner * wide), (type_of(operator), norm + gate)))

    return formula


def _einsum(operator: Operator) -> Work:
    """One sum of products over all indices: n FLOP per point for n operands (n - 1 products and one addition).

    A product without a sum takes n - 1 per output element. With more than two operands, a runtime that contracts
    them in pairs can take far fewer.
    """
    shapes = [shape(operator, position) for position in range(len(operator.inputs))]
    sizes, summed = einsum_sizes(operator.attributes["equation"], shapes)
    return arithmetic(operator, math.prod(sizes.values()) * (len(shapes) - 1 + summed))


def einsum_sizes(equation: str, shapes: list[Shape]) -> tuple[dict[str, int], bool]:
    """The size of every index, and whether any is summed over.

    >>> einsum_sizes("...ik,kj->...ij", [(5, 2, 3), (3, 4)])
    ({'i': 2, 'k': 3, '.0': 5, 'j': 4}, True)
    """
    left, arrow, right = equation.replace(" ", "").partition("->")
    terms = left.split(",")
    sizes: dict[str, int] = {}
    for term, each in zip(terms, shapes, strict=True):
        before, dots, after = term.partition("...")
        count = len(each) - len(before) - len(after) if dots else 0
        broad = [f".{count - 1 - position}" for position in range(count)]  # counted from the end, as broadcasting is
        for index, size in zip([*before, *after], [*each[: len(before)], *each[len(before) + count :]], strict=True):
            sizes[index] = max(sizes.get(index, 1), size) if size else 0
        for index, size in zip(broad, each[len(before) : len(before) + count], strict=True):
            sizes[index] = max(sizes.get(index, 1), size) if size else 0
    named = {index for index in sizes if not index.startswith(".")}
    kept = set(right) if arrow else {index for index in named if left.count(index) == 1}
    return sizes, bool(named - kept) or bool(arrow and len(sizes) > len(named) and "..." not in right)


def _determinant(operator: Operator) -> Work:
    """LU: 2/3 n^3 for each matrix (Golub and Van Loan, section 3.2)."""
    return arithmetic(operator, 2 / 3 * elements(operator) * shape(operator, 0)[-1])


def _inverse(operator: Operator) -> Work:
    """2 n^3 for each matrix: LU, and n solves."""
    return arithmetic(operator, 2.0 * elements(operator) * shape(operator, 0)[-1])


def _distances(operator: Operator) -> Work:
    """CDist: a difference, a square and an addition for each of K coordinates."""
    return arithmetic(operator, out_elements(operator) * (3 * shape(operator, 0)[-1] + 1))


def _experts(weights: tuple[int, int, int]) -> Formula:
    """MoE and QMoE: `k` experts for every token, each two or three products (Shazeer et al. 2017, arXiv 1701.06538).

    Of the experts' weights no more are read than tokens * k experts hold; activation counted as SiLU with its gate.
    """

    def formula(operator: Operator) -> Work:
        first, second, third = weights
        tokens, hidden = math.prod(shape(operator, 0)[:-1]), shape(operator, 0)[-1]
        used = operator.attributes.get("k", 1) * tokens
        experts, wide, _ = shape(operator, first)
        if experts == 0:
            raise UnknownShapeError
        bits = operator.attributes.get("expert_weight_bits", 4) if operator.type == "QMoE" else 8
        inner = shape(operator, second)[2] * 8 // bits
        products = wide * hidden + hidden * inner + (shape(operator, third)[1] * hidden if has(operator, third) else 0)
        flop = used * (2.0 * products + (ACTIVATIONS["Swish"] + 1) * inner)
        given = [position for position in weights if has(operator, position)]
        share = min(1.0, used / experts)
        read = {position: share * size for position in given if (size := _bytes(operator, position))}
        return Work({type_of(operator): flop}, read)

    return formula


def _bytes(operator: Operator, position: int) -> int:
    tensor = operator.inputs[position]
    return tensor.size_bytes if tensor is not None else 0


TABLE = {
    **under(
        ONNX,
        {
            "MatMul": _matmul,
            "Gemm": _fused(2),
            "Einsum": _einsum,
            "MatMulInteger": _matmul,
            "QLinearMatMul": _quantized(1, None, REQUANTIZE),
            "Det": _determinant,
        },
    ),
    **under(
        MICROSOFT,
        {
            "FusedMatMul": _fused(),
            "TransposeMatMul": _fused(),
            "FusedMatMulActivation": _fused(),
            "FusedGemm": _fused(2),
            "GemmFastGelu": _fused(2, _FAST_GELU),
            "GemmFloat8": _fused(2),
            "MatMulInteger16": _matmul,
            "QGemm": _quantized(1, 6, REQUANTIZE),
            "QOrderedMatMul": _quantized(1, 5, REQUANTIZE),
            "MatMulIntegerToFloat": _to_float,
            "DynamicQuantizeMatMul": _dynamic,
            "MatMulNBits": _blocks,
            "MatMulBnb4": _blocks,
            "MatMulFpQ4": _matmul,
            "MatMulBlockQuantizedFp4Weight": _fused(5),
            "MatMulBlockQuantizedFp8Weight": _fused(4),
            "MatMulNBitsQkv": _block_projections((("Nq", 1), ("Nkv", 2)), gated=False),
            "MatMulNBitsMlp": _block_projections((("N", 2),), gated=True),
            "CDist": _distances,
            "Inverse": _inverse,
            "MoE": _experts((2, 4, 6)),
            "QMoE": _experts((2, 5, 8)),
        },
    ),
}
