"""Pruning to a share of the time that layers take."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from onnx import ModelProto

from sartor.compress.layers import timed_layers
from sartor.compress.pruning.importance import magnitude, weights_of
from sartor.compress.pruning.time_share import MEASURED_SHARES, Measured, found_groups, narrow_uniformly, prune
from sartor.compress.pruning.unshared import unshared
from sartor.errors import CandidateError

from .prunable import Drawing, answers, recurrent, rows_of


def wide() -> ModelProto:
    """A stem, a residual block and a head, all with enough weights to be layers."""
    drawing = Drawing()
    stem = drawing.add("Relu", drawing.conv("x", "stem", 3, 32))
    inner = drawing.add("Relu", drawing.conv(stem, "inner", 32, 48))
    block = drawing.add("Relu", drawing.add("Add", stem, drawing.conv(inner, "outer", 48, 32)))
    pooled = drawing.add("Flatten", drawing.add("GlobalAveragePool", block))
    hidden = drawing.add("Relu", drawing.dense(pooled, "hidden", 32, 64))
    return drawing.done(drawing.dense(hidden, "head", 64, 10), {"x": ("batch", 3, 8, 8)}, 10)


def seconds(model: ModelProto) -> dict[str, float]:
    """As if each layer took a nanosecond for each weight and as much for nothing."""
    sizes = {tensor.name: float(np.prod(tensor.dims)) for tensor in model.graph.initializer}
    return {one.name: 1e-9 * (sizes[one.name] + 100) for one in timed_layers(model)}


def pruned(network: Callable[[], ModelProto], share: float) -> tuple[ModelProto, ModelProto]:
    model = unshared(network())
    groups = found_groups(model, rows_of(model))
    measured = [
        Measured(each, seconds(model if each == 1.0 else narrow_uniformly(model, groups, each)))
        for each in MEASURED_SHARES
    ]
    return model, prune(model, groups, magnitude(groups, weights_of(model)), measured, share).model


@pytest.mark.parametrize("share", [0.9, 0.6, 0.3])
def test_the_layers_take_at_most_their_share(share: float) -> None:
    model, smaller = pruned(wide, share)
    whole = seconds(model)
    left = {tensor.name: float(np.prod(tensor.dims)) for tensor in smaller.graph.initializer}
    took = sum(1e-9 * (left[name] + 100) for name in whole if name in left)
    assert 0.5 * share * sum(whole.values()) <= took <= 1.05 * share * sum(whole.values())
    rows = rows_of(model)
    assert answers(smaller, rows).shape == answers(model, rows).shape
    assert np.isfinite(answers(smaller, rows)).all()


def test_recurrent_layers_count() -> None:
    model, smaller = pruned(recurrent, 0.8)
    hidden = [next(a.i for a in n.attribute if a.name == "hidden_size") for n in model.graph.node if n.op_type == "GRU"]
    left = [next(a.i for a in n.attribute if a.name == "hidden_size") for n in smaller.graph.node if n.op_type == "GRU"]
    assert hidden
    assert sum(left) < sum(hidden)


def test_what_cannot_be_reached_says_how_far_it_is() -> None:
    with pytest.raises(CandidateError, match="with the fewest channels that may be left"):
        pruned(wide, 0.01)


def test_a_network_of_which_no_layer_is_timed_is_refused() -> None:
    model = recurrent()
    groups = found_groups(model, rows_of(model))
    importance = magnitude(groups, weights_of(model))
    with pytest.raises(CandidateError, match="no layer whose time is known"):
        prune(model, groups, importance, [Measured(each, {}) for each in MEASURED_SHARES], 0.5)
