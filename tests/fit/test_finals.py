"""Ranking the finalists: the objective first, and how ties are broken."""

from __future__ import annotations

from types import SimpleNamespace
from typing import cast

from sartor.figures import Figure
from sartor.fit.board import Standing
from sartor.fit.finals import Finals, Timed, rank
from sartor.fit.run import Run
from sartor.plan.candidates import Candidate
from sartor.plan.recipe import CompressionStep, Recipe
from sartor.runtime.base import Settings


def figure(value: float, unit: str = "s") -> Figure:
    return Figure(value, unit, 0.99 * value, 1.01 * value, "measured")


def standing(calibration: str, quality: float, size: int = 1) -> Standing:
    recipe = Recipe((CompressionStep("int8-static", (("calibration", calibration),)),)) if calibration else Recipe()
    candidate = Candidate("net", recipe, "onnxruntime", Settings())
    return Standing(candidate, quality=figure(quality, ""), size_bytes=size)


def ranked(seconds: dict[str, float], standings: list[Standing], minimise: str = "latency") -> list[str]:
    timed = {
        s.id: Timed({"latency_p50": figure(t), "throughput": figure(1 / t, "1/s")}, figure(1.0, ""))
        for s, t in zip(standings, seconds.values(), strict=True)
    }
    run = cast(Run, SimpleNamespace(need=SimpleNamespace(minimise=minimise, metric="accuracy")))
    return [s.candidate.recipe.slug for s in rank(run, standings, Finals({}, timed, 0.05, False, 0))]


def test_a_clear_winner_goes_first_whatever_its_recipe() -> None:
    standings = [standing("", 0.95), standing("minmax", 0.94)]
    assert ranked({"plain": 2e-3, "int8": 1e-3}, standings)[0] == "int8-static-minmax"


def test_within_the_resolution_the_simpler_recipe_goes_first() -> None:
    standings = [standing("minmax", 0.97), standing("", 0.95)]
    assert ranked({"int8": 1e-3, "plain": 1.03e-3}, standings)[0] == "f32"


def test_of_equally_simple_ones_within_the_resolution_the_better_quality_goes_first() -> None:
    standings = [standing("percentile", 0.94), standing("minmax", 0.96)]
    assert ranked({"percentile": 1e-3, "minmax": 1.01e-3}, standings)[0] == "int8-static-minmax"


def test_size_is_ranked_by_size_alone() -> None:
    standings = [standing("", 0.95, size=100), standing("minmax", 0.95, size=30)]
    assert ranked({"plain": 1e-3, "int8": 9e-3}, standings, "size")[0] == "int8-static-minmax"
