"""Predictions of a calibration: latency, memory, bytes and start of a network, without building or running it."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sartor.figures import Figure
from sartor.machine.calibration import Calibration, Record
from sartor.machine.samples import Network
from sartor.plan.candidates import Candidate
from sartor.plan.efficiency import call_seconds, group_seconds
from sartor.plan.experience import correction
from sartor.plan.resources import AMOUNTS, Name, resource_amounts

_NARROWED = 0.7  # of an interval, for a network that was timed before: screens are off by a few hundredths, too
UNITS: Mapping[Name, str] = {"load": "s", "size": "B", "memory": "B"}


@dataclass(frozen=True)
class Latency:
    """The predicted time of a call.

    Attributes:
        seconds: with the interval that 90% of unseen networks fell into.
        groups: of each fused group, in the order of the outline; with `call` they add to `seconds`.
        call: what a call costs whatever it computes.
        record: how far such predictions were off before.
        trust: how much of it is what networks like this one took, from 0 to 1; intervals shrink with it.
    """

    seconds: Figure
    groups: NDArray[np.float64]
    call: float
    record: Record
    trust: float = 0.0


def predict_latency(
    calibration: Calibration, network: Network, runtime: str, arithmetic: str, threads: int
) -> Latency | None:
    """The median time of a call; None where this runtime and arithmetic were not learnt.

    A number of threads between two that were learnt is interpolated, the logarithm of the time over the logarithm
    of the threads; one outside them takes the nearest.
    """
    learnt = calibration.threads(runtime, arithmetic)
    if not learnt:
        return None
    fewer = max((count for count in learnt if count <= threads), default=learnt[0])
    more = min((count for count in learnt if count >= threads), default=learnt[-1])
    first = _at(calibration, network, runtime, arithmetic, fewer)
    if fewer == more:
        return first
    share = math.log(threads / fewer) / math.log(more / fewer)
    return _between(first, _at(calibration, network, runtime, arithmetic, more), share)


def _at(calibration: Calibration, network: Network, runtime: str, arithmetic: str, threads: int) -> Latency:
    efficiency = calibration.efficiency(runtime, arithmetic, threads)
    assert efficiency is not None
    key = calibration.key(runtime, arithmetic, threads)
    off, trust = correction(network, key, calibration.experience)
    groups = group_seconds(network.groups, efficiency, calibration.hardware) * math.exp(off)
    call = call_seconds(efficiency) * math.exp(off)
    taken = float(groups.sum()) + call
    width = spread_left(trust) * efficiency.record.width(taken)
    seconds = with_record(taken, "s", efficiency.record, width)
    return Latency(seconds, groups, call, efficiency.record, trust)


def _between(one: Latency, other: Latency, share: float) -> Latency:
    def mixed(first: float, second: float) -> float:
        return math.exp((1.0 - share) * math.log(first) + share * math.log(second))

    ends = ((getattr(one.seconds, name), getattr(other.seconds, name)) for name in ("value", "low", "high"))
    value, low, high = (mixed(first, second) for first, second in ends)
    scale = value / one.seconds.value
    worse = max(one.record, other.record, key=lambda record: record.tenth_error)
    trust = min(one.trust, other.trust)
    return Latency(Figure(value, "s", low, high, "calibrated"), one.groups * scale, one.call * scale, worse, trust)


def spread_left(trust: float) -> float:
    """The share of an interval's width that experience leaves."""
    return 1.0 - _NARROWED * trust


def predict_resource(
    calibration: Calibration, network: Network, name: Name, runtime: str, arithmetic: str
) -> Figure | None:
    """The bytes of its files, the peak memory of a worker or the seconds to load it; None where it was not learnt."""
    learnt = calibration.resource(name, runtime, arithmetic)
    if learnt is None:
        return None
    coefficients = np.array([learnt.coefficients.get(amount, 0.0) for amount in AMOUNTS[name]])
    return with_record(float(resource_amounts(name, network) @ coefficients), UNITS[name], learnt.record)


def predict_start(calibration: Calibration, network: Network, runtime: str, arithmetic: str) -> Figure | None:
    """Seconds from the start of a fresh process to the first answer."""
    load = predict_resource(calibration, network, "load", runtime, arithmetic)
    start = calibration.start_seconds.get(runtime)
    if load is None or start is None:
        return None
    return Figure(start + load.value, "s", start + load.low, start + load.high, "calibrated")


def with_record(value: float, unit: str, record: Record, width: float = 1.0) -> Figure:
    """A prediction with the interval that its record gives it, or a share of that width."""
    low, high = (value * math.exp(width * end) for end in (record.low, record.high))
    return Figure(value, unit, min(low, value), max(high, value), "calibrated")


def arithmetic_of(candidate: Candidate) -> str:
    """What a candidate computes in, as a calibration names it."""
    names = {step.name for step in candidate.recipe.effective}
    if "int8-dynamic" in names:
        return "int8-dynamic"
    if "int8-static" in names:
        return "int8" if candidate.settings.precision == "f32" else f"int8+{candidate.settings.precision}"
    return candidate.settings.precision
