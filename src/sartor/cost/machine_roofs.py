"""The roofs of a machine: of this one as it was measured, of any other as the catalogue has it."""

from __future__ import annotations

from collections.abc import Mapping

from sartor.cost.roofline import MemoryLevel, Roofs
from sartor.errors import InputError
from sartor.figures import Figure
from sartor.machine.part import Part
from sartor.machine.profile import PRECISIONS, Profile

# Element types as a Graph writes them, by the short names of the catalogue.
_LONG = {
    **{"fp64": "float64", "fp32": "float32", "bf16": "bfloat16", "fp16": "float16"},
    **{"fp8": "float8e4m3fn", "int8": "int8", "int4": "int4"},
}


def profile_roofs(profile: Profile, threads: int | None = None) -> Roofs:
    """What was measured, the best runtime in each precision, with the smallest cost of one more operator.

    Args:
        threads: all cores where None.

    Raises:
        InputError: no rate in float32 was measured, or no bandwidth.
    """
    threads = threads or profile.machine.cores
    rates: dict[str, Figure] = {}
    for one in profile.matrix:
        name = PRECISIONS[one.precision]
        if one.threads <= threads and (name not in rates or one.rate.value > rates[name].value):
            rates[name] = one.rate
    _require("float32", rates, "a complete profile", "run: sartor probe --fresh")
    levels = tuple(MemoryLevel(level.name, level.rate.value, level.capacity_bytes) for level in profile.levels(threads))
    calls = [one.per_operator.value for one in profile.calls if one.threads <= threads]
    flop_per_second = {name: rate.value for name, rate in rates.items()}
    return Roofs(profile.machine.cpu or "this machine", flop_per_second, levels, max(0.0, min(calls, default=0.0)))


def part_roofs(part: Part, dtype: str = "float32") -> Roofs:
    """Dense peaks and memory of a part; caches and the overhead of calls are not in the catalogue.

    What stays in float32 on a part without such a peak is taken at the peak of `dtype`.

    Args:
        dtype: element type that most is computed in.

    Raises:
        InputError: the part has no peak in `dtype`.
    """
    rates = {_LONG[name]: peak for name, peak in part.peaks.items() if name in _LONG}
    allowed = ", ".join(rates)
    _require(dtype, rates, f"one of {allowed}, which {part.id} has a peak for", "say --precision")
    flop_per_second = {"float32": rates[dtype].value, **{name: rate.value for name, rate in rates.items()}}
    level = MemoryLevel(part.memory_type or "memory", part.bandwidth.value, part.memory.value)
    return Roofs(part.id, flop_per_second, (level,))


def _require(dtype: str, rates: Mapping[str, Figure], allowed: str, hint: str) -> None:
    if dtype not in rates:
        raise InputError(f"no rate in {dtype} is known", allowed, hint)
