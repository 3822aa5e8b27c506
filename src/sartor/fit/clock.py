"""The time budget of one run."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field

_MOST_RESERVED = 0.4  # of the budget, however slowly workers start


@dataclass
class Clock:
    """Counts from its creation.

    Attributes:
        budget: seconds that the whole run may take.
        reserve: seconds kept for timing the finalists and writing.
        reading: seconds kept for reading confirm.
    """

    budget: float
    reserve: float
    reading: float = 0.0
    started: float = field(default_factory=time.monotonic)

    def spent(self) -> float:
        """Seconds since the run began."""
        return time.monotonic() - self.started

    def left(self) -> float:
        """Seconds left for the search, with the reserve kept back; negative when it is over."""
        kept = max(self.reserve, min(self.reserve + self.reading, _MOST_RESERVED * self.budget))
        return self.budget - kept - self.spent()

    def keep_for_finals(self, seconds: float) -> None:
        """Keep back at least `seconds`, as far as the budget allows: models that load slowly make long finals."""
        self.reserve = max(self.reserve, min(seconds, _MOST_RESERVED * self.budget))

    def keep_for_confirm(self, seconds: float) -> None:
        """Keep back `seconds` besides, as far as the budget allows, for reading confirm: many rows take long."""
        self.reading = max(self.reading, seconds)

    def until(self, share: float) -> Callable[[], bool]:
        """Whether there is time for another trial of a stage that may take this share of what is left now."""
        end = self.spent() + share * max(0.0, self.left())
        return lambda: self.search_goes_on() and self.spent() < end

    def search_goes_on(self) -> bool:
        """Whether there is time for another trial."""
        return self.left() > 0


def clock_for(budget: float) -> Clock:
    """A clock that keeps a quarter of a small budget, at most 40 s, for the finals."""
    return Clock(budget, min(0.25 * budget, 40.0))
