"""Candidates as points of the trade-off picture: what is known of each, and where it is drawn."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import Any

from sartor.report.drawing import COLOURS, Values, finite

_STATUSES = ("planned", "screened", "rejected", "failed", "passed", "finalist", "chosen")


def seconds_of(candidate: Values) -> float | None:
    """Its latency in seconds, where one that can be drawn is known."""
    seconds = finite((candidate.get("latency") or {}).get("value"))
    return seconds if seconds and seconds > 0 else None


def quality_of(candidate: Values) -> float | None:
    """Its metric, where that was read."""
    return finite((candidate.get("quality") or {}).get("value"))


def steps_of(candidate: Values) -> str:
    """The recipe's steps without their settings: what a colour stands for."""
    steps = candidate.get("recipe", {}).get("steps", ())
    return " + ".join(step["name"] for step in steps if step.get("name") != "none") or "none_step"


def model_of(candidate: Values) -> str:
    """The name of its model."""
    return str(candidate.get("model", ""))


def colours_of(points: Sequence[Values]) -> dict[str, str]:
    """A colour for each recipe, in the order in which the recipes come."""
    names = dict.fromkeys(steps_of(point) for point in points)
    return {name: COLOURS[number % len(COLOURS)] for number, name in enumerate(names)}


def groups_of(points: Sequence[Values]) -> list[list[Values]]:
    """By colour and area; what came furthest is drawn last, on top, and the chosen candidate over everything."""
    groups: dict[tuple[str, bool, bool, bool], list[Values]] = defaultdict(list)
    for point in sorted(points, key=lambda p: _STATUSES.index(p["status"]) if p["status"] in _STATUSES else 0):
        judged, timed = quality_of(point) is not None, bool(point.get("figures"))
        groups[steps_of(point), judged, timed, point["status"] == "chosen"].append(point)
    return [group for _, group in sorted(groups.items(), key=lambda item: item[0][2:])]


def place(candidate: Values) -> tuple[Any, ...]:
    """Where it is drawn; equal for candidates whose points coincide."""
    seconds, quality = seconds_of(candidate), quality_of(candidate)
    return (seconds, quality) if quality is not None else (seconds, steps_of(candidate), model_of(candidate))


def places_of(points: Iterable[Values]) -> dict[tuple[Any, ...], list[Values]]:
    """Candidates by where they are drawn: files that share their operators share their time, so points coincide."""
    places: dict[tuple[Any, ...], list[Values]] = defaultdict(list)
    for point in points:
        places[place(point)].append(point)
    return dict(places)


def models_below(points: Iterable[Values]) -> list[str]:
    """Models with candidates whose quality was never read: the rows below the picture."""
    return list(dict.fromkeys(model_of(point) for point in points if quality_of(point) is None))


def rows_below(group: Sequence[Values], everyone: Sequence[Values]) -> list[float]:
    """A row for each model; recipes stand a little apart, so that equal times do not hide one another."""
    models, recipes = models_below(everyone), list(colours_of(everyone))
    spread = max(1, len(recipes) - 1)
    return [models.index(model_of(p)) + 0.56 * (recipes.index(steps_of(p)) / spread - 0.5) for p in group]


def height(point: Values, points: Sequence[Values]) -> float:
    """Its place on the upright axis: its quality, or its row below."""
    quality = quality_of(point)
    return rows_below([point], points)[0] if quality is None else quality
