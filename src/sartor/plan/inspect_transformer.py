"""Inspect a language model from its config alone: reading a prompt, and writing one more token."""

from __future__ import annotations

import math
from collections.abc import Callable

from sartor.cost.costs import Cost
from sartor.cost.graph import element_bits
from sartor.cost.precision import PRECISIONS
from sartor.cost.roofline import COMPUTE, MEMORY, Bound, Roofs, bound_by
from sartor.cost.transformer import (
    Transformer,
    active_parameters,
    decode_cost,
    kv_bytes,
    kv_bytes_per_token,
    parameters,
    prefill_cost,
)
from sartor.figures import Figure
from sartor.plan.inspection import Change, Inspection, Row, Target, rate_notes
from sartor.units import format_value

_PHASES: dict[str, Callable[[Transformer, int, int, str], Cost]] = {"prefill": prefill_cost, "decode": decode_cost}


def inspect_transformer(
    model: Transformer, name: str, batch: int, length: int, dtype: str, target: Target | None = None
) -> Inspection:
    """What a model costs that reads `batch` prompts of `length` tokens, and writes after them.

    Args:
        dtype: element type of weights, cache and arithmetic.
        target: the machine; None shows counts alone.

    Raises:
        InputError: a count below 1, or an element type that is not known.
    """
    phases = [phase for phase in _PHASES if phase == "prefill" or model.generates]
    costs = {phase: _PHASES[phase](model, batch, length, dtype) for phase in phases}
    rows = tuple(_row(phase, cost, target) for phase, cost in costs.items())
    return Inspection(
        name,
        "language",
        dtype,
        (),
        {**_facts(model, batch, length, dtype, costs), **_rates(rows, batch, length)},
        costs["prefill"],
        None,
        rows,
        _changes(model, batch, length, dtype, target.roofs) if target else (),
        target,
        (*model.notes, *rate_notes(costs["prefill"], target), *_fit_notes(model, batch, length, dtype, target)),
    )


def _row(phase: str, cost: Cost, target: Target | None) -> Row:
    if target is None:
        return Row(phase, phase, "language model", (), cost, 1.0)
    bound = _bound(cost, target.roofs)
    seconds = Figure(bound.seconds, "s", bound.seconds, math.inf, "roofline")
    return Row(phase, phase, "language model", (), cost, 1.0, seconds, bound.which)


def _bound(cost: Cost, roofs: Roofs) -> Bound:
    """Weights do not stay in a cache from one step to the next: the last level binds."""
    return bound_by(cost, roofs, math.inf)


def _facts(model: Transformer, batch: int, length: int, dtype: str, costs: dict[str, Cost]) -> dict[str, Figure]:
    known, active = parameters(model), active_parameters(model)
    facts = {
        "prompts": Figure.exact(batch, ""),
        "prompt_tokens": Figure.exact(length, ""),
        "parameters": Figure.exact(known, ""),
        **({"active_parameters": Figure.exact(active, "")} if active != known else {}),
        "weights": Figure.exact(_weight_bytes(model, dtype), "B"),
    }
    if model.generates:
        facts["kv_per_token"] = Figure.exact(kv_bytes_per_token(model, dtype), "B")
        facts["kv"] = Figure.exact(kv_bytes(model, length, batch, dtype), "B")
    for phase, cost in costs.items():
        facts[f"{phase}_flop"] = Figure.exact(cost.total_flop, "FLOP")
        facts[f"{phase}_intensity"] = Figure.exact(cost.intensity, "FLOP/B")
    return facts


def _rates(rows: tuple[Row, ...], batch: int, length: int) -> dict[str, Figure]:
    """Tokens per second at most, of all sequences together."""
    tokens = {"prefill": batch * length, "decode": batch}
    rates = {row.name: tokens[row.name] / row.seconds.value for row in rows if row.seconds and row.seconds.value}
    return {f"{phase}_tokens": Figure(rate, "1/s", 0.0, rate, "roofline") for phase, rate in rates.items()}


def _weight_bytes(model: Transformer, dtype: str) -> float:
    return parameters(model) * element_bits(dtype) / 8


def _changes(model: Transformer, batch: int, length: int, dtype: str, roofs: Roofs) -> tuple[Change, ...]:
    """Weights, cache and arithmetic in a narrower type; at the least, the cache stays as it is."""
    narrower = [
        other for other in PRECISIONS if element_bits(other) < element_bits(dtype) and other in roofs.flop_per_second
    ]
    phases = [phase for phase in _PHASES if phase == "prefill" or model.generates]
    return tuple(_change(model, phase, batch, length, dtype, other, roofs) for other in narrower for phase in phases)


def _change(model: Transformer, phase: str, batch: int, length: int, dtype: str, narrow: str, roofs: Roofs) -> Change:
    wide_cost, narrow_cost = (_PHASES[phase](model, batch, length, each) for each in (dtype, narrow))
    kept = Cost(narrow_cost.flop, narrow_cost.weight_bytes + _cache(wide_cost), 0.0, 0.0, narrow_cost.operators)
    before, after, cache_kept = (_bound(cost, roofs) for cost in (wide_cost, narrow_cost, kept))
    factor = before.seconds / after.seconds
    least = min(factor, before.seconds / cache_kept.seconds)
    moved = float(before.which == COMPUTE and after.which.startswith(MEMORY))
    figure = Figure(factor, "", least, factor, "roofline")
    return Change(narrow, phase, figure, moved, {before.which: 1.0}, {after.which: 1.0})


def _cache(cost: Cost) -> float:
    return cost.moved_bytes - cost.weight_bytes


def _fit_notes(model: Transformer, batch: int, length: int, dtype: str, target: Target | None) -> tuple[str, ...]:
    needed = _weight_bytes(model, dtype) + (kv_bytes(model, length, batch, dtype) if model.generates else 0)
    if target is None or needed <= target.memory_bytes:
        return ()
    asked, there = format_value(needed, "B"), format_value(target.memory_bytes, "B")
    return (f"weights and cache take {asked}, more than the {there} of {target.roofs.name}",)
