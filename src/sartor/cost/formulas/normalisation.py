"""Softmax and normalisations: so many operations for each element, so many for each row of statistics.

Softmax: 5 for each element (largest, shift, exp, sum, divide), TensorFlow's profiler, `flops_registry.py`.
Layer, instance and group normalisation: sum, shift, square, sum, multiply by 1 / deviation, then scale and bias (Ba et
al. 2016, arXiv 1607.06450; Ulyanov et al. 2016, 1607.08022; Wu and He 2018, 1803.08494). RMS: square, sum, multiply,
scale (Zhang and Sennrich 2019, 1910.07467). Batch normalisation at inference is a product and a sum for each element
with factors that are worked out once for each channel (Ioffe and Szegedy 2015, 1502.03167). Local response: square,
the window's sum, factor, bias, power, division (Krizhevsky et al. 2012, section 3.3).
"""

from __future__ import annotations

import math

from sartor.cost.formulas.elementwise import ACTIVATIONS, per_input, per_output
from sartor.cost.formulas.work import (
    MICROSOFT,
    NHWC,
    ONNX,
    Formula,
    Shape,
    Work,
    arithmetic,
    elements,
    given,
    has,
    merged,
    shape,
    type_of,
    under,
)
from sartor.cost.graph import Operator

SOFTMAX = 5
RMS = 4
_CENTRED = 5  # sum, shift, square, sum, multiply by 1 / deviation
_ROW = 5  # two divisions by n, epsilon, root, reciprocal
_ROW_RMS = 4
_FOLDED = 5  # per channel of a batch norm: epsilon, root, divide, multiply, subtract


def _layer(operator: Operator) -> Work:
    """LayerNormalization(X, scale, bias) over the axes from `axis` on."""
    return _normalised(operator, _CENTRED + 1 + has(operator, 2), _ROW, _rows(operator))


def _rms(operator: Operator) -> Work:
    return _normalised(operator, RMS, _ROW_RMS, _rows(operator))


def _skipped(bias: int, centred: bool) -> Formula:
    """Normalisation of input + skip + bias over the last axis; a bias of the norm itself only where it is centred."""

    def formula(operator: Operator) -> Work:
        own = _CENTRED + 1 + has(operator, 3) if centred else RMS
        rows = math.prod(shape(operator, 0)[:-1])
        return _normalised(operator, own + 1 + has(operator, bias), _ROW if centred else _ROW_RMS, rows)

    return formula


def _instance(operator: Operator) -> Work:
    """A row for each image and channel."""
    return _normalised(operator, _CENTRED + 2, _ROW, shape(operator, 0)[0] * elements(operator, 1))


def _group(operator: Operator) -> Work:
    groups = operator.attributes.get("num_groups", operator.attributes.get("groups", 1))
    added = has(operator, 3) + has(operator, 4) if operator.type == "SkipGroupNorm" else 0
    activated = ACTIVATIONS["Swish"] if operator.attributes.get("activation") else 0
    return _normalised(operator, _CENTRED + 2 + added + activated, _ROW, shape(operator, 0)[0] * groups)


def _batch(operator: Operator) -> Work:
    return arithmetic(operator, 2 * elements(operator) + _FOLDED * elements(operator, 1))


def _local(operator: Operator) -> Work:
    return arithmetic(operator, (operator.attributes["size"] + 5) * elements(operator))


def _whole(operator: Operator) -> Work:
    """MeanVarianceNormalization: no scale, no bias; its rows are few."""
    return arithmetic(operator, _CENTRED * elements(operator))


def _gated(operator: Operator) -> Work:
    """GatedRMSNorm: times the activation of a gate."""
    return arithmetic(operator, (RMS + ACTIVATIONS["Swish"] + 1) * elements(operator))


def _embedded(operator: Operator) -> Work:
    """EmbedLayerNormalization(ids, segments, words, positions, segment table, gamma, beta): reads the rows it takes."""
    tokens, width = elements(operator), shape(operator, 2)[-1]
    added = 2 if has(operator, 4) and has(operator, 1) else 1
    flop = (_CENTRED + 2 + added) * tokens * width + _ROW * tokens
    tables = [position for position in (2, 3, 4) if has(operator, position)]
    read = {position: float(_rows_read(operator, position, tokens)) for position in tables}
    return Work(merged((type_of(operator, 2), flop)), read)


def _rows_read(operator: Operator, position: int, tokens: int) -> int:
    tensor, (rows, width) = given(operator, position), shape(operator, position)
    return min(tensor.size_bytes, tokens * tensor.size_bytes // max(rows, 1)) if width else 0


def _rows(operator: Operator) -> int:
    dimensions: Shape = shape(operator, 0)
    axis = operator.attributes.get("axis", -1)
    return math.prod(dimensions[: axis % len(dimensions)] if dimensions else ())


def _normalised(operator: Operator, each: int, row: int, rows: int) -> Work:
    return arithmetic(operator, each * elements(operator) + row * rows)


def _loss(operator: Operator) -> Work:
    """SoftmaxCrossEntropyLoss: a log-softmax, then weight and sum for each label."""
    return arithmetic(operator, SOFTMAX * elements(operator) + 2 * elements(operator, 1))


def _likelihood(operator: Operator) -> Work:
    """NegativeLogLikelihoodLoss: reads one score for each label; weight, sum."""
    scores, labels = given(operator, 0), elements(operator, 1)
    return Work({type_of(operator): 2.0 * labels}, {0: scores.size_bytes * labels / max(elements(operator), 1)})


_SIMPLIFIED: dict[str, Formula] = {
    "SimplifiedLayerNormalization": _rms,
    "SkipSimplifiedLayerNormalization": _skipped(3, centred=False),
    "SkipLayerNormalization": _skipped(4, centred=True),
    "LayerNormalization": _layer,
}
_CHANNELS: dict[str, Formula] = {"BatchNormalization": _batch, "InstanceNormalization": _instance, "LRN": _local}

TABLE = {
    **under(
        ONNX,
        {
            **_SIMPLIFIED,  # ONNX Runtime's optimiser puts these into the standard domain
            **_CHANNELS,
            **{"Softmax": per_input(SOFTMAX), "LogSoftmax": per_input(SOFTMAX), "Hardmax": per_input(1)},
            "RMSNormalization": _rms,
            "GroupNormalization": _group,
            "LpNormalization": per_input(3),  # power, sum, divide
            "MeanVarianceNormalization": _whole,
            "SoftmaxCrossEntropyLoss": _loss,
            "NegativeLogLikelihoodLoss": _likelihood,
        },
    ),
    **under(NHWC, _CHANNELS),
    **under(
        MICROSOFT,
        {
            **_SIMPLIFIED,
            "GroupNorm": _group,
            "SkipGroupNorm": _group,
            "BiasSoftmax": per_output(SOFTMAX + 1),
            "GatedRMSNorm": _gated,
            "BranchwiseRMSNorm": per_input(RMS),
            "EmbedLayerNormalization": _embedded,
        },
    ),
}
