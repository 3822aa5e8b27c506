"""Fourier transforms and windows.

A transform of n complex numbers counts as 5 n log2 n, one of n real numbers as half of that: the convention of
https://www.fftw.org/speed/method.html after Cooley and Tukey 1965.
"""

from __future__ import annotations

import math

from sartor.cost.formulas.elementwise import per_output
from sartor.cost.formulas.work import MICROSOFT, ONNX, Work, arithmetic, elements, has, out_shape, shape, under
from sartor.cost.graph import Operator

_COSINES = {"HannWindow": 4, "HammingWindow": 4, "BlackmanWindow": 8}  # factor, cosine, product, sum; twice


def _transform(length: int, real: bool) -> float:
    return (2.5 if real else 5.0) * length * math.log2(max(length, 2))


def _fourier(operator: Operator) -> Work:
    """DFT: the last axis holds one or two parts of a number; the axis is an input whose value is not known here.

    The longest axis is taken for the transformed one where the attribute of older versions does not name it, and the
    length of a transform is that of its output, or of its input where the output is one-sided.
    """
    *dimensions, parts = shape(operator, 0)
    *after, _ = out_shape(operator)
    axis = operator.attributes.get("axis", max(range(len(dimensions)), key=lambda each: dimensions[each]))
    length = dimensions[axis] if operator.attributes.get("onesided") else after[axis]
    rows = math.prod(dimensions) // max(dimensions[axis], 1)
    return arithmetic(operator, rows * _transform(length, parts == 1))


def _short_time(operator: Operator) -> Work:
    """STFT(signal, step, window, length): output (batch, frames, bins, 2); a product with the window before each."""
    batch, frames, bins, _ = out_shape(operator)
    onesided = operator.attributes.get("onesided", 1)
    length = elements(operator, 2) if has(operator, 2) else 2 * (bins - 1) if onesided else bins
    real = len(shape(operator, 0)) == 2 or shape(operator, 0)[-1] == 1
    return arithmetic(operator, batch * frames * (_transform(length, real) + length))


def _real(operator: Operator) -> Work:
    """Rfft and Irfft of ONNX Runtime: the longer side holds the real numbers."""
    axes = operator.attributes.get("signal_ndim", 1)
    real = max(elements(operator), math.prod(out_shape(operator)))
    dimensions = max(shape(operator, 0), out_shape(operator), key=math.prod)
    return arithmetic(operator, 2.5 * real * sum(math.log2(max(size, 2)) for size in dimensions[-axes:]))


TABLE = {
    **under(ONNX, {name: per_output(weight) for name, weight in _COSINES.items()}),
    **under(ONNX, {"MelWeightMatrix": per_output(3, 3), "DFT": _fourier, "STFT": _short_time}),
    **under(MICROSOFT, {"Rfft": _real, "Irfft": _real}),
}
