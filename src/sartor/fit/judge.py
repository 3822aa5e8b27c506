"""Judging: race, select, confirm, fall back. Pure decisions; the rows of confirm come through a callback.

How often the whole procedure says `met` for a model that is not, is what the confidence of a Need
limits. The search looks at the select split as often as it likes. The confirm split is opened once:
the finalist is tested with 80% of the error allowed, and only if it fails, one fallback with the other
20%, so that together they stay within it (Bonferroni).
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import NormalDist

from sartor.measure import statistics
from sartor.measure.quality_bounds import Outputs, limit_bounds, paired_counts
from sartor.measure.statistics import Bounds
from sartor.need import Limit

FIRST_SHARE = 0.8
_FIRST_LOOK = 100
_LEAST_ROWS = 1600  # of a candidate that is not dropped: what is told of its quality rests on them
_LEAST_SCATTER = 1e-9  # of a value: where not one answer changed
_RACE_ERROR = 0.001  # per look: a race may only drop, and should almost never drop a good candidate
# Doubt left by select: about a finalist, and about a fallback that ends the search.
HOPEFUL, SAFE = 0.1, 0.01
LONG_SHOT = 1 / 3
"""Chance of being proved from which a candidate is worth a test that is left over."""
TESTS = 2  # that one opening of confirm has error for


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
    return next((limit for limit in limits if _surely_broken(limit, seen, base, seed)), None)


def _surely_broken(limit: Limit, seen: Outputs, base: Path, seed: int) -> bool:
    if _is_plain_drop(limit):
        lost, gained, _ = paired_counts(seen)
        # That the drop is at most the limit, rejected: what is a loss from one side is a gain from the other.
        return statistics.paired_drop_p_value(gained, lost, len(seen.labels), -limit.value) <= _RACE_ERROR
    return excluded(limit, limit_bounds(limit, seen, _RACE_ERROR, base, seed))


def _is_plain_drop(limit: Limit) -> bool:
    """Whether one p-value decides, which is much cheaper than the interval that inverts it and says the same."""
    return limit.name == "accuracy_drop" and not limit.relative


@dataclass(frozen=True)
class Proving:
    """What confirm will ask of a candidate: so many rows, tested at this error.

    Attributes:
        may_gain: whether it may be better than the baseline but by luck. What was never trained again is not: a
            gain that select shows of it is not expected of confirm. Of several that are read, luck takes the best.
    """

    rows: int
    alpha: float
    may_gain: bool = True

    def expects(self, limit: Limit, value: float) -> float:
        """What to expect of confirm, where select shows a value."""
        return max(0.0, value) if limit.is_drop and not self.may_gain else value


def looks(rows: int) -> list[int]:
    """Rows after which a race is looked at: each time twice as many.

    >>> looks(1000)
    [100, 200, 400, 800, 1000]
    """
    return [*itertools.takewhile(lambda look: look < rows, (_FIRST_LOOK * 2**n for n in itertools.count())), rows]


def race(
    rows: int,
    limits: Sequence[Limit],
    read: Callable[[int, int], Outputs],
    base: Path,
    seed: int = 0,
    proving: Proving | None = None,
) -> tuple[Outputs, Limit | None]:
    """Read growing chunks of select until all rows are seen or more of them would not change what is thought.

    That is when a limit is excluded, and, where it is said what confirm asks, when confirm will almost surely prove
    them all, or when one would more likely not be proved even if select was as unlucky as it can be. The doubts of all
    looks together are no more than those of one.

    Args:
        read: gives the outputs of rows [0, stop), having read up to `start` before.
        proving: None to read all rows of what is not excluded.

    Returns:
        What was seen, and the limit that dropped the candidate, or None.
    """
    start, stops = 0, looks(rows)
    for stop in stops:
        seen = read(start, stop)
        dropped_by = hopeless(limits, seen, base, seed)
        if dropped_by is not None or (
            proving is not None
            and stop >= _LEAST_ROWS
            and _settled(limits, seen, proving, SAFE / len(stops), base, seed)
        ):
            return seen, dropped_by
        start = stop
    return seen, None


def _settled(limits: Sequence[Limit], seen: Outputs, proving: Proving, doubt: float, base: Path, seed: int = 0) -> bool:
    """Whether it is beyond this doubt that confirm will prove all limits, or that one is more likely not proved."""
    outlooks = [_outlook(limit, seen, proving, doubt, base, seed) for limit in limits]
    certain = all(limit.allows(outlook.expected) for limit, outlook in zip(limits, outlooks, strict=True))
    lost = any(not limit.allows(outlook.at_best) for limit, outlook in zip(limits, outlooks, strict=True))
    return certain or lost


def proved(limit: Limit, seen: Outputs, alpha: float, base: Path, seed: int = 0) -> bool:
    """Whether a quality limit holds on these rows at 1 - alpha."""
    if _is_plain_drop(limit):
        lost, gained, _ = paired_counts(seen)
        return statistics.paired_drop_p_value(lost, gained, len(seen.labels), limit.value) <= alpha
    return satisfied(limit, limit_bounds(limit, seen, alpha, base, seed))


@dataclass(frozen=True)
class _Outlook:
    """Where confirm's bound of a limit will lie: with all doubts against the candidate, and at the best."""

    expected: float
    at_best: float


