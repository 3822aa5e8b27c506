"""What could be asked instead of a Need that is not met, from what was measured of its candidates."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from sartor.figures import Figure
from sartor.fit.board import Standing
from sartor.fit.relaxations import Reached, Relaxation, relaxations
from sartor.fit.search import Search
from sartor.measure.quality_bounds import limit_bounds
from sartor.need import Limit


def relaxed(search: Search, memory: Mapping[str, Figure]) -> tuple[Relaxation, ...]:
    """The nearest Needs that a candidate would meet, by bounds on select and over launches.

    Args:
        memory: peaks of those that were measured.
    """
    limits = search.run.limits
    reached = [Reached(s.candidate.label, dict(_bounds(search, s, memory))) for s in search.board.all()]
    return relaxations(limits, reached)


def _bounds(search: Search, standing: Standing, memory: Mapping[str, Figure]) -> Iterator[tuple[str, float]]:
    for limit in search.run.limits:
        figure = _figure(search, limit, standing, memory)
        if figure is not None:
            yield limit.name, figure.high if limit.op == "<=" else figure.low


def _figure(search: Search, limit: Limit, standing: Standing, memory: Mapping[str, Figure]) -> Figure | None:
    run = search.run
    if limit.name == "size":
        return None if standing.size_bytes is None else Figure.exact(float(standing.size_bytes), "B")
    if limit.name == "memory":
        return memory.get(standing.id)
    if limit.name == "latency_p50":
        return standing.latency()
    if not limit.is_quality:
        return standing.figures.get(limit.name)
    if limit.compares and search.is_baseline(standing):
        return Figure.exact(0.0 if limit.is_drop else 1.0, limit.unit)
    if standing.seen is None or (limit.compares and standing.seen.baseline is None):
        return None
    bounds = limit_bounds(limit, standing.seen, 1.0 - run.need.confidence, run.base, run.need.seed)
    return Figure(bounds.value, limit.unit, bounds.low, bounds.high, "measured")
