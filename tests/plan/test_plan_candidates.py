"""Candidates: every combination is listed once or refused with its reason."""

from __future__ import annotations

import re
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sartor.machine.device import Machine
from sartor.plan.candidates import Candidate, Option, Plan, RowShapes, enumerate_candidates, thread_counts
from sartor.plan.recipe import CompressionStep, Recipe
from sartor.runtime.base import Precision, Settings
from tests.strategies import names, options, recipes

Precisions = Sequence[tuple[str, Precision, str | None]]
PRECISIONS: Precisions = (
    ("onnxruntime", "f32", None),
    ("onnxruntime", "bf16", "no bf16 kernels"),
    ("openvino", "f32", None),
    ("openvino", "bf16", None),
)
OPTIONS = [
    Option(Recipe(), "onnxruntime"),
    Option(Recipe((CompressionStep("int8-dynamic"),)), "onnxruntime"),
    Option(Recipe(), "openvino"),
    Option(Recipe((CompressionStep("int8-dynamic"),)), "openvino", "not in OpenVINO"),
]


def plan(rows: RowShapes = RowShapes(), cores: int = 2, batch: int = 1) -> Plan:  # noqa: B008 - frozen
    return enumerate_candidates("net", OPTIONS, PRECISIONS, cores=cores, batch=batch, rows=rows)


@given(
    st.lists(options, max_size=6, unique_by=lambda option: (option.recipe.slug, option.runtime)),
    names,
    st.integers(1, 64),
    st.integers(1, 256),
    st.builds(RowShapes, st.booleans(), st.booleans(), st.booleans(), st.sampled_from([0, 64])),
)
def test_every_combination_is_listed_once_or_refused(
    chosen: list[Option], model: str, cores: int, batch: int, rows: RowShapes
) -> None:
    made = enumerate_candidates(model, chosen, PRECISIONS, cores=cores, batch=batch, rows=rows)
    ids = [candidate.id for candidate in made.candidates]
    assert len(set(ids)) == len(ids)
    assert all(re.fullmatch(r"[A-Za-z0-9._-]+", name) for name in ids)
    assert all(refusal.what and refusal.why for refusal in made.refusals)
    assert all(candidate.settings.batch == batch for candidate in made.candidates)
    listed = {(candidate.recipe, candidate.runtime) for candidate in made.candidates}
    assert listed == {(option.recipe, option.runtime) for option in chosen if option.why_not is None}
    refused = [option for option in chosen if option.why_not is not None]
    assert all(f"{o.recipe.label} in {o.runtime}" in {r.what for r in made.refusals} for o in refused)


@given(recipes, names, st.integers(1, 64), st.sampled_from(["f32", "bf16"]), st.sampled_from(["fixed", "dynamic"]))
def test_a_candidate_survives_json(recipe: Recipe, model: str, threads: int, precision: Precision, shape: str) -> None:
    settings = Settings(precision, threads, "fixed" if shape == "fixed" else "dynamic", 4)
    candidate = Candidate(model, recipe, "openvino", settings)
    assert Candidate.from_dict(candidate.as_dict()) == candidate


def test_a_constant_batch_leaves_only_the_fixed_shape() -> None:
    made = plan(RowShapes(dynamic_batch=False))
    assert {candidate.settings.shape for candidate in made.candidates} == {"fixed"}
    assert any("dynamic" in refusal.what and "constant" in refusal.why for refusal in made.refusals)


def test_rows_of_one_shape_need_no_buckets() -> None:
    made = plan()
    assert {candidate.settings.shape for candidate in made.candidates} == {"fixed", "dynamic"}
    assert any("buckets" in refusal.what and "one shape" in refusal.why for refusal in made.refusals)


def test_rows_of_several_shapes_cannot_be_fixed() -> None:
    made = plan(RowShapes(symbolic=True))
    assert "fixed" not in {candidate.settings.shape for candidate in made.candidates}
    refused = {refusal.what: refusal.why for refusal in made.refusals}
    assert "symbolic size" in refused["shape policy fixed"]
    assert "shape policy buckets" in refused  # the rows of a data set have one shape, whatever the model takes


