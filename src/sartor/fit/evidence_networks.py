"""Evidence of networks that compression changed: how they were trained back, what each layer kept, what 8 bits do.

All of it was measured by the search that asks; each question here is answered by its stored trials.
"""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

from sartor.compress.layers import layers
from sartor.errors import CandidateError
from sartor.fit.board import Standing
from sartor.fit.files import find_sensitivities
from sartor.fit.reshaping import reshaped
from sartor.fit.search import Search

_NOT_SHOWN = ("path", "signature")


def network_evidence(search: Search, chosen: str = "") -> dict[str, Any]:
    """Plain values for `evidence.json`; a key is left out where there is nothing to say.

    Args:
        chosen: id of the candidate whose layers are shown.

    Returns:
        `recoveries`: model, steps, candidates that store the network, and the training, of each that was trained back.
        `sizes_ended`: why no more smaller networks were tried.
        `kept`: weights of each layer of the chosen network beside those of its model.
        `sensitivities`: by model, the error of each layer in 8 bits as a share of the variance of the answers.
    """
    standing = search.board.get(chosen)
    found = {
        "recoveries": _recoveries(search),
        "sizes_ended": search.sizes_ended,
        "kept": _kept(search, standing) if standing else [],
        "sensitivities": _sensitivities(search),
    }
    return {name: values for name, values in found.items() if values}


def _recoveries(search: Search) -> list[dict[str, Any]]:
    """Only of candidates that were read: their networks are sure to be there, and nothing is trained for a report."""
    found: dict[tuple[str, str], dict[str, Any]] = {}
    for standing in search.board.all():
        candidate, recipe = standing.candidate, standing.candidate.recipe.reshaping
        source = search.sources.get(candidate.model)
        if standing.seen is None or source is None or "recover" not in (step.name for step in recipe.steps):
            continue
        key = candidate.model, recipe.slug
        if key not in found:
            made = reshaped(search.run, source, recipe).training
            training = {name: value for name, value in made.items() if name not in _NOT_SHOWN}
            steps = recipe.as_dict()["steps"]
            found[key] = {"model": candidate.model, "steps": steps, "candidates": [], "training": training}
        found[key]["candidates"].append(standing.id)
    return list(found.values())


def _kept(search: Search, standing: Standing) -> list[dict[str, Any]]:
    """Layers in the order of the file; what a step renamed or took apart is left out."""
    recipe, source = standing.candidate.recipe.reshaping, search.sources.get(standing.candidate.model)
    if source is None or not recipe.steps:
        return []
    kept, whole = (_sizes(path) for path in (reshaped(search.run, source, recipe).path, source.path))
    return [{"layer": name, "kept": kept[name], "weights": size} for name, size in whole.items() if name in kept]


def _sizes(path: Path) -> dict[str, int]:
    """Numbers of weights by layer."""
    import onnx

    model = onnx.load(str(path), load_external_data=False)
    sizes = {tensor.name: math.prod(tensor.dims) for tensor in model.graph.initializer}
    return {layer.name: sizes[layer.name] for layer in layers(model)}


def _sensitivities(search: Search) -> dict[str, Any]:
    """Of models with a file of mixed precision on the board, for which they were measured before."""
    mixed = {s.candidate.model for s in search.board.all() if any(step.keeps for step in s.candidate.recipe.steps)}
    found = {}
    for name, source in search.sources.items():
        if name not in mixed:
            continue
        try:
            measured = find_sensitivities(search.run, source)
        except CandidateError:
            continue  # said where the files were tried
        errors = [{"layer": one.name, "operator": one.operator, "error": one.error} for one in measured.layers]
        found[name] = {"layers": errors, "together": measured.together, "rows": measured.rows}
    return found
