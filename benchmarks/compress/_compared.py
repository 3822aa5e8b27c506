"""Speed and quality of everything that a task compares, each at its own best settings, in the same launch groups."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import _inductor
import numpy as np
from _ready import Rows

from _peers import Peers
from sartor.bundle.values import Variant
from sartor.errors import CandidateError
from sartor.fit.judge import proved
from sartor.measure.latency import Feed, Seconds, time_launches
from sartor.measure.noise import NoiseGate
from sartor.measure.quality import OutputsReader
from sartor.measure.quality_bounds import Outputs, limit_bounds
from sartor.measure.quantiles import ratio_bounds, resolution
from sartor.plan.candidates import Candidate
from sartor.plan.recipe import Recipe
from sartor.runtime import open_runtime
from sartor.runtime.base import Array, Precision, Settings, ShapePolicy

ALPHA = 0.05  # of each peer's test by itself, which favours peers: ours shares its error with a fallback
AGAIN = "f32 again"
_TRIED, _TRIED_SECONDS = 2, 0.4  # launches, and the seconds of calls in each, that a peer's settings are chosen by


@dataclass(frozen=True)
class Compared:
    """What was timed together.

    Attributes:
        seconds: by label, launch by launch.
        settings: by label, what it ran with.
        f32: label of the fastest uncompressed one.
        resolution: how far an interval of the same file against itself was from 1.
    """

    seconds: Mapping[str, tuple[Seconds, ...]]
    settings: Mapping[str, Settings]
    f32: str
    resolution: float

    def ratio(self, label: str, against: str) -> dict[str, float]:
        """How many times as fast as another, with bounds."""
        pairs = list(zip(self.seconds[against], self.seconds[label], strict=True))
        found = ratio_bounds(pairs, ALPHA)
        return {"value": found.value, "low": found.low, "high": found.high}

    def median(self, label: str) -> float:
        """Median seconds of a call, over launches."""
        return _median(self.seconds[label])


def _median(launches: Sequence[Seconds]) -> float:
    return float(np.median([np.median(launch) for launch in launches]))


def feed_of(rows: Rows, split: str) -> Feed:
    """Single rows of a split."""
    return Feed(rows.saved, rows.disk.rows_path(split), 1)


def at_their_best(peers: Peers, rows: Rows) -> dict[str, Variant]:
    """Each file with the threads, shape policy and precision that were fastest in two launches of its own."""
    found = {}
    for label, (runtime, path) in peers.items():
        tried = {str(one): _variant(runtime, path, one) for one in _settings(runtime, rows)}
        try:
            found[label] = tried[_fastest(tried, rows)]
        except CandidateError as error:
            print(f"{label} does not run: {error}")
    return found


def _variant(runtime: str, path: Path, settings: Settings) -> Variant:
    return Variant(Candidate("peer", Recipe(), runtime, settings), path, 0)


def _settings(runtime: str, rows: Rows) -> list[Settings]:
    varies = rows.saved["lengths"] is not None
    given = varies or runtime == _inductor.RUNTIME  # whose packages have the shapes that they were compiled for
    shapes: tuple[ShapePolicy, ...] = ("dynamic",) if given else ("dynamic", "fixed")
    if varies and runtime == "openvino":
        shapes = ("dynamic", "buckets")
    known: tuple[Precision, ...] = ("f32", "bf16")
    precisions = [each for each in known if open_runtime(runtime).why_not(each) is None]
    return [Settings(each, threads, shape) for each in precisions for threads in (1, 2) for shape in shapes]


def _fastest(variants: Mapping[str, Variant], rows: Rows) -> str:
    feeds = dict.fromkeys(variants, feed_of(rows, "select"))
    found = time_launches(variants, feeds, NoiseGate(), launches=_TRIED, launch_seconds=_TRIED_SECONDS)
    seconds = found.seconds
    return min(seconds, key=lambda name: _median(seconds[name]))


def compare(
    ours: Mapping[str, Variant], plain: Mapping[str, Variant], peers: Mapping[str, Variant], rows: Rows
) -> Compared:
    """Five groups of fresh processes with all of them, and one of the uncompressed files twice."""
    first = next(iter(plain))
    variants = {**ours, **plain, AGAIN: plain[first], **peers}
    found = time_launches(variants, dict.fromkeys(variants, feed_of(rows, "select")), NoiseGate()).seconds
    return Compared(
        found,
        {label: variant.candidate.settings for label, variant in variants.items()},
        min(plain, key=lambda label: _median(found[label])),
        resolution(list(zip(found[first], found[AGAIN], strict=True)), ALPHA),
    )


def outputs_of(variant: Variant, rows: Rows, scratch: Path) -> Array:
    """What a file answers on confirm."""
    with OutputsReader(variant, feed_of(rows, "confirm"), scratch) as reader:
        return reader.read(0, len(rows.disk.rows("confirm")))


def judged(outputs: Array, baseline: Array, rows: Rows) -> dict[str, Any]:
    """The limit's figure on confirm with its bounds, and whether it is proved, by the test that ours has to pass."""
    seen = Outputs(rows.labels("confirm"), outputs, baseline)
    bounds = limit_bounds(rows.limit, seen, ALPHA, Path.cwd())
    passes = bool(np.isfinite(outputs).all()) and proved(rows.limit, seen, ALPHA, Path.cwd())
    return {"quality": bounds.value, "quality_low": bounds.low, "quality_high": bounds.high, "passes": passes}
