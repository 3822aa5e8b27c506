"""How small a network may become before it loses too much: what to try next. Pure.

A network is cut in one of several ways to a share of its time. Cutting, timing and reading it takes seconds; training
it back takes minutes. Beliefs say what both are worth before they are done: how fast the loss of each kind of cut
grows as the network shrinks, how much of its time really goes, and what share of a loss training leaves. All three are
normal in logarithms and learn from everything that was tried.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Literal

import numpy as np
from numpy.typing import NDArray

ENOUGH = 0.7
"""Of what may be lost: with more, confirm would probably not prove the limit. Until it is known from rows."""
_LEAST_ENOUGH = 0.1  # few rows prove what loses nothing at all, and training may even gain
# Beliefs before anything was tried, in logarithms to base 2: of the loss at half of the time and its growth with each
# halving, of the time at a share of 1 and its fall, and of the share of a loss that training leaves. Means, then
# standard deviations.
_LOSS = ((0.5, 4.0), (4.0, 1.5))
_TIME = ((0.0, -1.0), (0.3, 0.3))
_LEFT = (-3.0, 1.5)
_SCATTER_LOSS, _SCATTER_TIME, _SCATTER_LEFT = 1.0, 0.1, 1.0  # of one network around its line
_LEAST_LOSS, _MOST_LOSS = 0.05, 100.0  # of what may be lost: less cannot be told from rows, more does not matter
_LEAST_CHANCE = 0.05  # that anything left is better, below which a search ends
_NOTHING = 4.0  # times the whole network's time: what anything that will do is compared with while nothing does
_MOST_FAILED = 3  # sizes of a kind of cut, before it is given up: times that are loud refuse sizes that could be made
_LEAST_GAIN = 0.03  # of the time: a smaller one is not told apart

Way = Literal["look", "train"]


@dataclass(frozen=True)
class Size:
    """A network cut in one way to a share of its time, above 0 and at most 1."""

    cut: str
    share: float


@dataclass(frozen=True)
class Seen:
    """What was seen of a size: seconds of a call, and what it lost as a share of what may be lost, if it was read."""

    seconds: float
    loss: float | None


@dataclass(frozen=True)
class Line:
    """A belief about `start + slope * halvings`, in logarithms to base 2: normal, learnt by least squares.

    Bishop 2006, "Pattern Recognition and Machine Learning", equations 3.50 and 3.51.
    """

    mean: NDArray[np.float64]
    precision: NDArray[np.float64]
    scatter: float

    @classmethod
    def of(cls, prior: tuple[tuple[float, float], tuple[float, float]], scatter: float) -> Line:
        """The belief before anything was seen: means, and standard deviations."""
        return cls(np.array(prior[0]), np.diag(1 / np.square(prior[1])), scatter)

    def learn(self, halvings: float, value: float) -> Line:
        """One value was seen."""
        row = np.array([1.0, halvings])
        precision = self.precision + np.outer(row, row) / self.scatter**2
        seen = self.precision @ self.mean + row * value / self.scatter**2
        return Line(np.asarray(np.linalg.solve(precision, seen), dtype=np.float64), precision, self.scatter)

    def at(self, halvings: float) -> tuple[float, float]:
        """Mean and standard deviation of what would be seen there."""
        row = np.array([1.0, halvings])
        return float(row @ self.mean), math.sqrt(float(row @ np.linalg.solve(self.precision, row)) + self.scatter**2)


@dataclass(frozen=True)
class Minutes:
    """What trying a size takes.

    Attributes:
        look: of any size.
        train: of a network of the whole time, trained in full; None where nothing can be trained.
        allowed: that one training may take.
    """

    look: float
    train: float | None
    allowed: float = math.inf

    def of(self, way: Way, share: float, *, seen: bool) -> float:
        """Of one size; what is trained is looked at before."""
        return self.look if way == "look" else self.training(share) + (0.0 if seen else self.look)

    def training(self, share: float) -> float:
        """Of one training."""
        return min((self.train or 0.0) * share, self.allowed)

    def part(self, share: float) -> float:
        """The part of a full training that a size can have."""
        full = (self.train or 0.0) * share
        return min(1.0, self.allowed / full) if full > 0 else 1.0


@dataclass(frozen=True)
class Step:
    """What to try next.

    Attributes:
        way: a look at a size as it is cut, or training it back.
        chance: that it will be good enough.
        gain: expected log2 of the speed-up over the best so far, chance included.
        minutes: that it is expected to take.
    """

    size: Size
    way: Way
    chance: float
    gain: float
    minutes: float


@dataclass(frozen=True)
class Shrinking:
    """What is known of the sizes of one network.

    Attributes:
        whole: seconds of a call before any cut.
        sizes: that can be tried.
        seen: of the sizes that were looked at.
        trained: what share of what may be lost the trained ones lost, and the part of a full training that they had.
        failed: kinds of cut, one for each size that could not be made.
        enough: the share of what may be lost up to which confirm would probably prove the limit.
    """

    whole: float
    sizes: tuple[Size, ...]
    minutes: Minutes
    seen: Mapping[Size, Seen] = field(default_factory=dict)
    trained: Mapping[Size, tuple[float | None, float]] = field(default_factory=dict)
    failed: tuple[str, ...] = ()
    enough: float = ENOUGH

    def look(self, size: Size, seconds: float, loss: float | None) -> Shrinking:
        """A size was cut, timed and, where it was worth it, read."""
        return replace(self, seen={**self.seen, size: Seen(seconds, None if loss is None else _within(loss))})

    def scaled(self, ratio: float) -> Shrinking:
        """Networks are stored in another form from now on, which takes this share of the time."""
        seen = {size: replace(one, seconds=ratio * one.seconds) for size, one in self.seen.items()}
        return replace(self, whole=ratio * self.whole, seen=seen)

    def took(self, seconds: float) -> Shrinking:
        """A look took so long; the next are expected to take the mean of that and what was expected of it."""
        return replace(self, minutes=replace(self.minutes, look=(self.minutes.look + seconds / 60) / 2))

    def train(self, size: Size, loss: float | None) -> Shrinking:
        """A size that was looked at was trained back, in the minutes that are allowed; without a loss if unread."""
        after = None if loss is None else _within(loss)
        return replace(self, trained={**self.trained, size: (after, self.minutes.part(size.share))})

    def allow(self, minutes: float) -> Shrinking:
        """One training may take so long from now on."""
        return replace(self, minutes=replace(self.minutes, allowed=minutes))

    def proves(self, share: float | None) -> Shrinking:
        """Confirm would probably prove a loss up to this share of what may be lost; None: nobody knows yet."""
        return self if share is None else replace(self, enough=max(share, _LEAST_ENOUGH))

    def without(self, size: Size) -> Shrinking:
        """A size cannot be made, and so no smaller one of its kind; after a few of a kind none is tried any more."""
        failed = (*self.failed, size.cut)
        made = any(other.cut == size.cut for other in self.seen)
        left = made or failed.count(size.cut) < _MOST_FAILED
        kept = (s for s in self.sizes if s.cut != size.cut or (left and s.share > size.share))
        return replace(self, sizes=tuple(kept), failed=failed)

    def next(self, best: float) -> Step | None:
        """The step with the largest expected gain per minute; None when nothing left is likely to be better.

        Args:
            best: seconds of the best so far; infinite where nothing will do yet.
        """
        if self.chance_left(best) < _LEAST_CHANCE:
            return None
        first = max(self.steps(best), key=lambda step: (step.gain / step.minutes, step.size.share))
        return replace(first, way="look") if first.size not in self.seen else first

    def whole_search(self, best: float) -> tuple[float, float]:
        """Minutes of a look at everything that may be better, and of training it all back."""
        steps = self.steps(best)
        looks = sum(step.minutes for step in steps if step.way == "look")
        return looks, sum((self.minutes.train or 0.0) * step.size.share for step in steps if step.way == "train")

    def chance_left(self, best: float) -> float:
        """Probability that anything of what may be better is good enough.

        Of the sizes of one kind of cut the most likely one counts, since where it falls short smaller ones do; kinds
        are taken to be independent.
        """
        likeliest: dict[str, float] = {}
        for step in self.steps(best):
            likeliest[step.size.cut] = max(step.chance, likeliest.get(step.size.cut, 0.0))
        return 1.0 - math.prod(1.0 - chance for chance in likeliest.values())

    def steps(self, best: float) -> list[Step]:
        """Everything that may be better than the best so far."""
        found = []
        for size in self.sizes:
            seconds, reference = self.seconds(size), min(best, _NOTHING * self.whole)
            ways: Iterable[Way] = ("look", "train") if self.minutes.train is not None else ("look",)
            for way in ways:
                done = size in (self.seen if way == "look" else self.trained)
                if done or seconds > (1 - _LEAST_GAIN) * best:
                    continue
                chance = self.chance(size, way)
                minutes = self.minutes.of(way, size.share, seen=size in self.seen)
                found.append(Step(size, way, chance, chance * math.log2(reference / seconds), minutes))
        return found

    def seconds(self, size: Size) -> float:
        """Of a call, as it is expected; where it was timed, halfway to that: on a loud machine single times mislead."""
        expected = self.whole * float(2 ** self._lines[size.cut][0].at(_halvings(size))[0])
        return math.sqrt(self.seen[size].seconds * expected) if size in self.seen else expected

    def chance(self, size: Size, way: Way) -> float:
        """Probability that a size is good enough, as it is cut or trained back."""
        mean, deviation = self._lines[size.cut][1].at(_halvings(size) - 1)
        if (loss := self._loss_of(size)) is not None:
            mean, deviation = math.log2(loss), 0.0
        if way == "train":
            left, unsure = self._left
            part = math.sqrt(self.minutes.part(size.share))
            mean, deviation = mean + part * left, math.hypot(deviation, part * unsure, _SCATTER_LEFT)
        return _below(math.log2(self.enough) - mean, deviation)

    def _loss_of(self, size: Size) -> float | None:
        return self.seen[size].loss if size in self.seen else None

    @cached_property
    def _lines(self) -> dict[str, tuple[Line, Line]]:
        """Of each cut: its time over the halvings of the share, and its loss over the halvings beyond the first."""
        lines = {s.cut: (Line.of(_TIME, _SCATTER_TIME), Line.of(_LOSS, _SCATTER_LOSS)) for s in self.sizes}
        for size, seen in self.seen.items():
            time, loss = lines.get(size.cut) or (Line.of(_TIME, _SCATTER_TIME), Line.of(_LOSS, _SCATTER_LOSS))
            time = time.learn(_halvings(size), math.log2(seen.seconds / self.whole))
            lines[size.cut] = time, _learnt(loss, _halvings(size) - 1, seen.loss)
        return lines

    @cached_property
    def _left(self) -> tuple[float, float]:
        """Mean and standard deviation of the logarithm of the share of its loss that a size keeps in full training.

        What a shorter one reaches of it is taken to grow with the root of its time.
        """
        mean, precision = _LEFT[0], 1 / _LEFT[1] ** 2
        for size, (loss, part) in self.trained.items():
            before = self._loss_of(size)
            if before is None or loss is None:
                continue
            more = part / _SCATTER_LEFT**2
            full = math.log2(loss / before) / math.sqrt(part)
            mean, precision = (precision * mean + more * full) / (precision + more), precision + more
        return mean, math.sqrt(1 / precision)


def _within(loss: float) -> float:
    return min(max(loss, _LEAST_LOSS), _MOST_LOSS)


def _learnt(line: Line, halvings: float, loss: float | None) -> Line:
    return line if loss is None else line.learn(halvings, math.log2(loss))


def _halvings(size: Size) -> float:
    return -math.log2(size.share)


def _below(distance: float, deviation: float) -> float:
    """Probability that a normal variable is less than `distance` above its mean."""
    if deviation == 0.0:
        return 1.0 if distance >= 0 else 0.0
    return 0.5 * (1 + math.erf(distance / (deviation * math.sqrt(2))))


def ladder(most: float = 0.8, least: float = 0.12, rungs: int = 10) -> NDArray[np.float64]:
    """(rungs,) shares of the time from large to small, each the same part of the one before.

    >>> ladder(0.8, 0.2, 3).round(2).tolist()
    [0.8, 0.4, 0.2]
    """
    return np.geomspace(most, least, rungs)
