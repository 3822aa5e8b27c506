"""Sums of 8-bit products that do not fit into 16 bits are caught on the processor that makes them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from sartor.compress.build import build
from sartor.compress.openvino_saturation import kernel_error
from sartor.compress.saturation import saturates
from sartor.errors import CandidateError
from sartor.machine.device import Machine, this_machine
from sartor.model.values import ExportedModel
from sartor.plan.recipe import CompressionStep, Recipe
from sartor.steps.prepared import Prepared

from .networks import rows, write_dense, write_residual, write_without_weights

VNNI = Machine("New", "x86_64", 2, ("avx2", "avx512f", "avx512_vnni"), 2**33, "Linux 6", "3.11")
AVX2 = Machine("Old", "x86_64", 2, ("avx2",), 2**33, "Linux 5", "3.11")
STATIC = Recipe((CompressionStep("int8-static", (("calibration", "minmax"),)),))
DYNAMIC = Recipe((CompressionStep("int8-dynamic"),))


@pytest.fixture(scope="module")
def residual(tmp_path_factory: pytest.TempPathFactory) -> ExportedModel:
    return write_residual(tmp_path_factory.mktemp("residual"))


@pytest.fixture(scope="module")
def dense(tmp_path_factory: pytest.TempPathFactory) -> ExportedModel:
    return write_dense(tmp_path_factory.mktemp("dense"))


def found(recipe: Recipe, source: ExportedModel, machine: Machine, to: Path) -> tuple[str, ...]:
    built = build(recipe, source, "onnxruntime", Prepared({"x": rows(24)}), to, machine=machine)
    return saturates(built.path, {"x": rows(8, seed=3)})


needs_saturation = pytest.mark.skipif(this_machine().isa_class != "x86-avx2", reason="8-bit sums are exact here")


@needs_saturation
def test_eight_bit_weights_are_caught_without_vnni(
    residual: ExportedModel, dense: ExportedModel, tmp_path: Path
) -> None:
    assert {"conv1", "gemm"} <= set(found(STATIC, residual, VNNI, tmp_path / "static"))
    assert found(STATIC, dense, VNNI, tmp_path / "dense") == ("m1",)
    assert found(DYNAMIC, dense, VNNI, tmp_path / "dynamic") == ("m1_quant",)


def test_seven_bit_weights_are_exact(residual: ExportedModel, dense: ExportedModel, tmp_path: Path) -> None:
    assert found(STATIC, residual, AVX2, tmp_path / "static") == ()
    assert found(STATIC, dense, AVX2, tmp_path / "dense") == ()
    assert found(DYNAMIC, dense, AVX2, tmp_path / "dynamic") == ()


def test_what_is_built_here_is_exact_here(residual: ExportedModel, tmp_path: Path) -> None:
    assert found(STATIC, residual, this_machine(), tmp_path / "static") == ()


def test_a_file_in_f32_has_no_integers(residual: ExportedModel) -> None:
    assert saturates(residual.path, {"x": np.abs(rows(2))}) == ()


def error(source: ExportedModel, machine: Machine, to: Path) -> float:
    built = build(STATIC, source, "openvino", Prepared({"x": rows(24)}), to, machine=machine)
    return kernel_error(built.path, {"x": rows(50, seed=3)})


def test_openvino_computes_what_a_file_of_seven_bits_says(dense: ExportedModel, tmp_path: Path) -> None:
    assert error(dense, AVX2, tmp_path / "seven") < 1e-4


@needs_saturation
def test_openvino_saturates_with_eight_bits_without_vnni(dense: ExportedModel, tmp_path: Path) -> None:
    assert error(dense, VNNI, tmp_path / "eight") > 1e-3


def test_answers_that_are_all_the_same_prove_nothing(tmp_path: Path) -> None:
    source = write_without_weights(tmp_path)
    built = build(Recipe(), source, "openvino", Prepared({"x": rows(8)}), tmp_path / "built")
    assert kernel_error(built.path, {"x": rows(8)}) == 0.0
    with pytest.raises(CandidateError, match="all answers are the same"):
        kernel_error(built.path, {"x": -np.ones((4, 1, 12, 12), np.float32)})
