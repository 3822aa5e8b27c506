"""Does this processor compute what an int8 file says? What opens such a file on another kind of processor.

An int8 variant is right only where it was proved: on x86 without VNNI the same file may give other numbers, as fast as
ever (see `sartor.compress.saturation`). Kernels are therefore held against the exact sums of their own integers.
Rows of the data are best; without them rows are drawn within the range that the file declares for its input. Tokens and
masks cannot be drawn, since rows that mean nothing reach little of such a network. That a few rows do not saturate
counts only where no other row could: on a processor that sums in 32 bits, or with 7-bit weights.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from sartor.bundle.values import Variant
from sartor.compress.openvino_saturation import kernel_error
from sartor.compress.saturation import saturates
from sartor.errors import CandidateError
from sartor.fit.int8_files import Int8File, read_int8
from sartor.machine.device import Machine
from sartor.runtime.base import Array
from sartor.runtime.shapes import shaped
from sartor.steps.prepared import Prepared

DATA_FLAG = "give the bundle's data with --data SOURCE"
_ROWS = 16
_LARGEST_ERROR = 1e-4
"""Of `kernel_error`. Two networks on an AMD EPYC with AVX2 alone: 7-bit weights up to 0.000015, 8-bit weights from
0.00019 (on rows of the data; 0.0038 on drawn ones)."""


@dataclass(frozen=True)
class Numbers:
    """Whether the numbers of a variant were found right on this processor, and how that is known."""

    passed: bool
    how: str

    def as_dict(self) -> dict[str, Any]:
        """The object under `numbers` in a proof."""
        return {"passed": self.passed, "how": self.how}


def exact_on(variant: Variant, rows: Prepared, batch: int | None, machine: Machine) -> Numbers:
    """Compare kernels with the exact sums of their integers on rows of the data.

    Args:
        variant: in reduced precision.
        rows: R >= 1 rows as the variant takes them, of which the first 16 are used.
        batch: rows of one call that the file is fixed to; None where any number will do.
        machine: the processor, which sums in 16 or 32 bits.
    """
    count = min(len(rows), _ROWS)
    call = rows.take(np.resize(np.arange(count), batch or count)).trimmed()
    try:
        file = read_int8(variant.path)
        return _exact(variant, file, shaped(call, variant.candidate.settings), f"{count} rows of the data", machine)
    except CandidateError as error:
        return Numbers(False, f"unproven: {error.detail}")


def exact_without_data(variant: Variant, like: Mapping[str, Array], batch: int | None, machine: Machine) -> Numbers:
    """The same on drawn rows.

    Args:
        variant, batch, machine: as of `exact_on`.
        like: arrays of each input with at least one row, of whose shapes and types rows are drawn.
    """
    count = batch or _ROWS
    try:
        file = read_int8(variant.path)
        rows = _drawn(variant, file, like, count)
        return _exact(variant, file, rows, f"{count} rows drawn within the range of its input", machine)
    except CandidateError as error:
        return Numbers(False, f"unproven: {error.detail}; {DATA_FLAG}")


def _exact(variant: Variant, file: Int8File, rows: Mapping[str, Array], which: str, machine: Machine) -> Numbers:
    """Whether kernels are exact on these rows, and on all others too.

    Raises:
        CandidateError: neither can be said; says why.
    """
    found = _tested(variant, rows, which)
    if not found.passed:
        return found
    if machine.exact_int8:
        return Numbers(True, f"{found.how}; this processor sums in 32 bits")
    if file.saturates_nowhere:
        return Numbers(True, f"{found.how}; its weights are in 7 bits, which saturate on no row")
    raise CandidateError("failed", f"{found.how}, but weights of up to {file.largest_weight} may saturate on others")


def _tested(variant: Variant, rows: Mapping[str, Array], which: str) -> Numbers:
    """Kernels against exact sums on these rows.

    Raises:
        CandidateError: this cannot be tested here; says why.
    """
    settings = variant.candidate.settings
    if settings.precision != "f32":
        raise CandidateError("unsupported", f"{settings.precision} has no exact form to be compared with")
    if variant.candidate.runtime == "openvino":
        error = kernel_error(variant.path, rows)
        far = f"{error:.2g} of the variance from what the file says on {which}, {_LARGEST_ERROR:g} is allowed"
        return Numbers(error <= _LARGEST_ERROR, f"integer kernels are {far}")
    wrong = saturates(variant.path, rows)
    if wrong:
        names = ", ".join(wrong[:3]) + (f" and {len(wrong) - 3} more" if len(wrong) > 3 else "")
        return Numbers(False, f"wrong sums of 8-bit products on {which}, in {names}")
    return Numbers(True, f"integer kernels give what the file says on {which}")


def _drawn(variant: Variant, file: Int8File, like: Mapping[str, Array], count: int) -> dict[str, Array]:
    """Rows drawn evenly over the range of each input, of which every second one holds its two ends only.

    Dynamic files scale each call to their integers, so that any range is theirs.

    Raises:
        CandidateError: `unsupported` where rows cannot be drawn; says which input.
    """
    scaled = any(step.name == "int8-dynamic" for step in variant.candidate.recipe.steps)
    generator = np.random.default_rng(0)
    rows: dict[str, Array] = {}
    for name, array in like.items():
        if array.dtype.kind != "f":
            raise CandidateError("unsupported", f"input `{name}` takes whole numbers, which cannot be drawn")
        if name not in file.ranges and not scaled:
            raise CandidateError("unsupported", f"the file declares no range for its input `{name}`")
        low, high = file.ranges.get(name, (-1.0, 1.0))
        values = generator.uniform(low, high, (count, *array.shape[1:]))
        values[::2] = np.where(values[::2] < (low + high) / 2, low, high)
        rows[name] = values.astype(array.dtype)
    return rows
