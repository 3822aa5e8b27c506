"""A network whose layers have the ranks that lose least of its answers, for a share of its time.

1. What layers give on calibration rows (`low_rank_moments`) says what each rank of each layer would lose of its output
   (`low_rank_factors`), without building any.
2. Each layer is decomposed alone and the answers are read: what of its output's loss arrives there.
3. Each layer's time is taken from a profile, and each kind of layer is timed whole and in parts (`low_rank_times`).
4. The ranks of least summed error that save the time asked for (`plan/ranks`).
5. The network is built and timed beside the whole one; what it missed is asked of the next, of at most five.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from sartor.compress.calibration import checked_rows, pieces
from sartor.compress.layers import layers
from sartor.compress.low_rank.arriving import arriving_errors
from sartor.compress.low_rank.graph import decompose
from sartor.compress.low_rank.layers import Decomposable, decompositions, why_whole
from sartor.compress.low_rank.moments import measure_moments
from sartor.compress.low_rank.times import Bench, Call, alternating_seconds, shares_of_time, timed_layers
from sartor.compress.onnx_file import read_whole
from sartor.errors import CandidateError
from sartor.model.values import ExportedModel
from sartor.plan.ranks import RankedLayer, Ranks, ranks_saving
from sartor.steps.prepared import Prepared

if TYPE_CHECKING:
    from onnx import ModelProto

_PROBE_ROWS = 16
_ATTEMPTS = 5
_CLOSE = 0.02  # of the whole time: what a network may miss the time asked for by


@dataclass(frozen=True)
class LowRank:
    """A network of lower rank.

    Attributes:
        model: the file.
        ranks: of the layers that were decomposed, by the names of their weights.
        error: mean squared change of the answers that was predicted, as a share of their variance.
        time: share of the whole network's time that a call takes, timed in turn with it.
        left: layers that stayed whole because their kind cannot be decomposed, with the reason.
    """

    model: ModelProto
    ranks: Mapping[str, Ranks]
    error: float
    time: float
    left: Mapping[str, str]


def lower_ranks(
    source: ExportedModel,
    calibration_inputs: Prepared,
    time: float,
    bench: Bench,
    output: int = 0,
    seconds: float = 30.0,
) -> LowRank:
    """Decompose the layers of a model so that a call of one row takes a share of its time.

    Args:
        source: the model in f32.
        calibration_inputs: rows, of which the first 96 are used.
        time: that share, above 0 and below 1.
        bench: the runtime and settings that calls are timed in.
        output: number of the output that is judged.
        seconds: after which no further rows are looked at.

    Raises:
        CandidateError: `unsupported` when no layer can be decomposed, or no ranks make the network as fast as asked
            for; `wrong-output` when an activation is not finite.
        DataError: the rows do not fit the model.
    """
    model = read_whole(source.path)
    reasons = {one.name: why_whole(model, one) for one in layers(model)}
    left = {name: why for name, why in reasons.items() if why is not None}
    able = [one for one in layers(model) if one.name not in left]
    if not able:
        listed = "; ".join(sorted(set(left.values()))) or "it has no product or convolution with weights of its own"
        raise CandidateError("unsupported", f"no layer can have a lower rank: {listed}")
    moments = measure_moments(source, able, calibration_inputs, bench.scratch, bench.settings.threads, seconds)
    found = decompositions(model, moments)
    shapes = {name: one.shape for name, one in moments.items()}
    rows = checked_rows(source, calibration_inputs, _PROBE_ROWS)
    given = list(pieces(source, rows, _PROBE_ROWS))
    arriving = arriving_errors(model, found, given, output, bench.scratch, bench.settings.threads)
    calls = list(pieces(source, rows, 1))
    # Of the middle length, where rows differ in it.
    network = bench.load(model, "whole"), calls[len(calls) // 2]
    shares = shares_of_time(source.path, able, network[1], bench)
    timed = [_weighted(one, arriving[one.name]) for one in timed_layers(model, found, shapes, shares, bench)]
    return replace(_as_fast(model, found, timed, time, network, bench), left=left)


def _weighted(layer: RankedLayer, arriving: float) -> RankedLayer:
    """With errors of the answers in the place of the layer's own."""
    return replace(layer, choices=tuple(replace(one, error=one.error * arriving) for one in layer.choices))


def _as_fast(
    model: ModelProto,
    found: Sequence[Decomposable],
    timed: Sequence[RankedLayer],
    time: float,
    network: Call,
    bench: Bench,
) -> LowRank:
    """The network that takes a share of the whole one's time, or an error that says how far it came.

    What was asked of the layers is corrected by what the network took, down as well as up: of two that are fast enough,
    the slower one lost less.
    """
    errors = {(layer.name, choice.ranks): choice.error for layer in timed for choice in layer.choices}
    most = sum(layer.most_saved for layer in timed)
    asked, missed, fastest, best = min(1.0 - time, most), 0.0, 1.0, None
    for _ in range(_ATTEMPTS):
        ranks = ranks_saving(timed, asked)
        built = decompose(model, found, ranks)
        own, parts = alternating_seconds([network, (bench.load(built, "low-rank"), network[1])])
        share = float(parts / own)
        fastest = min(fastest, share)
        if share <= time + _CLOSE and (best is None or share > best.time):
            best, met = LowRank(built, ranks, sum(errors[one] for one in ranks.items()), share, {}), asked
        elif share > time + _CLOSE:
            missed = max(missed, asked)
        if abs(share - time) <= _CLOSE or missed >= most:
            break
        wanted = asked * (1.0 - time) / max(1.0 - share, (1.0 - time) / 2)
        # Between what was too little and what was too much, once both are known.
        asked = min(wanted, most) if best is None else min(max(wanted, (missed + met) / 2), met)
    if best is None:
        detail = f"with lower ranks a call takes {fastest:.0%} of its time at best, {time:.0%} was asked for"
        raise CandidateError("unsupported", detail)
    return best
