"""Widths under a time: what is fitted, what is chosen, and how far from the best that is."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from sartor.errors import CandidateError
from sartor.plan.widths import (
    LayerTimes,
    LayerWidths,
    UnitGroup,
    WidthProblem,
    choose_widths,
    fit_layer_times,
    most_important,
)

seeds = st.integers(0, 2**32 - 1)


def chain(seed: int, groups: int, most: int, multiple: int = 1) -> WidthProblem:
    """Layers one after another, each of which reads the group that the one before it writes, and some that join two."""
    random = np.random.default_rng(seed)
    sizes = random.integers(2, most + 1, groups)
    units = tuple(
        UnitGroup(f"g{number}", random.exponential(random.uniform(0.2, 5), size), multiple)
        for number, size in enumerate(sizes)
    )
    reads: list[dict[str, float]] = [{}, *({f"g{number}": 1.0} for number in range(groups))]
    writes: list[dict[str, float]] = [*({f"g{number}": 1.0} for number in range(groups)), {}]
    if groups > 2:
        reads.append({"g0": 0.5, "g1": 0.3})
        writes.append({"g2": 1.0})
    layers = tuple(LayerWidths(read, written) for read, written in zip(reads, writes, strict=True))
    return WidthProblem(
        units, layers, LayerTimes(random.exponential(0.1, len(layers)), random.exponential(1, len(layers)))
    )


def whole(problem: WidthProblem) -> dict[str, int]:
    return {group.name: len(group.importance) for group in problem.groups}


def options(group: UnitGroup) -> list[int]:
    """Numbers of units that may be kept."""
    size = len(group.importance)
    return [count for count in range(1, size + 1) if count == size or (count % group.multiple == 0)]


def between(problem: WidthProblem, share: float) -> float:
    """A time between the least and the whole."""
    least = problem.seconds({group.name: options(group)[0] for group in problem.groups})
    return least + share * (problem.seconds(whole(problem)) - least)


def test_times_of_layers_come_back_from_measurements_of_them() -> None:
    random = np.random.default_rng(0)
    fixed, factor = random.exponential(1, 9), random.exponential(1, 9)
    fixed[:2], factor[2:4] = 0, 0
    products = random.uniform(0, 1, (5, 9))
    found = fit_layer_times(products, fixed + factor * products)
    assert np.allclose(found.fixed, fixed, atol=1e-9)
    assert np.allclose(found.per_product, factor, atol=1e-9)


@given(seed=seeds, count=st.integers(1, 6))
def test_a_fit_is_the_best_that_is_nowhere_below_zero(seed: int, count: int) -> None:
    from scipy.optimize import nnls

    random = np.random.default_rng(seed)
    products, seconds = random.uniform(0.1, 1, (count, 4)), random.uniform(0, 1, (count, 4))
    found = fit_layer_times(products, seconds)
    assert (found.fixed >= 0).all()
    assert (found.per_product >= 0).all()
    for layer in range(4):
        best = nnls(np.stack([np.ones(count), products[:, layer]], 1), seconds[:, layer])[1]
        left = found.fixed[layer] + found.per_product[layer] * products[:, layer] - seconds[:, layer]
        assert np.linalg.norm(left) == pytest.approx(best, abs=1e-7)


def test_measurements_of_other_shapes_are_refused() -> None:
    with pytest.raises(ValueError, match=r"\(2, 3\).*\(3, 3\)"):
        fit_layer_times(np.ones((2, 3)), np.ones((3, 3)))


@given(seed=seeds, groups=st.integers(1, 8), multiple=st.sampled_from([1, 3, 8]), share=st.floats(0, 1))
@settings(max_examples=60, deadline=None)
def test_the_target_is_met_and_no_group_is_emptied(seed: int, groups: int, multiple: int, share: float) -> None:
    problem = chain(seed, groups, 30, multiple)
    target = between(problem, share)
    widths = choose_widths(problem, target)
    assert problem.seconds(widths) <= target * (1 + 1e-9)
    assert all(widths[group.name] in options(group) for group in problem.groups)


@given(seed=seeds, groups=st.integers(1, 8), multiple=st.sampled_from([1, 4]), share=st.floats(0.05, 1))
@settings(max_examples=60, deadline=None)
def test_no_uniform_share_that_meets_the_target_loses_less(seed: int, groups: int, multiple: int, share: float) -> None:
    problem = chain(seed, groups, 30, multiple)
    target = between(problem, share)
    lost = problem.lost(choose_widths(problem, target))
    for kept in np.linspace(0.02, 1, 50):
        uniform = {
            group.name: min(count for count in options(group) if count >= kept * len(group.importance) - 1e-9)
            for group in problem.groups
        }
        if problem.seconds(uniform) <= target:
            assert lost <= problem.lost(uniform) * (1 + 1e-9) + 1e-12


def test_what_is_chosen_is_close_to_the_best_of_all() -> None:
    ratios = []
    for seed in range(150):
        problem = chain(seed, 3, 6)
        target = between(problem, 0.2 + 0.6 * (seed % 7) / 6)
        names = [group.name for group in problem.groups]
        every = (dict(zip(names, counts, strict=True)) for counts in product(*map(options, problem.groups)))
        best = min(problem.lost(widths) for widths in every if problem.seconds(widths) <= target)
        ratios.append(problem.lost(choose_widths(problem, target)) / best if best else 1.0)
    assert min(ratios) > 1 - 1e-9
    assert np.mean(np.array(ratios) < 1 + 1e-9) > 0.9
    assert max(ratios) < 1.3


def test_more_time_loses_no_more() -> None:
    for seed in range(20):
        problem = chain(seed, 6, 24)
        lost = [problem.lost(choose_widths(problem, between(problem, share))) for share in np.linspace(0, 1, 9)]
        assert np.all(np.diff(lost) <= 1e-9)
        assert lost[-1] == 0


def test_unimportant_units_go_first_and_layers_that_take_no_time_stay_whole() -> None:
    groups = (
        UnitGroup("slow", np.full(10, 1.0)),
        UnitGroup("dear", np.full(10, 100.0)),
        UnitGroup("idle", np.ones(10)),
    )
    layers = tuple(LayerWidths({}, {group.name: 1.0}) for group in groups)
    problem = WidthProblem(groups, layers, LayerTimes(np.zeros(3), np.array([1.0, 1.0, 0.0])))
    assert choose_widths(problem, 1.5) == {"slow": 5, "dear": 10, "idle": 10}


def test_the_least_that_is_asked_stays() -> None:
    group = UnitGroup("g", np.arange(20.0), multiple=4, least=7)
    problem = WidthProblem((group,), (LayerWidths({}, {"g": 1.0}),), LayerTimes(np.zeros(1), np.ones(1)))
    assert choose_widths(problem, 0.4) == {"g": 8}
    with pytest.raises(CandidateError, match="take 400 ms, and 300 ms are aimed at"):
        choose_widths(problem, 0.3)


def test_a_network_without_groups_is_as_fast_as_it_is() -> None:
    problem = WidthProblem((), (LayerWidths({}, {}),), LayerTimes(np.ones(1), np.ones(1)))
    assert choose_widths(problem, 2.0) == {}
    with pytest.raises(CandidateError, match="its layers take 2 s"):
        choose_widths(problem, 1.9)


def test_times_are_those_of_the_layers() -> None:
    problem = chain(3, 4, 12)
    assert problem.seconds(whole(problem)) == pytest.approx(problem.times.fixed.sum() + problem.times.per_product.sum())
    halved = {group.name: len(group.importance) for group in problem.groups} | {"g0": 1}
    size = len(problem.groups[0].importance)
    gone = 1 - 1 / size
    saved = problem.times.per_product @ np.array([gone, gone, 0, 0, 0, 0.5 * gone])
    assert problem.seconds(whole(problem)) - problem.seconds(halved) == pytest.approx(saved)


@given(seed=seeds)
@settings(max_examples=10, deadline=None)
def test_the_same_problem_has_the_same_answer(seed: int) -> None:
    problem, again = chain(seed, 5, 20), chain(seed, 5, 20)
    assume(problem.groups)
    assert choose_widths(problem, between(problem, 0.5)) == choose_widths(again, between(again, 0.5))


def test_the_most_important_are_kept() -> None:
    kept = most_important({"g": np.array([3.0, 1.0, 2.0, 3.0, 1.0])}, {"g": 4})
    assert kept["g"].tolist() == [True, True, True, True, False]
