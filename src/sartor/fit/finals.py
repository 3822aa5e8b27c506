"""The finals: time a few candidates over fresh launches against candidate zero, and choose."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from sartor.bundle.values import Variant
from sartor.figures import Figure
from sartor.fit.board import Standing
from sartor.fit.run import Run
from sartor.measure.latency import Feed, Launches, Seconds, time_launches
from sartor.measure.noise import NoiseGate
from sartor.measure.quantiles import (
    calls_needed,
    mean_bounds_of_launches,
    quantile_bounds,
    ratio_bounds,
    resolution,
)
from sartor.measure.statistics import Bounds
from sartor.need import Limit

LAUNCHES = 5
_ROUNDS = 10
_MOST_CALLS = 400  # of one variant in one launch, unless a quantile needs more
_START_SECONDS = 0.8  # that a fresh worker takes to start, and to load and warm a small model
_WORKERS = 6  # of a usual final: three finalists, two zeros, one of them twice
_AGAIN = " again"
QUANTILES = {"latency_p50": 0.5, "latency_p90": 0.9, "latency_p99": 0.99}


@dataclass(frozen=True)
class Timed:
    """What the launches said of one candidate.

    Attributes:
        figures: `latency_p50`, `latency_p90`, `latency_p99` and `throughput`.
        speedup: candidate zero's median over this one's, paired by launch.
    """

    figures: Mapping[str, Figure]
    speedup: Figure


@dataclass(frozen=True)
class Finals:
    """All finalists timed together.

    Attributes:
        zeros: by model, its uncompressed candidate that was fastest; speed-ups are against their own model's.
        timed: by candidate.
        resolution: share by which two launches of one and the same variant may differ here.
    """

    zeros: Mapping[str, str]
    timed: Mapping[str, Timed]
    resolution: float
    noisy: bool
    repeated: int


def time_finalists(
    run: Run,
    finalists: Sequence[Standing],
    zeros: Sequence[Standing],
    feeds: Mapping[str, Feed],
    launches: int = LAUNCHES,
) -> Finals:
    """Time finalists and the uncompressed candidates in groups of fresh workers.

    One uncompressed candidate runs twice in every group: the A/A pair. The error of a limit is shared by
    all that are timed, since any of them may be chosen.

    Args:
        feeds: what each model is fed with, by name of the model.

    Raises:
        CandidateError: one of them does not run any more.
    """
    variants: dict[str, Variant] = {}
    for standing in [*zeros, *finalists]:
        assert standing.variant is not None
        variants[standing.id] = standing.variant
    again = f"{zeros[0].id}{_AGAIN}"
    variants[again] = variants[zeros[0].id]
    alpha = (1.0 - run.need.confidence) / (len(variants) - 1)
    needed = -(-_calls_for(run.performance_limits, alpha) // launches)
    found = time_launches(
        variants,
        {name: feeds[variant.candidate.model] for name, variant in variants.items()},
        NoiseGate(),
        launches=launches,
        rounds=_ROUNDS,
        calls_wanted=max(_MOST_CALLS, 2 * needed),
        least_calls=needed,
        launch_seconds=_launch_seconds(run, launches * len(variants)),
        on_launch=lambda done: run.watch.tried(f"launch {done} of {launches}", f"{len(variants)} workers"),
    )
    models = {name: variant.candidate.model for name, variant in variants.items() if name != again}
    return _summarise(run, found, models, [s.id for s in zeros], again, alpha)


def expected_seconds(start_seconds: float) -> float:
    """About how long the finals of models take that load and warm in `start_seconds`."""
    return LAUNCHES * _WORKERS * (start_seconds + _START_SECONDS)


def _launch_seconds(run: Run, launches: int) -> float:
    """Seconds of timed calls in one launch, so that all of them fit into what is left of the budget."""
    left = run.clock.left() + run.clock.reserve
    return float(np.clip(0.8 * left / launches - _START_SECONDS, 0.1, 2.0))


def _calls_for(limits: Sequence[Limit], alpha: float) -> int:
    return max((calls_needed(QUANTILES[limit.name], alpha) for limit in limits if limit.name in QUANTILES), default=0)


def _summarise(
    run: Run, found: Launches, models: Mapping[str, str], plain: Sequence[str], again: str, alpha: float
) -> Finals:
    seconds = found.seconds
    zeros: dict[str, str] = {}
    for name in sorted(plain, key=lambda name: _median(seconds[name])):
        zeros.setdefault(models[name], name)
    timed = {}
    for name, model in models.items():
        own, zero = seconds[name], zeros[model]
        speedup = Figure.exact(1.0, "") if name == zero else _speedup(seconds[zero], own, alpha)
        timed[name] = Timed(launch_figures(own, run.need.workload.batch, alpha, run.need.seed), speedup)
    twins = list(zip(seconds[again.removesuffix(_AGAIN)], seconds[again], strict=True))
    spread = resolution(twins, 1.0 - run.need.confidence)
    return Finals(zeros, timed, spread, found.noisy, found.repeated)


def _median(launches: Sequence[Seconds]) -> float:
    return float(np.median([np.median(launch) for launch in launches]))


def launch_figures(launches: Sequence[Seconds], batch: int, alpha: float, seed: int) -> dict[str, Figure]:
    """Quantiles and throughput of one variant, with one-sided bounds at 1 - alpha."""
    figures = {name: _measured(quantile_bounds(launches, q, alpha, seed), "s") for name, q in QUANTILES.items()}
    rates = [batch / float(launch.mean()) for launch in launches]
    figures["throughput"] = _measured(mean_bounds_of_launches(rates, alpha), "1/s")
    return figures


def holds(limit: Limit, figure: Figure | None) -> bool:
    """Whether the one-sided bound on the limit's side is within it."""
    return figure is not None and limit.allows(figure.high if limit.op == "<=" else figure.low)


def _speedup(zero: Sequence[Seconds], own: Sequence[Seconds], alpha: float) -> Figure:
    return _measured(ratio_bounds(list(zip(zero, own, strict=True)), alpha), "")


def _measured(bounds: Bounds, unit: str) -> Figure:
    return Figure(bounds.value, unit, bounds.low, bounds.high, "measured")


def objective(run: Run, standing: Standing, figures: Mapping[str, Figure]) -> float:
    """What the Need minimises, as measured, as a number where smaller is better."""
    minimise = run.need.minimise
    if minimise == "size":
        return float(standing.size_bytes or 0)
    if minimise == "memory":
        return float(standing.memory_bytes or 0)
    return figures["latency_p50"].value if minimise == "latency" else -figures["throughput"].value


def _badness(run: Run, standing: Standing) -> float:
    """How bad the quality on select may be; smaller is better."""
    if standing.quality is None:
        return float("inf")
    return standing.quality.high if run.need.metric == "rmse" else -standing.quality.low


def rank(run: Run, standings: Sequence[Standing], finals: Finals) -> list[Standing]:
    """Best first. Within the machine's resolution of the best: the simpler recipe, then the better quality."""
    by_value = sorted(
        standings,
        key=lambda s: (objective(run, s, finals.timed[s.id].figures), s.candidate.recipe.complexity),
    )
    if not by_value or run.need.minimise in ("size", "memory"):
        return by_value
    best = finals.timed[by_value[0].id].figures["latency_p50"].value
    tied = [s for s in by_value if finals.timed[s.id].figures["latency_p50"].value <= best * (1 + finals.resolution)]
    tied.sort(
        key=lambda s: (
            s.candidate.recipe.complexity,
            s.candidate.settings.precision != "f32",
            _badness(run, s),
        )
    )
    return tied + [s for s in by_value if s not in tied]
