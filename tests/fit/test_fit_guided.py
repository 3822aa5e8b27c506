"""A fit on a calibrated machine tries what may matter, says why not of the rest, and is wiser afterwards."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from sartor import fit
from sartor.bundle.read import read_evidence
from sartor.fit.board import UNTRIED
from sartor.machine.calibration_file import find_calibration, samples_path
from sartor.machine.device import this_machine
from sartor.machine.samples import Samples
from sartor.measure.probe import runtime_versions
from sartor.plan.outline import COLUMNS
from tests.fit.calibrations import save
from tests.fit.test_fit_short import need
from tests.fit.test_fit_sources import write_tumours

FAST, SLOW = 20e-6, 20.0
RUNTIMES = ("onnxruntime", "openvino")


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("SARTOR_HOME", str(tmp_path / "home"))
    return write_tumours(tmp_path)


def candidates(folder: Path) -> list[dict[str, Any]]:
    return list(read_evidence(folder / "out")["candidates"])


def int8(candidate: dict[str, Any]) -> bool:
    return any(step["name"].startswith("int8") for step in candidate["recipe"]["steps"])


def predictions(quantized: float) -> dict[tuple[str, str], float]:
    plain = {(runtime, arithmetic): FAST for runtime in RUNTIMES for arithmetic in ("f32", "bf16")}
    narrow = ("int8", "int8+bf16", "int8-dynamic")
    return plain | {(runtime, arithmetic): quantized for runtime in RUNTIMES for arithmetic in narrow}


def test_what_is_predicted_to_be_slow_is_neither_built_nor_timed(folder: Path) -> None:
    save(predictions(quantized=SLOW))

    result = fit(need(), folder / "out", base=folder)

    assert result.outcome == "met", result.sentence
    found = candidates(folder)
    assert all(c["predicted"]["source"] == "calibrated" for c in found)
    assert any(int8(c) for c in found)
    for candidate in filter(int8, found):
        assert candidate["status"] == "rejected"
        assert candidate["why"].startswith("predicted ")
        assert candidate["why"].endswith("not timed")
        assert candidate["latency"] is None
        assert candidate["size_bytes"] is None, "nothing was built for it"
    assert any(c["latency"] for c in found if not int8(c))
    assert UNTRIED not in {c["why"] for c in found}


@pytest.mark.slow
def test_an_exhaustive_fit_times_them_all_the_same(folder: Path) -> None:
    save(predictions(quantized=SLOW))
    fit(need(), folder / "out", base=folder, exhaustive=True)
    static = [c for c in candidates(folder) if int8(c) and c["status"] != "failed"]
    assert all(c["predicted"] for c in static)
    assert any(c["latency"] for c in static)


def test_a_limit_is_infeasible_by_measurements_only(folder: Path) -> None:
    """All are predicted far too slow; as none is, the limit is met."""
    save(dict.fromkeys(predictions(quantized=SLOW), SLOW))
    result = fit(need(require={"latency_p50": "<= 50 ms"}), folder / "out", base=folder)
    assert result.outcome == "met", result.sentence


def test_what_was_timed_is_kept_and_corrects_the_next_prediction(folder: Path) -> None:
    save(predictions(quantized=FAST), spread=1.0)
    first = fit(need(), folder / "out", base=folder)
    machine, versions = this_machine(), runtime_versions()
    calibration = find_calibration(machine, versions).calibration
    assert calibration is not None
    (told,) = calibration.experience
    assert told.off
    with Samples(samples_path(machine), versions) as samples:
        kept = list(samples.samples())
        assert {sample.network for sample in kept} == {told.network}
        assert told.network in samples.networks(len(COLUMNS))
    assert {sample.runtime for sample in kept} <= set(RUNTIMES)

    fit(need(require={"accuracy_drop": "<= 6 pt"}), folder / "again", base=folder)

    before = {c["id"]: c for c in candidates(folder)}
    after = {c["id"]: c for c in read_evidence(folder / "again")["candidates"]}
    timed = [name for name, one in before.items() if one["latency"] and name in after]
    closer = [
        abs(after[name]["predicted"]["value"] / before[name]["latency"]["value"] - 1)
        < abs(before[name]["predicted"]["value"] / before[name]["latency"]["value"] - 1)
        for name in timed
    ]
    assert first.outcome == "met"
    assert sum(closer) >= 0.7 * len(closer)


def test_the_report_holds_predictions_beside_measurements(folder: Path) -> None:
    save(predictions(quantized=SLOW))
    fit(need(), folder / "out", base=folder)
    said = read_evidence(folder / "out")["prediction"]
    assert said["networks"] == 100
    assert 0 < said["timed"] < said["predicted"]
    assert said["median_error"] <= said["worst_error"]
    page = (folder / "out" / "report.html").read_text(encoding="utf-8")
    assert "by a calibration of this machine on 100 networks" in page
    assert "预测在构建之前由网络的算子得出" in page


@pytest.mark.slow
def test_without_a_calibration_nothing_is_predicted(folder: Path) -> None:
    fit(need(), folder / "out", base=folder)
    assert all(c["predicted"] is None for c in candidates(folder))
    assert "prediction" not in read_evidence(folder / "out")
