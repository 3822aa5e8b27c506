"""One more candidate, thought of while the search runs: built, timed and read like those that were declared."""

from __future__ import annotations

import math
from collections.abc import Callable

from sartor.bundle.values import Variant
from sartor.errors import CandidateError
from sartor.fit.board import Standing
from sartor.fit.building import build_variant
from sartor.fit.judge import room_needed
from sartor.fit.racing import proving_of
from sartor.fit.screening import apply_limits, time_files
from sartor.fit.search import Search, announce, race
from sartor.fit.stages import Source
from sartor.measure.quality_bounds import limit_bounds
from sartor.need import AGREEMENT, Limit
from sartor.plan.candidates import Candidate
from sartor.units import format_value

_SLOWER = 1.15  # times what will probably be proved: above what two screens differ by on a usual machine


def try_candidate(search: Search, source: Source, candidate: Candidate, believed_up_to: float = math.inf) -> Standing:
    """Put a candidate on the board and find out how it stands.

    Args:
        believed_up_to: seconds of a call above which it is timed once more; see `believed`.
    """
    run, board = search.run, search.board
    if board.get(candidate.id) is None:
        board.add((candidate,), ())
    try:
        file = build_variant(run, source, candidate.recipe, candidate.runtime, candidate)
    except CandidateError as error:
        board.fail(candidate.id, str(error))
        run.watch.tried(candidate.label, str(error))
        return board[candidate.id]
    board.update(candidate.id, size_bytes=file.size_bytes, notes=file.notes)
    first = _timed(search, source, file, anew=False)
    board.update(candidate.id, seconds=believed(first, believed_up_to, lambda: _timed(search, source, file, anew=True)))
    apply_limits(run, board, candidate.id)
    _leave_out_if_slower(search, board[candidate.id])
    if board[candidate.id].alive:
        race(search, source, board[candidate.id])
        announce(search, candidate.id)
    return board[candidate.id]


def believed(first: float | None, up_to: float, again: Callable[[], float | None]) -> float | None:
    """The seconds of a call that count: the first ones, or where they exceed `up_to` the shorter of two.

    A part of a network does not take longer than the whole: that is a neighbour's doing, and neighbours only ever add.
    """
    if first is None or first <= up_to:
        return first
    second = again()
    return first if second is None else min(first, second)


def _timed(search: Search, source: Source, file: Variant, *, anew: bool) -> float | None:
    """Seconds of a call, also on the board; None where it failed."""
    twins, reference = {file.candidate: [file.id]}, search.reference(source)
    time_files(search.run, search.board, source, reference, [file], twins, lambda *_: None, lambda: True, anew=anew)
    return search.board[file.id].seconds


def _leave_out_if_slower(search: Search, standing: Standing) -> None:
    """Reading takes longest, and what is clearly slower than what will probably be proved is not worth it."""
    best = _fastest_likely(search)
    if best is None or not standing.alive or standing.seconds is None or not search.run.leaves_out_slower:
        return
    if standing.seconds > _SLOWER * (best.seconds or 0.0):
        took = format_value(best.seconds or 0.0, "s")
        why = f"slower in a quick launch than {best.candidate.label}, which took {took} in one and will probably do"
        search.board.reject(standing.id, why)


def lost_share(search: Search, standing: Standing) -> float | None:
    """What a candidate lost, as a share of what the tightest quality limit allows; None where it was not read.

    0 where it lost nothing; infinite where nothing may be lost, or where rows are too few for a value.
    """
    run, seen = search.run, standing.seen
    if seen is None:
        return None
    shares = [0.0]
    for limit in run.quality_limits:
        value = limit_bounds(limit, seen, 1.0 - run.need.confidence, run.base, run.need.seed).value
        lost, allowed = _from_plain(search, limit, value), _from_plain(search, limit, limit.value)
        shares.append(lost / allowed if allowed > 0 and math.isfinite(lost) else math.inf)
    return max(shares)


def provable_share(search: Search) -> float | None:
    """The largest share of what may be lost that confirm would probably prove, by the smaller networks read so far.

    The more answers a network changes, for better or worse, the less it may lose; and the fewer rows there are to prove
    it. None where none was read far enough.
    """
    run = search.run
    shares = []
    for standing in search.board.all():
        seen = standing.seen
        if standing.status == "passed" and seen is not None and standing.candidate.recipe.reshaping.steps:
            proving = proving_of(run, standing.candidate)
            rooms = [
                room_needed(limit, seen, proving, run.base, run.need.seed) / _from_plain(search, limit, limit.value)
                for limit in run.quality_limits
                if _from_plain(search, limit, limit.value) > 0
            ]
            shares.append(1.0 - max(rooms, default=0.0))
    return max(shares, default=None)


def _from_plain(search: Search, limit: Limit, value: float) -> float:
    """How much worse a limit's value is than that of the uncompressed model."""
    plain = 0.0 if limit.is_drop else 1.0 if limit.name == AGREEMENT else abs(search.baseline_value)
    return (value - plain) * (1 if limit.op == "<=" else -1)


def fastest_likely(search: Search) -> float:
    """Seconds of the fastest candidate that will probably be proved; infinite where there is none."""
    best = _fastest_likely(search)
    return math.inf if best is None else best.seconds or 0.0


def _fastest_likely(search: Search) -> Standing | None:
    likely = (s for s in search.board.alive() if s.likely and s.seconds is not None)
    return min(likely, key=lambda s: s.seconds or 0.0, default=None)
