"""Threads and shape of the finalists, chosen again just before the finals.

The screen timed every setting once, minutes ago and perhaps beside other work; a burst of it can make one
thread look better than two. Before the few finalists are proved, their close settings are compared again,
on a machine that is quiet if it can be.
"""

from __future__ import annotations

from collections.abc import Sequence

from sartor.bundle.values import Variant
from sartor.errors import CandidateError
from sartor.fit.board import Board, Standing
from sartor.fit.screening import feed_for
from sartor.fit.search import Search
from sartor.measure.latency import Screened, screen
from sartor.measure.noise import NoiseGate
from sartor.plan.candidates import settings_label
from sartor.units import format_value

_CLOSE = 1.6  # times the best screened seconds of the same file: what a noisy screen may have got wrong
_ROUNDS = 9
_ROUND_SECONDS = 0.01


def settle_settings(search: Search, standings: Sequence[Standing]) -> list[Standing]:
    """For each standing, the best setting of its file and precision now; what was known moves along with it."""
    gate = NoiseGate()
    return [_settle(search, standing, gate) for standing in standings]


def _settle(search: Search, standing: Standing, gate: NoiseGate) -> Standing:
    siblings = close_settings(search.board, standing)
    if len(siblings) < 2 or standing.variant is None:
        return standing
    source = search.sources[standing.candidate.model]
    found: dict[str, float] = {}

    def on_result(variant: Variant, result: Screened | CandidateError) -> None:
        if isinstance(result, Screened):
            found[variant.id] = result.seconds
            if search.board[variant.id].seconds is None:
                search.board.update(variant.id, seconds=result.seconds)
            search.run.watch.tried(variant.candidate.label, format_value(result.seconds, "s"))

    file = standing.variant
    variants = [Variant(sibling.candidate, file.path, file.size_bytes) for sibling in siblings]
    feed = feed_for(search.run, source, "select")
    reference = search.reference(source)
    screen(reference, variants, feed, on_result, rounds=_ROUNDS, round_seconds=_ROUND_SECONDS, gate=gate)
    best = min(found, key=lambda name: found[name], default=standing.id)
    return standing if best == standing.id else _move(search.board, standing, best)


def close_settings(board: Board, standing: Standing) -> list[Standing]:
    """Settings of the same file and precision that may be the fastest after all."""
    candidate = standing.candidate
    same = [
        other
        for other in board.all()
        if other.candidate.variant_id == candidate.variant_id
        and other.candidate.settings.precision == candidate.settings.precision
        and other.status != "failed"
    ]
    timed = [other for other in same if other.seconds is not None]
    best = min((other.seconds or 0.0 for other in timed), default=0.0)
    close = [other for other in timed if (other.seconds or 0.0) <= _CLOSE * best or other.id == standing.id]
    threads = {other.candidate.settings.threads for other in close}
    # What a prediction left out for being about as fast, the same threads in another shape; and what was foretold to be
    # faster than these, before a loud minute of the screen spoke against it.
    foretold = min((other.predicted.value for other in close if other.predicted), default=0.0)
    return close + [
        other
        for other in same
        if other.seconds is None
        and (
            other.candidate.settings.threads in threads
            or (other.predicted is not None and other.predicted.value < foretold)
        )
    ]


def _move(board: Board, standing: Standing, to: str) -> Standing:
    """The better setting takes over the standing's file and what was read with it; confirm reads it anew."""
    assert standing.variant is not None
    better = board[to].candidate
    why = f"timed side by side, the same file was faster with {settings_label(better.settings)}"
    moved = board.update(
        to,
        status=standing.status,
        why=standing.why,
        size_bytes=standing.size_bytes,
        variant=Variant(better, standing.variant.path, standing.variant.size_bytes),
        seen=standing.seen,
        quality=standing.quality,
        likely=standing.likely,
        safe=standing.safe,
    )
    if standing.alive:
        board.reject(standing.id, why)
    return moved
