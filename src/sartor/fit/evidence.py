"""Evidence: everything that a verdict rests on, as plain values; and the object that `fit --json` prints."""

from __future__ import annotations

import platform
from collections.abc import Mapping
from importlib.metadata import version
from statistics import median
from typing import Any

from sartor.bundle.values import Verdict
from sartor.data.values import SPLIT_NAMES
from sartor.figures import Figure
from sartor.fit.board import Standing
from sartor.fit.constant import constant_predictor
from sartor.fit.evidence_networks import network_evidence
from sartor.fit.feasible import Nearest
from sartor.fit.judge import error_shares
from sartor.fit.prove import Proof
from sartor.fit.run import Run
from sartor.fit.search import Search
from sartor.fit.stages import Source

SCHEMA_VERSION = 1
_VERSIONS = ("sartor", "numpy", "onnx", "onnxruntime", "openvino", "nncf", "scikit-learn", "scipy")


def evidence_of(search: Search, proof: Proof) -> dict[str, Any]:
    """What stands in `evidence.json` and feeds the report."""
    shares = error_shares(search.run.need.confidence, proof.opening or 0)
    return {
        **_common(search),
        "verdict": proof.verdict.outcome,
        "sentence": proof.verdict.sentence,
        "limits": [limit.as_dict() for limit in proof.verdict.limits],
        "chosen": proof.chosen,
        "zero": proof.zero,
        "speedup": proof.finals.timed[proof.chosen].speedup.as_dict(),
        "resolution": proof.finals.resolution,
        "noisy": proof.finals.noisy,
        "repeated_rounds": proof.finals.repeated,
        "quality_split": proof.quality_split,
        "quality": {name: figure.as_dict() for name, figure in proof.quality.items()},
        "memory": {name: figure.as_dict() for name, figure in proof.memory.items()},
        "openings_before": proof.opening,
        "confirm_alpha": proof.alpha,
        "error_shares": {"first": shares.first, "fallback": shares.fallback},
        **network_evidence(search, proof.chosen),
    }


def unchosen_evidence(search: Search, values: Mapping[str, Any]) -> dict[str, Any]:
    """What the report of a run shows that chose nothing: what was tried, and the verdict's own values."""
    return {**_common(search), **network_evidence(search), **values}


def provisional_evidence(search: Search, sentence: str) -> dict[str, Any]:
    """Evidence of a bundle that is only the best so far."""
    return {**_common(search), "verdict": "not_met", "sentence": sentence, "limits": []}


def _common(search: Search) -> dict[str, Any]:
    run = search.run
    splits = run.data.splits
    return {
        "schema_version": SCHEMA_VERSION,
        "need": run.need.as_dict(),
        "metric": run.need.metric,
        "confidence": run.need.confidence,
        "candidates": [standing.as_dict() for standing in search.board.all()],
        "refusals": [{"what": refusal.what, "why": refusal.why} for refusal in search.board.refusals],
        **_prediction(search),
        "baseline_model": search.baseline,
        "constant_predictor": constant_predictor(search.run),
        "data": {**run.description, "notes": [*run.description.get("notes", ()), *search.notes.values()]},
        "splits": {
            "rows": {name: len(run.data.rows(name)) for name in SPLIT_NAMES},
            "dropped": len(splits.dropped),
            "how": splits.how,
            "hashes": dict(splits.hashes),
        },
        "classes": list(run.data.dataset.classes),
        "training": {
            name: {key: value for key, value in source.training.items() if key not in ("path", "signature")}
            for name, source in search.sources.items()
            if source.training
        },
        "models": {name: _model_part(run, source) for name, source in search.sources.items()},
        "machine": {**run.machine.as_dict(), "isa_class": run.machine.isa_class},
        "versions": {"python": platform.python_version()} | {name: version(name) for name in _VERSIONS},
        "trials": {"run": run.trials.run, "reused": run.trials.reused},
        "elapsed_s": run.clock.spent(),
    }


def _prediction(search: Search) -> dict[str, Any]:
    """How far predictions were off in this run, beside the calibration's own record; nothing without one."""
    calibration = search.run.calibration
    if calibration is None or not calibration.efficiencies:
        return {}
    pairs = [(s.predicted, s.latency()) for s in search.board.all() if s.predicted is not None]
    timed = [(predicted, measured.value) for predicted, measured in pairs if measured is not None]
    errors = [abs(predicted.value / seconds - 1.0) for predicted, seconds in timed]
    inside = sum(predicted.low <= seconds <= predicted.high for predicted, seconds in timed)
    return {
        "prediction": {
            "networks": calibration.networks,
            "learnt_at": calibration.learnt_at,
            "predicted": len(pairs),
            "timed": len(timed),
            "inside": inside,
            "median_error": median(errors) if errors else None,
            "worst_error": max(errors, default=None),
            "record_median_error": median(one.record.median_error for one in calibration.efficiencies),
        }
    }


def _model_part(run: Run, source: Source) -> dict[str, Any]:
    notes = [said for said in (run.compressed.get(source.model.name, ""), source.inputs.cut) if said]
    return {"parameters": source.parameters, "notes": notes}


def json_of(search: Search, proof: Proof, bundle: str) -> dict[str, Any]:
    """The object that `fit --json` prints for a met or unmet Need."""
    chosen, zero = search.board[proof.chosen], search.board[proof.zero]
    speedup = proof.finals.timed[proof.chosen].speedup
    return {
        **_verdict_part(proof.verdict),
        "chosen": chosen.candidate.as_dict(),
        "baseline": _figures_part(zero, proof),
        "measured": _figures_part(chosen, proof),
        "speedup": {
            "value": speedup.value,
            "low": speedup.low,
            "high": speedup.high,
            "resolution": proof.finals.resolution,
        },
        "noisy": proof.finals.noisy,
        "constant_predictor": constant_predictor(search.run),
        **_run_part(search, bundle),
    }


def unchosen_json(
    search: Search, verdict: Verdict, bundle: str, binding: str | None = None, nearest: Nearest | None = None
) -> dict[str, Any]:
    """The object that `fit --json` prints when nothing was chosen: infeasible, or out of budget too early."""
    infeasible = {"binding": binding, "nearest": nearest.as_dict() if nearest else None} if binding else {}
    nothing = dict.fromkeys(("chosen", "baseline", "measured", "speedup"))
    return {**_verdict_part(verdict), **infeasible, **nothing, "noisy": False, **_run_part(search, bundle)}


def _verdict_part(verdict: Verdict) -> dict[str, Any]:
    limits = [limit.as_dict() for limit in verdict.limits]
    return {"verdict": verdict.outcome, "sentence": verdict.sentence, "limits": limits}


def _run_part(search: Search, bundle: str) -> dict[str, Any]:
    trials = search.run.trials
    counted = {"total": trials.run + trials.reused, "run": trials.run, "reused": trials.reused}
    return {"trials": counted, "elapsed_s": search.run.clock.spent(), "bundle": bundle}


def _figures_part(standing: Standing, proof: Proof) -> dict[str, Any]:
    figures: Mapping[str, Figure] = proof.finals.timed[standing.id].figures
    quality, memory = proof.quality[standing.id], proof.memory[standing.id]
    return {
        "id": standing.id,
        "latency_p50_s": figures["latency_p50"].value,
        "latency_p99_s": figures["latency_p99"].value,
        "throughput_per_s": figures["throughput"].value,
        "quality": quality.value,
        "quality_low": quality.low,
        "quality_high": quality.high,
        "size_bytes": standing.size_bytes,
        "memory_bytes": round(memory.value),
    }
