"""How much error a file with layers in f32 may keep: what is tried next, by what came of the last."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from sartor.fit.board import Standing
from sartor.fit.mixed import Trade
from sartor.plan.candidates import Candidate
from sartor.plan.mixed import MixedLayer, error_left
from sartor.plan.recipe import CompressionStep, Recipe
from sartor.runtime.base import Settings

INT8 = Recipe((CompressionStep("int8-static"),))
LOSSY = Standing(Candidate("net", INT8, "openvino", Settings()), seconds=1.0)
LAYERS = tuple(MixedLayer(f"layer {n}", 2.0**-n, 0.0, 0.1) for n in range(12))
WHOLE = sum(one.error for one in LAYERS)


def trade(room: float = 0.5) -> Trade:
    return Trade(LOSSY, LAYERS, conversion=0.0, fails=WHOLE, room=room)


def test_the_first_file_may_lose_what_the_limit_leaves() -> None:
    """Half of the loss is a quarter of the error, and a margin for confirm."""
    kept = trade(room=0.5).next_kept()
    assert kept is not None
    left = error_left(LAYERS, kept)
    assert left <= (0.7 * 0.5) ** 2 * WHOLE
    assert left > (0.7 * 0.5) ** 2 * WHOLE / 4, "more would be kept than has to be"


@pytest.mark.parametrize("enough", [0.3, 0.03, 0.004])
def test_it_closes_in_on_the_largest_error_that_suffices(enough: float) -> None:
    trying, sets = trade(), []
    for _ in range(20):
        kept = trying.next_kept()
        if kept is None:
            break
        sets.append(trying.names(kept))
        trying.tried.add(sets[-1])
        likely = error_left(LAYERS, kept) <= enough
        trying.learn(kept, replace(LOSSY, likely=likely, seconds=1.0 + 0.1 * kept.sum()), room=0.9)
    assert len(set(sets)) == len(sets), "nothing is built twice"
    assert 0 < trying.passes <= enough < trying.fails
    assert trying.fails <= 8 * trying.passes, "errors of neighbouring sets lie a factor of two apart here"


def test_a_set_that_was_tried_is_not_built_again_where_one_layer_makes_nearly_all_of_the_error() -> None:
    layers = (MixedLayer("outlier", 100.0, 0.0, 0.1), *LAYERS)
    trying = Trade(LOSSY, layers, conversion=0.0, fails=100.0 + WHOLE, room=1.0)
    first = trying.next_kept()
    assert first is not None
    assert trying.names(first) == ("outlier",)
    trying.tried.add(("outlier",))
    second = trying.next_kept()
    assert second is not None
    assert trying.names(second)[0] == "outlier"
    assert len(trying.names(second)) > 1


def test_what_a_file_took_beyond_its_layers_is_put_on_its_conversions() -> None:
    layers = tuple(replace(one, elements_in=50.0, elements_out=50.0) for one in LAYERS)
    trying = Trade(LOSSY, layers, conversion=0.0, fails=WHOLE, room=1.0)
    kept = np.array([True, True, *[False] * 10])
    trying.learn(kept, replace(LOSSY, seconds=1.0 + 0.2 + 0.4), room=1.0)
    assert trying.conversion == pytest.approx(0.4 / 200)
    trying.learn(kept, replace(LOSSY, seconds=0.5), room=1.0)
    assert trying.conversion == 0.0, "never a gain"


def test_nothing_is_tried_where_every_layer_would_be_kept() -> None:
    one = (MixedLayer("only", 1.0, 0.0, 0.1),)
    assert Trade(LOSSY, one, conversion=0.0, fails=1.0, room=1.0).next_kept() is None
