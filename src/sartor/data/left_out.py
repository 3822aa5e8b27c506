"""Files that cannot be read among good ones: left out and listed, up to a limit."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sartor.errors import DataError

MOST = 100
SHARE = 100  # one file in so many
_SHOWN = 3


@dataclass(frozen=True)
class Broken:
    """One file that cannot be read, by its name below the source, and why."""

    name: str
    reason: str


def left_out(broken: Sequence[Broken], total: int, what: str) -> tuple[str, ...]:
    """The note about files that were left out; none if all could be read.

    Raises:
        DataError: more than 1% of the files, or more than 100, cannot be read.
    """
    if not broken:
        return ()
    listed = "; ".join(f"{file.name} ({file.reason})" for file in broken[:_SHOWN])
    listed += f"; and {len(broken) - _SHOWN} more" if len(broken) > _SHOWN else ""
    if len(broken) <= min(MOST, total // SHARE):
        return (f"{len(broken)} of {total:,} {what} cannot be read and were left out: {listed}",)
    if len(broken) == 1:
        came = f"{broken[0].name} cannot be read: {broken[0].reason} (1 of {total:,} {what})"
    else:
        came = f"{len(broken)} of {total:,} {what} cannot be read: {listed}"
    raise DataError(came, f"at most {min(MOST, total // SHARE)} of {total:,} (1%, and {MOST})", "mend or remove them")
