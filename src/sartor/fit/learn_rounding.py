"""int8 that loses too much is trained through its own roundings, where rows allow it."""

from __future__ import annotations

from dataclasses import replace

from sartor.fit.board import Standing
from sartor.fit.reshaping import recovery
from sartor.fit.search import Search
from sartor.fit.trying import fastest_likely, try_candidate
from sartor.plan.recipe import CompressionStep, Recipe

_GAIN = 0.97  # of the fastest so far, which int8 must be to be worth minutes
_PLAIN = CompressionStep("int8-static", (("calibration", "minmax"),))


def learn_rounding(search: Search) -> None:
    """Train where static int8 is fast and will probably not be proved; the fastest file first, one a model."""
    run = search.run
    if run.need.minimise not in ("latency", "throughput") or not len(run.data.rows("train")):
        return
    for source in search.ready():
        lossy = _fastest_lossy(search, source.model.name)
        if not source.rows.dynamic_batch or lossy is None or (lossy.seconds or 0.0) > _GAIN * fastest_likely(search):
            continue
        if not run.clock.search_goes_on():
            search.in_time = False
            return
        run.watch.phase(f"{source.model.name}: trained through its roundings to 8 bits", 1)
        through = ("through", f"onnxruntime {_PLAIN.slug}")  # NNCF rounds to the same grid, but for its zero points
        recipe = Recipe((recovery(source, through), _PLAIN))
        try_candidate(search, source, replace(lossy.candidate, recipe=recipe))


def _fastest_lossy(search: Search, model: str) -> Standing | None:
    """The fastest static int8 file of a model, when none of them will probably be proved."""
    found = [
        standing
        for standing in search.board.all()
        if standing.candidate.model == model
        and [step.name for step in standing.candidate.recipe.effective] == ["int8-static"]
        and standing.quality is not None
        and standing.seconds is not None
    ]
    if any(standing.likely for standing in found):
        return None
    return min(found, key=lambda standing: standing.seconds or 0.0, default=None)
