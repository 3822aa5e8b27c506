"""`sartor probe`: the stored profile or a new one, what replaces what, and every way in which storing can fail.

The measuring itself is tested in tests/measure/test_probe.py; here a made profile stands for what it gives.
"""

from __future__ import annotations

import dataclasses
import json
import os
from pathlib import Path

import pytest

from sartor.errors import OutputError
from sartor.machine.device import this_machine
from sartor.machine.profile import Profile
from sartor.machine.profile_file import load_profile, profile_path, save_profile
from sartor.measure.probe import Watch, runtime_versions
from sartor.report.machine import age
from tests.cli.calling import Call, caller
from tests.machine.profiles import made

COMMAND = "sartor.measure.probe.probe"


@pytest.fixture
def call(capsys: pytest.CaptureFixture[str]) -> Call:
    return caller(capsys)


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("SARTOR_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("COLUMNS", "100")
    return tmp_path / "home"


@pytest.fixture(autouse=True)
def measured(monkeypatch: pytest.MonkeyPatch) -> list[bool]:
    """Every measurement made, by whether it was a quick one."""
    calls: list[bool] = []

    def measure(quick: bool, watch: Watch) -> Profile:
        calls.append(quick)
        watch.phase("Memory", 1)
        watch.tried("launch 1 of 1", "done")
        return here(quick=quick)

    monkeypatch.setattr(COMMAND, measure)
    return calls


def here(*, quick: bool = False) -> Profile:
    return dataclasses.replace(made(this_machine(), quick=quick), versions=runtime_versions())


def stored() -> Profile | None:
    return load_profile(this_machine(), runtime_versions())


def test_a_first_probe_measures_stores_and_shows(call: Call, measured: list[bool]) -> None:
    ended = call("probe")
    assert (ended.code, ended.out, measured) == (0, "", [False])
    assert stored() == here()
    for said in ("about 120 s", "launch 1 of 1: done", "memory", "190 GFLOP/s", "512x512x512", "NVIDIA A10G", "MatMul"):
        assert said in ended.err, said
    assert "identical workers differ by up to 3%" in ended.err
    assert str(profile_path(this_machine())) in ended.err
    assert not any(mark in ended.err for mark in ("\x1b", "╭"))  # plain where there is no terminal


def test_a_second_probe_shows_the_stored_one_with_its_age(call: Call, measured: list[bool]) -> None:
    save_profile(here())
    ended = call("probe")
    assert (ended.code, measured) == (0, [])
    assert "Stored profile, measured" in ended.err
    assert "ago; `--fresh` measures again" in ended.err
    assert call("probe", "--quick").code == 0  # a full one answers a quick question too
    assert measured == []


def test_fresh_measures_again(call: Call, measured: list[bool]) -> None:
    save_profile(here())
    assert call("probe", "--fresh").code == 0
    assert measured == [False]


def test_a_quick_profile_does_not_answer_for_a_full_one(call: Call, measured: list[bool]) -> None:
    call("probe", "--quick")
    assert call("probe", "--quick").code == 0
    assert measured == [True]
    assert call("probe").code == 0
    assert measured == [True, False]
    kept = stored()
    assert kept is not None
    assert not kept.quick


def test_a_quick_profile_replaces_a_full_one_only_when_asked(call: Call) -> None:
    save_profile(here())
    ended = call("probe", "--quick", "--fresh", "--json")
    assert json.loads(ended.out)["stored"] is None
    assert "a full profile holds" in ended.err
    assert stored() == here()
    assert call("probe", "--quick", "--fresh", "--replace").code == 0
    assert stored() == here(quick=True)


def test_json_is_one_object_with_where_it_is_stored(call: Call) -> None:
    ended = call("probe", "--json")
    values = json.loads(ended.out)
    assert values["schema"] == 1
    assert values["fingerprint"] == this_machine().fingerprint()
    assert values["matrix"][0]["rate"]["source"] == "measured"
    assert (values["reused"], values["stored"]) == (False, str(profile_path(this_machine())))
    again = json.loads(call("probe", "--json").out)
    assert again["reused"]
    assert again["age_s"] >= 0


def test_a_changed_runtime_is_said_and_measured_anew(call: Call, measured: list[bool]) -> None:
    save_profile(dataclasses.replace(here(), versions={**runtime_versions(), "openvino": "2020.1"}))
    ended = call("probe")
    assert "Measured anew: openvino is" in ended.err
    assert "2020.1 when it was measured" in ended.err
    assert measured == [False]
    assert stored() is not None


@pytest.mark.parametrize(("text", "says"), [("{", "damaged"), ('{"schema": 7}', "schema 7")])
def test_a_damaged_profile_is_said_and_measured_anew(call: Call, measured: list[bool], text: str, says: str) -> None:
    save_profile(here()).write_text(text)
    ended = call("probe")
    assert ended.code == 0
    assert says in ended.err
    assert measured == [False]
    assert stored() == here()


def test_a_folder_that_cannot_be_written_is_found_out_before_measuring(
    call: Call, measured: list[bool], home: Path
) -> None:
    home.write_text("a file")
    ended = call("probe", "--json")
    assert ended.code == 2
    assert ended.error["kind"] == "output"
    assert "SARTOR_HOME" in ended.error["hint"]
    assert measured == []


def test_a_disk_that_filled_up_meanwhile_costs_the_file_but_not_the_figures(
    call: Call, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(profile: Profile) -> Path:
        raise OutputError("cannot write: No space left on device", "a folder with room")

    monkeypatch.setattr("sartor.cli.probing.save_profile", full)
    ended = call("probe", "--json")
    values = json.loads(ended.out)
    assert ended.code == 2
    assert values["error"]["kind"] == "output"
    assert (values["stored"], len(values["matrix"])) == (None, 5)
    assert "190 GFLOP/s" in ended.err
    assert "No space left" in ended.err


def test_ctrl_c_stores_nothing(call: Call, monkeypatch: pytest.MonkeyPatch, home: Path) -> None:
    def interrupted(quick: bool, watch: Watch) -> Profile:
        raise KeyboardInterrupt

    monkeypatch.setattr(COMMAND, interrupted)
    assert call("probe").code == 130
    assert [name for _, _, files in os.walk(home) for name in files] == []


@pytest.mark.parametrize(
    ("seconds", "expected"),
    [(-5, "0 seconds"), (1, "1 second"), (119, "1 minute"), (7300, "2 hours"), (3.5 * 86400, "3 days")],
)
def test_age_in_words(seconds: float, expected: str) -> None:
    assert age(here(), here().measured_at + seconds) == expected
