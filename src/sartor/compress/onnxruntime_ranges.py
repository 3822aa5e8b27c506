"""Ranges of activations for ONNX Runtime's quantizer, from calibration rows."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from sartor.compress.calibration import pieces
from sartor.compress.values import Work
from sartor.runtime.base import Array

_ROWS_PER_PIECE = 8  # histograms hold all activations of one piece in memory
# Bins over [-max, max] and levels over the same: the quantizer's own default of 128 and 128 leaves one
# threshold to choose from, so that `entropy` silently equals `minmax`. 512 and 256 can cut half of the range.
_ENTROPY_BINS = {"num_bins": 512, "num_quantized_bins": 256}
# `symmetric: False`: else the range of what a Relu gives would stretch to -max, and half of the levels idle.
_PERCENTILE = {"num_bins": 2048, "percentile": 99.99, "symmetric": False}


def find_ranges(work: Work, prepared: Path, operators: Sequence[str], scratch: Path) -> Path:
    """Each tensor's range, as another build of this source left it or from the rows.

    Args:
        work: its `ranges` is where they are left; what was equalised before has ranges of its own.
        prepared: the file that the quantizer will be given.
        operators: types of the operators whose tensors matter.
        scratch: an empty folder for files of no later use.

    Returns:
        A file that the quantizer takes as its calibration cache.
    """
    if work.ranges is None:
        return _save_ranges(work, prepared, operators, scratch)
    equalised = f"-equalise-{work.step.setting('equalise', 0)}" if work.step.setting("equalise", 0) else ""
    kept = work.ranges / f"onnxruntime-{_calibration(work)}{equalised}.json"
    if not kept.exists():
        work.ranges.mkdir(parents=True, exist_ok=True)
        partial = kept.with_suffix(".partial")
        shutil.copy(_save_ranges(work, prepared, operators, scratch), partial)
        partial.replace(kept)
    return kept


def _save_ranges(work: Work, prepared: Path, operators: Sequence[str], scratch: Path) -> Path:
    """Run the rows and write each tensor's range. (The quantizer's own call takes no bin counts.)"""
    from onnxruntime.quantization import calibrate

    options = {"entropy": _ENTROPY_BINS, "percentile": _PERCENTILE}.get(_calibration(work), {})
    calibrator = calibrate.create_calibrator(
        prepared,
        list(operators),
        augmented_model_path=str(scratch / "augmented.onnx"),
        calibrate_method=method(work),
        extra_options=options,
    )
    for piece in pieces(work.source, work.rows, _ROWS_PER_PIECE):
        calibrator.collect_data(_reader(iter([piece])))
    ranges = scratch / "ranges.json"
    calibrate.save_tensors_data(calibrator.compute_data(), ranges)
    return ranges


def _reader(source: Iterator[dict[str, Array]]) -> Any:
    """The quantizer's interface around our pieces; its base class accepts anything with `get_next`."""

    class Reader:
        def get_next(self) -> dict[str, Array] | None:
            return next(source, None)

    return Reader()


def _calibration(work: Work) -> str:
    return str(work.step.setting("calibration", "minmax"))


def method(work: Work) -> Any:
    """The quantizer's own name of the step's calibration."""
    from onnxruntime.quantization import CalibrationMethod

    methods = {"minmax": "MinMax", "entropy": "Entropy", "percentile": "Percentile"}
    return CalibrationMethod[methods[_calibration(work)]]
