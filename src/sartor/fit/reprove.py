"""Proving an existing bundle again, on this machine: `sartor measure`."""

from __future__ import annotations

import json
import tempfile
import time
import uuid
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from sartor.bundle.values import LimitResult, Verdict
from sartor.figures import Figure, without_infinities
from sartor.fit.case import Case, Confirm, confirm_rows, feed_of, open_case
from sartor.fit.elsewhere import check_numbers
from sartor.fit.exactness import DATA_FLAG, Numbers
from sartor.fit.finals import holds, launch_figures
from sartor.fit.watch import Watch
from sartor.machine.device import this_machine
from sartor.measure.latency import time_launches
from sartor.measure.memory import peak_memory
from sartor.measure.noise import NoiseGate
from sartor.measure.quality import OutputsReader
from sartor.measure.quality_bounds import Outputs, limit_bounds
from sartor.measure.quantiles import mean_bounds_of_launches, ratio_bounds
from sartor.need import Limit
from sartor.runtime.base import Array

_LAUNCHES = 5


def reprove(folder: Path, source: str | None, base: Path, watch: Watch) -> dict[str, Any]:
    """Measure a bundle's chosen variant again and judge every limit.

    On another kind of processor than that of the bundle's own proof, the numbers of a variant in reduced precision are
    checked as well, and it is not met without: see `sartor.fit.elsewhere`.

    Args:
        folder: the bundle.
        source: the data it was proved on, for quality; without it quality stays unproven.
        base: folder that the source is relative to.

    Returns:
        `verdict`, `limits`, `measured`, `speedup`, `proof` (the file written below `proofs/`); and `numbers` {passed,
        how} where they were checked.

    Raises:
        BundleError: no bundle, changed files, a bundle that is only provisional, or other data.
        CandidateError: the variant does not run here.
    """
    case = open_case(folder)
    with tempfile.TemporaryDirectory(prefix="sartor-") as scratch:
        rows = confirm_rows(case, source, base) if source else None
        figures, speedup = _time(case, rows, Path(scratch), watch)
        seen = _seen(case, rows, Path(scratch), watch) if rows else None
    quality = _quality(case, seen, base) if seen else {}
    results = tuple(_judge(case, limit, figures, quality) for limit in case.limits)
    numbers = check_numbers(case, results, rows, seen, this_machine())
    if numbers is not None:
        proved = "proved" if numbers.passed else "not proved"
        watch.note(f"numbers on {this_machine().isa_class}: {proved}: {numbers.how}")
    met = all(result.met for result in results) and (numbers is None or numbers.passed)
    return _write(case, Verdict("met" if met else "not_met", results, ""), figures, speedup, numbers)


def _time(case: Case, rows: Confirm | None, scratch: Path, watch: Watch) -> tuple[dict[str, Figure], Figure]:
    chosen, zero = case.manifest.chosen, str(case.evidence["zero"])
    alpha = 1.0 - case.need.confidence
    watch.phase("time it over fresh launches", _LAUNCHES)
    names = dict.fromkeys((chosen, zero))
    feed = feed_of(case, chosen, rows, scratch)
    found = time_launches(
        {name: case.variant(name) for name in names},
        dict.fromkeys(names, feed),
        NoiseGate(),
        launches=_LAUNCHES,
        on_launch=lambda done: watch.tried(f"launch {done} of {_LAUNCHES}", ""),
    )
    figures = launch_figures(found.seconds[chosen], case.need.workload.batch, alpha, case.need.seed)
    peaks = mean_bounds_of_launches([float(peak_memory(case.variant(chosen), feed)) for _ in range(3)], alpha)
    figures["memory"] = Figure(peaks.value, "B", max(0.0, peaks.low), peaks.high, "measured")
    figures["size"] = Figure.exact(float(case.variant(chosen).size_bytes), "B")
    if chosen == zero:
        return figures, Figure.exact(1.0, "")
    ratio = ratio_bounds(list(zip(found.seconds[zero], found.seconds[chosen], strict=True)), alpha)
    return figures, Figure(ratio.value, "", ratio.low, ratio.high, "measured")


def _seen(case: Case, rows: Confirm, scratch: Path, watch: Watch) -> Outputs:
    """What the chosen variant and the baseline answer on the confirm split."""
    watch.phase("read the confirm split", 2)
    chosen, baseline = case.manifest.chosen, str(case.evidence["baseline"])
    read = {name: _outputs(case, name, rows, scratch) for name in dict.fromkeys((chosen, baseline))}
    return Outputs(rows.labels, read[chosen], read[baseline], case.need.kind)


def _quality(case: Case, seen: Outputs, base: Path) -> dict[str, Figure]:
    figures = {}
    for limit in case.limits:
        if limit.is_quality:
            bounds = limit_bounds(limit, seen, case.alpha, base, case.need.seed)
            figures[limit.name] = Figure(bounds.value, limit.unit, bounds.low, bounds.high, "measured")
    return figures


def _outputs(case: Case, name: str, rows: Confirm, scratch: Path) -> Array:
    with OutputsReader(case.variant(name), feed_of(case, name, rows, scratch), scratch) as reader:
        return reader.read(0, len(rows.inputs))


def _judge(case: Case, limit: Limit, figures: Mapping[str, Figure], quality: Mapping[str, Figure]) -> LimitResult:
    if not limit.is_quality:
        met = holds(limit, figures[limit.name])
        return LimitResult(limit, figures[limit.name], met, "measured over fresh launches")
    if limit.compares and case.manifest.chosen == case.evidence["baseline"]:
        same = 0.0 if limit.is_drop else 1.0
        return LimitResult(limit, Figure.exact(same, limit.unit), True, "it is the baseline itself")
    if limit.name not in quality:
        return LimitResult(limit, None, False, f"unproven: {DATA_FLAG}")
    return LimitResult(limit, quality[limit.name], holds(limit, quality[limit.name]), "on the confirm split")


def _write(
    case: Case, verdict: Verdict, figures: Mapping[str, Figure], speedup: Figure, numbers: Numbers | None
) -> dict[str, Any]:
    values = {
        "verdict": verdict.outcome,
        "outcome": verdict.outcome,
        "limits": [result.as_dict() for result in verdict.limits],
        "measured": {name: figure.as_dict() for name, figure in figures.items()},
        "speedup": speedup.as_dict(),
        **({"numbers": numbers.as_dict()} if numbers is not None else {}),
    }
    return write_proof(case, values)


def write_proof(case: Case, values: Mapping[str, Any], how: str = "") -> dict[str, Any]:
    """Keep what was measured of the chosen variant below `proofs/`.

    Args:
        values: what was found. With `outcome: met` and `numbers` that passed it allows a variant in reduced precision
            to run here.
        how: a word for the file's name.

    Returns:
        The values, with the variant, the machine, the time, and in `proof` the file.
    """
    machine = this_machine()
    stamp = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime())
    file = case.folder / "proofs" / f"{'-'.join(filter(None, (machine.isa_class, how, stamp)))}.json"
    found = {
        **values,
        "variant": case.manifest.chosen,
        "isa_class": machine.isa_class,
        "machine": machine.as_dict(),
        "when": stamp,
    }
    file.parent.mkdir(exist_ok=True)
    draft = file.with_name(f".{uuid.uuid4().hex}")
    draft.write_text(json.dumps(without_infinities(found), indent=1, allow_nan=False) + "\n", encoding="utf-8")
    draft.replace(file)
    return {**found, "proof": str(file)}
