"""What would change a model's time: the same operators with their weights and products in narrower numbers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from sartor.cost.counted import Work
from sartor.cost.precision import PRECISIONS, Activations, in_precision, narrows
from sartor.cost.roofline import COMPUTE, MEMORY, Roofs
from sartor.figures import Figure
from sartor.plan.inspection import Change
from sartor.plan.predict import OperatorTime, predict

_WAYS: tuple[Activations, ...] = ("kept", "converted", "narrow")
_USUAL: Mapping[str, Activations] = {"bfloat16": "narrow"}  # runtimes keep activations in it; of int8, products only


def changes(work: tuple[Work, ...], times: Sequence[OperatorTime], roofs: Roofs) -> tuple[Change, ...]:
    """One for each of `PRECISIONS` that the machine has a rate for and that changes an operator."""
    wanted = [dtype for dtype in PRECISIONS if dtype in roofs.flop_per_second]
    return tuple(change(work, times, roofs, dtype) for dtype in wanted if narrows(work, dtype))


def change(work: tuple[Work, ...], times: Sequence[OperatorTime], roofs: Roofs, dtype: str) -> Change:
    """How many times faster the same operators would be in `dtype`.

    Both times are the roofline's, so the factor assumes that narrow kernels get as near to their roof as today's do.
    Its ends are the least and most of three ways to keep activations: as they are, converted before each product,
    narrow throughout. What quantization does to the answers is not looked at here.
    """
    after = {way: predict(in_precision(work, dtype, way), roofs) for way in _WAYS}
    usual = after[_USUAL.get(dtype, "kept")]
    now = _seconds(times)
    factors = [now / seconds if (seconds := _seconds(each)) else 1.0 for each in after.values()]
    value = now / _seconds(usual) if _seconds(usual) else 1.0
    factor = Figure(value, "", min(factors), max(factors), "roofline")
    return Change(dtype, "", factor, _moved(times, usual), shares(times), shares(usual))


def shares(times: Sequence[OperatorTime]) -> dict[str, float]:
    """Share of the time by what binds it, the largest first."""
    whole = _seconds(times) or 1.0
    found: dict[str, float] = {}
    for time in times:
        found[time.bound] = found.get(time.bound, 0.0) + time.seconds.value / whole
    return dict(sorted(found.items(), key=lambda item: -item[1]))


def _seconds(times: Sequence[OperatorTime]) -> float:
    return sum(time.seconds.value for time in times)


def _moved(before: Sequence[OperatorTime], after: Sequence[OperatorTime]) -> float:
    moved = sum(
        one.seconds.value
        for one, other in zip(before, after, strict=True)
        if one.bound == COMPUTE and other.bound.startswith(MEMORY)
    )
    return moved / (_seconds(before) or 1.0)
