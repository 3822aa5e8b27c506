"""Prospects: what a calibrated machine would make of a network in each runtime and arithmetic, none of it run."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from sartor.cost.fusion import fused
from sartor.cost.graph import Graph
from sartor.figures import Figure
from sartor.machine.calibration import Calibration, Record
from sartor.machine.samples import Network
from sartor.plan.calibrated import Latency, predict_latency, predict_resource, predict_start
from sartor.plan.predict import OperatorTime

FUSED = "fused"
"""What binds an operator whose time is in that of the one before it."""
_QUANTIZED = frozenset({"QuantizeLinear", "DynamicQuantizeLinear", "QLinearConv", "QLinearMatMul"})
_Z = 1.6448536269514722  # 5% of a normal distribution lie beyond
# Element types as a Graph writes them -> arithmetic as a calibration names it.
_ARITHMETIC = {"float32": "f32", "bfloat16": "bf16", "int8": "int8"}


@dataclass(frozen=True)
class Prospect:
    """One runtime and arithmetic, with the number of threads that is predicted to be the fastest.

    Attributes:
        latency: median of a call, in seconds.
        gain: how many times as fast as the fastest in f32; of a file in int8, as the fastest.
        size: of the files in bytes; memory: peak of a fresh worker in bytes; start: of a fresh process in seconds.
    """

    runtime: str
    arithmetic: str
    threads: int
    latency: Figure
    gain: Figure
    size: Figure | None
    memory: Figure | None
    start: Figure | None
    record: Record

    def as_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        figures = {name: getattr(self, name) for name in ("latency", "gain", "size", "memory", "start")}
        return {
            "runtime": self.runtime,
            "arithmetic": self.arithmetic,
            "threads": self.threads,
            **{name: None if figure is None else figure.as_dict() for name, figure in figures.items()},
            "median_error": self.record.median_error,
            "tenth_error": self.record.tenth_error,
        }


def prospects(calibration: Calibration, network: Network, *, quantized: bool = False) -> tuple[Prospect, ...]:
    """One for each runtime and arithmetic that is calibrated, the fastest first.

    Args:
        quantized: whether the file computes in int8 itself, so that nothing else is to be had of it.
    """
    found: dict[tuple[str, str], tuple[int, Latency]] = {}
    for one in calibration.efficiencies:
        if quantized and not one.arithmetic.startswith("int8"):
            continue
        predicted = predict_latency(calibration, network, one.runtime, one.arithmetic, one.threads)
        key = one.runtime, one.arithmetic
        if predicted and (key not in found or predicted.seconds.value < found[key][1].seconds.value):
            found[key] = one.threads, predicted
    plain = [(*key, *value) for key, value in found.items() if quantized or key[1] == "f32"]
    first = min(plain, key=lambda one: one[3].seconds.value, default=None)
    if first is None:
        return ()
    made = [
        Prospect(
            runtime,
            arithmetic,
            threads,
            latency.seconds,
            _gain(calibration, first, (runtime, arithmetic, threads, latency)),
            predict_resource(calibration, network, "size", runtime, arithmetic),
            predict_resource(calibration, network, "memory", runtime, arithmetic),
            predict_start(calibration, network, runtime, arithmetic),
            latency.record,
        )
        for (runtime, arithmetic), (threads, latency) in found.items()
    ]
    return tuple(sorted(made, key=lambda one: one.latency.value))


_Way = tuple[str, str, int, Latency]


def _gain(calibration: Calibration, plain: _Way, other: _Way) -> Figure:
    """The ratio of two times, whose errors go together; see `plan/belief.py`."""
    names = [(one.runtime, one.arithmetic, one.threads) for one in calibration.efficiencies]
    errors = np.array(calibration.covariance)
    one, two = names.index(plain[:3]), names.index(other[:3])
    variance = max(0.0, errors[one, one] + errors[two, two] - 2.0 * errors[one, two])
    factor = plain[3].seconds.value / other[3].seconds.value
    within = math.exp(_Z * math.sqrt(variance))
    return Figure(factor, "", factor / within, factor * within, "calibrated")


def is_quantized(graph: Graph) -> bool:
    """Whether a file quantizes its activations itself."""
    return any(operator.type in _QUANTIZED for operator in graph.operators)


def chosen(found: Sequence[Prospect], precision: str) -> Prospect | None:
    """The fastest in an element type; in f32 where none is asked for."""
    arithmetic = _ARITHMETIC.get(precision or "float32")
    return next((one for one in found if one.arithmetic == arithmetic), None)


def operator_times(
    calibration: Calibration, graph: Graph, network: Network, prospect: Prospect, bounds: Sequence[OperatorTime]
) -> tuple[OperatorTime, ...]:
    """The predicted time of each operator; that of a fused group stands with its leader.

    Args:
        bounds: of each operator by the roofline, which say what binds.
    """
    latency = predict_latency(calibration, network, prospect.runtime, prospect.arithmetic, prospect.threads)
    assert latency is not None
    place = _places(graph)
    seconds = np.zeros(len(graph.operators))
    leads = set()
    for group, value in zip(fused(graph), latency.groups, strict=True):
        number = place[id(group.leader)]
        seconds[number] += value
        leads.add(number)
    whole = latency.seconds
    low, high = whole.low / whole.value, whole.high / whole.value
    return tuple(
        OperatorTime(
            Figure(float(value), "s", float(low * value), float(high * value), "calibrated"),
            one.bound if number in leads else FUSED,
        )
        for number, (value, one) in enumerate(zip(seconds, bounds, strict=True))
    )


def _places(graph: Graph) -> Mapping[int, int]:
    """The place of each operator of the graph, and of those inside its bodies, by identity."""
    found: dict[int, int] = {}
    for number, operator in enumerate(graph.operators):
        found[id(operator)] = number
        for body in operator.bodies:
            found |= {id(inner): number for inner, _ in body.graph.walk()}
    return found
