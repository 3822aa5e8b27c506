"""A Profile: what `sartor probe` measured of one machine, and for how long that holds."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields
from typing import Any, TypeVar

from sartor.errors import InputError, nearest
from sartor.figures import Figure
from sartor.machine.caches import Cache
from sartor.machine.device import Machine
from sartor.machine.levels import Level, levels_of
from sartor.machine.measured import Bandwidth, CallCost, Gpu, MatrixRate, Noise, StartCost

SCHEMA = 1
"""Version of the saved form; another one is measured anew."""
PRECISIONS = {"f32": "float32", "bf16": "bfloat16", "int8": "int8"}
"""Arithmetic as it is asked of a runtime -> element type as a Graph writes it."""
Saved = TypeVar("Saved")


@dataclass(frozen=True)
class RoofValues:
    """What bounds a computation in one runtime, precision and number of threads.

    Attributes:
        flop_per_second: by element type as a Graph writes it. Under `bf16` a product that the Graph writes in
            float32 runs in bfloat16, so both have the same rate.
        levels: of memory, nearest first.
        call_seconds: of a call that computes nothing.
        operator_seconds: that one more operator adds to a call.
        threads: those that were measured: the most that do not exceed those asked for.
    """

    flop_per_second: Mapping[str, Figure]
    levels: tuple[Level, ...]
    call_seconds: Figure
    operator_seconds: Figure
    threads: int


@dataclass(frozen=True)
class Profile:
    """Everything that a probe found out.

    Attributes:
        versions: runtime -> version of its library.
        quick: whether it was measured with `--quick`: fewer points, fewer launches.
        measured_at: seconds since 1970, UTC.
        elapsed_s: what the probe took.
        caches: empty where the system does not say.
        notes: what could not be measured and why.
    """

    machine: Machine
    versions: Mapping[str, str]
    quick: bool
    measured_at: float
    elapsed_s: float
    caches: tuple[Cache, ...]
    bandwidth: tuple[Bandwidth, ...]
    matrix: tuple[MatrixRate, ...]
    calls: tuple[CallCost, ...]
    starts: tuple[StartCost, ...]
    noise: Noise
    gpus: tuple[Gpu, ...]
    notes: tuple[str, ...] = ()

    def why_stale(self, machine: Machine, versions: Mapping[str, str]) -> str | None:
        """What changed since it was measured, or None: the figures still hold."""
        changed = [*_differences(self.machine, machine), *_version_changes(self.versions, versions)]
        return "; ".join(changed) or None

    def roofs(self, runtime: str, precision: str, threads: int) -> RoofValues:
        """What bounds a computation.

        Raises:
            InputError: the runtime, or the precision in this runtime, was not measured here.
        """
        _require(runtime, {one.runtime for one in self.matrix} & {one.runtime for one in self.calls}, "runtime")
        mine = [one for one in self.matrix if one.runtime == runtime]
        why = next((note for note in self.notes if note.startswith(f"{runtime} {precision}")), "")
        _require(precision, {one.precision for one in mine}, f"precision in {runtime}", why)
        measured = _most_within((one.threads for one in mine), threads)
        rates = {PRECISIONS[one.precision]: one.rate for one in mine if one.threads == measured}
        if precision == "bf16":
            rates["float32"] = rates["bfloat16"]
        calls = {one.threads: one for one in self.calls if one.runtime == runtime}
        call = calls[_most_within(calls, threads)]
        return RoofValues(rates, self.levels(threads), call.seconds, call.per_operator, measured)

    def levels(self, threads: int) -> tuple[Level, ...]:
        """The levels of memory with what `threads` threads hold and read of each, nearest first.

        Raises:
            InputError: no bandwidth was measured.
        """
        reads = [one for one in self.bandwidth if one.operation == "read"]
        if not reads:
            raise InputError("no bandwidth was measured", "a complete profile", "run: sartor probe --fresh")
        measured = _most_within((one.threads for one in reads), threads)
        curve = [(one.working_set_bytes, one.rate) for one in reads if one.threads == measured]
        reaches = [(f"L{one.level}", one.reach(measured, self.machine.cores)) for one in self.caches]
        return levels_of(sorted(curve, key=lambda point: point[0]), reaches, self.machine.memory_bytes)

    def as_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return {
            "schema": SCHEMA,
            "fingerprint": self.machine.fingerprint(),
            "machine": self.machine.as_dict(),
            **{one.name: _plain(getattr(self, one.name)) for one in fields(self) if one.name != "machine"},
        }

    @classmethod
    def from_dict(cls, saved: dict[str, Any]) -> Profile:
        """The inverse of `as_dict`.

        Raises:
            KeyError, TypeError, ValueError, AttributeError: not what `as_dict` gives.
        """
        if saved["schema"] != SCHEMA:
            raise ValueError(f"schema {saved['schema']}, known is {SCHEMA}")
        kinds: dict[str, type[Any]] = {
            **{"caches": Cache, "bandwidth": Bandwidth, "matrix": MatrixRate},
            **{"calls": CallCost, "starts": StartCost, "gpus": Gpu},
        }
        values: dict[str, Any] = {
            **{name: saved[name] for name in ("quick", "measured_at", "elapsed_s")},
            **{name: tuple(_read(kind, one) for one in saved[name]) for name, kind in kinds.items()},
            "machine": Machine.from_dict(saved["machine"]),
            "versions": dict(saved["versions"]),
            "noise": _read(Noise, saved["noise"]),
            "notes": tuple(saved["notes"]),
        }
        return cls(**values)


def _differences(before: Machine, now: Machine) -> list[str]:
    """What of a fingerprint changed; see `Machine.fingerprint`."""
    if before.fingerprint() == now.fingerprint():
        return []
    names = ("cpu", "architecture", "cores", "isa", "os")
    pairs = [(name, _words(getattr(before, name)), _words(getattr(now, name))) for name in names]
    return [f"{name}: {new} now, {old} when it was measured" for name, old, new in pairs if old != new]


def _words(value: object) -> str:
    return " ".join(value) if isinstance(value, tuple) else str(value)


def _version_changes(before: Mapping[str, str], now: Mapping[str, str]) -> list[str]:
    gone = [f"{name} {version} is not here any more" for name, version in before.items() if name not in now]
    new = [f"{name} {version} was not measured" for name, version in now.items() if name not in before]
    other = [
        f"{name} is {now[name]} now, {version} when it was measured"
        for name, version in before.items()
        if name in now and now[name] != version
    ]
    return [*gone, *new, *other]


def _require(word: str, known: set[str], what: str, why: str = "") -> None:
    if word not in known:
        hint = why or nearest(word, known) or "sartor probe shows what was measured"
        raise InputError(f"no measured {what} `{word}`", ", ".join(sorted(known)) or "nothing was measured", hint)


def _most_within(measured: Iterable[int], threads: int) -> int:
    counts = sorted(set(measured))
    return max((count for count in counts if count <= threads), default=counts[0])


def _plain(value: Any) -> Any:
    if isinstance(value, Figure):
        return value.as_dict()
    if isinstance(value, tuple):
        return [_plain(one) for one in value]
    if hasattr(value, "__dataclass_fields__"):
        return {one.name: _plain(getattr(value, one.name)) for one in fields(value)}
    return dict(value) if isinstance(value, Mapping) else value


def _read(kind: type[Saved], saved: dict[str, Any]) -> Saved:
    return kind(**{name: _value(value) for name, value in saved.items()})


def _value(value: Any) -> Any:
    if isinstance(value, dict):
        return Figure.from_dict(value)
    return tuple(value) if isinstance(value, list) else value
