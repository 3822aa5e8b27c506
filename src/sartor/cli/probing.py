"""What `probe` runs on the terminal: the stored profile or a new one, in print, and where it is kept."""

from __future__ import annotations

import time
from pathlib import Path

from rich.console import Console

from sartor.cli.running import print_json, wide_console
from sartor.errors import InputError, OutputError
from sartor.machine.calibration_file import calibration_path
from sartor.machine.device import this_machine
from sartor.machine.profile import Profile
from sartor.machine.profile_file import check_writable, find_profile, profile_path, save_profile
from sartor.report.calibration import calibration_summary, print_calibration
from sartor.report.machine import age, print_profile
from sartor.report.terminal import LiveTerminal, PlainTerminal
from sartor.units import format_value, parse

_LEAST_SECONDS = 30.0
"""Of a calibration; less times too few networks to learn from."""


def probe_machine(*, quick: bool, fresh: bool, replace: bool, as_json: bool) -> int:
    """Show the stored profile if it holds and answers what is asked, else measure, store and show one.

    Raises:
        OutputError: the profile cannot be stored; found out before anything is measured.
    """
    from sartor.measure.probe import runtime_versions

    machine, console = this_machine(), wide_console(stderr=True)
    found = find_profile(machine, runtime_versions())
    stored = found.profile
    if stored is not None and not fresh and (quick or not stored.quick):
        _show(console, stored, profile_path(machine), reused=True, as_json=as_json)
        return 0
    if found.why_not:
        console.print(f"Measured anew: {found.why_not}", soft_wrap=True, markup=False)
    check_writable(machine)
    profile = _measured(console, quick)
    keep = quick and not replace and stored is not None and not stored.quick
    return _keep_and_show(console, profile, keep_full=keep, as_json=as_json)


def calibrate_machine(given: str, *, quick: bool, fresh: bool, as_json: bool) -> int:
    """Measure this machine where no profile holds, time networks, learn from them, and show how well it predicts.

    Raises:
        InputError: no time.
        OutputError: samples or calibration cannot be stored.
    """
    from sartor.fit.calibrate import calibrate_machine as calibrate
    from sartor.measure.probe import runtime_versions

    seconds = _seconds(given)
    machine, console = this_machine(), wide_console(stderr=True)
    profile = find_profile(machine, runtime_versions()).profile
    if profile is None:
        check_writable(machine)
        profile = _measured(console, quick)
        save_profile(profile)
    shown = format_value(seconds, "s")
    console.print(f"Calibrating this machine: about {shown}. Leave it alone meanwhile.", highlight=False)
    with _watching(console, seconds) as watch:
        calibration = calibrate(profile, seconds, watch, fresh=fresh)
    print_calibration(console, calibration)
    path = calibration_path(machine)
    console.print(f"Learnt from {calibration.networks} networks. Stored: {path}", soft_wrap=True, highlight=False)
    if as_json:
        print_json({**calibration_summary(calibration), "stored": str(path)})
    return 0


def _seconds(given: str) -> float:
    """A time as it was typed.

    Raises:
        InputError: none.
    """
    try:
        asked = parse(given)
    except ValueError:
        asked = None
    if asked is None or asked.unit != "s" or asked.value < _LEAST_SECONDS:
        raise InputError(f"--time {given}", f"a time of {_LEAST_SECONDS:.0f} s or more", '--time "8 min"')
    return asked.value


def _measured(console: Console, quick: bool) -> Profile:
    from sartor.measure.probe import FULL, QUICK, probe

    seconds = (QUICK if quick else FULL).seconds
    console.print(f"Measuring this machine: about {seconds:.0f} s. Leave it alone meanwhile.", highlight=False)
    with _watching(console, seconds) as watch:
        return probe(quick, watch)


def _watching(console: Console, seconds: float) -> LiveTerminal | PlainTerminal:
    return LiveTerminal(console, seconds) if console.is_terminal else PlainTerminal(console)


def _keep_and_show(console: Console, profile: Profile, *, keep_full: bool, as_json: bool) -> int:
    """Minutes of measuring are shown even if the disk filled up meanwhile."""
    if keep_full:
        _show(console, profile, None, reused=False, as_json=as_json)
        console.print("Not stored: a full profile holds. `--replace` puts this one in its place.", soft_wrap=True)
        return 0
    try:
        path = save_profile(profile)
    except OutputError as error:
        _show(console, profile, None, reused=False, as_json=as_json, error=error)
        console.print(f"sartor: {error}", soft_wrap=True, markup=False)
        return error.exit_code
    _show(console, profile, path, reused=False, as_json=as_json)
    return 0


def _show(
    console: Console,
    profile: Profile,
    path: Path | None,
    *,
    reused: bool,
    as_json: bool,
    error: OutputError | None = None,
) -> None:
    print_profile(console, profile)
    kind = "quick profile" if profile.quick else "profile"
    if reused:
        console.print(f"Stored {kind}, measured {age(profile)} ago; `--fresh` measures again: {path}", soft_wrap=True)
    elif path is not None:
        console.print(f"Measured in {profile.elapsed_s:.0f} s. Stored: {path}", soft_wrap=True, highlight=False)
    if path is not None and not calibration_path(profile.machine).exists():
        console.print("Next: sartor probe --calibrate learns to predict what models take here.", soft_wrap=True)
    if as_json:
        values = {"reused": reused, "age_s": max(0.0, time.time() - profile.measured_at)}
        told = {"error": error.as_dict()} if error else {}
        print_json({**profile.as_dict(), **values, "stored": None if path is None else str(path), **told})
