"""Proving an existing bundle again, on this machine: `sartor measure`."""

from __future__ import annotations

import json
import tempfile
import time
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from sartor.bundle.manifest import Manifest, check_files, read_manifest
from sartor.bundle.read import read_evidence
from sartor.bundle.values import LimitResult, Variant, Verdict
from sartor.data.split import make_splits
from sartor.data.values import Dataset, Splits
from sartor.errors import BundleError
from sartor.figures import Figure, without_infinities
from sartor.fit.finals import holds, launch_figures
from sartor.fit.inputs import decoded_data
from sartor.fit.run import fed
from sartor.fit.watch import Watch
from sartor.machine.device import this_machine
from sartor.measure.latency import Feed, time_launches
from sartor.measure.memory import peak_memory
from sartor.measure.noise import NoiseGate
from sartor.measure.quality import OutputsReader
from sartor.measure.quality_bounds import Outputs, limit_bounds
from sartor.measure.quantiles import mean_bounds_of_launches, ratio_bounds
from sartor.model.values import Signature
from sartor.need import Limit, Need, read_need
from sartor.plan.candidates import Candidate
from sartor.runtime.base import Array
from sartor.steps import prepare_rows, read_steps
from sartor.steps.prepared import Prepared
from sartor.steps.text import Tokenise

_LAUNCHES = 5
_RANDOM_ROWS = 64
_USUAL_LENGTH = 32  # tokens
_DATA_FLAG = "give the bundle's data with --data SOURCE"


@dataclass(frozen=True)
class Confirm:
    """Rows of the confirm split with their labels; reading them has `done` the first of the declared steps."""

    inputs: Array
    labels: Array
    done: int


@dataclass(frozen=True)
class Case:
    """A bundle opened for proof."""

    folder: Path
    manifest: Manifest
    evidence: Mapping[str, Any]
    need: Need
    limits: tuple[Limit, ...]

    def variant(self, name: str) -> Variant:
        entry = self.manifest.variants[name]
        return Variant(Candidate.from_dict(entry.candidate), self.folder / entry.files[0], entry.size_bytes)

    def prepared(self, name: str, confirm: Confirm) -> Prepared:
        """Rows of the data set as a variant takes them."""
        steps = read_steps(self.manifest.variants[name].steps[confirm.done :], self.folder)
        return fed(prepare_rows(steps, confirm.inputs), self.signature(name).taken)

    def signature(self, name: str) -> Signature:
        return Signature.from_dict(self.manifest.variants[name].signature)


def reprove(folder: Path, source: str | None, base: Path, watch: Watch) -> dict[str, Any]:
    """Measure a bundle's chosen variant again and judge every limit.

    Args:
        folder: the bundle.
        source: the data it was proved on, for quality; without it quality stays unproven.
        base: folder that the source is relative to.

    Returns:
        `verdict`, `limits`, `measured`, `speedup`, `proof` (the file written below `proofs/`).

    Raises:
        BundleError: no bundle, changed files, a bundle that is only provisional, or other data.
        CandidateError: the variant does not run here.
    """
    case = open_case(folder)
    with tempfile.TemporaryDirectory(prefix="sartor-") as scratch:
        rows = confirm_rows(case, source, base) if source else None
        figures, speedup = _time(case, rows, Path(scratch), watch)
        quality = _quality(case, rows, base, Path(scratch), watch) if rows else {}
    results = tuple(_judge(case, limit, figures, quality) for limit in case.limits)
    outcome = "met" if all(result.met for result in results) else "not_met"
    return _write(case, Verdict("met" if outcome == "met" else "not_met", results, ""), figures, speedup)


def open_case(folder: Path) -> Case:
    """A bundle whose files are as they were written.

    Raises:
        BundleError: no bundle, changed files, or one that is only provisional.
    """
    manifest = read_manifest(folder)
    check_files(folder, manifest)
    if manifest.provisional:
        raise BundleError(
            f"`{folder}` is only the best so far of a search", "a bundle that was judged", "let `sartor fit` end"
        )
    evidence = read_evidence(folder)
    limits = tuple(Limit(entry["name"], **entry["bound"]) for entry in evidence["limits"])
    return Case(folder, manifest, evidence, read_need(folder / "need.yaml"), limits)


