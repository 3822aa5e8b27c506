"""From a candidate to its file: the network that its recipe makes of a source, as a runtime stores it."""

from __future__ import annotations

from sartor.bundle.values import Variant
from sartor.fit.files import build_file
from sartor.fit.reshaping import reshaped
from sartor.fit.run import Run
from sartor.fit.stages import Source
from sartor.plan.candidates import Candidate
from sartor.plan.recipe import Recipe


def build_variant(run: Run, source: Source, recipe: Recipe, runtime: str, candidate: Candidate) -> Variant:
    """The candidate's file, built from a source once and shared by all its settings.

    Raises:
        CandidateError: the recipe does not work on this model.
    """
    network = reshaped(run, source, recipe)
    name = f"{source.model.name}.{recipe.slug}.{runtime}" + ("" if source.trained else ".untrained")
    return Variant(candidate, *build_file(run, network, recipe.storing, runtime, name))
