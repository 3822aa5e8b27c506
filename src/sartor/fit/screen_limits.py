"""Which limits one quick launch already excludes."""

from __future__ import annotations

from collections.abc import Sequence

from sartor.need import Limit
from sartor.units import format_value

# One launch of a few dozen calls may be this far from the median over launches; the widest ratio of two
# launches of one worker seen on a shared machine was 1.21. Assumed, hence generous.
SCREEN_SPREAD = 1.3


def excluded_by(limits: Sequence[Limit], seconds: float | None, size_bytes: int | None, batch: int) -> str | None:
    """The reason why a screened candidate cannot meet a limit, or None.

    A quantile of latency above the median is at least the median, so the median excludes them all.

    Args:
        seconds: screened median of one call; None when it was not timed.
        size_bytes: bytes of its files; None when they are not built.
    """
    for limit in limits:
        if limit.name == "size" and size_bytes is not None and size_bytes > limit.value:
            return f"{limit}: its files have {format_value(size_bytes, 'B')}"
        if seconds is None:
            continue
        friendly = seconds / SCREEN_SPREAD
        if limit.name.startswith("latency") and friendly > limit.value:
            return f"{limit}: took {format_value(seconds, 's')} in the screen"
        if limit.name == "throughput" and batch / friendly < limit.value:
            return f"{limit}: gave {format_value(batch / seconds, '1/s')} in the screen"
    return None