def _outlook(limit: Limit, seen: Outputs, proving: Proving, doubt: float, base: Path, seed: int) -> _Outlook:
    """Two independent scatters stand between what select shows and what confirm will prove.

    How far select is from the truth (its margin at 1 - doubt), and how far confirm's bound will lie from what confirm
    shows (the margin at 1 - alpha, scaled to confirm's size). They add in quadrature.
    """
    strict, hoped = (limit_bounds(limit, seen, level, base, seed) for level in (proving.alpha, doubt))
    confirm = (len(seen.labels) / proving.rows) ** 0.5 * _margin(limit, strict)
    direction, friendly = (1.0, hoped.low) if limit.op == "<=" else (-1.0, hoped.high)
    expected = proving.expects(limit, strict.value) + direction * math.hypot(_margin(limit, hoped), confirm)
    return _Outlook(expected, friendly + direction * confirm)


def room_needed(limit: Limit, seen: Outputs, proving: Proving, base: Path, seed: int = 0) -> float:
    """How far inside a limit the value of one like this candidate must lie for confirm to probably prove it."""
    value = proving.expects(limit, limit_bounds(limit, seen, HOPEFUL, base, seed).value)
    return abs(_outlook(limit, seen, proving, HOPEFUL, base, seed).expected - value)


def likely(
    limits: Sequence[Limit], seen: Outputs, proving: Proving, base: Path, doubt: float = HOPEFUL, seed: int = 0
) -> bool:
    """Whether confirm will probably prove the limits, judged on select."""
    return all(limit.allows(_outlook(limit, seen, proving, doubt, base, seed).expected) for limit in limits)


def chance(limits: Sequence[Limit], seen: Outputs, proving: Proving, base: Path, seed: int = 0) -> float:
    """The probability that confirm proves a candidate, judged on select: by the limit for which it is the smallest."""
    return min((_chance(limit, seen, proving, base, seed) for limit in limits), default=1.0)


def _chance(limit: Limit, seen: Outputs, proving: Proving, base: Path, seed: int) -> float:
    """Of a bound within the limit, where select and confirm scatter normally and independently about the truth."""
    strict, hoped = (limit_bounds(limit, seen, level, base, seed) for level in (proving.alpha, HOPEFUL))
    fewer = (len(seen.labels) / proving.rows) ** 0.5
    inside = (limit.value - proving.expects(limit, strict.value)) * (1.0 if limit.op == "<=" else -1.0)
    room = inside - fewer * _margin(limit, strict)
    scatter = _margin(limit, hoped) / NormalDist().inv_cdf(1.0 - HOPEFUL)
    return NormalDist().cdf(room / max(math.hypot(scatter, fewer * scatter), _LEAST_SCATTER))


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

    At most `TESTS` entries are tested, for there is no error left for another.
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


