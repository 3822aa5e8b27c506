"""Where profiles are kept: one file a machine, replaced whole or not at all."""

from __future__ import annotations

import contextlib
import json
import os
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from sartor.errors import OutputError
from sartor.figures import without_infinities
from sartor.machine.device import Machine
from sartor.machine.profile import SCHEMA, Profile

_DAMAGE = (KeyError, TypeError, ValueError, AttributeError)


@dataclass(frozen=True)
class Found:
    """What is stored for a machine: a profile that holds, or why there is none (empty: none was ever stored)."""

    profile: Profile | None
    why_not: str = ""


def home_folder() -> Path:
    """Where Sartor keeps what it knows of machines: `$SARTOR_HOME`, else `sartor` in the system's cache folder.

    That is `$XDG_CACHE_HOME` or `~/.cache` (XDG Base Directory Specification 0.8), `~/Library/Caches` on macOS.
    """
    own = os.environ.get("SARTOR_HOME")
    if own:
        return Path(own).expanduser()
    given = os.environ.get("XDG_CACHE_HOME", "")
    usual = Path.home() / ("Library/Caches" if sys.platform == "darwin" else ".cache")
    # The specification has relative paths ignored.
    return (Path(given) if given and Path(given).is_absolute() else usual) / "sartor"


def profile_path(machine: Machine) -> Path:
    """The file of this machine's profile."""
    return home_folder() / "machines" / f"{machine.fingerprint()}.json"


def find_profile(machine: Machine, versions: Mapping[str, str]) -> Found:
    """The stored profile if it holds, else why not: changed, damaged, of another schema, unreadable."""
    path = profile_path(machine)
    try:
        profile = _read(path)
    except FileNotFoundError:
        return Found(None, _why_not_found(machine, path))
    except OSError as error:
        return Found(None, f"{path} cannot be read: {error.strerror}")
    except _Unknown as error:
        return Found(None, f"{path} {error}")
    stale = profile.why_stale(machine, versions)
    return Found(None, stale) if stale else Found(profile)


def load_profile(machine: Machine, versions: Mapping[str, str]) -> Profile | None:
    """The stored profile of this machine with these runtimes, or None if there is none that holds."""
    return find_profile(machine, versions).profile


def save_profile(profile: Profile) -> Path:
    """Store a profile in place of an earlier one; interrupted at any moment, the earlier one stays.

    Raises:
        OutputError: the folder cannot be written, or the disk is full.
    """
    path = profile_path(profile.machine)
    text = json.dumps(without_infinities(profile.as_dict()), allow_nan=False, indent=1)
    replace_file(path, text)
    return path


def check_writable(machine: Machine) -> None:
    """Find out before minutes of measuring whether the profile can be stored.

    Raises:
        OutputError: it cannot.
    """
    folder = profile_path(machine).parent
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder) as trial:
            trial.write(b" " * 65536)
    except OSError as error:
        raise _cannot_write(folder, error) from None


class _Unknown(Exception):
    """A file that is no profile of this schema."""


def _read(path: Path) -> Profile:
    try:
        saved = json.loads(path.read_text(encoding="utf-8"))
        schema = saved["schema"]
    except _DAMAGE as error:
        raise _Unknown(f"is damaged ({type(error).__name__})") from None
    if schema != SCHEMA:
        raise _Unknown(f"has schema {schema}, this version of Sartor knows {SCHEMA}")
    try:
        return Profile.from_dict(saved)
    except _DAMAGE as error:
        raise _Unknown(f"is damaged ({type(error).__name__}: {error})") from None


def _why_not_found(machine: Machine, path: Path) -> str:
    """What differs from a profile of the same processor under another fingerprint, if there is one."""
    for other in sorted(path.parent.glob("*.json")):
        with contextlib.suppress(OSError, _Unknown):
            profile = _read(other)
            if profile.machine.cpu == machine.cpu:
                return profile.why_stale(machine, profile.versions) or ""
    return ""


def replace_file(path: Path, text: str) -> None:
    """Write a file in place of an earlier one; interrupted at any moment, the earlier one stays.

    Raises:
        OutputError: the folder cannot be written, or the disk is full.
    """
    temporary = ""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.stem}-", suffix=".part")
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        Path(temporary).replace(path)
    except OSError as error:
        raise _cannot_write(path, error) from None
    finally:
        if temporary:
            Path(temporary).unlink(missing_ok=True)  # gone already where it took its place


def _cannot_write(path: Path, error: OSError) -> OutputError:
    return OutputError(
        f"cannot write {path}: {error.strerror or error}",
        "a folder that can be written, with room on its disk",
        "set SARTOR_HOME to another folder",
    )
