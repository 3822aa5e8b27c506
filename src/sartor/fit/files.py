"""Files of networks, and what is measured of their layers. Each is one trial, done once and stored."""

from __future__ import annotations

from pathlib import Path

from sartor.bundle.values import Variant
from sartor.compress.sensitivity import Sensitivities
from sartor.fit.run import Run
from sartor.fit.stages import Source, made_once, to_compress
from sartor.fit.trials import trial_key
from sartor.plan.recipe import Recipe

_SENSITIVITY_SECONDS = 30.0
_PROFILED_CALLS = 20


def build_file(run: Run, network: Source, recipe: Recipe, runtime: str, name: str) -> tuple[Path, int, tuple[str, ...]]:
    """(the file that a runtime loads, bytes of all files, notes on it) of a network as a recipe stores it.

    Args:
        name: that the folder begins with.

    Raises:
        CandidateError: the recipe does not work on this network.
    """
    parts = {
        **run.key_parts(),
        "source": network.content,
        "recipe": recipe.as_dict(),
        "runtime": runtime,
        "version": run.versions[runtime],
    }
    folder = run.work / "variants" / f"{name}-{trial_key('build', parts)[:8]}"
    request = {
        "do": "build",
        "recipe": recipe.as_dict(),
        "runtime": runtime,
        **to_compress(run, network),
        "to": str(folder),
        "ranges": str(run.work / "ranges" / _ranges_name(run, network)),
    }
    trial = made_once(run, "build", name, parts, request)
    return run.work / trial.result["path"], trial.result["size_bytes"], tuple(trial.result["notes"])


def _ranges_name(run: Run, source: Source) -> str:
    """What ranges depend on beside their calibration."""
    return trial_key("ranges", {**run.key_parts(), "source": source.content, "versions": dict(run.versions)})[:16]


def find_sensitivities(run: Run, source: Source) -> Sensitivities:
    """What each layer's 8 bits do to a model's answers, measured once for all runtimes.

    Raises:
        CandidateError: no layer can be told apart, or it failed.
    """
    request = {
        "do": "sensitivity",
        **to_compress(run, source),
        "output": source.output,
        "threads": run.machine.cores,
        "seconds": _SENSITIVITY_SECONDS,
    }
    parts = {**run.key_parts(), "source": source.content, "version": run.versions["onnxruntime"]}
    limit = run.job_time_limit("sensitivity")
    trial = run.trials.once("sensitivity", source.model.name, parts, lambda: run.jobs.ask(request, limit))
    if trial.status == "failed":
        raise trial.error()
    return Sensitivities.from_dict(trial.result)


def layer_times(run: Run, source: Source, variant: Variant) -> dict[str, float]:
    """Seconds of each layer in a variant's file, in its settings; layers that the profile does not name are left out.

    Raises:
        CandidateError: the file does not run under the profiler.
    """
    candidate = variant.candidate
    request = {
        "do": "layer_times",
        **to_compress(run, source),
        "runtime": candidate.runtime,
        "file": str(variant.path),
        "settings": candidate.settings.as_dict(),
        "calls": _PROFILED_CALLS,
    }
    parts = {**run.key_parts(), "source": source.content, "version": run.versions[candidate.runtime]}
    limit = run.job_time_limit("layer_times")
    trial = run.trials.once("layer-times", variant.id, parts, lambda: run.jobs.ask(request, limit))
    if trial.status == "failed":
        raise trial.error(variant.id)
    seconds: dict[str, float] = trial.result["seconds"]
    return seconds
