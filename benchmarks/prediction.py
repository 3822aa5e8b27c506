"""How far off are calibrated predictions on architectures that took no part in the calibration?

Every architecture of `_architectures.py` is exported, quantized and timed in every runtime and arithmetic of this
machine, in fresh workers, and predicted from its operators alone. Beside it stand the plain roofline and the best
prediction in proportion to FLOP, on the same rows. Files and times are kept in --folder: a second run measures what is
missing. Needs a calibration: `sartor probe --calibrate` on a quiet machine.

    python benchmarks/prediction.py --folder OUT
"""

from __future__ import annotations

import json
import math
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from _architectures import ARCHITECTURES
from _common import arguments, finish
from _measured_architectures import Measured, measure
from sartor.cost.capture import capture
from sartor.cost.count import count
from sartor.cost.counted import Work, counted
from sartor.cost.roofline import MemoryLevel, Roofs
from sartor.machine.calibration import Calibration, Experience
from sartor.machine.calibration_file import find_calibration
from sartor.machine.device import this_machine
from sartor.machine.profile import Profile
from sartor.machine.profile_file import find_profile
from sartor.machine.samples import Network
from sartor.measure.probe import runtime_versions
from sartor.plan.calibrated import predict_latency, predict_resource, predict_start
from sartor.plan.experience import likeness
from sartor.plan.outline import describe
from sartor.plan.predict import predict

Result = TypeVar("Result")
MEDIAN, TENTH, COVERED = 0.12, 0.30, (0.85, 0.95)
MEMORY_SHARE, MEMORY_BYTES, SIZE_SHARE = 0.10, 20e6, 0.02


@dataclass(frozen=True)
class Row:
    """A measurement beside its predictions."""

    measured: Measured
    family: str
    predicted: float
    low: float
    high: float
    roofline: float
    flop: float

    @property
    def error(self) -> float:
        return abs(self.predicted / self.measured.seconds - 1.0)

    @property
    def inside(self) -> bool:
        return self.low <= self.measured.seconds <= self.high


def roofs_of(profile: Profile, runtime: str, arithmetic: str, threads: int) -> Roofs:
    """The plain roofline of one runtime and arithmetic."""
    found = profile.roofs(runtime, arithmetic.split("+")[0], threads)
    rates = {name: rate.value for name, rate in found.flop_per_second.items()}
    narrow = rates.get("int8") if arithmetic.startswith("int8") else None
    rates["float32"] = narrow or rates.get("float32") or next(iter(rates.values()))
    levels = tuple(MemoryLevel(level.name, level.rate.value, level.capacity_bytes) for level in found.levels)
    return Roofs("here", rates, levels, found.operator_seconds.value)


@dataclass(frozen=True)
class Described:
    """What predictions are made from."""

    network: Network
    work: tuple[Work, ...]
    flop: float


def timed(work: Callable[..., Result], *given: Any) -> tuple[Result, float]:
    """What it gives, and the median seconds of three times."""
    seconds = []
    for _ in range(3):
        begin = time.perf_counter()
        result = work(*given)
        seconds.append(time.perf_counter() - begin)
    return result, sorted(seconds)[1]


