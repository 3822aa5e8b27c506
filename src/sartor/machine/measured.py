"""What a probe measures of a machine, figure by figure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from sartor.figures import Figure

Operation = Literal["read", "copy"]


@dataclass(frozen=True)
class Bandwidth:
    """How fast memory is gone through.

    Attributes:
        operation: `read` reduces all bytes to one number; `copy` counts bytes read plus bytes written, as STREAM
            does (McCalpin 1995), so what a cache reads before it writes is not counted.
        threads: processes at it together, each on its own part.
        working_set_bytes: of all of them together.
        rate: of all of them together, in B/s.
    """

    operation: Operation
    threads: int
    working_set_bytes: int
    rate: Figure


@dataclass(frozen=True)
class MatrixRate:
    """The best rate of a chain of matrix products, over the shapes tried.

    Attributes:
        precision: `f32`, `bf16` or `int8`.
        rate: in FLOP/s, a multiplication and an addition counted as two, of integers too.
        shape: (m, k, n) of the best: one product of an (m, k) input with a (k, n) weight.
        kernel: what the runtime says that it ran, as far as it says.
    """

    runtime: str
    precision: str
    threads: int
    rate: Figure
    shape: tuple[int, int, int]
    kernel: str


@dataclass(frozen=True)
class CallCost:
    """What a call costs whatever it computes.

    Attributes:
        seconds: of one call of a model that copies one number.
        per_operator: seconds that one more operator adds, by a chain of convolutions too small to matter.
    """

    runtime: str
    threads: int
    seconds: Figure
    per_operator: Figure


@dataclass(frozen=True)
class StartCost:
    """Seconds from the start of a fresh worker process to its first answer, with a model that copies one number."""

    runtime: str
    seconds: Figure


@dataclass(frozen=True)
class Noise:
    """How steady the machine was.

    Attributes:
        twins: speed of a worker against an identical one; its interval would be [1, 1] on a perfect machine.
        loud: share of moments at which a fixed computation took 1.3 times its quiet time or longer.
        quiet: seconds of that computation at a quiet moment.
    """

    twins: Figure
    loud: Figure
    quiet: Figure

    @property
    def resolution(self) -> float:
        """Share below which no difference between two candidates shows on this machine."""
        return max(abs(self.twins.high - 1.0), abs(1.0 - self.twins.low))


@dataclass(frozen=True)
class Gpu:
    """A graphics processor as its management library describes it; what it does not say is None or empty."""

    name: str
    memory: Figure | None
    power_limit: Figure | None
    driver: str
    capability: str
