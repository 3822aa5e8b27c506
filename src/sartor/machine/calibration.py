"""A Calibration: what turns counts into times, bytes and starts on one machine, learnt from networks timed on it.

Values only: `plan/learn.py` learns them, and `plan/calibrated.py` predicts with them.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sartor.machine.caches import Cache
from sartor.machine.device import Machine

SCHEMA = 2
"""Version of the saved form; another one is learnt anew."""

ARITHMETICS = ("f32", "bf16", "int8", "int8+bf16", "int8-dynamic")
"""What a file computes in: floating numbers as they were asked for; static int8 with what is not quantized in f32 or
bf16; dynamic int8."""

_NEAR, _SHARED = 512 * 2**10, 16 * 2**20  # bytes; where the system does not describe its caches
_WIDE = ("avx512f", "sve")


@dataclass(frozen=True)
class Hardware:
    """What decides where numbers come from and how many are computed at a time.

    Attributes:
        near_bytes: of the cache that each core has for itself.
        shared_bytes: of the last cache.
        lanes: 32-bit numbers in a register.
    """

    near_bytes: float
    shared_bytes: float
    lanes: int

    @classmethod
    def of(cls, machine: Machine, caches: Sequence[Cache]) -> Hardware:
        """Read off a machine; usual sizes stand for caches that its system does not describe."""
        own = [cache.size_bytes for cache in caches if cache.level == 2]
        last = max(caches, key=lambda cache: cache.level, default=None)
        shared = last.size_bytes * last.instances if last is not None and last.level > 2 else _SHARED
        lanes = 16 if any(flag in machine.isa for flag in _WIDE) else 8
        return cls(float(own[0] if own else _NEAR), float(shared), lanes)


@dataclass(frozen=True)
class Tree:
    """A regression tree, its nodes in one row; a leaf has feature -1 and a value.

    Attributes:
        feature: number of the column that is compared.
        threshold: at most this goes left.
        left, right: numbers of the nodes below.
    """

    feature: tuple[int, ...]
    threshold: tuple[float, ...]
    left: tuple[int, ...]
    right: tuple[int, ...]
    value: tuple[float, ...]


@dataclass(frozen=True)
class Record:
    """How far predictions were off on networks that they had not been learnt from.

    Attributes:
        low, high: logarithm of measured over predicted that 5% stayed below, and 5% above.
        median_error, tenth_error: absolute relative error that half, and a tenth, of the networks exceeded.
        constant_error: median error of the best prediction in proportion to FLOP (bytes, for sizes and memory).
        networks: how many.
        slope, typical, smallest, largest: `low` and `high` are those of a network that takes `typical` seconds, and
            change as a power of the time with this exponent between the smallest and the largest.
    """

    low: float
    high: float
    median_error: float
    tenth_error: float
    constant_error: float
    networks: int
    slope: float = 0.0
    typical: float = 1.0
    smallest: float = 1.0
    largest: float = 1.0

    def width(self, seconds: float) -> float:
        """How much wider the interval is for a network that takes so long."""
        return math.exp(self.slope * math.log(min(max(seconds, self.smallest), self.largest) / self.typical))


@dataclass(frozen=True)
class Efficiency:
    """What one runtime reaches in one arithmetic with one number of threads.

    Attributes:
        seconds: coefficient of each amount in `plan/amounts.py` that takes time.
        trees: corrections to the logarithm of each group's time, to be added up.
        base: what this one starts from: the same with fewer threads, or in f32. Its groups' times are amounts too.
    """

    runtime: str
    arithmetic: str
    threads: int
    seconds: Mapping[str, float]
    trees: tuple[Tree, ...]
    record: Record
    base: Efficiency | None = None


@dataclass(frozen=True)
class Resource:
    """What something else than a call takes: `load` in seconds, `size` and `memory` in bytes.

    Attributes:
        coefficients: of each amount in `plan/resources.py` that takes some.
    """

    name: str
    runtime: str
    arithmetic: str
    coefficients: Mapping[str, float]
    record: Record


@dataclass(frozen=True)
class Experience:
    """A network that a fit timed.

    Attributes:
        network: name of its samples.
        likeness: as `plan/experience.py` has it.
        off: logarithm of measured over predicted, by `Calibration.key`.
    """

    network: str
    likeness: tuple[float, ...]
    off: Mapping[str, float]


@dataclass(frozen=True)
class Calibration:
    """Everything that was learnt of one machine.

    Attributes:
        fingerprint: of the machine.
        versions: runtime -> version of its library.
        learnt_at: seconds since 1970, UTC.
        start_seconds: from the start of a fresh worker to a loaded runtime, by runtime.
        networks: how many were timed, those of fits included.
        covariance: of the efficiencies' errors, logarithms of measured over predicted on unseen networks.
        reference_seconds: of the reference network at a quiet moment, by threads.
        experience: of fits since it was learnt.
    """

    fingerprint: str
    versions: Mapping[str, str]
    hardware: Hardware
    learnt_at: float
    networks: int
    efficiencies: tuple[Efficiency, ...]
    resources: tuple[Resource, ...]
    start_seconds: Mapping[str, float]
    covariance: tuple[tuple[float, ...], ...]
    reference_seconds: Mapping[str, float]
    experience: tuple[Experience, ...] = ()

    @staticmethod
    def key(runtime: str, arithmetic: str, threads: int) -> str:
        """One word for what an efficiency is of."""
        return f"{runtime}.{arithmetic}.t{threads}"

    def efficiency(self, runtime: str, arithmetic: str, threads: int) -> Efficiency | None:
        """Of exactly these; None where it was not learnt."""
        asked = (runtime, arithmetic, threads)
        return next((one for one in self.efficiencies if (one.runtime, one.arithmetic, one.threads) == asked), None)

    def resource(self, name: str, runtime: str, arithmetic: str) -> Resource | None:
        """Of exactly these; None where it was not learnt."""
        asked = (name, runtime, arithmetic)
        return next((one for one in self.resources if (one.name, one.runtime, one.arithmetic) == asked), None)

    def threads(self, runtime: str, arithmetic: str) -> tuple[int, ...]:
        """Numbers of threads that were learnt, fewest first."""
        found = {e.threads for e in self.efficiencies if (e.runtime, e.arithmetic) == (runtime, arithmetic)}
        return tuple(sorted(found))

    def why_stale(self, machine: Machine, versions: Mapping[str, str]) -> str | None:
        """What changed since it was learnt, or None."""
        if machine.fingerprint() != self.fingerprint:
            return "it was learnt on another machine"
        changed = [name for name, version in versions.items() if self.versions.get(name) != version]
        return f"{', '.join(changed)} changed since it was learnt" if changed else None

    def as_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return {"schema": SCHEMA, **_plain(self)}

    @classmethod
    def from_dict(cls, saved: dict[str, Any]) -> Calibration:
        """The inverse of `as_dict`.

        Raises:
            KeyError, TypeError, ValueError, AttributeError: not what `as_dict` gives.
        """
        if saved["schema"] != SCHEMA:
            raise ValueError(f"schema {saved['schema']}, known is {SCHEMA}")
        plain = ("fingerprint", "versions", "learnt_at", "networks", "start_seconds", "reference_seconds")
        return cls(
            **{name: saved[name] for name in plain},
            hardware=Hardware(**saved["hardware"]),
            covariance=tuple(tuple(row) for row in saved["covariance"]),
            experience=tuple(
                Experience(one["network"], tuple(one["likeness"]), one["off"]) for one in saved["experience"]
            ),
            efficiencies=tuple(_efficiency(one) for one in saved["efficiencies"]),
            resources=tuple(Resource(**{**one, "record": Record(**one["record"])}) for one in saved["resources"]),
        )


def _efficiency(saved: dict[str, Any]) -> Efficiency:
    trees = tuple(Tree(**{name: tuple(row) for name, row in tree.items()}) for tree in saved["trees"])
    base = None if saved["base"] is None else _efficiency(saved["base"])
    return Efficiency(**{**saved, "trees": trees, "record": Record(**saved["record"]), "base": base})


def _plain(value: Any) -> Any:
    if hasattr(value, "__dataclass_fields__"):
        return {name: _plain(getattr(value, name)) for name in value.__dataclass_fields__}
    if isinstance(value, Mapping):
        return {name: _plain(one) for name, one in value.items()}
    return [_plain(one) for one in value] if isinstance(value, tuple) else value