def with_fallback(
    order: Sequence[str],
    reliable: Mapping[str, float],
    exempt: Collection[str],
    akin: Collection[str] = (),
    spare: Sequence[str] = (),
) -> list[str]:
    """The best of `order`, the most reliable of the others, and one that needs no test, where there is one.

    The second is left out where it would be no better than the one that needs no test. So are those that are `akin` to
    the best, which fail for its reason, where a test can go to another: of `order`, or a `spare` one.

    >>> reliable = {"a": 1.0, "b": 2.0, "c": 1.0}
    >>> with_fallback("abc", reliable, ()), with_fallback("abc", reliable, (), akin="b")
    (['a', 'b'], ['a', 'c'])
    >>> with_fallback("ab0", reliable, "0", akin="b"), with_fallback("ab0", reliable, "0", akin="b", spare="d")
    (['a', 'b', '0'], ['a', '0'])
    """
    untested = next((place for place, name in enumerate(order) if place and name in exempt), len(order))
    tested = sorted(order[1:untested], key=lambda name: -reliable[name])
    others = [name for name in tested if name not in akin]
    return [*order[:1], *(others if others or spare else tested)[:1], *order[untested : untested + 1]]


def will_do_as_fallback(limits: Sequence[Limit], seen: Outputs, proving: Proving, base: Path, seed: int = 0) -> bool:
    """Whether confirm will probably prove the limits with the error of a fallback, `proving` being a finalist's."""
    as_fallback = replace(proving, alpha=proving.alpha * (1.0 - FIRST_SHARE) / FIRST_SHARE)
    return likely(limits, seen, as_fallback, base, seed=seed)


def with_spare(
    finalists: Sequence[str], spare: Sequence[str], exempt: Collection[str], *, ahead: bool = False
) -> list[str]:
    """The finalists, with what tests are left given to those that confirm may prove, though it probably will not.

    The error that such a test may use is allowed to this opening anyway. Where a finalist that needs no test is the
    best, the spare ones, which would be better still, come before it: confirm is then opened for them alone, which
    leaves half of the error to the next opening.

    Args:
        finalists: in the order of `with_fallback`.
        spare: the best first, each better than those that need no test.
        exempt: those that need none.
        ahead: whether the first of the spare ones comes before all: it is better than the first finalist, and that one
            will do as a fallback (`will_do_as_fallback`).

    >>> with_spare(["zero"], ["a", "b", "c"], {"zero"}), with_spare(["a", "zero"], ["b", "c"], {"zero"})
    (['a', 'b', 'zero'], ['a', 'b', 'zero'])
    >>> with_spare(["a", "b"], ["c"], ()), with_spare(["a", "b", "zero"], ["c"], {"zero"}, ahead=True)
    (['a', 'b'], ['c', 'a', 'zero'])
    """
    place = next((place for place, name in enumerate(finalists) if name in exempt), len(finalists))
    first = spare[:1] if ahead else spare[:0]
    tested = [*first, *finalists[:place], *spare[len(first) :]][:TESTS]
    return [*tested, *finalists[place:]]


def reliability(limits: Sequence[Limit], seen: Outputs, proving: Proving, base: Path, seed: int = 0) -> float:
    """How well a candidate stands in where the finalist fails; larger is better.

    As far as it is inside its limits; infinite where confirm will almost surely prove them, since of such candidates
    the fastest does as well.
    """
    return math.inf if likely(limits, seen, proving, base, SAFE, seed) else safety(limits, seen, base, seed)


def safety(limits: Sequence[Limit], seen: Outputs, base: Path, seed: int = 0) -> float:
    """How far inside its limits a candidate is, as a share of the tightest; larger is safer, infinite without limits.

    By the pessimistic bound, so that few rows count for less.
    """
    rooms = []
    for limit in limits:
        bounds = limit_bounds(limit, seen, HOPEFUL, base, seed)
        room = limit.value - bounds.high if limit.op == "<=" else bounds.low - limit.value
        rooms.append(room / (abs(limit.value) or 1.0))
    return min(rooms, default=math.inf)
