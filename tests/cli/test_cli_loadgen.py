"""`measure --loadgen`: both timers side by side, limits on the generator's figures, and what it does not prove."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from sartor.bundle.write import write_bundle
from tests.bundle.making import INT8, NEED, contents, part, write_net
from tests.cli.calling import Call, caller, snapshot, write_rows

LOADGEN = ("--loadgen", "single-stream", "--seconds", "1", "--json")


@pytest.fixture
def call(capsys: pytest.CaptureFixture[str]) -> Call:
    return caller(capsys)


def write_limited(folder: Path, limits: dict[str, tuple[str, float, str]], **changes: Any) -> Path:
    """A bundle of one variant that claims INT8, with limits in its evidence."""
    folder.mkdir()
    entries = [
        {"name": name, "bound": {"op": op, "value": value, "unit": unit}} for name, (op, value, unit) in limits.items()
    ]
    evidence = {"schema_version": 1, "limits": entries}
    chosen = part(write_net(folder / "net.onnx"), recipe=INT8)
    write_bundle(folder / "out", contents(chosen, evidence=evidence, **changes), NEED)
    return folder / "out"


def again(call: Call, *arguments: str | Path) -> tuple[int, dict[str, Any]]:
    """The exit code and object of a run whose timers agree; on a noisy machine the second or third try may."""
    for _ in range(3):
        ended = call(*arguments)
        values: dict[str, Any] = json.loads(ended.out)
        if values["loadgen"]["valid"] and values["agree"]:
            break
    return ended.code, values


def test_a_valid_run_within_its_limits(call: Call, tmp_path: Path) -> None:
    limits = {"latency_p90": ("<=", 1.0, "s"), "size": ("<=", 1e6, "B"), "accuracy": (">=", 0.5, "")}
    bundle = write_limited(tmp_path / "it", limits)
    code, values = again(call, "measure", bundle, *LOADGEN)
    assert (code, values["passed"], values["agree"], values["loadgen"]["valid"]) == (0, True, True, True)
    assert set(values["ours"]) == {"latency_p50", "latency_p90", "latency_p99"}
    (limit,) = values["limits"]
    assert (limit["name"], limit["met"], limit["value"]) == ("latency_p90", True, values["loadgen"]["latency_p90"])
    stored = json.loads(Path(values.pop("proof")).read_text())
    assert stored == values
    assert "outcome" not in stored


def test_a_missed_limit_ends_with_3_and_is_said(call: Call, tmp_path: Path) -> None:
    bundle = write_limited(tmp_path / "it", {"throughput": (">=", 1e12, "1/s")})
    ended = call("measure", bundle, "--loadgen", "offline", "--seconds", "1", "--json")
    values = json.loads(ended.out)
    assert (ended.code, values["passed"], values["limits"][0]["met"]) == (3, False, False)
    assert "throughput >= 1,000,000,000,000 /s: not met" in ended.err
    assert values["loadgen"]["version"] in ended.err


def test_it_does_not_open_a_reduced_precision_variant_from_elsewhere(call: Call, tmp_path: Path) -> None:
    bundle = write_limited(tmp_path / "it", {}, isa_class="riscv-v")
    assert again(call, "measure", bundle, *LOADGEN)[0] == 0
    rows = write_rows(tmp_path / "rows.csv", 5)
    ended = call("predict", bundle, rows, "--drop", "label", "-o", tmp_path / "out.csv", "--json")
    assert (ended.code, ended.error["kind"]) == (2, "bundle")


@pytest.mark.parametrize(
    ("arguments", "came"),
    [
        (["--loadgen", "server"], "`--loadgen server`: not yet"),
        (["--loadgen", "fastest"], "`--loadgen fastest`"),
        (["--loadgen", "offline", "--seconds", "0.1"], "`--seconds 0.1`"),
    ],
)
def test_what_cannot_be_asked_ends_with_2_and_leaves_nothing(
    arguments: list[str], came: str, call: Call, tmp_path: Path
) -> None:
    bundle = write_limited(tmp_path / "it", {})
    before = snapshot(tmp_path)
    ended = call("measure", bundle, *arguments, "--json")
    assert (ended.code, ended.error["came"]) == (2, came)
    assert snapshot(tmp_path) == before


def test_a_missing_extra_ends_with_2(call: Call, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sartor.measure.loadgen.find_spec", lambda name: None)
    ended = call("measure", write_limited(tmp_path / "it", {}), *LOADGEN)
    assert (ended.code, ended.error["kind"]) == (2, "missing-extra")
    assert "sartor[loadgen]" in ended.error["hint"]
