"""The steps that give another network in f32: each is made once from the file before it, and stored as a trial."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from sartor.bundle.values import Variant
from sartor.compress.applicable import recipes, soonest_built
from sartor.compress.pruning.time_share import MEASURED_SHARES
from sartor.fit.files import build_file, layer_times
from sartor.fit.run import Run
from sartor.fit.stages import Source, cut_short, made_once, to_compress
from sartor.fit.trials import trial_key
from sartor.model.onnx import content_hash
from sartor.need import AGREEMENT, TrainSpec
from sartor.plan.candidates import Candidate
from sartor.plan.recipe import CompressionStep, Recipe
from sartor.runtime.base import Settings

RECOVERY_SHARE = 0.6  # of the time left that one recovery may take: two short ones reach less than a long one


def reshaped(run: Run, source: Source, recipe: Recipe) -> Source:
    """The network after the steps of a recipe that change it; the source itself where none does.

    Raises:
        CandidateError: a step does not work on this network.
    """
    network = source
    for step in recipe.reshaping.steps:
        network = _STEPS[step.name](run, source, network, step)
    return network


def recovery(source: Source, *settings: tuple[str, str]) -> CompressionStep:
    """The step that trains a network of this source back, and says whose answers it learns where they are another's."""
    taught = [("on", f"answers of {source.teacher.model.name}")] if source.teacher else []
    return CompressionStep("recover", (*settings, *taught))


def _recovered(run: Run, source: Source, network: Source, step: CompressionStep) -> Source:
    """The network trained for a short while on the answers of its source, or of the source's teacher."""
    teacher = source.teacher or source
    spec = run.need.train if isinstance(run.need.train, TrainSpec) else TrainSpec()
    settings = {"epochs": spec.epochs, "learning_rate": spec.learning_rate, "batch": spec.batch}
    allowed = max(1.0, RECOVERY_SHARE * run.clock.left())
    limit = min(spec.time, allowed) if spec.time else allowed
    parts = {
        **run.key_parts(),
        "source": teacher.content,
        "network": network.content,
        "step": step.as_dict(),
        "training": {**settings, "time": spec.time},
        "asked": _asked(run),
    }
    through = step.setting("through", "")
    name = f"{source.model.name}.{step.slug}-{trial_key('recover', parts)[:8]}"
    request = {
        "do": "recover",
        **to_compress(run, network),
        "teacher": str(teacher.path),
        "answers": str(_answers_of(run, teacher)),
        "through": _stored(*str(through).split(" ", 1)).effective[0].as_dict() if through else None,
        "calibration": str(run.data.rows_path("calibrate")),
        "labels": str(run.data.labels_path) if run.need.labelled else None,
        "rows": str(run.data.rows_path("train")),
        "kind": run.need.kind,
        "output": source.signature.outputs[source.output].name,
        "settings": {**settings, "time_limit_s": limit},
        "seed": run.need.seed,
        "threads": run.machine.cores,
        "shifts": source.model.kind == "zoo",
        "to": str(run.work / "models" / name / "recovered.onnx"),
        **_asked(run),
    }
    trial = made_once(
        run,
        "recover",
        name,
        parts,
        request,
        lambda progress: run.watch.training(f"{source.model.name}, {step.label}", progress),
        lambda made: (run.work / made["path"]).exists() and not cut_short(made, limit),
    )
    made = trial.result
    path = run.work / made["path"]
    training = {**made, "reused": trial.reused}
    return replace(network, path=path, content=content_hash(path), training=training, trained=True)


def _answers_of(run: Run, teacher: Source) -> Path:
    """Where a teacher's answers wait: to give them takes longer than to learn from them, where networks are small."""
    parts = {**run.key_parts(), "teacher": teacher.content, "inputs": repr(teacher.inputs.steps)}
    return run.work / "answers" / f"{trial_key('answers', parts)}.npz"


def _pruned(run: Run, source: Source, network: Source, step: CompressionStep) -> Source:
    """The network without the channels, or the layers, that lose least, at a share of its layers' time in a runtime."""
    runtime, form = str(step.setting("for", "")).split(" ", 1)
    if step.setting("cut", "channels") == "layers":
        return _shortened(run, network, step, runtime, form)
    measure = str(step.setting("importance", "activation"))
    measured = _measured(run, network, runtime, form)
    importance = importance_of(run, network, measure)
    request = {
        "do": "prune",
        **_to_look_at(run, network),
        "importance": importance["units"],
        "measured": measured,
        "share": float(step.setting("time", 0.5)),
        "threads": run.machine.cores,
    }
    parts = {**run.key_parts(), "source": network.content, "step": step.as_dict(), "version": run.versions[runtime]}
    return _made(run, network, "prune", step.slug, parts, request)


def _shortened(run: Run, network: Source, step: CompressionStep, runtime: str, form: str) -> Source:
    recipe, settings = soonest_built(_stored(runtime, form), runtime), _settings(run, network, runtime)
    built = build_file(run, network, recipe, runtime, f"{network.model.name}.1-{form}.{runtime}")
    file = Variant(Candidate(network.model.name, recipe, runtime, settings), *built)
    request = {
        "do": "shorten",
        **_to_look_at(run, network),
        "seconds": layer_times(run, network, file),
        "share": float(step.setting("time", 0.5)),
        "output": network.output,
        "threads": run.machine.cores,
    }
    parts = {**run.key_parts(), "source": network.content, "step": step.as_dict(), "version": run.versions[runtime]}
    return _made(run, network, "shorten", step.slug, parts, request)


