"""Signatures and parameter counts of ONNX files."""

from __future__ import annotations

from pathlib import Path

import pytest

from sartor.errors import ModelError
from sartor.model.onnx import external_files, fixed_batch, parameter_count, read_signature
from sartor.model.values import Signature, TensorSpec

from .files import write_linear


def test_symbolic_dimensions_keep_their_names(tmp_path: Path) -> None:
    signature = read_signature(write_linear(tmp_path / "net.onnx", batch="rows"))
    assert signature.inputs == (TensorSpec("input", "float32", ("rows", 3)),)
    assert fixed_batch(signature) is None
    assert Signature.from_dict(signature.as_dict()) == signature


def test_a_fixed_batch_is_reported_as_it_is(tmp_path: Path) -> None:
    signature = read_signature(write_linear(tmp_path / "net.onnx", batch=1))
    assert signature.inputs[0].shape == (1, 3)
    assert fixed_batch(signature) == 1


def test_inputs_that_insist_on_two_batches_are_refused() -> None:
    first, second = TensorSpec("a", "float32", (1, 3)), TensorSpec("b", "float32", (2, 3))
    with pytest.raises(ModelError, match="one batch"):
        fixed_batch(Signature((first, second), (first,)))


def test_parameters_are_counted_wherever_they_are_stored(tmp_path: Path) -> None:
    assert parameter_count(write_linear(tmp_path / "one.onnx")) == 6
    apart = write_linear(tmp_path / "two.onnx", external="two.weights")
    assert parameter_count(apart) == 6
    assert external_files(apart) == {tmp_path / "two.weights"}
