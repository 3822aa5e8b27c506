"""What units are worth: by their weights, by what they give, and by the loss."""

from __future__ import annotations

import numpy as np
import onnx
import pytest

from sartor.compress.pruning.activation import activation
from sartor.compress.pruning.channels import channel_groups
from sartor.compress.pruning.importance import magnitude, taylor, weights_of
from sartor.compress.pruning.narrow import narrow
from sartor.errors import DataError
from tests.compress import prunable
from tests.compress.prunable import NETWORKS, PICTURE, TEXT, Drawing, Network, answers, rows_of

each_network = pytest.mark.parametrize("network", NETWORKS, ids=lambda network: network.__name__)


def two_layers() -> onnx.ModelProto:
    """x (batch, length, 12) -> Relu(x one + bias) two, a mean over the length: (batch, 3)."""
    d = Drawing()
    x = d.add("Relu", d.dense("x", "one", 12, 6), to="hidden")
    x = d.add("MatMul", x, d.weight("two", 6, 3))
    return d.done(d.add("ReduceMean", x, d.constant("first", [1]), keepdims=0), {"x": TEXT}, 3)


def test_the_magnitude_of_a_unit_is_the_norm_of_all_its_weights() -> None:
    model = two_layers()
    weights = weights_of(model)
    found = magnitude(channel_groups(model, rows_of(model)), weights)
    squares = (weights["one"] ** 2).sum(0) + weights["one.bias"] ** 2 + (weights["two"] ** 2).sum(1)
    assert np.allclose(found["one"], np.sqrt(squares) / np.sqrt(squares).sum())


@each_network
def test_every_group_shares_what_its_readers_get(network: Network) -> None:
    model = network()
    groups = channel_groups(model, rows_of(model))
    shapes = [(group.name, (group.size,)) for group in groups.groups]
    for found in (magnitude(groups, weights_of(model)), activation(model, groups, [rows_of(model)])):
        assert [(name, values.shape) for name, values in found.items()] == shapes
        assert all((values > 0).any() and (values >= 0).all() for values in found.values())
    assert all(values.sum() == pytest.approx(1) for values in magnitude(groups, weights_of(model)).values())


def test_what_describes_activations_is_no_weight() -> None:
    model = prunable.residual()
    groups = channel_groups(model, rows_of(model))
    weights = weights_of(model)
    changed = {name: values * (100 if name in groups.statistics else 1) for name, values in weights.items()}
    for name, values in magnitude(groups, weights).items():
        assert np.array_equal(values, magnitude(groups, changed)[name])


def test_a_channel_of_many_places_counts_them_all() -> None:
    model = prunable.flattening()
    groups = channel_groups(model, rows_of(model))
    weights = {"f1": weights_of(model)["f1"]}
    norms = np.linalg.norm(weights["f1"].reshape(7, 5, 16), axis=(0, 2))
    assert np.allclose(magnitude(groups, weights)["c2"], norms / norms.sum())


@pytest.mark.parametrize("opset", [13, 20])
def test_the_activation_of_a_unit_is_its_share_of_the_energy_that_a_layer_gets(opset: int) -> None:
    d = Drawing()
    x = d.add("Relu", d.conv("x", "c1", 2, 6))
    mean = d.add("Flatten", d.add("GlobalAveragePool", d.conv(x, "c2", 6, 4)))
    model = d.done(d.dense(mean, "head", 4, 3), {"x": PICTURE}, 3, opset)
    groups, rows = channel_groups(model, rows_of(model)), [rows_of(model, batch) for batch in (1, 3)]
    weights = weights_of(model)
    every = np.concatenate([batch["x"] for batch in rows])
    padded = np.pad(every, ((0, 0), (0, 0), (1, 1), (1, 1)))
    windows = np.lib.stride_tricks.sliding_window_view(padded, (3, 3), axis=(2, 3))
    given = np.einsum("bchwij,ocij->bohw", windows, weights["c1"]) + weights["c1.bias"][:, None, None]
    energies = (np.maximum(given, 0) ** 2).mean((0, 2, 3)) * (weights["c2"] ** 2).sum((0, 2, 3))
    assert np.allclose(activation(model, groups, rows)["c1"], energies / energies.sum(), rtol=1e-4)


def test_a_unit_that_several_layers_read_counts_for_each() -> None:
    model = prunable.residual()
    groups = channel_groups(model, rows_of(model))
    found = activation(model, groups, [rows_of(model)])
    assert {name: round(float(values.sum()), 6) for name, values in found.items()} == {
        **{"stem": 3.0, "a1": 1.0, "b1": 1.0, "b2": 1.0}
    }


def test_a_unit_that_gives_nothing_is_worth_nothing() -> None:
    model = two_layers()
    for tensor in model.graph.initializer:
        if tensor.name in ("one", "one.bias"):
            values = weights_of(model)[tensor.name].copy()
            values[..., 2] = 0
            tensor.raw_data = values.tobytes()
    found = activation(model, channel_groups(model, rows_of(model)), [rows_of(model)])
    assert found["one"][2] == 0
    assert np.count_nonzero(found["one"]) == 5


def test_taylor_is_the_mean_square_of_the_loss_that_goes_to_first_order() -> None:
    model = two_layers()
    groups, rows = channel_groups(model, rows_of(model)), rows_of(model)
    weights = weights_of(model)
    # The loss is the sum of the answers; units add to it, so that leaving one out changes it by what it gives.
    hidden = rows["x"] @ weights["one"] + weights["one.bias"]
    active = hidden > 0
    back = active * weights["two"].sum(1) / rows["x"].shape[1]
    gradients = {
        "one": np.einsum("bti,bth->ih", rows["x"], back),
        "one.bias": back.sum((0, 1)),
        "two": np.repeat((hidden * active).sum((0, 1))[:, None] / rows["x"].shape[1], 3, axis=1),
    }
    found = taylor(groups, weights, iter([gradients, {name: -3 * values for name, values in gradients.items()}]))
    whole = answers(model, rows).sum()
    # Both the weights that make a unit and those that read it give the whole of it: twice what goes with it.
    gone = [
        2 * (whole - answers(narrow(model, groups, {"one": np.arange(6) != unit}), rows).sum()) for unit in range(6)
    ]
    assert np.allclose(found["one"], np.square(gone) * (1 + 9) / 2, rtol=1e-3)


def test_neither_rows_nor_gradients_are_refused() -> None:
    model = two_layers()
    groups = channel_groups(model, rows_of(model))
    with pytest.raises(DataError, match="no calibration rows"):
        activation(model, groups, [])
    with pytest.raises(DataError, match="no gradients"):
        taylor(groups, weights_of(model), [])