def _stored(runtime: str, form: str) -> Recipe:
    """The recipe of that slug."""
    return next(one for one in recipes(runtime) if one.slug == form)


def _low_rank(run: Run, source: Source, network: Source, step: CompressionStep) -> Source:
    """The network with products of lower rank, at a share of the time that it takes in one runtime in f32."""
    runtime = str(step.setting("for", "")).split(" ", 1)[0]
    request = {
        "do": "low-rank",
        **to_compress(run, network),
        "runtime": runtime,
        "settings": _settings(run, network, runtime).as_dict(),
        "share": float(step.setting("time", 0.5)),
        "output": network.output,
    }
    parts = {**run.key_parts(), "source": network.content, "step": step.as_dict(), "version": run.versions[runtime]}
    return _made(run, network, "low-rank", step.slug, parts, request)


def _settings(run: Run, network: Source, runtime: str) -> Settings:
    """What layers are timed with: all cores, in the first shape policy that the rows allow."""
    shape = network.rows.policies(runtime)[0]
    length = network.rows.length if shape == "fixed" else 0
    return Settings("f32", run.machine.cores, shape, run.need.workload.batch, length)


def _measured(run: Run, network: Source, runtime: str, form: str) -> list[dict[str, Any]]:
    """What the layers take at some uniform widths, in a runtime that stores the network in some form."""
    recipe, settings, found = soonest_built(_stored(runtime, form), runtime), _settings(run, network, runtime), []
    for share in MEASURED_SHARES:
        narrow = network if share == 1.0 else _narrowed(run, network, share)
        name = f"{network.model.name}.{share:g}-{form}.{runtime}"
        built = build_file(run, narrow, recipe, runtime, name)
        file = Variant(Candidate(name, recipe, runtime, settings), *built)
        found.append({"share": share, "seconds": layer_times(run, narrow, file)})
    return found


def _narrowed(run: Run, network: Source, share: float) -> Source:
    request = {"do": "narrow", **_to_look_at(run, network), "share": share}
    parts = {**run.key_parts(), "source": network.content, "share": share}
    return _made(run, network, "narrow", f"narrow-{share:g}", parts, request)


def importance_of(run: Run, network: Source, measure: str) -> dict[str, Any]:
    """What each unit is worth, by the name of its group, and a sentence on each operator whose channels stay whole."""
    request = {
        "do": "importance",
        **_to_look_at(run, network),
        "measure": measure,
        "output": network.signature.outputs[network.output].name,
        "kind": run.need.kind,
        "seed": run.need.seed,
        "threads": run.machine.cores,
    }
    parts = {**run.key_parts(), "source": network.content, "measure": measure}
    limit = run.job_time_limit("importance")
    trial = run.trials.once("importance", network.model.name, parts, lambda: run.jobs.ask(request, limit))
    if trial.status == "failed":
        raise trial.error()
    for said in () if trial.reused else trial.result["refused"]:
        run.watch.note(f"{network.model.name}: {said}")
    return trial.result


def _to_look_at(run: Run, network: Source) -> dict[str, Any]:
    """What a job needs of a network and of rows without labels, of which train has more than calibrate."""
    rows = "train" if len(run.data.rows("train")) else "calibrate"
    return {**to_compress(run, network), "rows": str(run.data.rows_path(rows))}


def _made(
    run: Run, network: Source, stage: str, name: str, parts: Mapping[str, Any], request: Mapping[str, Any]
) -> Source:
    folder = run.work / "models" / f"{network.model.name}.{name}-{trial_key(stage, parts)[:8]}"
    trial = made_once(run, stage, name, dict(parts), {**request, "to": str(folder / f"{stage}.onnx")})
    if not trial.reused and trial.result.get("said"):
        run.watch.note(f"{network.model.name}, {name}: {trial.result['said']}")
    path = run.work / trial.result["path"]
    return replace(network, path=path, content=content_hash(path), parameters=trial.result["parameters"])


def _asked(run: Run) -> dict[str, float | None]:
    """What the validation of a recovery must come to, by the tightest quality limit that speaks of the same figure."""
    judged = "rmse" if run.need.kind == "regression" else "accuracy"
    drops = [limit.value for limit in run.quality_limits if limit.is_drop and limit.metric == judged]
    drops += [1.0 - limit.value for limit in run.quality_limits if limit.name == AGREEMENT]
    floors = [limit.value for limit in run.quality_limits if limit.name == judged]
    floor = (min if judged == "rmse" else max)(floors, default=None)
    return {"may_lose": min(drops, default=None) if judged == "accuracy" else None, "floor": floor}


_STEPS: Mapping[str, Callable[[Run, Source, Source, CompressionStep], Source]] = {
    "prune": _pruned,
    "low-rank": _low_rank,
    "recover": _recovered,
}
