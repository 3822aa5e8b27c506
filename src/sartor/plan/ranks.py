"""Which rank each layer gets: a multiple-choice knapsack over predicted errors and measured times."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from sartor.errors import CandidateError

Ranks = tuple[int, ...]
"""Of a product or a 1 x 1 convolution, its rank; of a larger convolution, those of its input and output channels."""


@dataclass(frozen=True)
class RankChoice:
    """One way to decompose a layer.

    Attributes:
        ranks: of its parts.
        error: that it adds to what is minimised, at least 0.
        seconds: that the parts take together in a call.
    """

    ranks: Ranks
    error: float
    seconds: float


@dataclass(frozen=True)
class RankedLayer:
    """One layer and the ways to decompose it.

    Attributes:
        name: of its weight.
        seconds: that it takes in a call while it is whole.
        choices: in any order; those that are not faster than the whole layer are never taken.
    """

    name: str
    seconds: float
    choices: tuple[RankChoice, ...]

    @property
    def faster(self) -> tuple[RankChoice, ...]:
        """The choices that save time."""
        return tuple(choice for choice in self.choices if choice.seconds < self.seconds)

    @property
    def most_saved(self) -> float:
        """Seconds that the fastest choice saves; 0 where none is faster."""
        return max((self.seconds - choice.seconds for choice in self.faster), default=0.0)


def ranks_saving(layers: Sequence[RankedLayer], seconds: float) -> dict[str, Ranks]:
    """The ranks of least summed error that save at least so many seconds a call; layers left out stay whole.

    With x = 1 for the choice that a layer takes, minimise `sum(error x)` subject to `sum(saved x) >= seconds` and
    `sum of a layer's x <= 1`: the multiple-choice knapsack of Sinha and Zoltners 1979, "The multiple-choice knapsack
    problem", Operations Research 27(3), solved to optimality by the branch and bound of HiGHS. That times are measured
    and not counted follows Yang et al. 2018 (NetAdapt, arXiv 1804.03230).

    Args:
        layers: with different names.
        seconds: to save; at most 0 leaves every layer whole. It is met within a millionth.

    Returns:
        Ranks by the name of the layer, in the order of `layers`.

    Raises:
        CandidateError: `unsupported` when all layers together cannot save as much.
    """
    if seconds <= 0.0:
        return {}
    most = sum(layer.most_saved for layer in layers)
    if most < seconds:
        detail = f"lower ranks save at most {most:.3g} s of a call, {seconds:.3g} s were asked for"
        raise CandidateError("unsupported", detail)
    options = [(number, choice) for number, layer in enumerate(layers) for choice in layer.faster]
    chosen = _solved(layers, options, seconds)
    return {layers[number].name: choice.ranks for (number, choice), taken in zip(options, chosen, strict=True) if taken}


def _solved(layers: Sequence[RankedLayer], options: Sequence[tuple[int, RankChoice]], seconds: float) -> list[bool]:
    """Whether each option is taken."""
    from scipy.optimize import Bounds, LinearConstraint, milp

    owners = np.array([number for number, _ in options])
    errors = np.array([choice.error for _, choice in options])
    saved = np.array([layers[number].seconds - choice.seconds for number, choice in options])
    one_each = (owners == np.arange(len(layers))[:, None]).astype(float)
    # In shares of what is asked for: HiGHS's tolerance of 1e-6 is absolute, and layers save microseconds.
    constraints = [LinearConstraint((saved / seconds)[None, :], lb=1.0), LinearConstraint(one_each, ub=1.0)]
    # With its presolve HiGHS sometimes writes a line of its own to standard output, which is for one JSON object.
    exact = {"presolve": False, "mip_rel_gap": 0.0}
    scale = float(errors.max()) or 1.0
    bounds, integers = Bounds(0, 1), np.ones(len(options))
    found = milp(errors / scale, integrality=integers, bounds=bounds, constraints=constraints, options=exact)
    # Each layer's fastest choice satisfies the constraints, so there is a solution.
    return [bool(taken) for taken in np.rint(found.x)]
