"""A variant in reduced precision on another kind of processor than that of its proof: are its numbers right there?

With data its quality limits say so. Where the Need has none, speed alone would open a file whose numbers nobody looked
at; then it must agree with the f32 variant as a model without measurable loss would, or its integer kernels must give
what the file says: what it lost by rounding it had lost where it was proved, and no limit spoke against it. Without
data only the latter is left.
"""

from __future__ import annotations

from collections.abc import Sequence

from sartor.bundle.values import LimitResult
from sartor.figures import Figure
from sartor.fit.case import Case, Confirm, random_rows
from sartor.fit.exactness import DATA_FLAG, Numbers, exact_on, exact_without_data
from sartor.fit.finals import holds
from sartor.fit.limits import working_limits
from sartor.machine.device import Machine
from sartor.measure.quality_bounds import Outputs, limit_bounds


def check_numbers(
    case: Case, results: Sequence[LimitResult], rows: Confirm | None, seen: Outputs | None, machine: Machine
) -> Numbers | None:
    """Check the numbers of the chosen variant on this machine.

    Args:
        results: every limit, judged here.
        rows, seen: the confirm split and what the variant and the f32 variant answer on it; None without data.
        machine: this one.

    Returns:
        None where nothing need be checked: full precision, or the kind of processor of the bundle's own proof.
    """
    name = case.manifest.chosen
    if not case.manifest.variants[name].reduced_precision or machine.isa_class == case.manifest.isa_class:
        return None
    quality = [result for result in results if result.limit.is_quality]
    if quality and rows is not None:
        limits = ", ".join(str(result.limit) for result in quality)
        return Numbers(all(result.met for result in quality), f"{limits} on {len(rows.inputs)} rows of confirm")
    if quality:
        return Numbers(False, f"unproven: {DATA_FLAG}")
    variant, fixed = case.variant(name), case.signature(name).inputs[0].shape[0]
    batch = fixed if isinstance(fixed, int) else None
    if rows is None or seen is None:
        return exact_without_data(variant, random_rows(case, name).arrays, batch, machine)
    agreed = _agreement(case, seen)
    if agreed.passed:
        return agreed
    exact = exact_on(variant, case.prepared(name, rows), batch, machine)
    lost = "; what it lost by rounding it had lost where it was proved" if exact.passed else ""
    return Numbers(exact.passed, f"{agreed.how}; {exact.how}{lost}")


def _agreement(case: Case, seen: Outputs) -> Numbers:
    """Held to the limit that an empty Need implies where outputs are compared: see `working_limits`."""
    implied = case.need.model_copy(update={"task": "feature-extraction", "require": {}})
    (limit,) = working_limits(implied, len(seen.outputs))
    bounds = limit_bounds(limit, seen, case.alpha, case.folder, case.need.seed)
    figure = Figure(bounds.value, limit.unit, bounds.low, bounds.high, "measured")
    where = f"with the f32 variant on {len(seen.outputs)} rows of confirm"
    return Numbers(holds(limit, figure), f"agreement {figure} {where}, {limit.op} {limit.value:g} is asked")
