"""Memory: the peak resident bytes of a fresh minimal worker that loads a variant and makes 100 calls."""

from __future__ import annotations

from sartor.bundle.values import Variant
from sartor.measure.latency import Feed, load, naming, start_worker, timed_round

_CALLS = 100
_KEPT_BATCHES = 4  # a minimal server does not hold a hundred requests
_TIME_LIMIT = 60.0


def peak_memory(variant: Variant, feed: Feed, calls: int = _CALLS) -> int:
    """Peak resident bytes of one launch that makes so many calls.

    Raises:
        CandidateError: the variant does not run; names it.
    """
    with naming(variant), start_worker(feed, most=_KEPT_BATCHES) as worker:
        seconds = load(worker, variant, "it", warm_seconds=0.0)
        timed_round(worker, "it", calls, 0, _TIME_LIMIT + 5 * calls * seconds)
        return int(worker.ask({"do": "peak"}, _TIME_LIMIT)["bytes"])
