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
    efficiencies: list[Efficiency] = []
    errors: list[dict[str, float]] = []
    for key, group in sorted(_grouped(known, lambda s: (s.runtime, s.arithmetic, s.threads)), key=_bases_first):
        usable = {s.network: seconds for s in group if (seconds := at_a_quiet_moment(s, quiet)) is not None}
        names, timed = list(usable), [(networks[name], seconds) for name, seconds in usable.items()]
        if len(timed) >= LEAST:
            learnt, off = _efficiency(*key, timed, subject.hardware, base_of(*key, efficiencies))
            efficiencies.append(learnt)
            errors.append(dict(zip(names, off.tolist(), strict=True)))
            on_learnt(learnt)
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


def _efficiency(
    runtime: str,
    arithmetic: str,
    threads: int,
    timed: Sequence[tuple[Network, float]],
    hardware: Hardware,
    base: Efficiency | None,
) -> tuple[Efficiency, Values]:
    """What was learnt, and the logarithms of measured over predicted of networks that were left out."""
    width = WEIGHT_BYTES[arithmetic]
    examples = [
        Example(amounts_on(network.groups, arithmetic, base, hardware), features(network.groups, width), seconds)
        for network, seconds in timed
    ]
    blank = Record(0.0, 0.0, 0.0, 0.0, 0.0, 0)

    def learnt(chosen: Sequence[int]) -> Efficiency:
        coefficients, trees = learn([examples[number] for number in chosen])
        named = zip(amount_names(base), coefficients.tolist(), strict=True)
        return Efficiency(runtime, arithmetic, threads, {name: v for name, v in named if v > 0}, trees, blank, base)

    off = np.zeros(len(timed))
    # The base has seen all networks, in another arithmetic or with fewer threads: what is left out here is not quite
    # unseen, and the record a little kinder than the truth.
    for rest, left_out in _folds(len(timed)):
        partly = learnt(rest)
        for number in left_out:
            network, seconds = timed[number]
            predicted = float(group_seconds(network.groups, partly, hardware).sum()) + call_seconds(partly)
            off[number] = math.log(seconds / max(predicted, _FLOOR))
    measured = np.array([seconds for _, seconds in timed])
    flop = np.array([_flop(network) for network, _ in timed])
    whole = learnt(range(len(timed)))
    return replace(whole, record=record_of(off, measured, flop)), off


def _flop(network: Network) -> float:
    return float((network.groups[:, COLUMN["flop"]] * network.groups[:, COLUMN["times"]]).sum())


def _folds(count: int) -> list[tuple[list[int], list[int]]]:
    """Everything but a fold, and the fold."""
    order = np.random.default_rng(0).permutation(count).tolist()
    return [(sorted(set(order) - set(fold)), fold) for k in range(_FOLDS) if (fold := order[k::_FOLDS])]


def record_of(off: Values, measured: Values, proportional_to: Values) -> Record:
    """The record of predictions.

    Args:
        off: logarithm of measured over predicted, of networks that were left out.
        proportional_to: what the constant predictor multiplies.
    """
    error = np.abs(np.expm1(-off))
    rate = np.median(measured / np.maximum(proportional_to, 1.0))
    constant = np.abs(rate * proportional_to / measured - 1.0)
    low, high = bounds_of(off)
    half, tenth = np.quantile(error, [0.5, 0.9])
    return Record(low, high, float(half), float(tenth), float(np.median(constant)), len(off))


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
