"""How long a layer takes, whole and in parts: each a model of its own, timed in turn with the others."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from sartor.compress.layer_times import layer_seconds
from sartor.compress.layers import Layer, nodes_of
from sartor.compress.low_rank.graph import decompose
from sartor.compress.low_rank.layers import Decomposable
from sartor.compress.low_rank.operators import attribute, bias_place
from sartor.compress.onnx_file import write_whole
from sartor.plan.ranks import RankChoice, RankedLayer, Ranks
from sartor.runtime import open_runtime
from sartor.runtime.base import Array, Session, Settings
from sartor.runtime.kernels import kernel_seconds

if TYPE_CHECKING:
    from onnx import ModelProto

_ROUNDS, _FEWEST_ROUNDS = 15, 3
_LONGEST = 3.0  # seconds that one comparison goes on beyond its fewest rounds
_PROFILED = 10  # calls
_BURST = 1e-3  # seconds that one session runs at a time: far above what starting the clock takes
_TIMED_RANKS = 3  # of each number of parts; times between are interpolated


@dataclass(frozen=True)
class Bench:
    """Where layers are timed.

    Attributes:
        runtime: by its name.
        settings: threads and arithmetic.
        scratch: an existing folder.
    """

    runtime: str
    settings: Settings
    scratch: Path

    def load(self, model: ModelProto, name: str) -> Session:
        """A session of a model."""
        path = write_whole(model, self.scratch / f"{name}.onnx")
        return open_runtime(self.runtime).load(path, self.settings)


Call = tuple[Session, Mapping[str, Array]]
"""A session and what it is given."""


def alternating_seconds(calls: Sequence[Call]) -> NDArray[np.float64]:
    """(calls,), the seconds of each in its fastest round, timed in turn so that a slow machine is slow for all alike.

    The fastest, since what others do on the machine only adds to it, and here only what is faster matters; finalists
    are timed by `measure.latency`. Fifteen rounds, or as many as fit into three seconds, but at least three.
    """
    repeats = [_calls_in_a_burst(*call) for call in calls]
    rounds: list[list[float]] = []
    begun = time.perf_counter()
    while len(rounds) < _FEWEST_ROUNDS or (len(rounds) < _ROUNDS and time.perf_counter() - begun < _LONGEST):
        rounds.append([_seconds(*call, count) for call, count in zip(calls, repeats, strict=True)])
    return np.asarray(np.min(np.array(rounds), axis=0))


def measured_seconds(
    model: ModelProto, one: Decomposable, ranks: Sequence[Ranks], shape: tuple[int, ...], bench: Bench
) -> NDArray[np.float64]:
    """(1 + ranks,), the seconds of one layer, whole, and in parts at each of some ranks; timed in turn.

    Args:
        model: that has the layer.
        one: the layer.
        ranks: to be timed.
        shape: of what the layer reads; it gets random numbers.
        bench: where.
    """
    whole = _alone(model, one.name, shape)
    models = [whole, *(decompose(whole, [one], {one.name: wanted}) for wanted in ranks)]
    values = np.random.default_rng(0).standard_normal(shape).astype(np.float32)
    given = {whole.graph.input[0].name: values}
    return alternating_seconds([(bench.load(each, f"part-{number}"), given) for number, each in enumerate(models)])


def shares_of_time(path: Path, found: Sequence[Layer], inputs: Mapping[str, Array], bench: Bench) -> dict[str, float]:
    """By layer, the share of a call that its kernels take, as the runtime's own profile has it.

    A layer that no kernel goes by the name of is left out.
    """
    kernels = kernel_seconds(bench.runtime, path, bench.settings, [inputs] * _PROFILED)
    seconds = layer_seconds(found, kernels) / sum(kernel.seconds for kernel in kernels)
    return {one.name: share for one, share in zip(found, seconds.tolist(), strict=True) if np.isfinite(share)}


def timed_layers(
    model: ModelProto,
    found: Sequence[Decomposable],
    shapes: Mapping[str, tuple[int, ...]],
    shares: Mapping[str, float],
    bench: Bench,
) -> list[RankedLayer]:
    """Each layer with its choices of ranks, their errors, and times in units of a call of the network.

    Seconds of a layer and of a network that were measured one after the other do not compare on a machine that others
    use: so a layer's time is its share of a profile, and its parts take of it what they take of the layer when both are
    timed in turn. Layers alike are timed once, at three ranks for each number of parts. Times of other ranks are
    interpolated over multiplications, as NetAdapt's tables are over channels (Yang et al. 2018, arXiv 1804.03230,
    section 3.4).

    Args:
        model: that has the layers.
        found: the layers.
        shapes: of what each reads in a call, by its name.
        shares: of a call, by its name; layers without are left out.
        bench: where.
    """
    tables: dict[tuple[str, ...], dict[Ranks, float]] = {}
    timed = []
    for one in (one for one in found if one.name in shares):
        node, share = nodes_of(model, [one.name])[0], shares[one.name]
        given = [attribute(node, key, None) for key in ("strides", "pads", "dilations", "auto_pad")]
        alike = tuple(map(str, (one.operator, one.shape, shapes[one.name], *given)))
        if alike not in tables:
            tables[alike] = _table(model, one, shapes[one.name], bench)
        parts = _interpolated(one, tables[alike])
        choices = tuple(RankChoice(ranks, one.error(ranks), share * parts[ranks]) for ranks in one.choices())
        timed.append(RankedLayer(one.name, share, choices))
    return timed


def _table(model: ModelProto, one: Decomposable, shape: tuple[int, ...], bench: Bench) -> dict[Ranks, float]:
    """What a layer's parts take at some of its ranks, as a share of the whole layer."""
    probes = [ranks for group in _by_count(one).values() for ranks in _spread(group)]
    whole, *parts = measured_seconds(model, one, probes, shape, bench).tolist()
    return {ranks: taken / whole for ranks, taken in zip(probes, parts, strict=True)}


