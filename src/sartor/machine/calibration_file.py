"""Where calibrations are kept, beside the profiles: what was learnt, and the samples that it was learnt from."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from sartor.figures import without_infinities
from sartor.machine.calibration import Calibration
from sartor.machine.device import Machine
from sartor.machine.profile_file import home_folder, replace_file

_DAMAGE = (KeyError, TypeError, ValueError, AttributeError)


@dataclass(frozen=True)
class FoundCalibration:
    """What is stored for a machine: a calibration that holds, or why there is none (empty: none was ever stored)."""

    calibration: Calibration | None
    why_not: str = ""


def calibration_path(machine: Machine) -> Path:
    """The file of this machine's calibration."""
    return home_folder() / "calibrations" / f"{machine.fingerprint()}.json"


def samples_path(machine: Machine) -> Path:
    """The file of this machine's samples."""
    return home_folder() / "calibrations" / f"{machine.fingerprint()}.sqlite"


def find_calibration(machine: Machine, versions: Mapping[str, str]) -> FoundCalibration:
    """The stored calibration if it holds, else why not: stale, damaged, of another schema, unreadable."""
    path = calibration_path(machine)
    try:
        calibration = Calibration.from_dict(json.loads(path.read_text(encoding="utf-8")))
    except FileNotFoundError:
        return FoundCalibration(None)
    except OSError as error:
        return FoundCalibration(None, f"{path} cannot be read: {error.strerror}")
    except _DAMAGE as error:
        return FoundCalibration(None, f"{path} is damaged or of another release ({type(error).__name__}: {error})")
    stale = calibration.why_stale(machine, versions)
    return FoundCalibration(None, f"the calibration does not hold: {stale}") if stale else FoundCalibration(calibration)


def save_calibration(calibration: Calibration, machine: Machine) -> Path:
    """Store a calibration in place of an earlier one; interrupted at any moment, the earlier one stays.

    Raises:
        OutputError: the folder cannot be written, or the disk is full.
    """
    path = calibration_path(machine)
    replace_file(path, json.dumps(without_infinities(calibration.as_dict()), allow_nan=False))
    return path
