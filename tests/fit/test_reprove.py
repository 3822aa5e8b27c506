"""`measure` on another kind of processor: an int8 file is opened only once its numbers were found right here."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from sartor.bundle.bundle import Bundle
from sartor.errors import BundleError
from sartor.fit.reprove import reprove
from sartor.fit.watch import Silent
from sartor.machine.device import this_machine
from sartor.model.values import ExportedModel
from tests.compress.networks import rows, write_dense, write_residual
from tests.fit.elsewhere import AVX2, VNNI, needs_saturation, quantized, write_moved

held_back = pytest.mark.skipif(not this_machine().isa_class.startswith("x86"), reason="oneDNN has no limit to lower")


@pytest.fixture
def dense(tmp_path: Path) -> ExportedModel:
    return write_dense(tmp_path)


def is_shut(bundle: Path) -> bool:
    """Whether the int8 file may not be used here."""
    try:
        Bundle.load(bundle).outputs(rows(3))
    except BundleError as refused:
        return "reduced precision" in refused.came
    return False


def measured(bundle: Path) -> dict[str, Any]:
    return reprove(bundle, None, bundle.parent, Silent())


def test_a_file_of_seven_bits_is_opened_and_the_proof_says_what_was_checked(
    dense: ExportedModel, tmp_path: Path
) -> None:
    bundle = write_moved(tmp_path / "it", quantized(dense, AVX2, tmp_path / "built"))
    assert is_shut(bundle)
    found = measured(bundle)
    assert (found["verdict"], found["numbers"]["passed"]) == ("met", True)
    assert "16 rows drawn within the range of its input" in found["numbers"]["how"]
    assert json.loads(Path(found["proof"]).read_text())["numbers"] == found["numbers"]
    assert not is_shut(bundle)


@needs_saturation
def test_a_file_of_eight_bits_stays_shut_where_it_saturates(dense: ExportedModel, tmp_path: Path) -> None:
    bundle = write_moved(tmp_path / "it", quantized(dense, VNNI, tmp_path / "built"))
    found = measured(bundle)
    assert all(limit["met"] for limit in found["limits"]), "its limits alone would open it"
    assert (found["verdict"], found["outcome"], found["numbers"]["passed"]) == ("not_met", "not_met", False)
    assert "wrong sums of 8-bit products" in found["numbers"]["how"]
    assert "m1" in found["numbers"]["how"]
    assert is_shut(bundle)


def measured_below_avx2(bundle: Path, *more: str) -> tuple[int, dict[str, Any]]:
    """Exit code and object of a command in which oneDNN may use SSE 4.1 alone."""
    command = [sys.executable, "-m", "sartor", "measure", str(bundle), "--json", *more]
    surroundings = {**os.environ, "ONEDNN_MAX_CPU_ISA": "SSE41"}
    ended = subprocess.run(command, cwd=bundle.parent, env=surroundings, capture_output=True, text=True, timeout=200)
    return ended.returncode, json.loads(ended.stdout)


@held_back
def test_where_openvino_has_no_exact_form_nothing_is_proved_without_data(dense: ExportedModel, tmp_path: Path) -> None:
    """Below AVX2 its integer kernels run, but what it gives without them is empty (seen in 2026.4)."""
    bundle = write_moved(tmp_path / "it", quantized(dense, AVX2, tmp_path / "built", runtime="openvino"))
    code, values = measured_below_avx2(bundle)
    assert (code, values["numbers"]["passed"]) == (3, False)
    assert values["numbers"]["how"].startswith("unproven")
    assert "--data" in values["numbers"]["how"]
    assert is_shut(bundle)


@held_back
@pytest.mark.slow
def test_where_openvino_has_no_exact_form_data_open_it(tmp_path: Path) -> None:
    source = write_residual(tmp_path)
    bundle = write_moved(tmp_path / "it", quantized(source, AVX2, tmp_path / "built", runtime="openvino"))
    code, values = measured_below_avx2(bundle, "--data", "rows.npz")
    assert (code, values["numbers"]["passed"]) == (0, True)
    assert "agreement" in values["numbers"]["how"]
    assert not is_shut(bundle)
