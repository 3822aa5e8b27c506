"""One more candidate, thought of while the search runs: built, timed and read like those that were declared."""

from __future__ import annotations

from sartor.bundle.values import Variant
from sartor.errors import CandidateError
from sartor.fit.board import Standing
from sartor.fit.building import build_variant
from sartor.fit.screening import apply_limits, time_files
from sartor.fit.search import Search, announce, race
from sartor.fit.stages import Source
from sartor.plan.candidates import Candidate


def try_candidate(search: Search, source: Source, candidate: Candidate) -> Standing:
    """Put a candidate on the board and find out how it stands."""
    run, board = search.run, search.board
    if board.get(candidate.id) is None:
        board.add((candidate,), ())
    try:
        file = build_variant(run, source, candidate.recipe, candidate.runtime, candidate)
    except CandidateError as error:
        board.fail(candidate.id, str(error))
        run.watch.tried(candidate.label, str(error))
        return board[candidate.id]
    board.update(candidate.id, size_bytes=file.size_bytes)
    timed = Variant(candidate, file.path, file.size_bytes)
    reference = search.reference(source)
    time_files(run, board, source, reference, [timed], {candidate: [candidate.id]}, lambda *_: None, lambda: True)
    apply_limits(run, board, candidate.id)
    if board[candidate.id].alive:
        race(search, source, board[candidate.id])
        announce(search, candidate.id)
    return board[candidate.id]


def fastest_likely(search: Search) -> float:
    """Seconds of the fastest candidate that will probably be proved; infinite where there is none."""
    likely = (s for s in search.board.alive() if s.likely and s.seconds is not None)
    return min((s.seconds or 0.0 for s in likely), default=float("inf"))
