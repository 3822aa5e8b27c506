"""Mixed precision: an int8 file that loses too much is built again with some of its layers in f32.

Which layers is found from what was measured once: how much each layer's 8 bits change the answers, and how long it
takes in both forms. How much error may be left is found by trying: each file is timed and read like any candidate.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from sartor.compress.layers import Layer, layers
from sartor.compress.onnx_file import looks_like_transformer, read_whole
from sartor.compress.sensitivity import Sensitivities
from sartor.errors import CandidateError
from sartor.fit.board import Standing
from sartor.fit.building import build_variant
from sartor.fit.files import find_sensitivities, layer_times
from sartor.fit.search import Search
from sartor.fit.stages import Source
from sartor.fit.trying import fastest_likely, lost_share, try_candidate
from sartor.plan.candidates import Candidate, Refusal
from sartor.plan.mixed import MixedLayer, cheapest_kept, converted, error_left, expected_seconds
from sartor.plan.recipe import CompressionStep, Recipe
from sartor.runtime import RUNTIMES
from sartor.units import format_value

_KINDS = ("int8-static", "int8-dynamic")
_MOST_FILES = 4  # of one kind, built for one runtime
_MOST, _LEAST = 1 / 2, 1 / 64  # of the error that did not suffice: how much the next file is allowed
_ROOM = 0.7  # of a limit that a file aims at: confirm has to prove it
_CLOSE = 2.0  # times the error that suffices, at which the search for a larger one that does ends
_CONVERSION = 2e-10  # seconds for one number, until a file was timed
_GAIN = 0.98  # of the best time so far, which a file must be expected to beat


def refine(search: Search) -> None:
    """Build files between int8 and f32 where one may be faster than what will probably be proved by now."""
    run = search.run
    if run.need.minimise not in ("latency", "throughput"):
        return
    for source in search.ready():
        for runtime, kind in itertools.product(RUNTIMES, _KINDS):
            lossy = _lossy(search, source, runtime, kind)
            if lossy is None:
                continue
            if not run.clock.search_goes_on():
                search.in_time = False
                return
            run.watch.phase(f"{source.model.name}: {kind} with layers in f32 in {runtime}", _MOST_FILES)
            try:
                _refine(search, source, lossy)
            except CandidateError as error:
                run.watch.note(f"{lossy.candidate.label}: no mixed precision: {error}")


def _lossy(search: Search, source: Source, runtime: str, kind: str) -> Standing | None:
    """The most accurate int8 file of a kind in a runtime, when its answers are not good enough and its speed is."""
    fastest = fastest_likely(search)
    found = [
        standing
        for standing in search.board.all()
        if standing.candidate.model == source.model.name
        and standing.candidate.runtime == runtime
        and [step.name for step in standing.candidate.recipe.effective] == [kind]
        and standing.quality is not None
        and standing.variant is not None
        and standing.status != "failed"
    ]
    if not found or any(standing.likely for standing in found):
        return None
    if kind == "int8-dynamic" and not looks_like_transformer(read_whole(source.path)):
        return None  # sensitivities count convolutions, too, which dynamic int8 leaves in f32
    sign = -1.0 if search.run.need.metric == "rmse" else 1.0
    best = max(found, key=lambda s: sign * s.quality.value if s.quality else 0.0)
    return best if (best.seconds or float("inf")) < _GAIN * fastest else None


@dataclass
class Trade:
    """What is known of one int8 file's layers, and what trying has taught.

    Attributes:
        lossy: the file with every layer in 8 bits.
        found: its layers.
        conversion: seconds for one number between f32 and 8 bits.
        fails: the least error that did not suffice.
        passes: the largest that did; 0 while none has.
        room: what the limit leaves, as a share of what the file with the error `fails` lost.
        tried: sets of layers that were kept.
    """

    lossy: Standing
    found: tuple[MixedLayer, ...]
    conversion: float
    fails: float
    room: float
    passes: float = 0.0
    tried: set[tuple[str, ...]] = field(default_factory=set)

    @property
    def rounds_outputs(self) -> bool:
        """Whether what a layer in 8 bits gives is in 8 bits, whoever reads it."""
        (step,) = self.lossy.candidate.recipe.effective
        return self.lossy.candidate.runtime == "onnxruntime" and step.name == "int8-static"

    def next_kept(self) -> NDArray[np.bool_] | None:
        """The layers to keep next; None when there is nothing more to try.

        While nothing suffices, as much error is allowed as would lose what the limit leaves: the share of answers that
        change grows with the root of the error (EfficientNet-Lite0: 1.3 times the root, from 0.003 to 0.025). Then
        between what suffices and what does not.
        """
        if self.passes:
            allowed = (self.passes * self.fails) ** 0.5 if self.fails > _CLOSE * self.passes else 0.0
        else:
            allowed = self.fails * float(np.clip((_ROOM * self.room) ** 2, _LEAST, _MOST))
        while allowed > self.passes:
            kept = cheapest_kept(self.found, allowed, self.conversion, rounds_outputs=self.rounds_outputs)
            if self.names(kept) not in self.tried:
                return None if kept.all() else kept
            allowed *= _MOST
        return None

    def names(self, kept: NDArray[np.bool_]) -> tuple[str, ...]:
        """The names of the layers that are kept."""
        return tuple(one.name for one, keep in zip(self.found, kept, strict=True) if keep)

    def learn(self, kept: NDArray[np.bool_], standing: Standing, room: float | None) -> None:
        """A file was timed and, unless it was slow, read. What it took beyond its layers is put on its conversions."""
        numbers, beyond = converted(self.found, kept), (standing.seconds or 0.0) - (self.lossy.seconds or 0.0)
        if numbers and standing.seconds is not None:
            self.conversion = max(0.0, beyond - expected_seconds(self.found, kept, 0.0)) / numbers
        error = error_left(self.found, kept, rounds_outputs=self.rounds_outputs)
        if standing.likely:
            self.passes = max(self.passes, error)
        elif room is not None and error < self.fails:
            self.fails, self.room = error, room


def _refine(search: Search, source: Source, lossy: Standing) -> None:
    run = search.run
    trade = _trade(search, source, lossy)
    for _ in range(_MOST_FILES):
        kept = trade.next_kept()
        if kept is None:
            return
        if not run.clock.search_goes_on():
            search.in_time = False
            return
        names = trade.names(kept)
        expected = (lossy.seconds or 0.0) + expected_seconds(trade.found, kept, trade.conversion)
        best = fastest_likely(search)
        if expected > _GAIN * best:
            why = (
                f"would take about {format_value(expected, 's')}: no faster than what will probably be proved, "
                f"{format_value(best, 's')}"
            )
            refused = Refusal(f"{source.model.name} in {lossy.candidate.runtime}, layers in f32: {len(names)}", why)
            run.watch.note(f"{refused.what}: {why}")
            search.board.add((), (refused,))
            return
        trade.tried.add(names)
        (step,) = lossy.candidate.recipe.effective
        recipe = Recipe((CompressionStep(step.name, step.settings, names),))
        standing = try_candidate(search, source, replace(lossy.candidate, recipe=recipe))
        trade.learn(kept, standing, _room(search, standing))


def _room(search: Search, standing: Standing) -> float | None:
    """What the tightest quality limit leaves, as a share of what a file lost; 1 where it lost no more, None unread."""
    lost = lost_share(search, standing)
    return None if lost is None else 1.0 / max(lost, 1.0)


def _trade(search: Search, source: Source, lossy: Standing) -> Trade:
    """Measure what the layers of a file cost and gain.

    Raises:
        CandidateError: they cannot be told apart.
    """
    run = search.run
    plain = Candidate(source.model.name, Recipe(), lossy.candidate.runtime, lossy.candidate.settings)
    plain_file = build_variant(run, source, plain.recipe, plain.runtime, plain)
    assert lossy.variant is not None
    integers = replace(lossy.variant, candidate=lossy.candidate)
    sensitivities = find_sensitivities(run, source)
    run.watch.tried(
        f"sensitivity of {len(sensitivities.layers)} layers on {sensitivities.rows} rows",
        f"their errors add to {sensitivities.sum:.2g}, all at once it is {sensitivities.together:.2g}",
    )
    model = read_whole(source.path)
    in_f32, in_integers = layer_times(run, source, plain_file), layer_times(run, source, integers)
    longer = {name: in_f32[name] - in_integers[name] for name in in_f32.keys() & in_integers.keys()}
    # The rest of a transformer stays in f32: there is nothing to convert for a layer that is left in it.
    conversion = 0.0 if looks_like_transformer(model) else _CONVERSION
    found = tuple(_mixed_layers(layers(model), sensitivities, longer, run.need.workload.batch))
    return Trade(lossy, found, conversion, sum(one.error for one in found), _room(search, lossy) or 1.0)


def _mixed_layers(
    found: tuple[Layer, ...], sensitivities: Sensitivities, longer: Mapping[str, float], batch: int
) -> Iterator[MixedLayer]:
    numbers = {layer.name: number for number, layer in enumerate(found)}
    followed = {layer.after for layer in found}
    # A layer that the profile does not name is taken to gain as much as the others do on the whole.
    usual = sum(longer.values()) / max(1, len(longer))
    for layer, sensitivity in zip(found, sensitivities.layers, strict=True):
        yield MixedLayer(
            layer.name,
            sensitivity.weight_error,
            sensitivity.input_error,
            longer.get(layer.name, usual),
            numbers.get(layer.after),
            layer.name in followed,
            batch * sensitivity.elements_in,
            batch * sensitivity.elements_out,
        )