class Networks:
    """Each architecture with some rows, read and described; keeps the worst time that this took, of three times each.

    Attributes:
        capture_seconds: of the slowest capture, by bytes of the file.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._known: dict[tuple[str, int], Described] = {}
        self.capture_seconds = self.describe_seconds = 0.0

    def of(self, name: str, batch: int) -> Described:
        if (name, batch) not in self._known:
            source = self._folder / name / "network.onnx"
            begin = time.perf_counter()
            graph = capture(source, {"batch": batch})
            self.capture_seconds = max(self.capture_seconds, time.perf_counter() - begin)
            network, seconds = timed(describe, graph, source.stat().st_size)
            self.describe_seconds = max(self.describe_seconds, seconds)
            self._known[name, batch] = Described(network, counted(graph), count(graph).total_flop)
        return self._known[name, batch]


def compare(
    measured: Sequence[Measured], networks: Networks, known_for: Callable[[str], Calibration], profile: Profile
) -> tuple[list[Row], float]:
    """Each measurement beside its predictions; and the worst time that one prediction took.

    Args:
        known_for: the calibration to predict an architecture with.
    """
    rows, worst = [], 0.0
    for one in measured:
        described, calibration = networks.of(one.name, one.batch), known_for(one.name)
        what = described.network, one.runtime, one.arithmetic, one.threads
        found, seconds = timed(predict_latency, calibration, *what)
        worst = max(worst, seconds)
        if found is None:
            continue
        roofs = roofs_of(profile, one.runtime, one.arithmetic, one.threads)
        plain = sum(operator.seconds.value for operator in predict(described.work, roofs))
        figure, family = found.seconds, ARCHITECTURES[one.name].family
        rows.append(Row(one, family, figure.value, figure.low, figure.high, plain, described.flop))
    return rows, worst


def experienced(
    measured: Sequence[Measured], networks: Networks, calibration: Calibration
) -> Callable[[str], Calibration]:
    """The calibration as it would be once every other architecture had been fitted on this machine."""
    told: dict[str, Experience] = {}
    for one in measured:
        network = networks.of(one.name, 1).network
        found = predict_latency(calibration, network, one.runtime, one.arithmetic, one.threads)
        if found is not None and one.batch == 1:
            key = calibration.key(one.runtime, one.arithmetic, one.threads)
            before = told.get(one.name, Experience(one.name, tuple(likeness(network).tolist()), {}))
            off = {**before.off, key: math.log(one.seconds / found.seconds.value)}
            told[one.name] = replace(before, off=off)
    return lambda name: replace(calibration, experience=tuple(e for e in told.values() if e.network != name))


def summary(rows: Sequence[Row]) -> dict[str, float]:
    """Errors of the prediction, of the roofline, and of the best constant rate a kind of row."""
    errors = np.array([row.error for row in rows])
    roofline = np.array([abs(row.roofline / row.measured.seconds - 1.0) for row in rows])
    constant = np.array([abs(row.flop * _rate(rows, row) / row.measured.seconds - 1.0) for row in rows])
    return {
        "rows": len(rows),
        "median_error": float(np.median(errors)),
        "tenth_error": float(np.quantile(errors, 0.9)),
        "inside": float(np.mean([row.inside for row in rows])),
        "roofline_median_error": float(np.median(roofline)),
        "roofline_tenth_error": float(np.quantile(roofline, 0.9)),
        "constant_median_error": float(np.median(constant)),
        "constant_tenth_error": float(np.quantile(constant, 0.9)),
    }


def _rate(rows: Sequence[Row], row: Row) -> float:
    """Seconds a FLOP, the median of the rows of the same runtime, arithmetic and threads: a constant that saw them."""
    alike = [one for one in rows if _kind(one) == _kind(row)]
    return float(np.median([one.measured.seconds / one.flop for one in alike]))


def _kind(row: Row) -> tuple[str, str, int]:
    return row.measured.runtime, row.measured.arithmetic, row.measured.threads


def resources(measured: Sequence[Measured], networks: Networks, calibration: Calibration) -> dict[str, Any]:
    """Peak memory, size and start, predicted beside measured."""
    found: dict[str, list[tuple[float, float]]] = {"memory": [], "size": [], "start": []}
    for one in measured:
        if one.memory_bytes is None or one.start_seconds is None:
            continue
        network = networks.of(one.name, 1).network
        pairs = {
            "memory": (predict_resource(calibration, network, "memory", one.runtime, one.arithmetic), one.memory_bytes),
            "size": (predict_resource(calibration, network, "size", one.runtime, one.arithmetic), one.size_bytes),
            "start": (predict_start(calibration, network, one.runtime, one.arithmetic), one.start_seconds),
        }
        for name, (predicted, value) in pairs.items():
            if predicted is not None:
                found[name].append((predicted.value, value))
    errors = {name: np.array([abs(p / m - 1.0) for p, m in pairs]) for name, pairs in found.items()}
    apart = np.array([abs(p - m) for p, m in found["memory"]])
    kept = (errors["memory"] <= MEMORY_SHARE) | (apart <= MEMORY_BYTES)
    return {
        "memory_median_error": float(np.median(errors["memory"])),
        "memory_within_10_percent_or_20_MB": float(np.mean(kept)),
        "memory_worst_bytes": float(apart.max()),
        "size_median_error": float(np.median(errors["size"])),
        "size_worst_error": float(errors["size"].max()),
        "size_within_2_percent": float(np.mean(errors["size"] <= SIZE_SHARE)),
        "start_median_error": float(np.median(errors["start"])),
    }


def show(title: str, rows: Sequence[Row], key: Callable[[Row], str]) -> None:
    """A table, one line a group."""
    print(f"\n{title:34} rows  median  90th   inside  roofline  constant")
    for name in sorted({key(row) for row in rows}):
        s = summary([row for row in rows if key(row) == name])
        print(
            f"{name:34} {s['rows']:4.0f}  {s['median_error']:6.1%}  {s['tenth_error']:6.1%} {s['inside']:6.0%}  "
            f"{s['roofline_median_error']:7.0%}  {s['constant_median_error']:7.0%}"
        )


def main() -> int:
    """Measure what is missing, compare, print."""
    parser = arguments(__doc__)
    parser.add_argument("--only", nargs="*", default=list(ARCHITECTURES), help="architectures")
    parser.add_argument("--each", action="store_true", help="print every row")
    options = parser.parse_args()
    machine, versions = this_machine(), runtime_versions()
    calibration = find_calibration(machine, versions)
    profile = find_profile(machine, versions).profile
    if calibration.calibration is None or profile is None:
        print(f"no calibration: {calibration.why_not or 'run `sartor probe --calibrate` first'}")
        return 2
    folder = options.folder or Path(tempfile.mkdtemp(prefix="sartor-prediction-"))
    folder.mkdir(parents=True, exist_ok=True)
    plain = replace(calibration.calibration, experience=())
    measured = list(measure(options.only, folder, machine, {int(k): v for k, v in plain.reference_seconds.items()}))
    networks = Networks(folder)
    rows, predict_seconds = compare(measured, networks, lambda name: plain, profile)
    wiser, _ = compare(measured, networks, experienced(measured, networks, plain), profile)
    worst = {
        "capture_worst_s": networks.capture_seconds,
        "predict_worst_s": networks.describe_seconds + predict_seconds,
    }
    single = [row for row in rows if row.measured.batch == 1]
    if options.each:
        for row in single:
            m = row.measured
            print(
                f"{m.name:20} {m.runtime:12} {m.arithmetic:6} t{m.threads}  {m.seconds * 1e3:8.2f} ms  "
                f"predicted {row.predicted * 1e3:8.2f}  {math.log(row.predicted / m.seconds):+.2f}"
            )
    show("runtime, arithmetic, threads", single, lambda row: " ".join(map(str, _kind(row))))
    show("family", single, lambda row: row.family)
    show("arithmetic", single, lambda row: row.measured.arithmetic)
    many = [row for row in rows if row.measured.batch > 1]
    if many:
        show("several rows a call", many, lambda row: row.measured.name)
    whole, other = summary(single), resources(measured, networks, plain)
    refined = summary([row for row in wiser if row.measured.batch == 1])
    after = {f"after_the_others_{key}": refined[key] for key in ("median_error", "tenth_error", "inside")}
    other |= {"several_rows_median_error": summary(many)["median_error"]} if many else {}
    print(json.dumps({**whole, **after, **other, **worst}, indent=1))
    holds = (
        whole["median_error"] <= MEDIAN
        and whole["tenth_error"] <= TENTH
        and COVERED[0] <= whole["inside"] <= COVERED[1]
        and worst["predict_worst_s"] <= 0.05
    )
    result: Mapping[str, Any] = {
        "architectures": len({row.measured.name for row in single}),
        "calibration_networks": calibration.calibration.networks,
        **{key: round(value, 4) for key, value in {**whole, **after, **other, **worst}.items()},
    }
    return finish("prediction", dict(result), holds)


if __name__ == "__main__":
    sys.exit(main())
