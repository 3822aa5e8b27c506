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
from sartor.data.sources import open_data
from sartor.data.split import make_splits
from sartor.data.values import Dataset, Splits
from sartor.errors import BundleError
from sartor.figures import Figure, without_infinities
from sartor.fit.finals import holds, launch_figures
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
from sartor.steps import prepare, read_steps

_LAUNCHES = 5
_RANDOM_ROWS = 64
_DATA_FLAG = "give the bundle's data with --data SOURCE"


@dataclass(frozen=True)
class _Case:
    """A bundle opened for proof."""

    folder: Path
    manifest: Manifest
    evidence: Mapping[str, Any]
    need: Need
    limits: tuple[Limit, ...]

    def variant(self, name: str) -> Variant:
        entry = self.manifest.variants[name]
        return Variant(Candidate.from_dict(entry.candidate), self.folder / entry.files[0], entry.size_bytes)

    def prepared(self, name: str, rows: Array) -> Array:
        entry = self.manifest.variants[name]
        spec = Signature.from_dict(entry.signature).inputs[0]
        return prepare(read_steps(entry.steps), rows, spec.shape[1:], np.dtype(spec.dtype))

    def input_name(self, name: str) -> str:
        return Signature.from_dict(self.manifest.variants[name].signature).inputs[0].name


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
    case = _open(folder)
    with tempfile.TemporaryDirectory(prefix="sartor-") as scratch:
        rows = _confirm_rows(case, source, base) if source else None
        figures, speedup = _time(case, rows[0] if rows else None, Path(scratch), watch)
        quality = _quality(case, rows, base, Path(scratch), watch) if rows else {}
    results = tuple(_judge(case, limit, figures, quality) for limit in case.limits)
    outcome = "met" if all(result.met for result in results) else "not_met"
    return _write(case, Verdict("met" if outcome == "met" else "not_met", results, ""), figures, speedup)


def _open(folder: Path) -> _Case:
    manifest = read_manifest(folder)
    check_files(folder, manifest)
    if manifest.provisional:
        raise BundleError(
            f"`{folder}` is only the best so far of a search", "a bundle that was judged", "let `sartor fit` end"
        )
    evidence = read_evidence(folder)
    limits = tuple(Limit(entry["name"], **entry["bound"]) for entry in evidence["limits"])
    return _Case(folder, manifest, evidence, read_need(folder / "need.yaml"), limits)


def _confirm_rows(case: _Case, source: str, base: Path) -> tuple[Array, Array]:
    """Inputs and labels of the confirm split, if the data are those that the bundle was proved on."""
    spec = case.need.data.model_copy(update={"source": source})
    sizes = [tuple(step["resize"]) for step in case.need.preprocess or () if "resize" in step]
    dataset: Dataset = open_data(spec, case.need.task, base, sizes[0] if sizes else None)
    trained = case.evidence["splits"]["rows"]["train"] > 0
    splits: Splits = make_splits(dataset, trains=trained, seed=case.need.seed)
    if splits.hashes["confirm"] != case.manifest.data_hashes["confirm"]:
        raise BundleError(
            f"`{source}` gives another confirm split than the one this bundle was proved on",
            "the same rows in the same order",
            "use `sartor fit` for new data",
        )
    return dataset.inputs[splits.confirm], dataset.labels[splits.confirm]


def _feed(case: _Case, name: str, rows: Array | None, scratch: Path) -> Feed:
    array, numbers = scratch / f"{name}.npy", scratch / f"{name}-rows.npy"
    prepared = case.prepared(name, rows) if rows is not None else _random_rows(case, name)
    np.save(array, prepared)
    np.save(numbers, np.arange(len(prepared)))
    return Feed({case.input_name(name): array}, numbers, case.need.workload.batch)


def _random_rows(case: _Case, name: str) -> Array:
    spec = Signature.from_dict(case.manifest.variants[name].signature).inputs[0]
    shape = [size if isinstance(size, int) else 1 for size in spec.shape[1:]]
    count = max(_RANDOM_ROWS, case.need.workload.batch)
    return np.random.default_rng(0).standard_normal((count, *shape)).astype(spec.dtype)


def _time(case: _Case, rows: Array | None, scratch: Path, watch: Watch) -> tuple[dict[str, Figure], Figure]:
    chosen, zero = case.manifest.chosen, str(case.evidence["zero"])
    alpha = 1.0 - case.need.confidence
    watch.phase("time it over fresh launches", _LAUNCHES)
    names = dict.fromkeys((chosen, zero))
    feed = _feed(case, chosen, rows, scratch)
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


def _quality(case: _Case, rows: tuple[Array, Array], base: Path, scratch: Path, watch: Watch) -> dict[str, Figure]:
    inputs, labels = rows
    watch.phase("read the confirm split", 2)
    read = {
        name: _outputs(case, name, inputs, scratch)
        for name in dict.fromkeys((case.manifest.chosen, str(case.evidence["baseline"])))
    }
    seen = Outputs(labels, read[case.manifest.chosen], read[str(case.evidence["baseline"])])
    alpha = float(case.evidence["confirm_alpha"])  # proving again must not be easier than proving was
    figures = {}
    for limit in case.limits:
        if limit.is_quality:
            bounds = limit_bounds(limit, seen, alpha, base, case.need.seed)
            figures[limit.name] = Figure(bounds.value, limit.unit, bounds.low, bounds.high, "measured")
    return figures


def _outputs(case: _Case, name: str, inputs: Array, scratch: Path) -> Array:
    with OutputsReader(case.variant(name), _feed(case, name, inputs, scratch), scratch) as reader:
        return reader.read(0, len(inputs))


def _judge(case: _Case, limit: Limit, figures: Mapping[str, Figure], quality: Mapping[str, Figure]) -> LimitResult:
    if not limit.is_quality:
        met = holds(limit, figures[limit.name])
        return LimitResult(limit, figures[limit.name], met, "measured over fresh launches")
    if limit.is_drop and case.manifest.chosen == case.evidence["baseline"]:
        return LimitResult(limit, Figure.exact(0.0, limit.unit), True, "it is the baseline itself")
    if limit.name not in quality:
        return LimitResult(limit, None, False, f"unproven: {_DATA_FLAG}")
    return LimitResult(limit, quality[limit.name], holds(limit, quality[limit.name]), "on the confirm split")


def _write(case: _Case, verdict: Verdict, figures: Mapping[str, Figure], speedup: Figure) -> dict[str, Any]:
    machine = this_machine()
    stamp = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime())
    file = case.folder / "proofs" / f"{machine.isa_class}-{stamp}.json"
    values = {
        "verdict": verdict.outcome,
        "outcome": verdict.outcome,
        "variant": case.manifest.chosen,
        "isa_class": machine.isa_class,
        "machine": machine.as_dict(),
        "limits": [result.as_dict() for result in verdict.limits],
        "measured": {name: figure.as_dict() for name, figure in figures.items()},
        "speedup": speedup.as_dict(),
        "when": stamp,
    }
    file.parent.mkdir(exist_ok=True)
    draft = file.with_name(f".{uuid.uuid4().hex}")
    draft.write_text(json.dumps(without_infinities(values), indent=1, allow_nan=False) + "\n", encoding="utf-8")
    draft.replace(file)
    return {**values, "proof": str(file)}
