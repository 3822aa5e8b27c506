"""Memory: the peak resident bytes of a fresh minimal worker that loads a variant and makes 100 calls."""

from __future__ import annotations

from sartor.bundle.values import Variant
from sartor.measure.latency import Feed, load, start_worker, timed_round

_CALLS = 100
_TIME_LIMIT = 60.0


def peak_memory(variant: Variant, feed: Feed) -> int:
    """Peak resident bytes of one launch.

    Raises:
        CandidateError: the variant does not run.
    """
    with start_worker(feed, most=_CALLS) as worker:
        load(worker, variant, "it", warm_seconds=0.0)
        timed_round(worker, "it", _CALLS, 0)
        return int(worker.ask({"do": "peak"}, _TIME_LIMIT)["bytes"])
