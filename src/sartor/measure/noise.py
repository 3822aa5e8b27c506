"""Is the machine quiet? A fixed piece of work, timed between rounds, tells."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable
from dataclasses import dataclass, field

_WORK = bytes(1 << 18)
_PROBES_TO_LEARN = 25
_NOISY_ABOVE = 1.3  # times the quiet level; below it is the ordinary scatter of an idle machine


def spin() -> float:
    """Seconds that a fixed computation takes (a hash of 256 kB, a fraction of a millisecond)."""
    start = time.perf_counter_ns()
    hashlib.blake2b(_WORK).digest()
    return (time.perf_counter_ns() - start) * 1e-9


@dataclass
class NoiseGate:
    """Learns the quiet level of the machine and says whether a moment is quiet.

    Attributes:
        probe: gives the seconds of a fixed computation; replaced in tests.
        repeated: rounds that were repeated because a probe beside them was above the quiet level.
        accepted: noisy rounds that had to be accepted because the tries ran out.
    """

    probe: Callable[[], float] = spin
    repeated: int = 0
    accepted: int = 0
    quiet_seconds: float = field(init=False)

    def __post_init__(self) -> None:
        self.quiet_seconds = sorted(self.probe() for _ in range(_PROBES_TO_LEARN))[_PROBES_TO_LEARN // 4]

    def wait(self, tries: int = 5) -> bool:
        """Wait for a quiet moment, a few hundredths of a second at most; says whether there was one."""
        for _ in range(tries):
            if self.is_quiet():
                return True
            time.sleep(0.01)
        return False

    def is_quiet(self) -> bool:
        """Whether the machine is quiet now; the best of two probes, since one may catch an interrupt."""
        seconds = min(self.probe(), self.probe())
        self.quiet_seconds = min(self.quiet_seconds, 1.05 * seconds)
        return seconds <= _NOISY_ABOVE * self.quiet_seconds
