"""What a runtime must offer. Implementations are final and live beside this file."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal, Protocol

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]
Precision = Literal["f32", "bf16"]
ShapePolicy = Literal["dynamic", "fixed", "buckets"]


@dataclass(frozen=True)
class Settings:
    """How a runtime is asked to run a file.

    Attributes:
        precision: arithmetic of everything that is not quantized; always set explicitly and read back.
        threads: threads inside one call.
        shape: `dynamic` keeps symbolic dimensions; `fixed` compiles for `batch` rows of `length`; `buckets`
            compiles once for each of a few lengths that rows are padded to.
        batch: rows per call; used by the shape policies `fixed` and `buckets`.
        length: dimension 1 of rows that could differ in it but do not; 0 when there is no such dimension.
    """

    precision: Precision = "f32"
    threads: int = 1
    shape: ShapePolicy = "dynamic"
    batch: int = 1
    length: int = 0

    def as_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return asdict(self)


class Session(Protocol):
    """A loaded model file, ready to run."""

    def run(self, inputs: Mapping[str, Array]) -> list[Array]:
        """Outputs in the order of the file's signature. The arrays may be reused by the next call."""

    def precision(self) -> str:
        """The arithmetic that the runtime says it compiled for, read back from it."""


class Runtime(Protocol):
    """A library that runs model files."""

    name: str

    def version(self) -> str:
        """Version of the library."""

    def why_not(self, precision: Precision) -> str | None:
        """None when this machine and runtime can compute in `precision`, else the reason."""

    def load(self, path: Path, settings: Settings) -> Session:
        """Load a file.

        Raises:
            CandidateError: the runtime refuses the file (`unsupported`), or the precision read back is
                not the one asked for (`wrong-output`).
        """


def outputs_agree(expected: Array, got: Array, relative: float = 1e-3, absolute: float = 1e-4) -> float:
    """Largest difference in units of the tolerance; at most 1 means that the arrays agree.

    The tolerance scales with the largest magnitude of `expected`, since logits near zero carry the
    rounding of the larger ones they were summed with.
    """
    if expected.shape != got.shape:
        return float("inf")
    if expected.size == 0:
        return 0.0
    scale = absolute + relative * float(np.max(np.abs(expected)))
    difference = float(np.max(np.abs(expected.astype(np.float64) - got.astype(np.float64))))
    return difference / scale if np.isfinite(difference) else float("inf")
