"""A judge from outside: MLPerf's load generator drives the chosen variant of a bundle in place of our timer."""

from __future__ import annotations

import math
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from sartor.bundle.values import LimitResult
from sartor.figures import Figure
from sartor.fit.case import confirm_rows, feed_of, open_case
from sartor.fit.reprove import write_proof
from sartor.fit.watch import Watch
from sartor.measure.loadgen import check_scenario, run_loadgen
from sartor.need import Limit


def judge_outside(
    folder: Path, source: str | None, base: Path, scenario: str, seconds: float, watch: Watch
) -> dict[str, Any]:
    """Run a bundle's chosen variant under the load generator.

    Args:
        folder: the bundle.
        source: the data it was proved on; without it the inputs are random numbers.
        base: folder that the source is relative to.
        scenario: `single-stream` or `offline`.
        seconds: that the run lasts at least.

    Returns:
        `passed` (the run is valid, the timers agree, and no limit below is missed), `loadgen`, `ours`,
        `differences`, `agree`, `limits` (those that the scenario has a figure for), `proof` (the file written
        below `proofs/`).

    Raises:
        InputError: a scenario that is not offered, or a bundle or data that `reprove` would refuse.
        MissingExtraError: the load generator is not installed.
        CandidateError: the variant does not run here.
    """
    check_scenario(scenario, seconds)
    case = open_case(folder)
    watch.phase(f"load generator, {scenario}", 1)
    with tempfile.TemporaryDirectory(prefix="sartor-") as scratch:
        rows = confirm_rows(case, source, base) if source else None
        chosen = case.manifest.chosen
        feed = feed_of(case, chosen, rows, Path(scratch))
        judged = run_loadgen(case.variant(chosen), feed, scenario, seconds, Path(scratch))
    watch.tried(f"{judged.calls} calls", "valid" if judged.valid else "invalid")
    limits = _judged(case.limits, judged.theirs)
    passed = judged.valid and judged.agree and all(result.met for result in limits)
    # No `outcome`: one run without intervals proves nothing about the bundle on this kind of processor.
    values = {
        "passed": passed,
        **judged.as_dict(),
        "inputs": "the confirm split" if source else "random numbers",
        "limits": [result.as_dict() for result in limits],
    }
    return write_proof(case, values, f"loadgen-{scenario}")


def _judged(limits: tuple[Limit, ...], figures: Mapping[str, float]) -> list[LimitResult]:
    """The limits that the generator has a figure for; it gives no interval, so the figure itself decides."""
    return [
        LimitResult(
            limit,
            Figure(figures[limit.name], limit.unit, -math.inf, math.inf, "measured"),
            limit.allows(figures[limit.name]),
            "the load generator's own figure of one launch",
        )
        for limit in limits
        if limit.name in figures
    ]
