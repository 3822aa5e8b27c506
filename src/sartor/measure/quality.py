"""Quality: run a variant over the rows of a split."""

from __future__ import annotations

from pathlib import Path
from types import TracebackType

import numpy as np

from sartor.bundle.values import Variant
from sartor.measure.latency import Feed, load, start_worker
from sartor.runtime.base import Array


class OutputsReader:
    """A worker that holds one variant and runs it over ranges of rows, in calls of the workload's batch."""

    def __init__(self, variant: Variant, feed: Feed, scratch: Path) -> None:
        self._worker = start_worker(feed, most=1)
        self._feed = feed
        self._to = scratch / f"outputs-{self._worker.pid}.npy"
        # Compiled shapes take full calls only; elsewhere the last call may be smaller.
        self._fill = variant.candidate.settings.shape != "dynamic"
        try:
            self._call_seconds = load(self._worker, variant, "it", 0.0)
        except BaseException:
            self._worker.close()
            raise

    def read(self, start: int, stop: int) -> Array:
        """The judged output of rows [start, stop) of the feed's split.

        Raises:
            CandidateError: the variant crashed, hung or ran out of memory.
        """
        request = {
            "do": "outputs",
            "id": "it",
            "rows": str(self._feed.rows),
            "start": start,
            "stop": stop,
            "batch": self._feed.batch,
            "fill": self._fill,
            "output": self._feed.output,
            "to": str(self._to),
        }
        expected = (stop - start) / self._feed.batch * self._call_seconds
        self._worker.ask(request, 60.0 + 20 * expected)
        outputs: Array = np.load(self._to)
        return outputs

    def __enter__(self) -> OutputsReader:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._worker.close()
        self._to.unlink(missing_ok=True)
