"""The sentence that a verdict ends with, and the lines of the Need that would change it."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal

from sartor.bundle.values import LimitResult
from sartor.figures import Figure
from sartor.fit.relaxations import Relaxation
from sartor.need import Limit
from sartor.plan.candidates import Candidate

_MORE_TIME = "give it more time with `budget: {time: ...}`"


def met_sentence(
    candidate: Candidate, speedup: Figure, is_zero: bool, minimise: str = "latency", untried: int = 0
) -> str:
    """Every limit is proved.

    Args:
        is_zero: whether the candidate is the uncompressed model itself.
        minimise: what the Need minimises.
        untried: how many candidates the time did not suffice for.
    """
    if is_zero and untried:
        return f"Met by {candidate.label}: the model as it is; the time ended before {untried} others were tried."
    if is_zero:
        return f"Met by {candidate.label}: the model as it is; nothing tried was proved faster."
    times = f"{speedup.value:.2f}x [{_end(speedup.low)}, {_end(speedup.high)}]"
    if minimise in ("size", "memory"):
        least = f"the smallest {minimise} of all that meet every limit"
        return f"Met by {candidate.label}: {least}; {times} the speed of the uncompressed model."
    if speedup.low <= 1.0 <= speedup.high:
        own = "the uncompressed model, which itself does not meet the Need"
        return f"Met by {candidate.label}: as fast ({times}) as {own}."
    return f"Met by {candidate.label}: {times} the speed of the uncompressed model at its best."


def useless_sentence(metric: str, value: float, constant: float) -> str:
    """A warning that goes with a verdict: limits on speed and on drops are met by a model that has learnt nothing."""
    return (
        f"But beware: its {metric} of {value:.4f} is not proved better than {constant:.4f}, "
        "which one constant answer gives."
    )


def _end(bound: float) -> str:
    return f"{bound:.2f}" if math.isfinite(bound) else "unbounded"


def not_met_sentence(
    limits: Sequence[LimitResult], require: Mapping[str, str | float], *, in_time: bool = False
) -> str:
    """Which limits are not proved, and for each that is broken the line of the Need that would be.

    Args:
        in_time: whether the search came to its end before the time did, so that more time would not help.
    """
    unmet = [result for result in limits if not result.met]
    names = ", ".join(f"`{result.limit}`" for result in unmet)
    broken = [result for result in unmet if _violates(result)]
    return f"Not met: {names}. {_advice(broken or unmet[:1], require, in_time)}"


def relaxed_sentences(relaxed: Sequence[Relaxation], require: Mapping[str, str | float], advice: str = "") -> str:
    """What could be asked instead: one limit changed and all others as asked, and the nearest to all together.

    Args:
        advice: what was said already; the same changes are not said again.
    """
    said = []
    for one in relaxed:
        if not all(_says_something(limit, bound) for limit, bound in one.changes):
            continue
        changes = changes_in_words(one.changes, require)
        if f"change {changes}." in advice:
            continue
        alone = len(one.changes) == 1
        start = f"With all else as asked, {changes} would do" if alone else f"Nearest to all limits: {changes}"
        said.append(f"{start}: {one.label}.")
    return " ".join(said)


def _violates(result: LimitResult) -> bool:
    bound = _bound(result)
    return bound is not None and not result.limit.allows(bound)


def _bound(result: LimitResult) -> float | None:
    """The bound on the limit's side, or None when nothing was measured."""
    figure = result.figure
    return None if figure is None else figure.high if result.limit.op == "<=" else figure.low


def _advice(results: Sequence[LimitResult], require: Mapping[str, str | float], in_time: bool) -> str:
    """What to do about each: first the lines to change, then what no line helps."""
    changes, others = [], []
    for result in results:
        limit, bound = result.limit, _bound(result)
        if bound is None:
            others.append(f"`{limit.name}` could not be measured: {_MORE_TIME}.")
        elif limit.allows(bound) and in_time and limit.is_quality:
            others.append(
                f"What select shows is too close to `{limit}` to be proved on confirm: "
                "give more confirm rows, or a wider limit."
            )
        elif limit.allows(bound):
            others.append("Give it more time with `budget: {time: ...}`: what was seen so far would do.")
        elif _says_something(limit, bound):
            changes.append(_change(limit, bound, require))
        elif limit.is_quality:
            others.append(f"Nothing seen bounds `{limit.name}`: give more confirm rows, or rows on which it varies.")
        else:
            others.append(f"`{limit.name}` needs more timed calls than the time allowed: {_MORE_TIME}.")
    said = [f"To have it met, change {_listed(changes)}."] if changes else []
    return " ".join([*said, *others])


def _says_something(limit: Limit, bound: float) -> bool:
    """Whether the bound could stand in a Need; a floor at zero or a drop of everything is no bound."""
    if limit.is_drop and limit.metric != "rmse":
        return bound < 1
    custom = ":" in limit.name
    return math.isfinite(bound) and (limit.op == "<=" or bound > 0 or custom)


def _change(limit: Limit, bound: float, require: Mapping[str, str | float]) -> str:
    asked = require.get(limit.name, "")
    was = f'`{limit.name}: "{asked}"`' if asked else f"`{limit.name}`"
    return f'{was} to `{limit.name}: "{limit.op} {_rounded(bound, limit.unit, limit.op)}"`'


def changes_in_words(bounds: Sequence[tuple[Limit, float]], require: Mapping[str, str | float]) -> str:
    """The lines of a Need that would have to be others, with what they would have to be.

    Args:
        bounds: of what was measured, on each limit's side.
    """
    return _listed([_change(limit, bound, require) for limit, bound in bounds])


def _listed(changes: Sequence[str]) -> str:
    return ", and ".join([", ".join(changes[:-1]), changes[-1]] if len(changes) > 1 else changes)


def _rounded(value: float, unit: str, op: str) -> str:
    """A value of three digits, a little on the safe side of the bound, in the unit that people write."""
    scale, shown = _unit_for(value, unit)
    exact = Decimal(str(value)) / Decimal(str(scale))  # in floats 0.95 / 0.001 is a hair below 950
    step = Decimal(1).scaleb(exact.adjusted() - 2) if exact else Decimal("0.01")
    number = exact.quantize(step, ROUND_CEILING if op == "<=" else ROUND_FLOOR)
    return f"{number:f} {shown}".strip().replace(" %", "%")


def _unit_for(value: float, unit: str) -> tuple[float, str]:
    choices = {
        "s": ((1.0, "s"), (1e-3, "ms"), (1e-6, "us")),
        "B": ((1e9, "GB"), (1e6, "MB"), (1e3, "kB"), (1.0, "B")),
        "1/s": ((1.0, "/s"),),
        "pt": ((1e-2, "pt"),),
        "%": ((1e-2, "%"),),
    }.get(unit, ((1.0, ""),))
    return next(((scale, name) for scale, name in choices if abs(value) >= scale), choices[-1])
