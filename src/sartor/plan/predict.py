"""What a Graph will take on a machine, without running it.

This is the one place that turns counts into seconds. Today they are those of the roofline; where a calibration of the
machine is known, `predict` is what it replaces: operators come with their shapes, and figures carry their source.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from sartor.cost.costs import total
from sartor.cost.counted import Work, work_cost
from sartor.cost.graph import Graph
from sartor.cost.roofline import Bound, Roofs, bound_by
from sartor.figures import Figure


@dataclass(frozen=True)
class OperatorTime:
    """The predicted seconds of one operator, bodies included.

    Attributes:
        bound: what binds: `compute`, `memory:<level>` or `overhead`; in control flow, what binds most of its time.
    """

    seconds: Figure
    bound: str


def predict(work: Sequence[Work], roofs: Roofs) -> tuple[OperatorTime, ...]:
    """The time of each operator of `counted(graph)` alone.

    Each is at its roofline (`cost/roofline.py`), which no kernel gets below, so its interval is open above.
    """
    return tuple(_time(pieces, roofs) for pieces in work)


def predict_whole(graph: Graph, work: Sequence[Work], times: Sequence[OperatorTime], roofs: Roofs) -> Figure:
    """The time of the whole graph: the sum over its operators.

    A runtime that fuses saves traffic and calls, so the lower end is what is left if it fuses everything: the larger
    of all arithmetic at its peak and of weights, inputs and outputs read or written once. Kernels reach less than the
    roofs, by how much is not known without a calibration, so the upper end is open.
    """
    seconds = sum(time.seconds.value for time in times)
    flop = total(work_cost(pieces) for pieces in work).flop
    outside = sum(tensor.size_bytes for tensor in (*graph.inputs, *graph.outputs))
    moved = outside + sum(piece.all_runs.weight_bytes for pieces in work for piece in pieces)
    compute = sum(value / roofs.rate(dtype) for dtype, value in flop.items())
    fused = max(compute, moved / roofs.level_of(moved).bytes_per_second)
    return Figure(seconds, "s", min(fused, seconds), math.inf, "roofline")


def _time(work: Work, roofs: Roofs) -> OperatorTime:
    bounds = [(bound_by(piece.cost, roofs, piece.cost.moved_bytes), piece.times) for piece in work]
    seconds = sum(bound.seconds * times for bound, times in bounds)
    return OperatorTime(Figure(seconds, "s", seconds, math.inf, "roofline"), _most(bounds))


def _most(bounds: Sequence[tuple[Bound, int]]) -> str:
    """What binds most of the seconds; of equals the first."""
    if len(bounds) == 1:
        return bounds[0][0].which
    seconds: dict[str, float] = {}
    for bound, times in bounds:
        seconds[bound.which] = seconds.get(bound.which, 0.0) + bound.seconds * times
    return max(seconds, key=lambda which: seconds[which])
