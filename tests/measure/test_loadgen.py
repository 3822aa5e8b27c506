"""MLPerf's load generator over real models: two timers on the same calls, and what happens when a run goes wrong."""

from __future__ import annotations

import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.bundle.making import write_net

from sartor.bundle.values import Variant
from sartor.errors import CandidateError, InputError, MissingExtraError
from sartor.measure.latency import Feed
from sartor.measure.loadgen import SCENARIOS, Judged, check_scenario, run_loadgen, timers_agree
from sartor.measure.loadgen_worker import drive
from sartor.plan.candidates import Candidate
from sartor.plan.recipe import Recipe
from sartor.runtime.base import Array, Settings
from sartor.steps.prepared import Prepared

WIDTH = 512


def made(folder: Path, batch: int, runtime: str = "onnxruntime") -> tuple[Variant, Feed]:
    net = write_net(folder / "net.onnx", features=WIDTH, columns=WIDTH)
    rows = np.random.default_rng(0).standard_normal((64, WIDTH)).astype(np.float32)
    np.save(folder / "rows.npy", np.arange(64))
    candidate = Candidate("net", Recipe(), runtime, Settings())
    feed = Feed(Prepared({"x": rows}).save(folder / "inputs"), folder / "rows.npy", batch)
    return Variant(candidate, net, net.stat().st_size), feed


@pytest.mark.parametrize(("scenario", "batch"), [("single-stream", 1), ("offline", 4)])
def test_both_timers_say_the_same_of_one_run(scenario: str, batch: int, tmp_path: Path) -> None:
    variant, feed = made(tmp_path, batch)
    for attempt in range(3):  # a neighbour's burst between the two stamps is no fault of either
        folder = tmp_path / str(attempt)
        folder.mkdir()
        found = run_loadgen(variant, feed, scenario, 1.0, folder)
        if found.valid and found.agree:
            break
    assert (found.valid, found.reason) == (True, "")
    theirs, ours = found.compared
    assert ours < theirs <= 1.02 * ours + 50e-6
    assert found.agree
    assert found.calls > 64
    assert set(found.theirs) == set(found.ours)
    assert ("throughput" in found.theirs) == (scenario == "offline")


def test_a_variant_that_does_not_load_is_named(tmp_path: Path) -> None:
    variant, feed = made(tmp_path, 1)
    variant.path.write_bytes(b"no model")
    with pytest.raises(CandidateError) as caught:
        run_loadgen(variant, feed, "offline", 1.0, tmp_path)
    assert caught.value.candidate == variant.id


# Agreement


@pytest.mark.parametrize(
    ("theirs", "ours", "agree"),
    [
        (50e-6, 1e-6, True),
        (60e-6, 1e-6, False),
        (10.2e-3, 10e-3, True),
        (10.3e-3, 10e-3, False),
        (9.7e-3, 10e-3, False),
    ],
)
def test_two_percent_and_fifty_microseconds(theirs: float, ours: float, agree: bool) -> None:
    assert timers_agree(theirs, ours) is agree


def test_offline_is_compared_by_the_time_of_a_call() -> None:
    found = Judged("offline", "6", True, "", 100, 8, {"throughput": 800.0}, {"throughput": 1000.0})
    assert found.compared == (0.01, 0.008)
    assert found.differences == {"throughput": pytest.approx(-0.2)}
    assert found.as_dict()["apart_s"] == pytest.approx(0.002)
    assert found.as_dict()["agree"] is False


# What the worker does, with calls of a known length


class Sleeping:
    """A session whose calls last as long as they are told; from a given call on they fail."""

    def __init__(self, seconds: float, fails_from: int = 10**9) -> None:
        self.seconds, self.fails_from, self.calls = seconds, fails_from, 0

    def run(self, inputs: Mapping[str, Array]) -> list[Array]:
        self.calls += 1
        if self.calls >= self.fails_from:
            raise RuntimeError("no such kernel")
        time.sleep(self.seconds)
        return [inputs["x"]]

    def precision(self) -> str:
        return "f32"


def request(folder: Path, **changes: Any) -> dict[str, Any]:
    wanted = {"scenario": "single-stream", "seconds": 0.5, "queries": 64, "call_seconds": 0.005, "batch": 1}
    return {**wanted, "folder": str(folder), **changes}


BATCHES = [{"x": np.full((1, 2), number, np.float32)} for number in range(8)]


def test_a_run_that_was_expected_to_be_slower_is_made_again(tmp_path: Path) -> None:
    found = drive(Sleeping(0.005), BATCHES, request(tmp_path, call_seconds=0.1))
    assert found["valid"]
    assert len(list(tmp_path.iterdir())) == 2
    assert found["calls"] * found["ours"]["latency_p50"] >= 0.4


def test_an_invalid_run_carries_the_generators_reason(tmp_path: Path) -> None:
    found = drive(Sleeping(0.05), BATCHES, request(tmp_path, queries=5, call_seconds=0.05))
    assert found["valid"] is False
    assert "Need to process at least 64 queries" in found["reason"]


@pytest.mark.parametrize("scenario", SCENARIOS)
def test_a_call_that_fails_ends_the_run_with_its_error(scenario: str, tmp_path: Path) -> None:
    with pytest.raises(CandidateError, match="no such kernel"):
        drive(Sleeping(0.001, fails_from=3), BATCHES, request(tmp_path, scenario=scenario))


def test_settings_of_the_current_folder_are_not_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "audit.config").write_text("*.*.min_query_count = 400\n")
    (tmp_path / "logs").mkdir()
    monkeypatch.chdir(tmp_path)
    found = drive(Sleeping(0.005), BATCHES, request(tmp_path / "logs"))
    assert found["valid"]
    assert found["calls"] < 400
    assert {path.name for path in tmp_path.iterdir()} == {"audit.config", "logs"}


def test_more_queries_than_fit_into_memory(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="3600 s of calls that take 5 µs") as caught:
        drive(Sleeping(0.0), BATCHES, request(tmp_path, seconds=3600, call_seconds=5e-6))
    assert "at most 13 s" in caught.value.allowed


# Refused before anything is loaded


@pytest.mark.parametrize(
    ("scenario", "seconds", "came", "hint"),
    [
        ("server", 10.0, "`--loadgen server`: not yet", ""),
        ("multi-stream", 10.0, "`--loadgen multi-stream`: not yet", ""),
        ("singlestream", 10.0, "`--loadgen singlestream`", "did you mean `single-stream`?"),
        ("offline", 0.0, "`--seconds 0`", ""),
        ("offline", float("nan"), "`--seconds nan`", ""),
    ],
)
def test_what_cannot_be_asked(scenario: str, seconds: float, came: str, hint: str) -> None:
    with pytest.raises(InputError) as caught:
        check_scenario(scenario, seconds)
    assert (caught.value.came, caught.value.hint) == (came, hint)
    assert caught.value.allowed in ("single-stream or offline", "1 to 3600")


def test_a_missing_extra_says_how_to_install_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sartor.measure.loadgen.find_spec", lambda name: None)
    with pytest.raises(MissingExtraError) as caught:
        check_scenario("offline", 10.0)
    assert "pip install 'sartor[loadgen]'" in caught.value.hint
