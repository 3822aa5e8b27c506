"""The one sentence that a verdict ends with, and the line of the Need that would change it."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from sartor.bundle.values import LimitResult
from sartor.figures import Figure
from sartor.plan.candidates import Candidate


def met_sentence(candidate: Candidate, speedup: Figure, is_zero: bool) -> str:
    """Every limit is proved."""
    if is_zero:
        return f"Met by {candidate.label}: the model as it is; nothing tried was proved faster."
    times = f"{speedup.value:.2f}x [{speedup.low:.2f}, {speedup.high:.2f}]"
    if speedup.low <= 1.0 <= speedup.high:
        own = "the uncompressed model, which itself does not meet the Need"
        return f"Met by {candidate.label}: as fast ({times}) as {own}."
    return f"Met by {candidate.label}: {times} the speed of the uncompressed model at its best."


def not_met_sentence(limits: Sequence[LimitResult], require: Mapping[str, str | float]) -> str:
    """Which limits are not proved, and the line of the Need that would be."""
    unmet = [result for result in limits if not result.met]
    broken = next((result for result in unmet if _violates(result)), unmet[0])
    names = ", ".join(f"`{result.limit}`" for result in unmet)
    return f"Not met: {names}. {change_of(broken, require)}"


def _violates(result: LimitResult) -> bool:
    figure = result.figure
    return figure is not None and not result.limit.allows(figure.high if result.limit.op == "<=" else figure.low)


def change_of(result: LimitResult, require: Mapping[str, str | float]) -> str:
    """The line of `require` to write instead, with the value that the evidence would prove."""
    limit, figure = result.limit, result.figure
    bound = None if figure is None else figure.high if limit.op == "<=" else figure.low
    if bound is None or not math.isfinite(bound):
        if figure is not None:
            return f"Nothing seen bounds `{limit.name}`: give more confirm rows, or rows on which it varies."
        return f"`{limit.name}` could not be measured: give it more time with `budget: {{time: ...}}`."
    if limit.allows(bound):
        return "Give it more time with `budget: {time: ...}`: what was seen so far would do."
    asked = require.get(limit.name, "")
    was = f'`{limit.name}: "{asked}"`' if asked else f"`{limit.name}`"
    return f'To have it met, change {was} to `{limit.name}: "{limit.op} {_rounded(bound, limit.unit, limit.op)}"`.'


def _rounded(value: float, unit: str, op: str) -> str:
    """A value a little on the safe side of the bound, in the unit that people write."""
    scale, shown = _unit_for(value, unit)
    digits = 2 - math.floor(math.log10(abs(value / scale))) if value else 2
    step = 10.0**-digits
    away = math.ceil if op == "<=" else math.floor
    number = away(value / scale / step) * step
    return f"{number:.{max(0, digits)}f} {shown}".strip().replace(" %", "%")


def _unit_for(value: float, unit: str) -> tuple[float, str]:
    choices = {
        "s": ((1.0, "s"), (1e-3, "ms"), (1e-6, "us")),
        "B": ((1e9, "GB"), (1e6, "MB"), (1e3, "kB"), (1.0, "B")),
        "1/s": ((1.0, "/s"),),
        "pt": ((1e-2, "pt"),),
        "%": ((1e-2, "%"),),
    }.get(unit, ((1.0, ""),))
    return next(((scale, name) for scale, name in choices if abs(value) >= scale), choices[-1])
