"""The candidates of one model on this machine: what compression offers, crossed with what runtimes can do."""

from __future__ import annotations

from collections.abc import Mapping

from sartor.compress.applicable import recipes, why_not
from sartor.compress.onnx_file import may_attend
from sartor.machine.device import Machine
from sartor.model.values import Model, Signature
from sartor.model.zoo import architecture_of
from sartor.need import Need
from sartor.plan.calibrated import arithmetic_of
from sartor.plan.candidates import Candidate, Option, Plan, RowShapes, enumerate_candidates
from sartor.plan.recipe import Recipe
from sartor.runtime import RUNTIMES, open_runtime
from sartor.runtime.base import Precision

_PRECISIONS: tuple[Precision, ...] = ("f32", "bf16")


def candidates_of(
    model: str,
    rows: RowShapes,
    batch: int,
    machine: Machine,
    compressed: str = "",
    *,
    for_bytes: bool = False,
    attends: bool = True,
) -> Plan:
    """All candidates, and every combination that is refused with its reason.

    Args:
        model: name of the model.
        rows: shapes of its rows.
        batch: rows of one call.
        compressed: what its weights are compressed to already, in words; such a model is taken as it is.
        for_bytes: whether fewer bytes are a gain by themselves.
        attends: whether the model may have attention.
    """

    def refused(recipe: Recipe, runtime: str) -> str | None:
        return compressed if compressed and recipe.effective else why_not(recipe, runtime, machine)

    return enumerate_candidates(
        model,
        [
            Option(recipe, name, refused(recipe, name))
            for name in RUNTIMES
            for recipe in recipes(name, for_bytes=for_bytes, attends=attends)
        ],
        [(name, p, open_runtime(name).why_not(p)) for name in RUNTIMES for p in _PRECISIONS],
        cores=machine.cores,
        batch=batch,
        rows=rows,
    )


def wants_bytes(need: Need) -> bool:
    """Whether a Need gains from fewer bytes by themselves."""
    return need.minimise in ("size", "memory") or any(limit.name in ("size", "memory") for limit in need.limits)


def looks_attentive(model: Model) -> bool:
    """Whether a model that is not exported yet may have attention: a file tells, or the name of an architecture."""
    if model.kind == "onnx" and model.path is not None:
        return may_attend(model.path)
    if model.kind == "zoo":
        return architecture_of(model.reference).attends
    return model.kind != "sklearn"


def computable(machine: Machine) -> tuple[Candidate, ...]:
    """One candidate, on one thread, of each runtime and arithmetic that this machine can compute in."""
    first: dict[tuple[str, str], Candidate] = {}
    for candidate in candidates_of("network", RowShapes(), 1, machine).candidates:
        first.setdefault((candidate.runtime, arithmetic_of(candidate)), candidate)
    return tuple(first.values())


def row_shapes_of(signature: Signature, rows: Mapping[str, tuple[int, ...]], *, varies: bool) -> RowShapes:
    """What a model's signature and its prepared rows say together.

    Args:
        signature: of the model; a name stands for a symbolic size.
        rows: shape of one prepared row of each input.
        varies: whether the rows differ in length.
    """
    free = {(spec.name, axis) for spec in signature.inputs for axis, d in enumerate(spec.shape) if isinstance(d, str)}
    symbolic = {(name, axis) for name, axis in free if axis > 0}
    lengths = {rows[name][0] for name, axis in symbolic if axis == 1 and rows.get(name)}
    one_length = len(lengths) == 1 and not varies and all(axis == 1 for _, axis in symbolic)
    return RowShapes(
        dynamic_batch=all((spec.name, 0) in free for spec in signature.inputs if spec.shape),
        symbolic=bool(symbolic),
        varies=varies,
        length=lengths.pop() if one_length else 0,
    )
