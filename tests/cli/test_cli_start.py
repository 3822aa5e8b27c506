"""The command line as such: help, version, wrong usage, and that it starts fast."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

import sartor
from sartor.cli.main import app
from tests.cli.calling import Call, caller

HEAVY = ("numpy", "torch", "onnx", "onnxruntime", "openvino", "nncf", "sklearn", "scipy", "pydantic", "plotly", "yaml")
COMMANDS = [str(command.name) for command in app.registered_commands]
START_LIMIT_S = 0.3  # of processor time


@pytest.fixture
def call(capsys: pytest.CaptureFixture[str]) -> Call:
    return caller(capsys)


def test_the_commands_of_the_design_that_work_are_there() -> None:
    assert {"demo", "fit", "predict", "measure", "report"} <= set(COMMANDS)


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_explains_itself_with_an_example(command: str, call: Call) -> None:
    ended = call(command, "--help")
    assert ended.code == 0
    assert f"\n      sartor {command}" in ended.out.replace("\n    sartor", "\n      sartor")
    assert "Example" in ended.out
    assert ended.err == ""
    assert call(command, "-h").out == ended.out


@pytest.mark.parametrize("arguments", [["--help"], ["-h"], []])
def test_help_lists_every_command(arguments: list[str], call: Call) -> None:
    ended = call(*arguments)
    assert ended.code == 0
    assert all(f"\n  {command} " in ended.out for command in COMMANDS)
    assert ended.err == ""


def test_version(call: Call) -> None:
    assert call("--version").out.strip() == sartor.__version__


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["fti"], "fti"),
        (["fit"], "need"),
        (["fit", "need.yaml"], "--output"),
        (["fit", "need.yaml", "-o", "out", "--dry"], "--dry"),
        (["fit", "need.yaml", "more.yaml", "-o", "out"], "more.yaml"),
        (["predict", "out"], "data"),
        (["--nothing"], "--nothing"),
    ],
)
def test_wrong_usage_ends_with_2_and_one_error(arguments: list[str], says: str, call: Call) -> None:
    ended = call(*arguments)
    assert (ended.code, ended.out) == (2, "")
    assert says in ended.err
    assert "--help" in ended.err
    assert "Traceback" not in ended.err
    as_json = call(*arguments, "--json")
    assert as_json.code == 2
    assert as_json.error["kind"] == "usage"


def test_the_schema_is_json(call: Call) -> None:
    ended = call("schema")
    assert ended.code == 0
    assert set(json.loads(ended.out)["required"]) == {"task", "model", "data"}


def test_a_mistake_of_ours_is_shown_whole_and_ends_with_1(call: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken() -> None:
        raise ZeroDivisionError("a bug")

    monkeypatch.setattr("sartor.need.need_schema", broken)
    ended = call("schema")
    assert (ended.code, ended.out) == (1, "")
    assert "ZeroDivisionError: a bug" in ended.err
    assert "please report" in ended.err


def test_ctrl_c_ends_with_130(call: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted() -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("sartor.need.need_schema", interrupted)
    ended = call("schema")
    assert (ended.code, ended.out) == (130, "")
    assert "Traceback" not in ended.err


# As a process


def _processor_seconds(*arguments: str) -> float:
    before = os.times()
    subprocess.run([sys.executable, *arguments], check=True, capture_output=True)
    after = os.times()
    return after.children_user - before.children_user + after.children_system - before.children_system


def test_help_takes_no_time() -> None:
    assert min(_processor_seconds("-m", "sartor", "--help") for _ in range(5)) < START_LIMIT_S


@pytest.mark.parametrize("arguments", [["--help"], ["fit", "--help"], ["predict", "--help"], ["--version"]])
def test_help_imports_nothing_heavy(arguments: list[str]) -> None:
    code = (
        "import sys\nfrom sartor.cli.main import run\n"
        f"assert run({arguments!r}) == 0\n"
        f"print('heavy:', sorted(set({HEAVY!r}) & set(sys.modules)))"
    )
    ended = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    # typer reads the arguments of a command with pydantic.
    assert ended.stdout.splitlines()[-1] == ("heavy: []" if arguments == ["--help"] else "heavy: ['pydantic']")


def test_exit_code_and_streams_of_a_process(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "sartor", "fit", "absent.yaml", "-o", "out", "--json"]
    ended = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert ended.returncode == 2
    assert json.loads(ended.stdout)["error"]["kind"] == "need"
    assert ended.stderr.startswith("sartor: no file `absent.yaml`")
    assert list(tmp_path.iterdir()) == []


def test_a_reader_that_goes_away_is_no_mistake_of_ours() -> None:
    command = f"{sys.executable} -m sartor schema | true"
    ended = subprocess.run(["bash", "-c", command], capture_output=True, text=True, check=False)
    assert ended.stderr == ""
