"""Models of several inputs whose rows differ in length: calibrated without padding, right at every length."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from sartor.compress.applicable import recipes, why_not
from sartor.compress.build import build
from sartor.compress.calibration import checked_rows, pieces
from sartor.errors import DataError
from sartor.machine.device import this_machine
from sartor.model.values import ExportedModel, Signature, TensorSpec
from sartor.plan.recipe import Recipe
from sartor.runtime import RUNTIMES, open_runtime
from sartor.runtime.base import Array, Settings
from sartor.steps.prepared import Prepared

from .sentences import NAMES, sentences, write_sentences

OFFERED = [
    pytest.param(runtime, recipe, id=f"{runtime}-{recipe.slug}")
    for runtime in RUNTIMES
    for recipe in recipes(runtime, attends=False)
    if "corrected" not in recipe.slug and why_not(recipe, runtime, this_machine()) is None
]


@pytest.fixture(scope="module")
def network(tmp_path_factory: pytest.TempPathFactory) -> ExportedModel:
    return write_sentences(tmp_path_factory.mktemp("sentences"))


def answers(path: Path, runtime: str, rows: Prepared) -> Array:
    session = open_runtime(runtime).load(path, Settings())
    calls = [rows.take(slice(row, row + 1)).trimmed() for row in range(len(rows))]
    given = [{name: np.ascontiguousarray(array) for name, array in call.arrays.items()} for call in calls]
    return np.concatenate([session.run(call)[0].copy() for call in given])


@pytest.mark.parametrize(("runtime", "recipe"), OFFERED)
def test_every_recipe_keeps_the_answers(runtime: str, recipe: Recipe, network: ExportedModel, tmp_path: Path) -> None:
    rows = sentences(40)
    built = build(recipe, network, runtime, rows, tmp_path / "variant")
    expected, got = answers(network.path, "onnxruntime", rows), answers(built.path, runtime, rows)
    assert np.mean(expected.argmax(axis=1) == np.arange(40) % 2) > 0.95, "the fixture must be able to classify"
    assert np.mean(expected.argmax(axis=1) == got.argmax(axis=1)) >= 0.95


@pytest.mark.parametrize("at_most", [1, 4])
def test_pieces_hold_no_padding_and_every_row_once(at_most: int, network: ExportedModel) -> None:
    rows = checked_rows(network, sentences(30), 30)
    assert rows.lengths is not None
    found = list(pieces(network, rows, at_most))
    assert all(piece["mask"].all() for piece in found)
    assert all(1 <= len(piece["ids"]) <= at_most for piece in found)
    assert sorted(length for piece in found for length in piece["mask"].sum(axis=1)) == sorted(rows.lengths)


def fixed_to(network: ExportedModel, batch: str | int, length: str | int) -> ExportedModel:
    inputs = tuple(TensorSpec(name, "int64", (batch, length)) for name in NAMES)
    return replace(network, signature=Signature(inputs, network.signature.outputs))


def test_a_fixed_batch_takes_neighbours_in_length(network: ExportedModel) -> None:
    fixed = fixed_to(network, 4, "length")
    found = list(pieces(fixed, checked_rows(fixed, sentences(30), 30), 1))
    assert [len(piece["ids"]) for piece in found] == [4] * 7
    lengths = [sorted(piece["mask"].sum(axis=1)) for piece in found]
    assert all(piece["ids"].shape[1] == most for piece, (*_, most) in zip(found, lengths, strict=True))
    assert all(one[-1] <= other[0] for one, other in pairwise(lengths))


def test_a_fixed_length_gets_its_padding(network: ExportedModel) -> None:
    fixed = fixed_to(network, "batch", 12)
    assert {piece["ids"].shape[1] for piece in pieces(fixed, checked_rows(fixed, sentences(10), 10), 4)} == {12}


def test_rows_take_the_order_and_the_names_of_the_file(network: ExportedModel) -> None:
    rows = sentences(10)
    swapped = Prepared(
        {"mask": rows.arrays["mask"], "ids": rows.arrays["ids"], "extra": np.zeros(10)}, rows.lengths, rows.padding
    )
    assert list(checked_rows(network, swapped, 3).arrays) == ["ids", "mask"]
    assert len(checked_rows(network, swapped, 3)) == 3


def test_a_missing_input_is_named(network: ExportedModel, tmp_path: Path) -> None:
    rows = sentences(10)
    with pytest.raises(DataError, match="no input `mask`"):
        build(Recipe(), network, "onnxruntime", Prepared({"ids": rows.arrays["ids"]}), tmp_path / "variant")
