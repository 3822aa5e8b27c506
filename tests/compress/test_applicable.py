"""Each runtime is offered what it can do, and says why not to the rest."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from sartor.compress.applicable import recipes, soonest_built, why_not
from sartor.compress.build import build
from sartor.compress.calibration import pieces
from sartor.compress.onnx_file import read_whole
from sartor.compress.quiet import quiet
from sartor.machine.device import Machine
from sartor.model.values import ExportedModel, Signature, TensorSpec
from sartor.plan.recipe import CompressionStep, Recipe
from sartor.runtime import RUNTIMES
from sartor.steps.prepared import Prepared

from .networks import rows, write_residual

MODERN = Machine("New", "x86_64", 2, ("avx2", "avx512f", "avx512_vnni"), 2**33, "Linux 6", "3.11")
BARE = Machine("Bare", "x86_64", 2, (), 2**33, "Linux 6", "3.11")


@pytest.mark.parametrize("runtime", list(RUNTIMES))
def test_every_recipe_applies_or_says_why_not(runtime: str) -> None:
    reasons = {recipe.label: why_not(recipe, runtime, MODERN) for recipe in recipes(runtime)}
    assert reasons["f32"] is None
    assert reasons["fp16 weights"] is None
    offered = [label for label, why in reasons.items() if label.startswith("int8 static") and why is None]
    assert len(offered) == (4 if runtime == "onnxruntime" else 3)
    assert all(why is None or len(why) > 20 for why in reasons.values())


@pytest.mark.parametrize("calibration", ["entropy", "percentile"])
def test_what_is_built_for_its_times_has_the_same_operators(calibration: str, tmp_path: Path) -> None:
    asked = Recipe((CompressionStep("int8-static", (("calibration", calibration),)),))
    soonest = soonest_built(asked, "onnxruntime")
    assert soonest.label == "int8 static (minmax)"
    model, given = write_residual(tmp_path), Prepared({"x": rows(20)})
    first, second = (
        _operators(build(recipe, model, "onnxruntime", given, tmp_path / recipe.slug).path)
        for recipe in (asked, soonest)
    )
    assert first == second


def _operators(path: Path) -> list[tuple[str, str]]:
    return [(node.op_type, node.name) for node in read_whole(path).graph.node]


def test_times_of_layers_are_taken_from_the_very_file_where_its_operators_may_differ() -> None:
    assert all(soonest_built(recipe, "openvino") == recipe for recipe in recipes("openvino"))
    some = CompressionStep("int8-static", (("calibration", "entropy"),), keeps=("a",))
    assert soonest_built(Recipe((some,)), "onnxruntime").steps[0].keeps == ("a",)


@pytest.mark.parametrize("for_bytes", [False, True])
@pytest.mark.parametrize("runtime", list(RUNTIMES))
def test_recipes_are_unique_and_simplest_first(runtime: str, for_bytes: bool) -> None:
    offered = recipes(runtime, for_bytes=for_bytes)
    assert len({recipe.slug for recipe in offered}) == len(offered)
    assert [recipe.complexity for recipe in offered] == sorted(recipe.complexity for recipe in offered)


@pytest.mark.parametrize("runtime", list(RUNTIMES))
def test_weights_alone_are_tried_where_bytes_count(runtime: str) -> None:
    more = set(recipes(runtime, for_bytes=True)) - set(recipes(runtime))
    assert {recipe.label for recipe in more} == {"int8 weights", "int4 weights"}
    assert all(why_not(recipe, runtime, MODERN) is None for recipe in more)


def test_dynamic_is_not_offered_by_openvino() -> None:
    assert "ahead of time" in str(why_not(Recipe((CompressionStep("int8-dynamic"),)), "openvino", MODERN))


def test_integers_need_vector_instructions() -> None:
    static = Recipe((CompressionStep("int8-static", (("calibration", "minmax"),)),))
    assert "vector instructions" in str(why_not(static, "onnxruntime", BARE))
    assert why_not(Recipe(), "onnxruntime", BARE) is None


def test_combined_steps_and_unknown_runtimes_are_refused() -> None:
    both = Recipe((CompressionStep("fp16-weights"), CompressionStep("int8-dynamic")))
    assert "not combined" in str(why_not(both, "onnxruntime", MODERN))
    assert "no compression is known" in str(why_not(Recipe(), "abacus", MODERN))


def test_recipe_survives_json_and_names_itself() -> None:
    recipe = Recipe((CompressionStep("int8-static", (("calibration", "entropy"),)),))
    assert Recipe.from_dict(recipe.as_dict()) == recipe
    assert (recipe.label, recipe.slug) == ("int8 static (entropy)", "int8-static-entropy")
    assert Recipe((CompressionStep("none"),)).label == Recipe().label == "f32"


def test_an_unknown_step_is_an_error() -> None:
    with pytest.raises(ValueError, match="no compression step"):
        CompressionStep.from_dict({"name": "int3-magic"})


@pytest.mark.parametrize(("batch", "expected"), [("batch", [4, 4, 2]), (3, [3, 3, 3])])
def test_pieces_cover_the_rows_that_fit(batch: str | int, expected: list[int]) -> None:
    signature = Signature((TensorSpec("x", "float32", (batch, 1, 12, 12)),), ())
    source = ExportedModel(Path("none.onnx"), signature, 0)
    assert [len(piece["x"]) for piece in pieces(source, Prepared({"x": rows(10)}), 4)] == expected


def test_quiet_restores_logging(capsys: pytest.CaptureFixture[str]) -> None:
    import logging

    before = (logging.root.manager.disable, list(logging.root.handlers))
    with quiet():
        print("noise")
        logging.warning("noise")
    assert (logging.root.manager.disable, list(logging.root.handlers)) == before
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize("name", ["fp16-weights", "int8-weights"])
def test_a_step_that_cannot_keep_layers_does_not_ignore_them(name: str) -> None:
    recipe = Recipe((CompressionStep(name, (), ("c1",)),))  # type: ignore[arg-type]
    assert "only int8 static and dynamic leave layers in f32" in str(why_not(recipe, "onnxruntime", MODERN))


@pytest.mark.parametrize("name", ["prune", "low-rank", "recover"])
def test_steps_that_give_another_network_are_left_to_the_search(name: Any) -> None:
    for runtime in RUNTIMES:
        why = why_not(Recipe((CompressionStep(name),)), runtime, MODERN)
        assert why is not None
        assert "which `fit` searches for" in why
