"""Pooling: every output element takes as many operations as its window has places.

Average: window - 1 additions and a division; maximum: counted as a comparison per place, as TensorFlow's profiler does
(`flops_registry.py`, `_pool_flops`). Windows that reach into the padding count in full.
"""

from __future__ import annotations

import math

from sartor.cost.formulas.elementwise import per_input
from sartor.cost.formulas.work import (
    MICROSOFT,
    NCHWC,
    NHWC,
    ONNX,
    Formula,
    Work,
    arithmetic,
    elements,
    out_elements,
    shape,
    under,
)
from sartor.cost.graph import Operator

_SAMPLE = 8  # a bilinear sample (4 products, 3 additions) and its addition to the average


def _window(weight: int, final: int = 0) -> Formula:
    """`weight` operations per place of the window and `final` at the end, for every output element."""

    def formula(operator: Operator) -> Work:
        places = math.prod(operator.attributes.get("kernel_shape", ()))
        return arithmetic(operator, (weight * places + final) * out_elements(operator))

    return formula


def _norm_of_all(operator: Operator) -> Work:
    """GlobalLpPool: power and addition for each element, a root for each output."""
    return arithmetic(operator, 2 * elements(operator) + out_elements(operator))


def _unpooled(operator: Operator) -> Work:
    """MaxUnpool puts numbers into their places: nothing is computed."""
    return Work()


def _regions(operator: Operator) -> Work:
    """MaxRoiPool: at most a comparison for each element of the map, for every region (Girshick 2015, 1504.08083)."""
    channels, *places = shape(operator, 0)[1:]
    return arithmetic(operator, shape(operator, 1)[0] * channels * math.prod(places))


def _aligned(operator: Operator) -> Work:
    """RoiAlign: `sampling_ratio` squared bilinear samples per output element (He et al. 2017, arXiv 1703.06870).

    With a ratio of 0 the number of samples follows the size of a region, ceil(region / output) per axis; it is
    bounded by a region as large as the map.
    """
    height, width = shape(operator, 0)[2:]
    ratio = operator.attributes.get("sampling_ratio", 0)
    tall = ratio or math.ceil(height / operator.attributes.get("output_height", 1))
    wide = ratio or math.ceil(width / operator.attributes.get("output_width", 1))
    return arithmetic(operator, _SAMPLE * tall * wide * out_elements(operator))


_PLAIN: dict[str, Formula] = {
    "MaxPool": _window(1),
    "AveragePool": _window(1),
    "GlobalMaxPool": per_input(1),
    "GlobalAveragePool": per_input(1),
}
_MORE: dict[str, Formula] = {"LpPool": _window(2, 1), "GlobalLpPool": _norm_of_all, "MaxUnpool": _unpooled}

TABLE = {
    **under(ONNX, {**_PLAIN, **_MORE, "MaxRoiPool": _regions, "RoiAlign": _aligned}),
    **under(NHWC, {**_PLAIN, **_MORE}),
    **under(NCHWC, _PLAIN),
    **under(MICROSOFT, {"NhwcMaxPool": _window(1), "MaxpoolWithMask": _window(1)}),
}
