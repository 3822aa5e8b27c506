"""How many units of each group to keep so that a network meets a time: least importance lost, at measured times.

What a layer takes is `fixed + per_product * (share of its input channels) * (share of its output channels)`; both are
fitted to times of the network at a few uniform widths. Layers share groups, so what a unit saves depends on what else
is kept: a greedy path by importance lost a second, each step at the widths of that moment, is a start, and exchanges
between groups improve it until none does. Measured times in place of FLOP are NetAdapt's idea (Yang et al. 2018, arXiv
1804.03230); there each step is measured, here a model of the times is.

Letters: L layers, G groups, S steps, M measurements.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from sartor.errors import CandidateError
from sartor.units import format_value

Values = NDArray[np.float64]
_REACHES = np.array([1, 2, 3, 4, 6, 8, 16])  # steps that one exchange may go
_ROUNDING = 1e-9  # of a time that is met exactly, what its sum may be off


@dataclass(frozen=True)
class LayerTimes:
    """What layers take.

    Attributes:
        fixed: (L,) seconds at any width.
        per_product: (L,) seconds more with all channels in and out, in proportion to both shares.
    """

    fixed: Values
    per_product: Values


@dataclass(frozen=True)
class UnitGroup:
    """One group of units of which any may be cut.

    Attributes:
        name: of the group.
        importance: (units,), at least 0; all groups on one scale.
        multiple: kept units are a multiple of it, or all.
        least: kept units are at least so many; at least one multiple is kept anyway.
    """

    name: str
    importance: Values
    multiple: int = 1
    least: int = 1


@dataclass(frozen=True)
class LayerWidths:
    """The groups that one layer's channels belong to; what is missing to 1 cannot be cut.

    Attributes:
        read: share of its input channels by name of a group.
        written: share of its output channels by name of a group.
    """

    read: Mapping[str, float]
    written: Mapping[str, float]


@dataclass(frozen=True)
class WidthProblem:
    """Groups to cut, and the layers that become faster for it.

    Attributes:
        groups: G of them.
        layers: L of them.
        times: of the layers.
    """

    groups: tuple[UnitGroup, ...]
    layers: tuple[LayerWidths, ...]
    times: LayerTimes

    def seconds(self, widths: Mapping[str, int]) -> float:
        """What all layers take with some units of each group; groups that are not named are whole."""
        return float(self.times.fixed.sum() + (self.times.per_product * np.prod(self._shares(widths), axis=0)).sum())

    def lost(self, widths: Mapping[str, int]) -> float:
        """The importance of the units that go."""
        cut = ((group, len(group.importance) - widths.get(group.name, len(group.importance))) for group in self.groups)
        return float(sum(np.sort(group.importance)[:count].sum() for group, count in cut))

    @cached_property
    def reads(self) -> Values:
        """(L, G), share of each layer's input channels that belong to each group."""
        return self._belonging([layer.read for layer in self.layers])

    @cached_property
    def writes(self) -> Values:
        """(L, G), the same of output channels."""
        return self._belonging([layer.written for layer in self.layers])

    def _belonging(self, rows: Sequence[Mapping[str, float]]) -> Values:
        table = [[row.get(group.name, 0.0) for group in self.groups] for row in rows]
        return np.array(table, float).reshape(len(rows), len(self.groups))

    def _shares(self, widths: Mapping[str, int]) -> Values:
        """(2, L), the shares of the channels in and out that are kept."""
        gone = [1.0 - widths.get(group.name, len(group.importance)) / len(group.importance) for group in self.groups]
        return 1.0 - np.stack([self.reads @ gone, self.writes @ gone])


