"""Which layers to leave in f32: an integer programme over measured sensitivities and measured times."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Values = NDArray[np.float64]
# Of the dearest layer, what each kept one costs beside its time: profiles are off by a few hundredths, and what may be
# no faster in f32 is not kept for speed.
_PRICE = 0.02


@dataclass(frozen=True)
class MixedLayer:
    """What is known of one layer of a model in 8 bits.

    Attributes:
        name: of its weight.
        weight_error: that its weight in 8 bits adds to the answers, at least 0.
        input_error: that its input in 8 bits adds, at least 0.
        seconds: that a call takes longer when the layer is left in f32; below 0 where f32 is faster.
        after: number of the layer whose output it reads directly, through activations at most; None where it reads an
            input, or what several layers were joined to.
        followed: whether some layer reads its output directly.
        elements_in: numbers that it reads in a call.
        elements_out: numbers that it gives.
    """

    name: str
    weight_error: float
    input_error: float
    seconds: float
    after: int | None = None
    followed: bool = False
    elements_in: float = 0.0
    elements_out: float = 0.0

    @property
    def error(self) -> float:
        """That the layer in 8 bits adds."""
        return self.weight_error + self.input_error


def cheapest_kept(
    layers: Sequence[MixedLayer], allowed: float, conversion: float = 0.0, *, rounds_outputs: bool = False
) -> NDArray[np.bool_]:
    """The layers to keep in f32 so that the errors of the others sum to at most `allowed`, at the least time.

    With x = 1 for a layer that is kept, d = 1 where one that is kept borders on one that is not, and y = 1 where both
    are kept, minimise `sum(seconds x) + conversion (sum(elements d) + sum of elements at the ends of kept chains)`,
    subject to `sum of the errors that are left <= allowed`, `d >= |x - x of the layer before|` and `y <= x of both`.
    Solved to optimality by the branch and bound of HiGHS (Huangfu and Hall 2018, "Parallelizing the dual revised
    simplex method").

    Args:
        layers: in any order; `after` counts in it.
        allowed: sum of the errors that are left.
        conversion: seconds that it takes to convert one number between f32 and 8 bits.
        rounds_outputs: whether the runtime's layers in 8 bits give 8 bits, so that what a kept layer reads of one is
            rounded all the same; else layers round what they read.

    Returns:
        (layers,), whether each is kept.
    """
    from scipy.optimize import Bounds, LinearConstraint, milp

    whole = sum(one.error for one in layers)
    if whole <= allowed:
        return np.zeros(len(layers), dtype=bool)
    edges, count = _edges(layers), len(layers)
    own = np.array([one.seconds for one in layers]) + conversion * _ends(layers)
    borders = np.array([conversion * layers[second].elements_in for _, second in edges])
    cost = np.concatenate([own, borders, np.zeros(len(edges))])
    scale = float(np.max(np.abs(cost))) or 1.0
    price = np.concatenate([np.full(count, _PRICE), np.zeros(2 * len(edges))])
    # In shares of the whole: errors of real layers lie six orders of magnitude apart, HiGHS's tolerance is 1e-6.
    spared = _spared(layers, edges, rounds_outputs) / whole
    constraints = [LinearConstraint(spared[None, :], lb=1.0 - allowed / whole)]
    if edges:
        constraints.append(LinearConstraint(_bordering(edges, count), lb=0.0))
    integers = np.concatenate([np.ones(count), np.zeros(2 * len(edges))])
    # With its presolve HiGHS sometimes writes a line of its own to standard output, which is for one JSON object.
    quiet = {"presolve": False}
    bounds = Bounds(0, 1)
    found = milp(cost / scale + price, integrality=integers, bounds=bounds, constraints=constraints, options=quiet)
    # Keeping every layer satisfies the constraints, so there is a solution.
    return np.asarray(np.rint(found.x[:count]), dtype=bool)


def error_left(layers: Sequence[MixedLayer], kept: NDArray[np.bool_], *, rounds_outputs: bool = False) -> float:
    """The sum of the errors that are left with some layers in f32."""
    edges = _edges(layers)
    both = [kept[first] and kept[second] for first, second in edges]
    chosen = np.concatenate([kept, np.zeros(len(edges)), both]).astype(float)
    return sum(one.error for one in layers) - float(_spared(layers, edges, rounds_outputs) @ chosen)


def _spared(layers: Sequence[MixedLayer], edges: Sequence[tuple[int, int]], rounds_outputs: bool) -> Values:
    """(layers + 2 edges,), the error that is spared by each x, d and y."""
    own = np.array([one.error for one in layers])
    both = np.zeros(len(edges))
    if rounds_outputs:
        for number, (_, second) in enumerate(edges):
            own[second], both[number] = layers[second].weight_error, layers[second].input_error
    return np.concatenate([own, np.zeros(len(edges)), both])


def expected_seconds(layers: Sequence[MixedLayer], kept: NDArray[np.bool_], conversion: float) -> float:
    """How much longer a call takes with some layers in f32 than with none: what `cheapest_kept` minimises."""
    return float(np.array([one.seconds for one in layers]) @ kept) + conversion * converted(layers, kept)


def converted(layers: Sequence[MixedLayer], kept: NDArray[np.bool_]) -> float:
    """How many numbers a call converts between f32 and 8 bits."""
    borders = sum(layers[second].elements_in for first, second in _edges(layers) if kept[first] != kept[second])
    return float(_ends(layers) @ kept) + borders


def _edges(layers: Sequence[MixedLayer]) -> list[tuple[int, int]]:
    """Pairs of layers of which the second reads the first's output directly."""
    return [(one.after, number) for number, one in enumerate(layers) if one.after is not None]


def _ends(layers: Sequence[MixedLayer]) -> Values:
    """(layers,), numbers that are converted for a kept layer at the ends of its chain."""
    ends = [one.elements_in * (one.after is None) + one.elements_out * (not one.followed) for one in layers]
    return np.array(ends, dtype=float)


def _bordering(edges: Sequence[tuple[int, int]], count: int) -> Values:
    """Rows that are at least 0 of each edge: d - x + x', d + x - x', x - y and x' - y."""
    rows = np.zeros((4 * len(edges), count + 2 * len(edges)))
    for number, (first, second) in enumerate(edges):
        border, both, at = count + number, count + len(edges) + number, 4 * number
        rows[at, [border, first, second]] = 1.0, -1.0, 1.0
        rows[at + 1, [border, first, second]] = 1.0, 1.0, -1.0
        rows[at + 2, [first, both]] = 1.0, -1.0
        rows[at + 3, [second, both]] = 1.0, -1.0
    return rows
