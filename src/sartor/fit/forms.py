"""In what forms another network of a model is tried: those that were fastest for the model itself."""

from __future__ import annotations

from dataclasses import replace

from sartor.fit.board import Standing
from sartor.fit.search import Search
from sartor.fit.stages import Source
from sartor.plan.candidates import Candidate
from sartor.plan.recipe import CompressionStep, Recipe

_FASTER = ("fused", "int8-static", "int8-dynamic")  # forms that may be faster than f32
_FORMS = 3  # ways to store a network that are tried
_CLOSE = 1.5  # times the fastest form that another may take


def forms_of(search: Search, source: Source) -> list[Standing]:
    """Ways to store a network and run it, fastest first: of each kind in a runtime the most accurate that was read.

    A form of each runtime is among them, for what a call costs beyond its arithmetic differs by runtime, and in a
    smaller network that is most of it.
    """
    kinds: dict[tuple[str, str, str], Standing] = {}
    for standing in search.board.all():
        candidate, steps = standing.candidate, standing.candidate.recipe.effective
        mine = candidate.model == source.model.name and standing.seconds is not None and standing.status != "failed"
        if not mine or len(steps) > 1 or any(step.keeps or step.name not in _FASTER for step in steps):
            continue
        kind = candidate.runtime, steps[0].name if steps else "none", candidate.settings.precision
        if kind not in kinds or _order(standing) < _order(kinds[kind]):
            kinds[kind] = standing
    found = sorted(kinds.values(), key=lambda s: s.seconds or 0.0)
    close = [s for s in found if (s.seconds or 0.0) <= _CLOSE * (found[0].seconds or 0.0)]
    first = {s.candidate.runtime: s for s in reversed(close)}
    kept = sorted(close, key=lambda s: (first[s.candidate.runtime] is not s, s.seconds or 0.0))[:_FORMS]
    return sorted(kept, key=lambda s: s.seconds or 0.0)


def _order(standing: Standing) -> tuple[float, float]:
    quality = standing.quality.value if standing.quality else float("-inf")
    return -quality, standing.seconds or 0.0


def candidate_in(form: Standing, *steps: CompressionStep) -> Candidate:
    """The network after these steps, in that form."""
    return replace(form.candidate, recipe=Recipe((*steps, *form.candidate.recipe.effective)))
