"""Turning what a library throws into one sentence, and a caller's mistake into an InputError."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from sartor.errors import CandidateError, InputError, SartorError
from sartor.runtime.base import Array

# Lines in which a library says where in its own source it stood: no news for the reader.
_NOISE = re.compile(r"^(Exception from |Check '|FrontEnd API failed|Model wasn't fully converted|Summary:)")
_ORT_PREFIX = re.compile(r"^\[ONNXRuntimeError\] : \d+ : \w+ : ")
# Both ways in which the two runtimes name an operator that they lack.
_MISSING_OPERATOR = re.compile(
    r"(?:No conversion rule found for operations: (?P<openvino>[^\n]+)"
    r"|(?P<unknown>[\w.]*:?\w+)\(-?\d+\) is not a registered function/op"
    r"|Could not find an implementation for (?P<kernel>\w+)\(\d+\))"
)


@dataclass(frozen=True)
class ExpectedInput:
    """What a loaded file takes for one input; a symbolic dimension is None."""

    name: str
    dtype: str
    shape: tuple[int | None, ...]


def one_line(error: BaseException) -> str:
    """The news in a library's error, on one line.

    >>> one_line(RuntimeError("Exception from core.cpp:84:\\nUnable to read the model"))
    'Unable to read the model'
    """
    text = _ORT_PREFIX.sub("", str(error).strip())
    lines = [line.strip().removeprefix("-- ") for line in text.splitlines()]
    kept = [line for line in lines if line and not _NOISE.match(line)]
    return " ".join(kept) or type(error).__name__


def load_refusal(runtime: str, error: BaseException) -> CandidateError:
    """`unsupported`: the runtime does not take the file; a missing operator is named."""
    match = _MISSING_OPERATOR.search(str(error))
    if match is None:
        return CandidateError("unsupported", f"{runtime} refuses the file: {one_line(error)}")
    operator = next(name for name in match.groups() if name)
    return CandidateError("unsupported", f"{runtime} has no operator {operator.strip()}")


def run_refusal(
    runtime: str, expected: tuple[ExpectedInput, ...], inputs: Mapping[str, Array], error: BaseException
) -> SartorError:
    """Why a call failed: the caller's inputs if they do not fit the file, else the candidate itself."""
    complaint = _complaint(expected, inputs)
    if complaint is not None:
        return complaint
    return CandidateError("failed", f"{runtime} could not run the file: {one_line(error)}")


def _complaint(expected: tuple[ExpectedInput, ...], inputs: Mapping[str, Array]) -> InputError | None:
    names = ", ".join(spec.name for spec in expected)
    for spec in expected:
        if spec.name not in inputs:
            return InputError(f"input `{spec.name}` is missing; given: {', '.join(inputs)}", names)
        given = inputs[spec.name]
        if given.dtype != np.dtype(spec.dtype):
            return InputError(
                f"input `{spec.name}` is {given.dtype}",
                spec.dtype,
                f"convert it once with astype('{spec.dtype}')",
            )
        if not _fits(given.shape, spec.shape):
            wanted = " x ".join("any" if size is None else str(size) for size in spec.shape)
            return InputError(f"input `{spec.name}` has shape {' x '.join(map(str, given.shape))}", wanted)
    return None


def _fits(given: tuple[int, ...], wanted: tuple[int | None, ...]) -> bool:
    return len(given) == len(wanted) and all(w is None or g == w for g, w in zip(given, wanted, strict=True))