def confirm_rows(case: Case, source: str, base: Path) -> Confirm:
    """The confirm split, if the data are those that the bundle was proved on."""
    need = case.need.model_copy(update={"data": case.need.data.model_copy(update={"source": source})})
    entry = case.manifest.variants[case.manifest.chosen]
    dataset: Dataset = decoded_data(need, entry.steps, case.manifest.classes if need.labelled else (), base)
    trained = case.evidence["splits"]["rows"]["train"] > 0
    splits: Splits = make_splits(dataset, trains=trained, seed=case.need.seed)
    if splits.hashes["confirm"] != case.manifest.data_hashes["confirm"]:
        raise BundleError(
            f"`{source}` gives another confirm split than the one this bundle was proved on",
            "the same rows in the same order",
            "use `sartor fit` for new data",
        )
    return Confirm(dataset.inputs[splits.confirm], dataset.labels[splits.confirm], len(dataset.input_steps))


def feed_of(case: Case, name: str, rows: Confirm | None, scratch: Path) -> Feed:
    """What timed calls of a variant are fed with; random rows without data."""
    numbers = scratch / f"{name}-rows.npy"
    prepared = case.prepared(name, rows) if rows is not None else _random_rows(case, name)
    np.save(numbers, np.arange(len(prepared)))
    entry = case.manifest.variants[name]
    return Feed(prepared.save(scratch / name), numbers, case.need.workload.batch, output=entry.output)


def _random_rows(case: Case, name: str) -> Prepared:
    """Rows of the signature's shapes; where a size is free, the length that the variant is fixed to, or a usual one."""
    fixed = Candidate.from_dict(case.manifest.variants[name].candidate).settings.length
    steps = read_steps(case.manifest.variants[name].steps, case.folder)
    longest = next((step.longest for step in steps if isinstance(step, Tokenise)), _USUAL_LENGTH)
    length = fixed or min(longest, _USUAL_LENGTH)  # a model of texts has no positions beyond its longest
    count = max(_RANDOM_ROWS, case.need.workload.batch)
    generator = np.random.default_rng(0)
    arrays = {}
    for spec in case.signature(name).inputs:
        shape = (count, *(size if isinstance(size, int) else length for size in spec.shape[1:]))
        # Ones are a valid token and an open mask; numbers beyond a vocabulary would be none.
        whole = np.dtype(spec.dtype).kind in "iub"
        arrays[spec.name] = np.ones(shape, spec.dtype) if whole else generator.standard_normal(shape).astype(spec.dtype)
    return Prepared(arrays)


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


def _quality(case: Case, rows: Confirm, base: Path, scratch: Path, watch: Watch) -> dict[str, Figure]:
    watch.phase("read the confirm split", 2)
    read = {
        name: _outputs(case, name, rows, scratch)
        for name in dict.fromkeys((case.manifest.chosen, str(case.evidence["baseline"])))
    }
    seen = Outputs(rows.labels, read[case.manifest.chosen], read[str(case.evidence["baseline"])], case.need.kind)
    alpha = float(case.evidence["confirm_alpha"])  # proving again must not be easier than proving was
    figures = {}
    for limit in case.limits:
        if limit.is_quality:
            bounds = limit_bounds(limit, seen, alpha, base, case.need.seed)
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
        return LimitResult(limit, None, False, f"unproven: {_DATA_FLAG}")
    return LimitResult(limit, quality[limit.name], holds(limit, quality[limit.name]), "on the confirm split")


def _write(case: Case, verdict: Verdict, figures: Mapping[str, Figure], speedup: Figure) -> dict[str, Any]:
    values = {
        "verdict": verdict.outcome,
        "outcome": verdict.outcome,
        "limits": [result.as_dict() for result in verdict.limits],
        "measured": {name: figure.as_dict() for name, figure in figures.items()},
        "speedup": speedup.as_dict(),
    }
    return write_proof(case, values)


def write_proof(case: Case, values: Mapping[str, Any], how: str = "") -> dict[str, Any]:
    """Keep what was measured of the chosen variant below `proofs/`.

    Args:
        values: what was found. With `outcome: met` it allows a variant in reduced precision to run here.
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
