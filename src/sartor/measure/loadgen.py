"""MLPerf's load generator in place of our timer: a judge from outside.

It hands out the queries and takes the time, our own timer runs inside its callback, and both figures stand
beside each other. Scenario names are those of MLPerf Inference.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from sartor.bundle.values import Variant
from sartor.errors import InputError, MissingExtraError, nearest
from sartor.measure.latency import Feed, load, naming, start_worker

SCENARIOS = ("single-stream", "offline")
LATER = ("server", "multi-stream")
RELATIVE, ABSOLUTE = 0.02, 50e-6
"""How far the two timers may be apart: a share, and seconds of a call for what stands between them."""

_LONGEST_SECONDS = 3600.0
_TIME_LIMIT = 60.0
_LEAST_QUERIES = 64  # its early-stopping rule for the p90 wants as many
_SLACK = 12  # three tries on a machine four times slower than when the call was warmed


@dataclass(frozen=True)
class Judged:
    """One run under the load generator.

    Attributes:
        scenario: one of `SCENARIOS`.
        version: of the package mlcommons-loadgen.
        valid: whether the generator calls its run valid.
        reason: its words when it does not.
        calls: how many it made, of `batch` rows each.
        theirs: its figures; latencies in seconds for single-stream, `throughput` in rows/s for offline.
        ours: the same by our timer inside its callback, of the same calls.
    """

    scenario: str
    version: str
    valid: bool
    reason: str
    calls: int
    batch: int
    theirs: Mapping[str, float]
    ours: Mapping[str, float]

    @property
    def differences(self) -> dict[str, float]:
        """How much larger its figures are than ours, as a share of ours."""
        return {name: value / self.ours[name] - 1 for name, value in self.theirs.items()}

    @property
    def compared(self) -> tuple[float, float]:
        """Its seconds and ours that must agree: of the p90, and offline of one call on average."""
        if self.scenario == "offline":
            return self.batch / self.theirs["throughput"], self.batch / self.ours["throughput"]
        return self.theirs["latency_p90"], self.ours["latency_p90"]

    @property
    def agree(self) -> bool:
        """Whether both timers say the same."""
        return timers_agree(*self.compared)

    def as_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return {
            "scenario": self.scenario,
            "loadgen": {"version": self.version, "valid": self.valid, "reason": self.reason, **self.theirs},
            "ours": dict(self.ours),
            "differences": self.differences,
            "apart_s": self.compared[0] - self.compared[1],
            "agree": self.agree,
            "calls": self.calls,
            "batch": self.batch,
        }


def timers_agree(theirs: float, ours: float) -> bool:
    """Whether two times in seconds are within 2% and 50 µs of each other.

    >>> timers_agree(0.000206, 0.0002), timers_agree(0.0104, 0.01)
    (True, False)
    """
    return abs(theirs - ours) <= RELATIVE * ours + ABSOLUTE


def check_scenario(scenario: str, seconds: float) -> None:
    """Refuse what cannot be run, before anything is loaded.

    Raises:
        InputError: an unknown scenario, one for later, or a time outside 1 s to 1 h.
        MissingExtraError: the load generator is not installed.
    """
    if scenario in LATER:
        raise InputError(f"`--loadgen {scenario}`: not yet", " or ".join(SCENARIOS))
    if scenario not in SCENARIOS:
        raise InputError(f"`--loadgen {scenario}`", " or ".join(SCENARIOS), nearest(scenario, SCENARIOS))
    if not 1 <= seconds <= _LONGEST_SECONDS:
        raise InputError(f"`--seconds {seconds:g}`", f"1 to {_LONGEST_SECONDS:.0f}")
    if find_spec("mlperf_loadgen") is None:
        raise MissingExtraError("mlcommons-loadgen", f"`--loadgen {scenario}`", "pip install 'sartor[loadgen]'")


def run_loadgen(variant: Variant, feed: Feed, scenario: str, seconds: float, folder: Path) -> Judged:
    """Drive a variant in a fresh worker, warmed as for our own timer.

    Args:
        seconds: that the run lasts at least.
        folder: for the generator's logs; an empty one is made in it.

    Raises:
        CandidateError: the variant does not run; names it.
        InputError: what `check_scenario` refuses, or more calls than the generator can hold.
    """
    check_scenario(scenario, seconds)
    logs = folder / f"loadgen-{scenario}"
    logs.mkdir()
    with naming(variant), start_worker(feed) as worker:
        call_seconds = load(worker, variant, "it")
        request = {
            "do": "loadgen",
            "id": "it",
            "scenario": scenario,
            "seconds": seconds,
            "queries": _LEAST_QUERIES,
            "call_seconds": call_seconds,
            "batch": feed.batch,
            "folder": str(logs),
        }
        found = worker.ask(request, _TIME_LIMIT + _SLACK * max(seconds, _LEAST_QUERIES * call_seconds))
    return Judged(scenario, batch=feed.batch, **found)