def _interpolated(one: Decomposable, known: Mapping[Ranks, float]) -> dict[Ranks, float]:
    """What every choice takes, over its multiplications, from those of as many parts that were timed.

    Of layers alike choices may differ, since they follow errors; numbers of parts do not.
    """
    seconds: dict[Ranks, float] = {}
    for count, group in _by_count(one).items():
        points = sorted(
            (sum(one.parts(ranks)), taken) for ranks, taken in known.items() if len(one.parts(ranks)) == count
        )
        work, taken = zip(*points, strict=True)
        at = np.interp([sum(one.parts(ranks)) for ranks in group], work, taken)
        seconds |= dict(zip(group, at.tolist(), strict=True))
    return seconds


def _by_count(one: Decomposable) -> dict[int, list[Ranks]]:
    """The choices by their number of parts."""
    groups: dict[int, list[Ranks]] = {}
    for ranks in one.choices():
        groups.setdefault(len(one.parts(ranks)), []).append(ranks)
    return groups


def _spread(group: Sequence[Ranks]) -> list[Ranks]:
    """The cheapest, the dearest and one between."""
    places = np.linspace(0, len(group) - 1, min(_TIMED_RANKS, len(group))).round().astype(int)
    return [group[place] for place in places]


def _alone(model: ModelProto, name: str, shape: tuple[int, ...]) -> ModelProto:
    """A model of one layer, with the operator that adds its bias."""
    from onnx import TensorProto, helper

    node = nodes_of(model, [name])[0]
    place = bias_place(model, node)
    nodes = [node] if place is None or place[0] is node else [node, place[0]]
    read = {value for each in nodes for value in each.input}
    activation = next(value for value in node.input if value != name)
    graph = helper.make_graph(
        nodes,
        "layer",
        [helper.make_tensor_value_info(activation, TensorProto.FLOAT, shape)],
        [helper.make_tensor_value_info(nodes[-1].output[0], TensorProto.FLOAT, None)],
        [tensor for tensor in model.graph.initializer if tensor.name in read],
    )
    return helper.make_model(graph, opset_imports=model.opset_import, ir_version=model.ir_version)


def _calls_in_a_burst(session: Session, inputs: Mapping[str, Array]) -> int:
    """How many calls last as long as a burst; the session is warm afterwards."""
    _seconds(session, inputs, 2)
    return max(1, round(_BURST / max(_seconds(session, inputs, 2), 1e-7)))


def _seconds(session: Session, inputs: Mapping[str, Array], calls: int) -> float:
    """Of one call."""
    begun = time.perf_counter()
    for _ in range(calls):
        session.run(inputs)
    return (time.perf_counter() - begun) / calls
