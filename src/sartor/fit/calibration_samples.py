"""Collect samples: draw networks, build each in every arithmetic, time it, and store what was found at once."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable
from itertools import count, islice
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Protocol

from sartor.fit.calibration_building import Builders
from sartor.fit.calibration_timing import Timer
from sartor.machine.device import Machine
from sartor.machine.samples import Samples
from sartor.measure.calibration_networks import draw, name_of

ROUND = 24  # networks that are built together, and then timed on a machine that does nothing else
_FIRST = 4
_EVERY_DEEP = 8  # of so many numbers, one is drawn as deep as published models are, too
_SLOWER = 1.2  # times what a network took on average so far, that one of the next round may take


class Watch(Protocol):
    """Receives what happens. The terminal implements it."""

    def phase(self, title: str, steps: int | None = None) -> None:
        """A part begins; `steps` is how many `tried` calls it makes at most."""

    def tried(self, what: str, outcome: str) -> None:
        """A step of the part is done."""


def collect(samples: Samples, machine: Machine, left: Callable[[], float], watch: Watch) -> int:
    """Add networks while there is time; gives how many were added. What is stored holds whatever happens next.

    Args:
        left: seconds that are left.

    Raises:
        OutputError: the samples cannot be stored.
    """
    known, added = samples.families(), 0
    numbers = (number for number in count() if name_of(number) not in known)
    with TemporaryDirectory(prefix="sartor-") as scratch, Builders(machine) as builders:
        timer = Timer(Path(scratch), machine)
        size = _FIRST  # at first, so that a short calibration has some, and what one takes is known
        while size:
            began = time.monotonic()
            chosen = list(islice(numbers, size))
            deep = [draw(number, deep=True) for number in chosen if number % _EVERY_DEEP == 0]
            built = builders.build(Path(scratch), [*deep, *map(draw, chosen)])
            for one, found in timer.measure(built):
                samples.keep(one.drawn.name, one.drawn.family, one.network, found)
                what = "sizes" if one.drawn.deep else "times"
                watch.tried(f"network {one.drawn.number}, {one.drawn.family}", f"{len(found)} {what}")
                shutil.rmtree(one.folder)
            added += len(chosen)
            each = _SLOWER * (time.monotonic() - began) / size
            size = max(0, min(ROUND, int(left() / each)))
    return added
