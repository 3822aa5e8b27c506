"""Calibrate: time networks of every family on this machine, and learn to predict others from them."""

from __future__ import annotations

import time

from sartor.fit.calibration_samples import Watch, collect
from sartor.machine.calibration import Calibration, Efficiency, Hardware
from sartor.machine.calibration_file import samples_path, save_calibration
from sartor.machine.device import this_machine
from sartor.machine.profile import Profile
from sartor.machine.samples import Network, Samples
from sartor.plan.calibrate import Subject, calibrate
from sartor.plan.outline import COLUMNS

SECONDS = 540.0
"""Of a calibration, unless said."""
_LEARNING = 0.08  # of the time, kept for learning


def calibrate_machine(profile: Profile, seconds: float, watch: Watch, *, fresh: bool = False) -> Calibration:
    """Add samples for most of the time, learn from all there are, and store what was learnt.

    Interrupted, it has kept every network that was timed; the next call goes on with others.

    Args:
        profile: of this machine; its caches and starts count.
        fresh: forget earlier samples, those of fits included.

    Raises:
        OutputError: the samples or the calibration cannot be stored.
    """
    machine, end = this_machine(), time.monotonic() + (1.0 - _LEARNING) * seconds
    with Samples(samples_path(machine), profile.versions) as samples:
        if fresh:
            samples.forget()
        watch.phase("Networks of every family, in every runtime and arithmetic")
        collect(samples, machine, lambda: end - time.monotonic(), watch)
        return learn_machine(profile, samples, watch)


def learn_machine(profile: Profile, samples: Samples, watch: Watch) -> Calibration:
    """Learn from the samples there are, and store what was learnt.

    Raises:
        OutputError: it cannot be stored.
    """

    def said(learnt: Efficiency) -> None:
        threads = f"{learnt.threads} thread{'' if learnt.threads == 1 else 's'}"
        what = f"{learnt.runtime} {learnt.arithmetic}, {threads}"
        watch.tried(what, f"off by {learnt.record.median_error:.0%} (median of {learnt.record.networks} unseen)")

    watch.phase("Learn from them")
    networks: dict[str, Network] = samples.networks(len(COLUMNS))
    starts = {one.runtime: one.seconds.value for one in profile.starts}
    hardware = Hardware.of(profile.machine, profile.caches)
    subject = Subject(profile.machine.fingerprint(), profile.versions, hardware, starts)
    calibration = calibrate(subject, networks, samples.samples(), said)
    save_calibration(calibration, profile.machine)
    return calibration