def fit_layer_times(products: Values, seconds: Values) -> LayerTimes:
    """Least squares with both coefficients at least 0, for all layers at once.

    Two unknowns have four cases by which of them is 0, each solved in closed form; the best feasible one is taken.

    Args:
        products: (M, L), share of the channels in times share of the channels out of each layer at each measurement.
        seconds: (M, L), what each layer took.

    Raises:
        ValueError: the shapes differ, or there is no measurement.
    """
    if products.shape != seconds.shape or products.ndim != 2 or not len(products):
        raise ValueError(f"products {products.shape} and seconds {seconds.shape} should be (measurements, layers)")
    mean, average = products.mean(0), seconds.mean(0)
    spread = ((products - mean) ** 2).mean(0)
    slope = ((products - mean) * (seconds - average)).mean(0) / np.where(spread > 0, spread, np.inf)
    through_zero = (products * seconds).sum(0) / np.maximum((products**2).sum(0), np.finfo(float).tiny)
    zeros = np.zeros_like(mean)
    fixed = np.stack([average - slope * mean, np.maximum(average, 0), zeros, zeros])
    factor = np.stack([slope, zeros, np.maximum(through_zero, 0), zeros])
    errors = ((fixed[:, None] + factor[:, None] * products - seconds) ** 2).sum(1)
    errors[0, (fixed[0] < 0) | (factor[0] < 0) | (spread == 0)] = np.inf
    best = np.argmin(errors, axis=0)
    columns = np.arange(len(best))
    return LayerTimes(fixed[best, columns], factor[best, columns])


def choose_widths(problem: WidthProblem, target: float) -> dict[str, int]:
    """Units to keep of each group, by its name, so that the layers take at most `target` seconds.

    The result is a local optimum: no exchange of a few steps of one group against a few of another loses less. It never
    loses more than the best uniform share does. The same problem gives the same widths.

    Raises:
        CandidateError: `unsupported` when the layers take longer even with the least of every group.
    """
    space = _Space(problem)
    least = space.seconds(space.counts - 1)
    limit = target * (1 + _ROUNDING)
    if least > limit:
        took = f"{format_value(least, 's')}, and {format_value(target, 's')} are aimed at"
        raise CandidateError("unsupported", f"with the fewest channels that may be left its layers take {took}")
    if not problem.groups:
        return {}
    found = [_exchanged(space, start(space, limit), limit) for start in (_greedy, _uniform)]
    best = min(found, key=space.lost)
    return {group.name: int(kept) for group, kept in zip(problem.groups, space.kept(best), strict=True)}


def most_important(importance: Mapping[str, Values], widths: Mapping[str, int]) -> dict[str, NDArray[np.bool_]]:
    """(units,) by name of a group, whether each unit is among the most important; of equal ones the first."""
    kept = {}
    for name, count in widths.items():
        kept[name] = np.zeros(len(importance[name]), bool)
        kept[name][np.argsort(-importance[name], kind="stable")[:count]] = True
    return kept


class _Space:
    """The steps that each group can go: step 0 keeps all, the last step the least."""

    def __init__(self, problem: WidthProblem) -> None:
        options = [_options(group) for group in problem.groups]
        sizes = np.array([len(group.importance) for group in problem.groups])
        self.counts = np.array([len(each) for each in options], np.int64)
        self.rows = np.arange(len(options))
        longest = int(self.counts.max(initial=1))
        # Steps beyond a group's last repeat it in `units` and cost infinity.
        self.units = np.array([np.pad(each, (0, longest - len(each)), "edge") for each in options]).reshape(-1, longest)
        self.losses = np.array(
            [_losses(group, each, longest) for group, each in zip(problem.groups, options, strict=True)]
        )
        self.losses = self.losses.reshape(-1, longest)
        self.gone = 1.0 - self.units / sizes[:, None]  # (G, S), share of the units that are cut
        times = problem.times
        self.reads, self.writes, self.factor = problem.reads, problem.writes, times.per_product
        self.whole = float(times.fixed.sum() + times.per_product.sum())
        self.pairs = self.reads.T @ (self.factor[:, None] * self.writes)  # (G, G)

    def seconds(self, steps: NDArray[np.int64]) -> float:
        """What the layers take at some steps (G,)."""
        gone = self.gone[self.rows, steps]
        return float(self.whole - self.factor @ (self.reads @ gone + self.writes @ gone) + gone @ self.pairs @ gone)

    def slopes(self, steps: NDArray[np.int64]) -> Values:
        """(G,), how the time changes with the share of each group that is cut; to first order, and below 0."""
        gone = self.gone[self.rows, steps]
        return np.asarray((self.pairs + self.pairs.T) @ gone - self.factor @ (self.reads + self.writes))

    def lost(self, steps: NDArray[np.int64]) -> float:
        """The importance that goes."""
        return float(self.losses[self.rows, steps].sum())

    def kept(self, steps: NDArray[np.int64]) -> NDArray[np.int64]:
        """(G,), units that stay."""
        return np.asarray(self.units[self.rows, steps])


