"""Keeping the best so far and the Pareto front on disk as a usable bundle, marked as not proved until it is."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from sartor.bundle.values import Variant
from sartor.bundle.write import Contents, Part, write_bundle
from sartor.fit.evidence import evidence_of, provisional_evidence
from sartor.fit.prove import Proof
from sartor.fit.search import Search
from sartor.fit.stages import Source
from sartor.fit.trying import lost_share
from sartor.plan.front import Point, front
from sartor.runtime.base import Array
from sartor.steps import scores_kind

_MOST_KEPT = 4  # of the front: files are copied
PROVISIONAL = "Not proved yet: the best so far of a search that goes on or was interrupted."


def keep_provisional(search: Search, path: Path, variant: Variant, source: Source, outputs: Array) -> None:
    """Write the best so far and the front; they load and predict, and say that nothing is proved."""
    names = _front(search)
    parts = {variant.id: _part(search, variant, source, outputs), **_parts(search, names)}
    if search.kept == tuple(parts):
        return
    evidence = {**provisional_evidence(search, PROVISIONAL), "front": names}
    write_bundle(path, _contents(search, "not_met", parts, variant.id, evidence, provisional=True), search.run.need)
    search.kept = tuple(parts)


def keep_final(search: Search, path: Path, proof: Proof) -> dict[str, Any]:
    """Write the chosen variant, beside it candidate zero and the Pareto front, and the evidence; gives the evidence."""
    evidence = evidence_of(search, proof)
    evidence["front"] = _front(search)
    parts = _parts(search, dict.fromkeys((proof.chosen, proof.zero, *evidence["front"])))
    baseline = _baseline_part(search, parts)
    parts |= baseline
    evidence["baseline"] = next(iter(baseline), proof.zero)
    outcome = proof.verdict.outcome
    write_bundle(path, _contents(search, outcome, parts, proof.chosen, evidence, provisional=False), search.run.need)
    return evidence


def _front(search: Search) -> list[str]:
    return [point.name for point in front(_worth_keeping(search))][:_MOST_KEPT]


def _parts(search: Search, names: Iterable[str]) -> dict[str, Part]:
    parts = {}
    for name in names:
        standing = search.board[name]
        source = search.sources[standing.candidate.model]
        assert standing.variant is not None
        outputs = standing.seen.outputs if standing.seen else search.outputs_on_select(source)
        parts[name] = _part(search, standing.variant, source, outputs)
    return parts


def _worth_keeping(search: Search) -> Iterator[Point]:
    """What will probably be proved: what select and the screen say of each is in the evidence, as of all candidates."""
    for standing in search.board.alive():
        if standing.likely and standing.variant is not None and standing.seconds is not None:
            lost = 0.0 if search.is_baseline(standing) else lost_share(search, standing)
            yield Point(standing.id, standing.seconds, standing.variant.size_bytes, lost or 0.0)


def _baseline_part(search: Search, parts: dict[str, Part]) -> dict[str, Part]:
    """The baseline of a drop, where it is another model than the chosen one: without it nobody can prove again."""
    if search.run.compares_with_itself:
        reference = search.reference(search.sources[next(iter(parts.values())).variant.candidate.model])
        if reference.id in parts:
            return {reference.id: parts[reference.id]}
        own = search.sources[reference.candidate.model]
        return {reference.id: _part(search, reference, own, search.outputs_on_select(own))}
    drops = any(limit.is_drop for limit in search.run.quality_limits)
    if not drops or any(part.variant.candidate.model == search.baseline for part in parts.values()):
        return {}
    source = search.sources[search.baseline]
    variant = search.reference(source)
    return {variant.id: _part(search, variant, source, search.outputs_on_select(source))}


def _part(search: Search, variant: Variant, source: Source, outputs: Array) -> Part:
    steps = (*search.run.data.dataset.input_steps, *source.inputs.steps)
    scores = scores_kind(outputs) if search.run.need.kind == "classification" else "logits"
    return Part(variant, source.signature, steps, scores, source.output)


def _classes(search: Search, part: Part) -> tuple[str, ...]:
    """Names of the outputs: those of the labels, else the model's own, else numbers."""
    run = search.run
    if run.data.dataset.classes or run.need.kind != "classification":
        return run.data.dataset.classes
    columns = part.signature.outputs[part.output].shape[-1]
    own = search.sources[part.variant.candidate.model].model.classes
    count = columns if isinstance(columns, int) else len(own)
    return own if len(own) == count else tuple(str(number) for number in range(count))


def _contents(
    search: Search,
    outcome: str,
    parts: dict[str, Part],
    chosen: str,
    evidence: dict[str, Any],
    *,
    provisional: bool,
) -> Contents:
    run = search.run
    return Contents(
        outcome=outcome,
        provisional=provisional,
        chosen=chosen,
        parts=parts,
        classes=_classes(search, parts[chosen]),
        machine=run.machine.as_dict(),
        isa_class=run.machine.isa_class,
        data_hashes=run.data.splits.hashes,
        evidence=evidence,
    )
