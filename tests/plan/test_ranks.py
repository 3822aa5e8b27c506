"""Which rank each layer gets: the knapsack against every combination, and against one threshold for all."""

from __future__ import annotations

from itertools import product

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sartor.errors import CandidateError
from sartor.plan.ranks import RankChoice, RankedLayer, Ranks, ranks_saving


@st.composite
def networks(draw: st.DrawFn, most_layers: int = 4, most_choices: int = 4) -> list[RankedLayer]:
    found = []
    for number in range(draw(st.integers(1, most_layers))):
        choices = [
            RankChoice((8 * (rank + 1),), draw(st.floats(0.0, 1.0)), draw(st.floats(1e-6, 2e-3)))
            for rank in range(draw(st.integers(0, most_choices)))
        ]
        found.append(RankedLayer(f"layer {number}", draw(st.floats(1e-5, 1e-3)), tuple(choices)))
    return found


def totals(layers: list[RankedLayer], ranks: dict[str, Ranks]) -> tuple[float, float]:
    """Summed error and seconds saved."""
    by_name = {layer.name: layer for layer in layers}
    taken = [
        (by_name[name], next(choice for choice in by_name[name].choices if choice.ranks == wanted))
        for name, wanted in ranks.items()
    ]
    return sum(choice.error for _, choice in taken), sum(layer.seconds - choice.seconds for layer, choice in taken)


def most(layers: list[RankedLayer]) -> float:
    return sum(layer.most_saved for layer in layers)


@settings(max_examples=60, deadline=None)
@given(networks(), st.floats(0.05, 1.0))
def test_no_combination_that_saves_as_much_has_a_smaller_error(layers: list[RankedLayer], share: float) -> None:
    asked = share * most(layers)
    error, saved = totals(layers, ranks_saving(layers, asked))
    assert saved >= asked * (1 - 2e-6)
    combinations = product(*[(None, *layer.choices) for layer in layers])
    sums = [
        (
            sum(choice.error for choice in each if choice),
            sum(layer.seconds - choice.seconds for layer, choice in zip(layers, each, strict=True) if choice),
        )
        for each in combinations
    ]
    assert error <= min(total for total, spared in sums if spared >= asked) + 1e-6


@settings(max_examples=40, deadline=None)
@given(networks(most_layers=12, most_choices=8), st.floats(0.0, 1.0))
def test_one_threshold_for_all_layers_is_never_better(layers: list[RankedLayer], threshold: float) -> None:
    """The usual rule: of each layer the fastest choice that loses at most so much."""
    uniform: dict[str, Ranks] = {}
    for layer in layers:
        allowed = [choice for choice in layer.faster if choice.error <= threshold]
        if allowed:
            uniform[layer.name] = min(allowed, key=lambda choice: choice.seconds).ranks
    error, saved = totals(layers, uniform)
    found, spared = totals(layers, ranks_saving(layers, saved))
    assert spared >= saved * (1 - 2e-6)
    assert found <= error + 1e-6


@settings(max_examples=20, deadline=None)
@given(networks(most_layers=8), st.floats(0.05, 1.0))
def test_the_same_layers_get_the_same_ranks(layers: list[RankedLayer], share: float) -> None:
    asked = share * most(layers)
    assert ranks_saving(layers, asked) == ranks_saving(layers, asked)


def test_a_layer_that_no_rank_makes_faster_stays_whole() -> None:
    slow = RankedLayer("slow", 1.0, (RankChoice((8,), 0.0, 1.5), RankChoice((16,), 0.0, 1.0)))
    fast = RankedLayer("fast", 1.0, (RankChoice((8,), 0.5, 0.25), RankChoice((16,), 0.1, 0.5)))
    assert ranks_saving([slow, fast], 0.4) == {"fast": (16,)}
    assert ranks_saving([slow, fast], 0.7) == {"fast": (8,)}


def test_errors_outweigh_times_once_the_target_is_met() -> None:
    layers = [
        RankedLayer("sensitive", 1.0, (RankChoice((8,), 1e-3, 0.2),)),
        RankedLayer("robust", 1.0, (RankChoice((8, 16), 1e-9, 0.6), RankChoice((8, 8), 1e-8, 0.5))),
    ]
    assert ranks_saving(layers, 0.4) == {"robust": (8, 16)}
    assert ranks_saving(layers, 0.5) == {"robust": (8, 8)}


def test_more_than_can_be_saved_is_refused_with_what_can() -> None:
    layers = [RankedLayer("a", 2e-3, (RankChoice((8,), 0.1, 1.5e-3),))]
    with pytest.raises(CandidateError, match=r"at most 0\.0005 s of a call, 0\.001 s were asked for"):
        ranks_saving(layers, 1e-3)


def test_nothing_to_save_leaves_every_layer_whole() -> None:
    layers = [RankedLayer("a", 2e-3, (RankChoice((8,), 0.0, 1e-3),))]
    assert ranks_saving(layers, 0.0) == {}
    assert ranks_saving([], 0.0) == {}