def test_what_a_runtime_cannot_compute_is_refused_with_its_reason() -> None:
    made = plan()
    assert {c.settings.precision for c in made.candidates if c.runtime == "onnxruntime"} == {"f32"}
    assert ("bf16 arithmetic in onnxruntime", "no bf16 kernels") in {(r.what, r.why) for r in made.refusals}
    assert ("int8 dynamic in openvino", "not in OpenVINO") in {(r.what, r.why) for r in made.refusals}


def test_every_model_has_its_uncompressed_candidate_in_every_runtime() -> None:
    plain = [candidate for candidate in plan().candidates if candidate.is_uncompressed]
    assert {candidate.runtime for candidate in plain} == {"onnxruntime", "openvino"}
    assert all(candidate.settings.precision == "f32" and not candidate.recipe.quantizes for candidate in plain)


@given(st.integers(1, 512))
def test_threads_go_up_to_the_cores(cores: int) -> None:
    counts = thread_counts(cores)
    assert counts[0] == 1
    assert counts[-1] == cores
    assert list(counts) == sorted(set(counts))


def test_candidates_that_differ_in_settings_share_their_file() -> None:
    made = plan(cores=4).candidates
    files: dict[str, set[tuple[str, str]]] = {}
    for candidate in made:
        files.setdefault(candidate.variant_id, set()).add((candidate.recipe.slug, candidate.runtime))
    assert all(len(same) == 1 for same in files.values())
    assert len(files) == 3


@given(recipes)
def test_a_recipe_survives_json(recipe: Recipe) -> None:
    assert Recipe.from_dict(recipe.as_dict()) == recipe
    assert re.fullmatch(r"[a-z0-9.-]+", recipe.slug)
    assert recipe.quantizes == any(step.name.startswith("int8") for step in recipe.steps)


def test_a_step_that_does_nothing_leaves_the_model_as_it_is() -> None:
    nothing = Recipe((CompressionStep("none"),))
    assert (nothing.slug, nothing.label, nothing.effective, nothing.complexity) == ("f32", "f32", (), 0)


def test_an_unknown_step_is_refused() -> None:
    with pytest.raises(ValueError, match="known: none, fused, fp16-weights"):
        CompressionStep("int4")  # type: ignore[arg-type]


@pytest.mark.parametrize("isa", [(), ("avx2",), ("avx2", "avx512f", "avx512_vnni", "amx_int8", "amx_bf16")])
@pytest.mark.parametrize("shape", [("batch", 4), (8, 4), ("batch", "length")])
def test_what_this_house_offers_is_named_uniquely(isa: tuple[str, ...], shape: tuple[int | str, ...]) -> None:
    from sartor.fit.candidates import candidates_of, row_shapes_of
    from sartor.model.values import Signature, TensorSpec

    machine = Machine("Some CPU", "x86_64", 2, isa, 8 << 30, "Linux", "3.11")
    signature = Signature((TensorSpec("x", "float32", shape),), (TensorSpec("y", "float32", ("batch", 2)),))
    made = candidates_of("net", row_shapes_of(signature, {"x": (4,)}, varies=False), 8, machine)
    ids = [candidate.id for candidate in made.candidates]
    assert len(set(ids)) == len(ids)
    assert any(candidate.is_uncompressed for candidate in made.candidates)
    assert len(set(made.refusals)) == len(made.refusals)
    assert any(candidate.recipe.quantizes for candidate in made.candidates) == bool(isa)


def test_rows_of_several_lengths_get_buckets_where_a_runtime_compiles_per_shape() -> None:
    made = plan(RowShapes(symbolic=True, varies=True))
    shapes = {(candidate.runtime, candidate.settings.shape) for candidate in made.candidates}
    assert shapes == {("onnxruntime", "dynamic"), ("openvino", "dynamic"), ("openvino", "buckets")}
    assert any(refusal.what == "shape policy fixed" and "differ in length" in refusal.why for refusal in made.refusals)


def test_rows_padded_to_one_length_are_compiled_for_it() -> None:
    made = plan(RowShapes(symbolic=True, length=64))
    assert {candidate.settings.length for candidate in made.candidates if candidate.settings.shape == "fixed"} == {64}
    assert {candidate.settings.length for candidate in made.candidates if candidate.settings.shape == "dynamic"} == {0}
