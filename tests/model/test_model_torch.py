"""Modules from the user's callables, and whose fault is shown when they fail."""

from __future__ import annotations

from pathlib import Path

import pytest

from sartor.errors import MissingExtraError, ModelError, UserCodeError
from sartor.model import torch as room
from sartor.model.open import open_model

from .preparing import numbers, sentences

pytest.importorskip("torch")
import torch

NETS = """
from torch import nn
def plain():
    return nn.Linear(3, 2)
def asks(classes, input_shape, hidden=4):
    return nn.Sequential(nn.Linear(input_shape[0], hidden), nn.Linear(hidden, classes))
def fails():
    return inner()
def inner():
    raise ValueError("no weights here")
def text():
    return "a module"
def shapes(input_shape):
    return nn.Embedding(*sorted(input_shape["input_ids"] + (9,)))
"""


@pytest.fixture
def nets(tmp_path: Path, request: pytest.FixtureRequest) -> str:
    name = f"nets_{abs(hash(request.node.name))}"
    (tmp_path / f"{name}.py").write_text(NETS)
    return name


def build(reference: str, base: Path) -> torch.nn.Module:
    return room.build_module(open_model(reference, base), numbers(3), 5, base)


def test_a_callable_without_arguments_is_called_plainly(nets: str, tmp_path: Path) -> None:
    assert build(f"{nets}:plain", tmp_path)(torch.zeros(4, 3)).shape == (4, 2)


def test_a_callable_is_given_what_its_signature_asks_for(nets: str, tmp_path: Path) -> None:
    assert build(f"{nets}:asks", tmp_path)(torch.zeros(4, 3)).shape == (4, 5)


def test_rows_of_several_arrays_are_described_by_name(nets: str, tmp_path: Path) -> None:
    module = room.build_module(open_model(f"{nets}:shapes", tmp_path), sentences(), 5, tmp_path)
    assert [tuple(weight.shape) for weight in module.parameters()] == [(7, 9)]


def test_the_trace_shows_only_the_frames_of_the_user(nets: str, tmp_path: Path) -> None:
    with pytest.raises(UserCodeError) as caught:
        build(f"{nets}:fails", tmp_path)
    trace = caught.value.trace
    assert "no weights here" in trace
    assert trace.count('File "') == 2
    assert "sartor" not in trace.replace(str(tmp_path), "")


def test_code_that_cannot_be_parsed_is_shown(tmp_path: Path) -> None:
    (tmp_path / "nets_unparsable.py").write_text("def build(:\n")
    with pytest.raises(UserCodeError, match="SyntaxError"):
        build("nets_unparsable:build", tmp_path)


def test_a_misspelt_callable_names_the_nearest(nets: str, tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="did you mean `plain`"):
        build(f"{nets}:plian", tmp_path)


def test_something_else_than_a_module_is_refused(nets: str, tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="returned str"):
        build(f"{nets}:text", tmp_path)


def test_the_import_path_is_left_as_it_was(nets: str, tmp_path: Path) -> None:
    import sys

    before = list(sys.path)
    build(f"{nets}:plain", tmp_path)
    assert sys.path == before


def test_a_missing_torch_names_the_install_command(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(MissingExtraError, match=r"pip install 'sartor\[torch\]'"):
        room.require_torch("zoo:cnn")