def _options(group: UnitGroup) -> NDArray[np.int64]:
    """Numbers of units that may be kept, the most first."""
    size = len(group.importance)
    least = -(-max(group.least, 1) // group.multiple) * group.multiple
    return np.array([size, *range((size - 1) // group.multiple * group.multiple, least - 1, -group.multiple)])


def _losses(group: UnitGroup, options: NDArray[np.int64], longest: int) -> Values:
    sums = np.concatenate([[0.0], np.cumsum(np.sort(group.importance))])
    return np.pad(sums[len(group.importance) - options], (0, longest - len(options)), constant_values=np.inf)


def _greedy(space: _Space, target: float) -> NDArray[np.int64]:
    """Narrow the group that loses least a second, step by step, until the time is met."""
    steps = np.zeros_like(space.counts)
    while space.seconds(steps) > target:
        after = np.minimum(steps + 1, space.counts - 1)
        change = space.gone[space.rows, after] - space.gone[space.rows, steps]
        saved = -(space.slopes(steps) * change + np.diag(space.pairs) * change**2)
        lost = space.losses[space.rows, after] - space.losses[space.rows, steps]
        rates = np.where(saved > 0, lost / np.where(saved > 0, saved, 1.0), np.inf)
        steps[np.argmin(rates)] += 1
    return steps


def _uniform(space: _Space, target: float) -> NDArray[np.int64]:
    """The largest share, the same for all groups and rounded up to what each may keep, that meets the time."""
    shares = np.unique(1.0 - space.gone)[::-1]
    for share in shares:
        # The last step that keeps at least the share.
        steps = np.minimum((1.0 - space.gone >= share).sum(1) - 1, space.counts - 1)
        if space.seconds(steps) <= target:
            return np.asarray(steps)
    return space.counts - 1


def _exchanged(space: _Space, steps: NDArray[np.int64], target: float) -> NDArray[np.int64]:
    """Widen one group and narrow another, or none, as long as less is lost."""
    while True:
        wide = np.maximum(steps[:, None] - _REACHES, 0)
        narrow = np.concatenate([steps[:, None], np.minimum(steps[:, None] + _REACHES, space.counts[:, None] - 1)], 1)
        gains, taken = _moves(space, steps, wide), _moves(space, steps, narrow)
        slopes, square = space.slopes(steps), np.diag(space.pairs)[:, None]
        alone = [slopes[:, None] * move[0] + square * move[0] ** 2 for move in (gains, taken)]
        both = (space.pairs + space.pairs.T)[:, None, :, None] * gains[0][:, :, None, None] * taken[0]
        seconds = space.seconds(steps) + alone[0][:, :, None, None] + alone[1] + both
        lost = gains[1][:, :, None, None] + taken[1]
        lost[space.rows, :, space.rows, 1:] = np.inf
        lost[seconds > target] = np.inf
        widened, far, narrowed, near = np.unravel_index(np.argmin(lost), lost.shape)
        following = steps.copy()
        following[narrowed] = narrow[narrowed, near]
        following[widened] = wide[widened, far]
        # What rounding alone gains would be exchanged for ever.
        if not space.lost(following) < space.lost(steps) * (1 - 1e-12) or space.seconds(following) > target:
            return steps
        steps = following


def _moves(space: _Space, steps: NDArray[np.int64], to: NDArray[np.int64]) -> tuple[Values, Values]:
    """(G, R) each: the change of the share that is cut, and of what is lost."""
    rows = space.rows[:, None]
    change = space.gone[rows, to] - space.gone[space.rows, steps][:, None]
    return change, space.losses[rows, to] - space.losses[space.rows, steps][:, None]
