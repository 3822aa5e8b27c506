"""Resizing and sampling: every output element is a weighted sum of so many neighbours.

n neighbours take n products and n - 1 additions. Linear interpolation has 2 per axis, cubic 4 (Keys 1981, IEEE TASSP
29(6)), nearest none. Only the axes whose size changes count. Weights are worked out once per row or column and not
counted for Resize; GridSample has its own for every point of the grid.
"""

from __future__ import annotations

import math

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
    out_shape,
    shape,
    under,
)
from sartor.cost.graph import Operator

_NEIGHBOURS = {"nearest": 1, "linear": 2, "bilinear": 2, "cubic": 4, "bicubic": 4}
_POINT = 3  # from -1..1 to places: add, multiply, subtract


def _sum_of(mode: str, axes: int) -> int:
    neighbours = _NEIGHBOURS[mode] ** axes
    return 2 * neighbours - 1 if neighbours > 1 else 0


def _resized(operator: Operator) -> Work:
    """Resize and Upsample; reads no more than it needs where it shrinks without antialiasing."""
    before, after = shape(operator, 0), out_shape(operator)
    mode = operator.attributes.get("mode", "nearest")
    axes = sum(one != other for one, other in zip(before, after, strict=True))
    neighbours = _sum_of(mode, axes)
    if operator.attributes.get("antialias") and neighbours:
        # The window widens with the factor by which an axis shrinks.
        shrunk = [max(1.0, one / other) for one, other in zip(before, after, strict=True) if one != other and other]
        neighbours = round(2 * _NEIGHBOURS[mode] ** axes * math.prod(shrunk)) - 1
    return arithmetic(operator, neighbours * out_elements(operator))


def _sampled(operator: Operator) -> Work:
    """GridSample(X, grid): interpolation for each channel, the place for each point (Jaderberg 2015, 1506.02025)."""
    axes = shape(operator, 1)[-1]
    interpolation = _sum_of(operator.attributes.get("mode", "linear"), axes)
    return arithmetic(operator, interpolation * out_elements(operator) + _POINT * elements(operator, 1))


def _affine(operator: Operator) -> Work:
    """AffineGrid(theta): each coordinate is a row of theta (axes + 1 numbers) times a point."""
    return arithmetic(operator, 2 * shape(operator, 0)[-2] * out_elements(operator))


def _cropped(operator: Operator) -> Work:
    """CropAndResize: as Resize along two axes."""
    return arithmetic(operator, _sum_of(operator.attributes.get("mode", "bilinear"), 2) * out_elements(operator))


_PLAIN: dict[str, Formula] = {"Resize": _resized, "GridSample": _sampled}

TABLE = {
    **under(ONNX, {**_PLAIN, "Upsample": _resized, "AffineGrid": _affine}),
    **under(NHWC, _PLAIN),
    **under(NCHWC, {"Upsample": _resized}),
    **under(MICROSOFT, {"GridSample": _sampled, "CropAndResize": _cropped}),
}
