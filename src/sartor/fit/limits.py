"""Limits before anything is trained: which are implied, and which could never be proved."""

from __future__ import annotations

from collections.abc import Sequence

from sartor.errors import UnprovableError
from sartor.fit.judge import error_shares
from sartor.measure import statistics
from sartor.need import AGREEMENT, Limit, Need
from sartor.units import format_value

_SHARES = ("accuracy", "f1", "auc", AGREEMENT)  # metrics that end at 1


def working_limits(need: Need, confirm_rows: int) -> tuple[Limit, ...]:
    """The limits to prove. An empty `require` means: without measurable loss.

    Loss is measurable from twice the smallest drop that the confirm split can prove; a drop limit
    of that size (at least 1 pt) is what stands for it.
    """
    if need.limits:
        return need.limits
    if need.metric == AGREEMENT:
        alpha = error_shares(need.confidence, 0).first
        loss = max(0.01, 2 * (1.0 - statistics.provable_floor(confirm_rows, alpha)))
        return (Limit(AGREEMENT, ">=", round(1.0 - loss, 4), ""),)
    if need.metric == "rmse":
        return (Limit("rmse_drop", "<=", 0.02, "%"),)
    alpha = error_shares(need.confidence, 0).first
    drop = max(0.01, 2 * statistics.provable_drop(confirm_rows, alpha))
    return (Limit(f"{need.metric}_drop", "<=", round(drop, 4), "pt"),)


def provable(limits: Sequence[Limit], confidence: float, openings_before: int, rows: int) -> list[str]:
    """Say for each accuracy limit what the confirm split can prove at best.

    Raises:
        UnprovableError: no result could prove the limit; the hint names the rows needed, if any number would do.
    """
    for limit in limits:
        _refuse_perfection(limit)
    alpha = error_shares(confidence, openings_before).first
    return [_floor(limit, alpha, rows) for limit in limits if limit.name in ("accuracy", AGREEMENT)] + [
        _accuracy_drop(limit, alpha, rows) for limit in limits if limit.name == "accuracy_drop"
    ]


def _refuse_perfection(limit: Limit) -> None:
    if limit.is_drop and limit.value <= 0:
        raise UnprovableError(str(limit), "a drop above 0", "no finite sample proves that nothing is lost")
    if limit.name in _SHARES and limit.value >= 1:
        raise UnprovableError(str(limit), "a floor below 1", "no finite sample proves that no row is ever wrong")


def _floor(limit: Limit, alpha: float, rows: int) -> str:
    best = statistics.provable_floor(rows, alpha)
    if best < limit.value:
        _refuse(
            limit,
            rows,
            f"even {rows} of {rows} right prove only {best:.4f}",
            statistics.samples_for_floor(limit.value, alpha),
        )
    return f"{rows} confirm rows can prove an {limit.name} of up to {best:.4f}"


def _accuracy_drop(limit: Limit, alpha: float, rows: int) -> str:
    def smallest(n: int) -> float:
        if limit.relative:
            return statistics.relative_drop_bounds(0, 0, n, n, alpha).high
        return statistics.provable_drop(n, alpha)

    best = smallest(rows)
    if best > limit.value:
        needed = statistics.samples_for_drop(limit.value, alpha)
        while smallest(needed) > limit.value:
            needed = int(needed * 1.02) + 1
        _refuse(
            limit,
            rows,
            f"even agreement on all {rows} rows proves only {format_value(best, limit.unit or 'pt')}",
            needed,
        )
    return f"{rows} confirm rows can prove a drop of down to {format_value(best, limit.unit or 'pt')}"


def _refuse(limit: Limit, rows: int, why: str, needed: int) -> None:
    raise UnprovableError(
        f"`{limit}` cannot be proved with {rows} confirm rows: {why}",
        f"at least {needed} confirm rows for this limit",
        f"give `confirm:` with {needed} rows, about {5 * needed} rows in all, or relax the limit",
    )
