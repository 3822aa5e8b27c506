"""The worker's side of a run under MLPerf's load generator: it asks, we call the model and stamp our own time.

A query sample of the generator is one call of the workload's batch, prepared and shaped beforehand.
"""

from __future__ import annotations

import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

from sartor.errors import CandidateError, InputError
from sartor.runtime.base import Array, Session

_QUANTILES = {"latency_p50": 0.5, "latency_p90": 0.9, "latency_p99": 0.99}
_MOST_QUERIES = 2_000_000  # it makes all of them beforehand, each some 850 bytes as seen with version 6
_SPARE = 1.1  # it makes a tenth more than the expected time of a call asks for
_HASTE = 0.8  # of the time of a warm call is expected, since too few queries make a run invalid
_OVERHEAD = 4e-6  # seconds that handing over a query takes at least
_MOST_TRIES = 3
_NANOSECONDS = 1e9


def drive(session: Session, batches: Sequence[Mapping[str, Array]], request: Mapping[str, Any]) -> dict[str, Any]:
    """Let the load generator run a session.

    Args:
        batches: inputs of a call; the generator draws them with replacement.
        request: `scenario`; `seconds` and `queries` that the run takes at least; `call_seconds` of a warm call;
            `batch`, rows of a call; `folder`, an empty one for the generator's logs.

    Returns:
        `version`, `valid`, `reason` (the generator's words when it is not), `calls`, and `theirs` beside `ours`:
        latencies in seconds for single-stream, `throughput` in rows per second for offline.

    Raises:
        CandidateError: a call failed.
        InputError: a run of that length takes more queries than fit into memory.
    """
    import mlperf_loadgen as generator

    expected = request["call_seconds"]
    for attempt in range(_MOST_TRIES):
        calls = _Calls(session, batches, generator)
        log = _run(calls, _settings(generator, request, expected), Path(request["folder"]) / str(attempt))
        if log["result_min_duration_met"]:
            break
        # The machine was slower while the call was warmed than in the run, so too few queries were made.
        expected = float(np.mean(calls.seconds))
    return {
        "version": version("mlcommons-loadgen"),
        "valid": log["result_validity"] == "VALID",
        "reason": _reason(log),
        "calls": len(calls.seconds),
        "theirs": _theirs(log, request["batch"]),
        "ours": _ours(np.asarray(calls.seconds), request["scenario"], request["batch"]),
    }


@dataclass
class _Calls:
    """What the generator calls back, and the seconds that each call took by our timer."""

    session: Session
    batches: Sequence[Mapping[str, Array]]
    generator: Any
    seconds: list[float] = field(default_factory=list)
    error: Exception | None = None

    def issue(self, samples: list[Any]) -> None:
        complete, response = self.generator.QuerySamplesComplete, self.generator.QuerySampleResponse
        for sample in samples:
            self._call(self.batches[sample.index])
            complete([response(sample.id, 0, 0)])

    def _call(self, batch: Mapping[str, Array]) -> None:
        if self.error is not None:
            return
        try:
            begin = time.perf_counter_ns()
            self.session.run(batch)
            self.seconds.append((time.perf_counter_ns() - begin) / _NANOSECONDS)
        except Exception as error:  # noqa: BLE001 - through the generator's own threads it would end the process
            self.error = error


def _run(calls: _Calls, settings: Any, folder: Path) -> dict[str, Any]:
    folder.mkdir()
    generator = calls.generator
    system = generator.ConstructSUT(calls.issue, lambda: None)
    count = len(calls.batches)
    library = generator.ConstructQSL(count, count, lambda indices: None, lambda indices: None)
    # The name of an absent file, or an `audit.config` in the current folder would change the settings.
    audit = str(folder / "audit.config")
    try:
        generator.StartTestWithLogSettings(system, library, settings, _log_settings(generator, folder), audit)
    finally:
        generator.DestroyQSL(library)
        generator.DestroySUT(system)
    if calls.error is not None:
        raise CandidateError("failed", f"a call failed under the load generator: {calls.error}")
    return read_log(folder / "mlperf_log_detail.txt")


def _settings(generator: Any, request: Mapping[str, Any], call_seconds: float) -> Any:
    seconds, expected = request["seconds"], _HASTE * (call_seconds + _OVERHEAD)
    if _SPARE * seconds / expected > _MOST_QUERIES:
        raise InputError(
            f"{seconds:g} s of calls that take {call_seconds * 1e6:.0f} µs, all of which the load generator makes "
            "beforehand",
            f"at most {_MOST_QUERIES * expected / _SPARE:.0f} s for this model",
        )
    settings = generator.TestSettings()
    settings.mode = generator.TestMode.PerformanceOnly
    settings.min_duration_ms = round(1000 * seconds)
    settings.min_query_count = request["queries"]
    if request["scenario"] == "offline":
        settings.scenario = generator.TestScenario.Offline
        settings.offline_expected_qps = 1 / expected
    else:
        settings.scenario = generator.TestScenario.SingleStream
        settings.single_stream_expected_latency_ns = round(_NANOSECONDS * expected)
    return settings


def _log_settings(generator: Any, folder: Path) -> Any:
    settings = generator.LogSettings()
    settings.log_output.outdir = str(folder)
    settings.log_output.copy_summary_to_stdout = False
    settings.enable_trace = False
    return settings


def read_log(file: Path) -> dict[str, Any]:
    """The entries of a detail log by their key; of a repeated key, the last."""
    lines = file.read_text(encoding="utf-8").splitlines()
    entries = [json.loads(line.removeprefix(":::MLLOG ")) for line in lines]
    return {entry["key"]: entry["value"] for entry in entries}


def _reason(log: Mapping[str, Any]) -> str:
    if log["result_validity"] == "VALID":
        return ""
    said = [log.get("result_invalid_reason", "")]
    if not log.get("early_stopping_met", True):
        said.append(log.get("early_stopping_result", ""))
    return " ".join(" ".join(said).replace("*", "").split()) or "it gave no reason"


def _theirs(log: Mapping[str, Any], batch: int) -> dict[str, float]:
    if "result_samples_per_second" in log:
        return {"throughput": batch * float(log["result_samples_per_second"])}
    return {
        name: log[f"result_{100 * quantile:.2f}_percentile_latency_ns"] / _NANOSECONDS
        for name, quantile in _QUANTILES.items()
    }


def _ours(seconds: Array, scenario: str, batch: int) -> dict[str, float]:
    if scenario == "offline":
        return {"throughput": batch / float(seconds.mean())}
    ordered = np.sort(seconds)  # its quantiles are order statistics, so ours beside them are as well
    return {name: float(ordered[int(quantile * len(ordered))]) for name, quantile in _QUANTILES.items()}
