"""Sorting and choosing: comparisons, n log2 n to sort n numbers, n log2 k for the largest k.

Source: Knuth, "The Art of Computer Programming", volume 3, sections 5.2.3 and 5.3.1.
"""

from __future__ import annotations

import math

from sartor.cost.formulas.work import (
    MICROSOFT,
    ONNX,
    Work,
    arithmetic,
    elements,
    out_shape,
    shape,
    under,
)
from sartor.cost.graph import Operator

_OVERLAP = 13  # of two boxes: 4 extremes, 2 differences, 2 clips, area, union (2), division, comparison


def _largest(operator: Operator) -> Work:
    """TopK along one axis, by a heap of k."""
    dimensions = shape(operator, 0)
    kept = out_shape(operator)[operator.attributes.get("axis", -1)] if dimensions else 1
    return arithmetic(operator, elements(operator) * math.log2(max(kept, 2)))


def _sorted(operator: Operator) -> Work:
    """Unique: sorted once."""
    count = elements(operator)
    return arithmetic(operator, count * math.log2(max(count, 2)))


def _suppressed(operator: Operator) -> Work:
    """NonMaxSuppression: scores are sorted for each class; every box is held against those kept before it.

    At most n (n - 1) / 2 overlaps for each class, and at most n for each box that is kept: an upper bound.
    """
    batch, classes, boxes = shape(operator, 1)
    kept = out_shape(operator)[0]
    pairs = min(batch * classes * boxes * (boxes - 1) / 2, kept * boxes)
    compared = batch * classes * boxes * math.log2(max(boxes, 2))
    return arithmetic(operator, compared + _OVERLAP * pairs)


def _drawn(operator: Operator) -> Work:
    """Multinomial: exponentials and their running sum, then a search for each draw."""
    batch, classes = shape(operator, 0)
    draws = out_shape(operator)[1]
    return arithmetic(operator, 2 * batch * classes + batch * draws * (1 + math.log2(max(classes, 2))))


TABLE = {
    **under(ONNX, {"TopK": _largest, "Unique": _sorted, "NonMaxSuppression": _suppressed, "Multinomial": _drawn}),
    **under(MICROSOFT, {"Unique": _sorted}),
}
