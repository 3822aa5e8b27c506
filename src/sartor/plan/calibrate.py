"""From samples to a Calibration: learn every efficiency and resource, and how far off each is on unseen networks."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from sartor.machine.calibration import Calibration, Efficiency, Hardware, Record, Resource
from sartor.machine.samples import Network, Sample
from sartor.plan.efficiency import WEIGHT_BYTES, amount_names, amounts_on, call_seconds, group_seconds
from sartor.plan.features import features
from sartor.plan.learn import Example, coefficients_of, exact_coefficients_of, learn
from sartor.plan.outline import COLUMN
from sartor.plan.resources import AMOUNTS, Name, resource_amounts
from sartor.plan.resources import NAMES as RESOURCE_NAMES

Values = NDArray[np.float64]
Key = TypeVar("Key", bound=Hashable)
LEAST = 30
"""Networks below which nothing is learnt of a runtime and arithmetic."""
_LEAST_OF_RESOURCES = 8
_FOLDS = 5
_WORTH = (0.3, 5.0)
_COMMON = "f32"
_QUIET = 0.05
_SPREAD = 1.15  # of the reference's quietest rounds when nothing else runs
_TOO_LOUD = 2.0  # times the quiet reference
_TAIL = 0.05  # of the residuals that lie outside the interval, on each side
_MEASURED: Mapping[Name, str] = {"load": "load_seconds", "size": "size_bytes", "memory": "memory_bytes"}
_FLOOR = 1e-9
_LEAST_OFF = 0.01  # logarithm; what is hardly off by chance says nothing of how errors fall
_SLOPES = (-0.5, 0.0)
_BLANK = Record(0.0, 0.0, 0.0, 0.0, 0.0, 0)
_NORMAL = 1.6448536269514722  # 5% of a normal distribution lie beyond


@dataclass(frozen=True)
class Subject:
    """What a calibration is of.

    Attributes:
        fingerprint: of the machine.
        versions: of the runtimes.
        start_seconds: of a fresh worker with a runtime loaded, by runtime.
    """

    fingerprint: str
    versions: Mapping[str, str]
    hardware: Hardware
    start_seconds: Mapping[str, float]


def calibrate(
    subject: Subject,
    networks: Mapping[str, Network],
    samples: Iterable[Sample],
    on_learnt: Callable[[Efficiency], None] = lambda efficiency: None,
) -> Calibration:
    """Learn from all samples; what has fewer than `LEAST` is left out."""
    known = [sample for sample in samples if sample.network in networks]
    quiet = quiet_references(known)
    fold_of = _fold_of({sample.network for sample in known})
    learners: list[_Learnt] = []
    for key, group in sorted(_grouped(known, lambda s: (s.runtime, s.arithmetic, s.threads)), key=_bases_first):
        usable = {s.network: seconds for s in group if (seconds := at_a_quiet_moment(s, quiet)) is not None}
        if len(usable) >= LEAST:
            base = base_of(*key, [one.efficiency for one in learners])
            before = next((one for one in learners if one.efficiency is base), None)
            timed = [_Timed(name, networks[name], seconds, fold_of[name]) for name, seconds in usable.items()]
            learners.append(_learn(key, timed, subject.hardware, before))
            on_learnt(learners[-1].efficiency)
    efficiencies, errors = [one.efficiency for one in learners], [one.off for one in learners]
    return Calibration(
        subject.fingerprint,
        dict(subject.versions),
        subject.hardware,
        time.time(),
        len({sample.network for sample in known}),
        tuple(efficiencies),
        tuple(_resources(networks, known)),
        dict(subject.start_seconds),
        covariance_of([one.record for one in efficiencies], errors),
        {str(threads): seconds for threads, seconds in quiet.items()},
    )


def _bases_first(item: tuple[tuple[str, str, int], list[Sample]]) -> tuple[str, bool, str, int]:
    runtime, arithmetic, threads = item[0]
    return runtime, arithmetic != _COMMON, arithmetic, threads


def base_of(runtime: str, arithmetic: str, threads: int, learnt: Sequence[Efficiency]) -> Efficiency | None:
    """What an efficiency starts from: the same with the fewest threads, else f32 with as many; None for the first."""
    same = [one for one in learnt if (one.runtime, one.arithmetic) == (runtime, arithmetic) and one.threads < threads]
    plain = [one for one in learnt if (one.runtime, one.arithmetic, one.threads) == (runtime, _COMMON, threads)]
    return next(iter([*same, *plain]), None)


def quiet_references(samples: Iterable[Sample]) -> dict[int, float]:
    """What the reference takes at a quiet moment, by threads: what it took beside the quietest twentieth."""
    found: dict[int, list[float]] = {}
    for sample in samples:
        if sample.reference_seconds is not None:
            found.setdefault(sample.threads, []).append(sample.reference_seconds)
    return {threads: float(np.quantile(seconds, _QUIET)) for threads, seconds in found.items()}


def at_a_quiet_moment(sample: Sample, quiet: Mapping[int, float]) -> float | None:
    """A sample's seconds, scaled by the reference where its quietest round was slow, too; None where it was so slow
    that nothing can be said."""
    if sample.seconds is None or sample.reference_seconds is None:
        return sample.seconds
    loudness = max(1.0, sample.reference_seconds / (_SPREAD * quiet[sample.threads]))
    return sample.seconds / loudness if loudness <= _TOO_LOUD else None


def _grouped(samples: Sequence[Sample], key: Callable[[Sample], Key]) -> list[tuple[Key, list[Sample]]]:
    found: dict[Key, list[Sample]] = {}
    for sample in samples:
        found.setdefault(key(sample), []).append(sample)
    return sorted(found.items(), key=lambda item: str(item[0]))


@dataclass(frozen=True)
class _Timed:
    name: str
    network: Network
    seconds: float
    fold: int


@dataclass(frozen=True)
class _Learnt:
    """An Efficiency, those that have not seen one fold each, and how far off they are on it.

    Attributes:
        off: logarithm of measured over predicted, by network.
    """

    efficiency: Efficiency
    partial: tuple[Efficiency, ...]
    off: Mapping[str, float]


def _learn(key: tuple[str, str, int], timed: Sequence[_Timed], hardware: Hardware, before: _Learnt | None) -> _Learnt:
    """Learn from all, and from all but each fold; then its base has not seen that fold either.

    Args:
        before: what it starts from.
    """
    width = WEIGHT_BYTES[key[1]]
    tables = {one.name: features(one.network.groups, width) for one in timed}

    def learnt(chosen: Sequence[_Timed], base: Efficiency | None) -> Efficiency:
        examples = [
            Example(amounts_on(one.network.groups, key[1], base, hardware), tables[one.name], one.seconds)
            for one in chosen
        ]
        coefficients, trees = learn(examples)
        named = zip(amount_names(base), coefficients.tolist(), strict=True)
        return Efficiency(*key, {name: v for name, v in named if v > 0}, trees, _BLANK, base)

    off: dict[str, float] = {}
    partial = []
    for fold in range(_FOLDS):
        partly = learnt([one for one in timed if one.fold != fold], before.partial[fold] if before else None)
        partial.append(partly)
        for one in timed:
            if one.fold == fold:
                predicted = float(group_seconds(one.network.groups, partly, hardware).sum()) + call_seconds(partly)
                off[one.name] = math.log(one.seconds / max(predicted, _FLOOR))
    measured = np.array([one.seconds for one in timed])
    flop = np.array([_flop(one.network) for one in timed])
    whole = learnt(timed, before.efficiency if before else None)
    record = record_of(np.array([off[one.name] for one in timed]), measured, flop, by_time=True)
    return _Learnt(replace(whole, record=record), tuple(partial), off)


def _flop(network: Network) -> float:
    return float((network.groups[:, COLUMN["flop"]] * network.groups[:, COLUMN["times"]]).sum())


def _fold_of(names: Iterable[str]) -> dict[str, int]:
    """A fold for each network, the same whatever is learnt."""
    ordered = sorted(names)
    order = np.random.default_rng(0).permutation(len(ordered)).tolist()
    return {ordered[place]: turn % _FOLDS for turn, place in enumerate(order)}


def _folds(count: int) -> list[tuple[list[int], list[int]]]:
    """Everything but a fold, and the fold."""
    order = np.random.default_rng(0).permutation(count).tolist()
    return [(sorted(set(order) - set(fold)), fold) for k in range(_FOLDS) if (fold := order[k::_FOLDS])]


def record_of(off: Values, measured: Values, proportional_to: Values, *, by_time: bool = False) -> Record:
    """The record of predictions.

    Args:
        off: logarithm of measured over predicted, of networks that were left out.
        proportional_to: what the constant predictor multiplies.
        by_time: whether the interval may be narrower for what takes longer.
    """
    error = np.abs(np.expm1(-off))
    rate = np.median(measured / np.maximum(proportional_to, 1.0))
    constant = np.abs(rate * proportional_to / measured - 1.0)
    half, tenth = np.quantile(error, [0.5, 0.9])
    record = Record(*bounds_of(off), float(half), float(tenth), float(np.median(constant)), len(off))
    if not by_time:
        return record
    smallest, typical, largest = map(float, np.quantile(measured, [0.0, 0.5, 1.0]))
    record = replace(record, slope=_slope(off, measured), typical=typical, smallest=smallest, largest=largest)
    low, high = bounds_of(off / np.array([record.width(seconds) for seconds in measured.tolist()]))
    return replace(record, low=low, high=high)


def _slope(off: Values, measured: Values) -> float:
    """The exponent by which errors fall with the time that a network takes; never do they grow with it."""
    slope = np.polynomial.polynomial.polyfit(np.log(measured), np.log(np.abs(off) + _LEAST_OFF), 1)[1]
    return float(np.clip(slope, *_SLOPES))


def bounds_of(off: Values) -> tuple[float, float]:
    """The order statistics that a further one lies below and above with a probability of 5% at most.

    Split conformal prediction (Vovk, Gammerman and Shafer 2005; Lei et al. 2018, JASA 113(523)): of n residuals the
    ceil(0.95 (n + 1))-th, and the same from below.
    """
    ordered = np.sort(off)
    place = min(len(ordered), math.ceil((1.0 - _TAIL) * (len(ordered) + 1)))
    return float(ordered[len(ordered) - place]), float(ordered[place - 1])


def covariance_of(records: Sequence[Record], errors: Sequence[Mapping[str, float]]) -> tuple[tuple[float, ...], ...]:
    """Of errors, each by network: spreads that give the records' intervals, and how the errors go together.

    Correlations are Spearman's, which a few spoilt times do not move, brought to those of normal variables (Pearson
    1907: 2 sin(pi r / 6)).
    """
    from scipy.stats import spearmanr

    spread = np.array([(record.high - record.low) / (2.0 * _NORMAL) for record in records])
    together = np.eye(len(records))
    for one, first in enumerate(errors):
        for other, second in enumerate(errors[:one]):
            shared = sorted(first.keys() & second.keys())
            if len(shared) >= LEAST:
                rank = spearmanr([first[name] for name in shared], [second[name] for name in shared]).statistic
                together[one, other] = together[other, one] = 2.0 * math.sin(math.pi * np.nan_to_num(rank) / 6.0)
    values, vectors = np.linalg.eigh(together)
    valid = (vectors * np.maximum(values, 1e-4)) @ vectors.T  # pairs of different networks may contradict each other
    return tuple(map(tuple, (valid * np.outer(spread, spread)).tolist()))


def _resources(networks: Mapping[str, Network], samples: Sequence[Sample]) -> Iterable[Resource]:
    for (runtime, arithmetic), group in _grouped(samples, lambda s: (s.runtime, s.arithmetic)):
        for name in RESOURCE_NAMES:
            # Threads do not matter, and not every number of them has all that was measured.
            known = {s.network: value for s in group if (value := getattr(s, _MEASURED[name]))}
            if len(known) >= _LEAST_OF_RESOURCES:
                yield _resource(name, runtime, arithmetic, [(networks[key], known[key]) for key in known])


def _resource(name: Name, runtime: str, arithmetic: str, known: Sequence[tuple[Network, float]]) -> Resource:
    table = np.array([resource_amounts(name, network) for network, _ in known])
    measured = np.array([value for _, value in known])
    # What is large matters, and tells what a weight takes; what is small, what there is besides.
    worth = np.clip(np.sqrt(measured / np.median(measured)), *_WORTH)
    learn_from = coefficients_of if name == "load" else exact_coefficients_of
    off = np.zeros(len(known))
    for rest, left_out in _folds(len(known)):
        found = learn_from(table[rest], measured[rest], worth[rest])
        off[left_out] = np.log(measured[left_out] / np.maximum(table[left_out] @ found, _FLOOR))
    whole = learn_from(table, measured, worth)
    coefficients = {key: float(value) for key, value in zip(AMOUNTS[name], whole, strict=True) if value > 0}
    record = record_of(off, measured, np.array([network.file_bytes for network, _ in known]))
    return Resource(name, runtime, arithmetic, coefficients, record)
