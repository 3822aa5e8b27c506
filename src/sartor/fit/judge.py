"""Judging: race, select, confirm, fall back. Pure decisions; the rows of confirm come through a callback.

How often the whole procedure says `met` for a model that is not, is what the confidence of a Need
limits. The search looks at the select split as often as it likes. The confirm split is opened once:
the finalist is tested with 80% of the error allowed, and only if it fails, one fallback with the other
20%, so that together they stay within it (Bonferroni).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from sartor.measure import statistics
from sartor.measure.quality_bounds import Outputs, limit_bounds, metric_bounds, paired_counts
from sartor.measure.statistics import Bounds
from sartor.need import Limit

FIRST_SHARE = 0.8
RACE_LOOKS = (100, 200, 400, 800, 1600, 3200, 6400)
_RACE_ERROR = 0.001  # per look: a race may only drop, and should almost never drop a good candidate
HOPEFUL, SAFE = 0.1, 0.01  # doubt left by select about a finalist, and about a fallback that ends the search


@dataclass(frozen=True)
class ErrorShares:
    """Error allowed to the finalist and to the fallback."""

    first: float
    fallback: float


def error_shares(confidence: float, openings_before: int) -> ErrorShares:
    """The error budget of this opening of confirm: halved for every earlier opening."""
    alpha = (1.0 - confidence) / 2**openings_before
    return ErrorShares(FIRST_SHARE * alpha, (1.0 - FIRST_SHARE) * alpha)


def satisfied(limit: Limit, bounds: Bounds) -> bool:
    """Whether the bound on the limit's side, not the point, is within the limit."""
    return limit.allows(bounds.high if limit.op == "<=" else bounds.low)


def excluded(limit: Limit, bounds: Bounds) -> bool:
    """Whether even the friendly bound is outside the limit."""
    return not limit.allows(bounds.low if limit.op == "<=" else bounds.high)


def hopeless(limits: Sequence[Limit], seen: Outputs, base: Path, seed: int = 0) -> Limit | None:
    """The limit that the rows seen so far exclude at 99.9%, or None."""
    for limit in limits:
        if excluded(limit, limit_bounds(limit, seen, _RACE_ERROR, base, seed)):
            return limit
    return None


def race(
    rows: int, limits: Sequence[Limit], read: Callable[[int, int], Outputs], base: Path, seed: int = 0
) -> tuple[Outputs, Limit | None]:
    """Read growing chunks of select until all rows are seen or a limit is excluded.

    Args:
        read: gives the outputs of rows [0, stop), having read up to `start` before.

    Returns:
        What was seen, and the limit that dropped the candidate, or None.
    """
    start = 0
    for stop in [*(look for look in RACE_LOOKS if look < rows), rows]:
        seen = read(start, stop)
        dropped_by = hopeless(limits, seen, base, seed)
        if dropped_by is not None:
            return seen, dropped_by
        start = stop
    return seen, None


def proved(limit: Limit, seen: Outputs, alpha: float, base: Path, seed: int = 0) -> bool:
    """Whether a quality limit holds on these rows at 1 - alpha.

    The absolute drop of accuracy is tested directly: one p-value is much cheaper than the interval
    that inverts it, and both give the same answer.
    """
    if limit.name == "accuracy_drop" and not limit.relative:
        lost, gained, _ = paired_counts(seen)
        return statistics.paired_drop_p_value(lost, gained, len(seen.labels), limit.value) <= alpha
    return satisfied(limit, limit_bounds(limit, seen, alpha, base, seed))


def likely(
    limits: Sequence[Limit],
    seen: Outputs,
    confirm_rows: int,
    alpha: float,
    base: Path,
    doubt: float = HOPEFUL,
    seed: int = 0,
) -> bool:
    """Whether confirm will probably prove the limits, judged on select.

    Two independent scatters stand between what select shows and what confirm will prove: how far
    select is from the truth (its margin at 1 - doubt), and how far confirm's bound will lie from
    what confirm shows (the margin at 1 - alpha, scaled to confirm's size). They add in quadrature.
    """
    scale = (len(seen.labels) / confirm_rows) ** 0.5
    for limit in limits:
        strict, hoped = (limit_bounds(limit, seen, level, base, seed) for level in (alpha, doubt))
        margins = _margin(limit, hoped), scale * _margin(limit, strict)
        direction = 1.0 if limit.op == "<=" else -1.0
        if not limit.allows(strict.value + direction * math.hypot(*margins)):
            return False
    return True


def _margin(limit: Limit, bounds: Bounds) -> float:
    return abs((bounds.high if limit.op == "<=" else bounds.low) - bounds.value)


@dataclass(frozen=True)
class Finalist:
    """A candidate in the final, best objective first.

    Attributes:
        id: name of the candidate.
        tested: the limits it must be tested for; the baseline itself needs no test of its drop.
    """

    id: str
    tested: tuple[Limit, ...]


@dataclass(frozen=True)
class Confirmed:
    """Outcome of opening confirm: who passed, at which error, and who failed by which limit."""

    winner: str | None
    alpha: float
    failed: tuple[tuple[str, str], ...]


def confirm(
    finalists: Sequence[Finalist],
    open_rows: Callable[[str], Outputs],
    shares: ErrorShares,
    base: Path,
    seed: int = 0,
) -> Confirmed:
    """Test the finalist and, if it fails, one fallback; one that needs no test may stand behind them.

    At most two entries are tested, for there is no error left for a third.
    """
    failed: list[tuple[str, str]] = []
    left, alpha = [shares.first, shares.fallback], shares.first
    for finalist in finalists:
        if not finalist.tested:
            return Confirmed(finalist.id, alpha, tuple(failed))
        if not left:
            break
        alpha = left.pop(0)
        seen = open_rows(finalist.id)
        broken = next((limit for limit in finalist.tested if not proved(limit, seen, alpha, base, seed)), None)
        if broken is None:
            return Confirmed(finalist.id, alpha, tuple(failed))
        failed.append((finalist.id, broken.name))
    return Confirmed(None, alpha, tuple(failed))


def with_fallback(order: Sequence[str], safety: Mapping[str, float], exempt: Collection[str]) -> list[str]:
    """The best of `order`, the safest in quality of the others, and one that needs no test, where there is one.

    The second is left out where it would be no better than the one that needs no test.
    """
    others = list(order[1:])
    untested = next((place for place, name in enumerate(others) if name in exempt), len(others))
    tested = sorted(others[:untested], key=lambda name: -safety[name])
    return [*order[:1], *tested[:1], *others[untested : untested + 1]]


def quality_key(metric: str, seen: Outputs, base: Path) -> float:
    """How good a candidate looks, larger is better: the pessimistic bound of the metric on these rows."""
    bounds = metric_bounds(metric, seen, HOPEFUL, base)
    return -bounds.high if metric == "rmse" else bounds.low
