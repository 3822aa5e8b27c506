"""The tree of errors: exit codes, what they show, and the hint that names the nearest word."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sartor import errors
from sartor.errors import CandidateError, InputError, MissingExtraError, NeedError, SartorError, UserCodeError, nearest
from tests.strategies import words

KINDS: dict[str, type[InputError]] = {
    "too-large": errors.TooLargeError,
    "input": InputError,
    "need": errors.NeedError,
    "unprovable": errors.UnprovableError,
    "data": errors.DataError,
    "model": errors.ModelError,
    "bundle": errors.BundleError,
    "output": errors.OutputError,
    "missing-extra": MissingExtraError,
    "user-code": UserCodeError,
}


def _subclasses(kind: type[InputError]) -> set[type[InputError]]:
    found: set[type[InputError]] = {kind}
    for below in kind.__subclasses__():
        found |= _subclasses(below)
    return found


def test_every_input_error_ends_with_2_and_has_a_kind_of_its_own() -> None:
    ours = {kind for kind in _subclasses(InputError) if kind.__module__.startswith("sartor.")}
    assert ours == set(KINDS.values())
    assert all(kind.exit_code == 2 and kind.kind == name for name, kind in KINDS.items())


def test_what_is_no_input_error_ends_with_1() -> None:
    assert SartorError.exit_code == CandidateError.exit_code == 1
    assert not issubclass(CandidateError, InputError)


@given(came=words, allowed=words, hint=words | st.just(""))
def test_an_input_error_shows_all_it_knows(came: str, allowed: str, hint: str) -> None:
    error = NeedError(came, allowed, hint)
    assert error.as_dict() == {"kind": "need", "came": came, "allowed": allowed, "hint": hint}
    assert came in str(error)
    assert f"allowed: {allowed}" in str(error)
    assert ("hint: " in str(error)) >= bool(hint)


def test_a_missing_extra_says_how_to_install_it() -> None:
    error = MissingExtraError("torch", "zoo:cnn", "pip install 'sartor[torch]'")
    assert "torch" in error.came
    assert "pip install 'sartor[torch]'" in error.hint


def test_user_code_shows_its_trace() -> None:
    assert "line 3" in str(UserCodeError("mine:load", "File mine.py, line 3\nValueError: no"))


def test_a_candidate_error_starts_with_its_reason() -> None:
    error = CandidateError("memory", "2 GB were not enough", "cnn.f32")
    assert (str(error), error.reason, error.candidate) == ("memory: 2 GB were not enough", "memory", "cnn.f32")


@pytest.mark.parametrize(
    ("word", "hint"),
    [("acuracy", "did you mean `accuracy`?"), ("sise", "did you mean `size`?"), ("zzz", ""), ("", "")],
)
def test_the_nearest_word(word: str, hint: str) -> None:
    assert nearest(word, ["accuracy", "size"]) == hint


def test_nothing_is_near_to_an_empty_list() -> None:
    assert nearest("accuracy", []) == ""
