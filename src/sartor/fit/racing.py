"""Racing: read candidates' outputs on select in growing chunks, and drop what a limit excludes."""

from __future__ import annotations

import hashlib
from dataclasses import asdict
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from sartor.bundle.values import Variant
from sartor.errors import CandidateError
from sartor.figures import Figure
from sartor.fit.board import Board
from sartor.fit.building import build_variant
from sartor.fit.judge import SAFE, Proving, error_shares, likely, race
from sartor.fit.run import Run
from sartor.fit.screening import feed_for
from sartor.fit.stages import Source
from sartor.fit.trials import Trial
from sartor.measure.quality import OutputsReader
from sartor.measure.quality_bounds import Outputs, metric_bounds
from sartor.need import Limit
from sartor.plan.candidates import Candidate
from sartor.runtime.base import Array


def quality_key(run: Run, source: Source, variant: Variant) -> dict[str, Any]:
    """What a reading of outputs depends on."""
    return {
        **run.key_parts(),
        "source": source.content,
        "file": variant.path.parent.name,  # with the hash of what it was built from
        "version": run.versions[variant.candidate.runtime],
    }


def race_candidate(
    run: Run, board: Board, source: Source, candidate_id: str, baseline: Array | None, *, is_baseline: bool
) -> None:
    """Build a candidate with the final weights, read it on select, and put the outcome on the board.

    Args:
        baseline: outputs of the baseline on select; None where nothing is compared with it.
        is_baseline: whether the candidate is the baseline itself, whose drop needs no test.
    """
    candidate = board[candidate_id].candidate
    try:
        variant = build_variant(run, source, candidate.recipe, candidate.runtime, candidate)
        tested = baseline is not None and not is_baseline
        limits = tuple(limit for limit in run.quality_limits if tested or not limit.compares)
        seen, dropped_by = _race_once(run, source, variant, limits, baseline)
    except CandidateError as error:
        board.fail(candidate_id, str(error))
        run.watch.tried(candidate.label, str(error))
        return
    _settle(run, board, candidate_id, variant, seen, dropped_by, limits)


def _race_once(
    run: Run, source: Source, variant: Variant, limits: tuple[Limit, ...], baseline: Array | None
) -> tuple[Outputs, Limit | None]:
    labels = run.data.labels("select")
    folder = run.work / "outputs"
    folder.mkdir(exist_ok=True)
    against = hashlib.blake2b(baseline.tobytes(), digest_size=8).hexdigest() if baseline is not None else ""
    proving = None if run.exhaustive else proving_of(run, variant.candidate)
    parts = {
        **quality_key(run, source, variant),
        "limits": [str(limit) for limit in limits],
        "baseline": against,
        "proving": proving and asdict(proving),
    }

    def work() -> dict[str, Any]:
        with OutputsReader(variant, feed_for(run, source, "select"), folder) as reader:
            reading = _reading(run, reader, baseline)
            seen, dropped_by = race(len(labels), limits, reading, run.base, run.need.seed, proving)
        file = folder / f"{variant.id}-{source.content[:8]}.npy"
        np.save(file, seen.outputs)
        return {"outputs": run.relative(file), "dropped_by": dropped_by.name if dropped_by else None}

    trial = run.trials.once("race", variant.id, parts, work, lambda made: (run.work / made["outputs"]).exists())
    return _from_trial(run, trial, labels, limits, baseline)


def _reading(run: Run, reader: OutputsReader, baseline: Array | None) -> Any:
    chunks: list[Array] = []

    def read(start: int, stop: int) -> Outputs:
        chunks.append(reader.read(start, stop))
        outputs = np.concatenate(chunks)
        if not np.isfinite(outputs).all():
            raise CandidateError("wrong-output", f"NaN or infinity in the outputs of rows {start} to {stop}")
        return run.seen("select", outputs, None if baseline is None else baseline[:stop])

    return read


def _from_trial(
    run: Run, trial: Trial, labels: Array, limits: tuple[Limit, ...], baseline: Array | None
) -> tuple[Outputs, Limit | None]:
    if trial.status == "failed":
        raise trial.error()
    outputs = np.load(run.work / trial.result["outputs"])
    dropped_by = next((limit for limit in limits if limit.name == trial.result["dropped_by"]), None)
    rows = len(outputs)
    return run.seen("select", outputs, None if baseline is None else baseline[:rows]), dropped_by


def _settle(
    run: Run,
    board: Board,
    candidate_id: str,
    variant: Variant,
    seen: Outputs,
    dropped_by: Limit | None,
    limits: tuple[Limit, ...],
) -> None:
    alpha = 1.0 - run.need.confidence
    bounds = metric_bounds(run.need.metric, seen, alpha, run.base, run.need.seed)
    quality = Figure(bounds.value, "", bounds.low, bounds.high, "measured")
    stored = {"size_bytes": variant.size_bytes, "notes": variant.notes}
    board.update(candidate_id, variant=variant, seen=seen, quality=quality, **stored)
    size_limit = next((lim for lim in run.performance_limits if lim.name == "size"), None)
    if size_limit is not None and not size_limit.allows(variant.size_bytes):
        board.reject(candidate_id, f"{size_limit}: its files have {Figure.exact(variant.size_bytes, 'B')}")
    elif dropped_by is not None:
        board.reject(candidate_id, f"{dropped_by}: excluded at 99.9% after {len(seen.labels)} rows of select")
    else:
        _weigh(run, board, candidate_id, seen, limits)
    standing = board[candidate_id]
    run.watch.tried(standing.candidate.label, standing.why or f"{run.need.metric} {bounds.value:.4f}")


def _weigh(run: Run, board: Board, candidate_id: str, seen: Outputs, limits: tuple[Limit, ...]) -> None:
    proving = proving_of(run, board[candidate_id].candidate)
    hopeful = likely(limits, seen, proving, run.base, seed=run.need.seed)
    safe = hopeful and likely(limits, seen, proving, run.base, SAFE, run.need.seed)
    why = "" if hopeful else "select says that confirm would probably not prove its quality"
    board.update(candidate_id, status="passed", likely=hopeful, safe=safe, why=why)


def proving_of(run: Run, candidate: Candidate) -> Proving:
    """What confirm asks of a candidate if it is the first that is tested."""
    openings = run.trials.openings_of_others(run.data.splits.hashes["confirm"], run.need.identity())
    trained = len(run.need.model) > 1 or any(step.name == "recover" for step in candidate.recipe.steps)
    return Proving(len(run.data.rows("confirm")), error_shares(run.need.confidence, openings).first, trained)


class Read(NamedTuple):
    """Outputs on a split, and the seconds that reading them took: now, or when an earlier run did."""

    outputs: Array
    seconds: float


def read_split(run: Run, source: Source, variant: Variant, split: str, scratch: Path) -> Read:
    """All outputs of a variant on a split, read once and stored.

    Raises:
        CandidateError: the variant does not run any more.
    """
    rows = len(run.data.rows(split))
    scratch.mkdir(exist_ok=True)

    def work() -> dict[str, Any]:
        with OutputsReader(variant, feed_for(run, source, split), scratch) as reader:
            outputs = reader.read(0, rows)
        file = scratch / f"{variant.id}-{split}-{source.content[:8]}.npy"
        np.save(file, outputs)
        return {"outputs": run.relative(file)}

    parts = quality_key(run, source, variant)
    trial = run.trials.once(
        f"read-{split}", variant.id, parts, work, lambda made: (run.work / made["outputs"]).exists()
    )
    if trial.status == "failed":
        raise trial.error(variant.id)
    return Read(np.load(run.work / trial.result["outputs"]), trial.seconds)
