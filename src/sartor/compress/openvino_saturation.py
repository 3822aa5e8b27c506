"""How far OpenVINO's integer kernels are from what an int8 file says, on this processor.

The CPU plugin turns FakeQuantize operators into integer kernels by its low-precision transformations; without them it
computes the same roundings in f32, which is exact. Between the two lie roundings of single steps, and sums that
saturate at 16 bits on x86 without VNNI (see `saturation`). Layers cannot be told apart: the plugin fuses them.

Two networks of the tests on an AMD EPYC with AVX2 alone: 7-bit weights 0.00001 and below, 8-bit weights 0.0002 and
0.005. `ONEDNN_MAX_CPU_ISA=AVX2` in the environment lets a newer processor compute as this one does; below AVX2 the
plugin (seen in 2026.4) cannot compute such files without its transformations.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from sartor.errors import CandidateError
from sartor.runtime.base import Array, Settings
from sartor.runtime.openvino import configuration_of
from sartor.runtime.refusal import load_refusal
from sartor.runtime.telemetry import silence_openvino_telemetry


def kernel_error(path: Path, rows: Mapping[str, Array]) -> float:
    """Mean squared change of the first output by integer kernels, as a share of its variance.

    Args:
        path: an .xml file with FakeQuantize operators.
        rows: arrays of each input, of one call.

    Raises:
        CandidateError: `unsupported` when the file does not load or run here; `wrong-output` when the exact answers are
            all the same, of which there is no share.
    """
    fast, exact = (_answers(path, rows, mode) for mode in ({}, {"LP_TRANSFORMS_MODE": "NO"}))
    if exact.shape != fast.shape:  # below AVX2 its exact form gives nothing at all
        raise CandidateError("unsupported", "OpenVINO computes no exact form on this processor")
    variance = float(np.var(exact))
    if not variance > 0.0:
        raise CandidateError("wrong-output", "all answers are the same on these rows")
    return float(np.mean((fast - exact) ** 2)) / variance


def _answers(path: Path, rows: Mapping[str, Array], options: Mapping[str, Any]) -> Array:
    silence_openvino_telemetry()
    import openvino

    try:
        compiled = openvino.Core().compile_model(str(path), "CPU", {**configuration_of(Settings()), **options})
        answers: Array = np.array(compiled(dict(rows))[0], np.float64)
    except RuntimeError as error:
        raise load_refusal("OpenVINO", error) from error
    return answers
