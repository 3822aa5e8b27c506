"""Inspect: a Graph and a machine's roofs in, an Inspection out. Nothing is run and no file is read."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

from sartor.cost.costs import Cost, total
from sartor.cost.counted import Work, counted, work_cost
from sartor.cost.graph import Graph
from sartor.cost.parameters import parameters
from sartor.cost.precision import in_precision
from sartor.figures import Figure
from sartor.machine.calibration import Calibration
from sartor.plan.changes import changes
from sartor.plan.inspection import LEAST_FLOP, Change, Inspection, Row, Target, rate_notes
from sartor.plan.layers import Layer, layers
from sartor.plan.outline import describe
from sartor.plan.predict import OperatorTime, predict, predict_whole
from sartor.plan.prospects import Prospect, chosen, is_quantized, operator_times, prospects
from sartor.units import format_value

_FILE_OWN = ""


def inspect(
    graph: Graph,
    target: Target | None = None,
    precision: str = _FILE_OWN,
    name: str = "",
    calibration: Calibration | None = None,
    file_bytes: float = 0.0,
) -> Inspection:
    """What the operators of a graph cost, and on a machine what binds them.

    Args:
        target: the machine; None shows counts alone.
        precision: element type that weights and products are asked for in; empty for the file's own.
        name: of the model, the graph's where empty.
        calibration: of the target; times are those of the roofline without one.
        file_bytes: of the graph's file.
    """
    work = counted(graph)
    if precision:
        work = in_precision(work, precision)
    costs = [work_cost(pieces) for pieces in work]
    cost = total(costs)
    times = roofline = predict(work, target.roofs) if target else None
    seconds = predict_whole(graph, work, times, target.roofs) if target and times is not None else None
    network = describe(graph, file_bytes)
    quantized = is_quantized(graph)
    found = prospects(calibration, network, quantized=quantized) if calibration else ()
    best = chosen(found, precision or ("int8" if quantized else _FILE_OWN))
    if calibration and best and times is not None:
        times, seconds = operator_times(calibration, graph, network, best, times), best.latency
    return Inspection(
        name or graph.name,
        "graph",
        precision,
        graph.inputs,
        _facts(graph, cost, network.activation_bytes),
        cost,
        seconds,
        tuple(_rows(work, costs, layers(graph.operators), times)),
        _changes(work, roofline, target, found, precision) if target and roofline is not None else (),
        target,
        (*graph.notes, *rate_notes(cost, target), *_fit_notes(graph.weight_bytes + network.activation_bytes, target)),
        found,
    )


def _facts(graph: Graph, cost: Cost, peak: float) -> dict[str, Figure]:
    """The totals. Counts are exact for the conventions of `cost/count.py`."""
    return {
        "parameters": Figure.exact(parameters(graph), ""),
        **{f"flop_{dtype}": Figure.exact(flop, "FLOP") for dtype, flop in _flop_by_type(cost).items()},
        "moved": Figure.exact(cost.moved_bytes, "B"),
        "weights": Figure.exact(graph.weight_bytes, "B"),
        "activation_peak": Figure.exact(peak, "B"),
        "intensity": Figure.exact(cost.intensity, "FLOP/B"),
        "operators": Figure.exact(cost.operators, ""),
    }


def _flop_by_type(cost: Cost) -> dict[str, float]:
    """FLOP of the element types that matter, and of all others together."""
    least = LEAST_FLOP * cost.total_flop
    shown = {dtype: flop for dtype, flop in cost.flop.items() if flop >= least}
    rest = cost.total_flop - sum(shown.values())
    return {**shown, **({"other types": rest} if rest > 0 else {})}


def _changes(
    work: tuple[Work, ...],
    times: Sequence[OperatorTime],
    target: Target,
    found: Sequence[Prospect],
    precision: str,
) -> tuple[Change, ...]:
    """What narrower types would bring: how much by the calibration if there is one, of what kind by the roofline."""
    made = changes(work, times, target.roofs)
    if precision != _FILE_OWN:
        return made
    gains = {change.precision: chosen(found, change.precision) for change in made}
    return tuple(replace(one, factor=best.gain) if (best := gains[one.precision]) else one for one in made)


def _rows(
    work: Sequence[Work], costs: Sequence[Cost], places: Sequence[Layer], times: Sequence[OperatorTime] | None
) -> Iterator[Row]:
    for number, (pieces, cost, share) in enumerate(zip(work, costs, _shares(costs, times), strict=True)):
        operator, time = pieces[0].operator, times[number] if times is not None else None
        shape = operator.outputs[0].shape if operator.outputs else None
        yield Row(
            operator.name or f"{operator.type} {number}",
            operator.type,
            pieces[0].family,
            places[number],
            cost,
            share,
            time.seconds if time else None,
            time.bound if time else "",
            shape,
        )


def _shares(costs: Sequence[Cost], times: Sequence[OperatorTime] | None) -> list[float]:
    """Of the time; of the FLOP where no time is known; of the bytes where nothing is computed."""
    if times is not None:
        parts = [time.seconds.value for time in times]
    elif any(cost.total_flop for cost in costs):
        parts = [cost.total_flop for cost in costs]
    else:
        parts = [cost.moved_bytes for cost in costs]
    whole = sum(parts) or 1.0
    return [part / whole for part in parts]


def _fit_notes(needed: float, target: Target | None) -> tuple[str, ...]:
    """Whether weights and activations fit into the machine's memory."""
    if target is None or needed <= target.memory_bytes:
        return ()
    asked, there = format_value(needed, "B"), format_value(target.memory_bytes, "B")
    return (f"weights and activations take {asked}, more than the {there} of {target.roofs.name}",)
