"""The stages that make a network: export and train. Each is one trial, done once and stored."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sartor.errors import ModelError
from sartor.fit.candidates import row_shapes_of
from sartor.fit.inputs import trains
from sartor.fit.preparing import specs_of
from sartor.fit.run import Inputs, Run
from sartor.fit.signature import check_outputs
from sartor.fit.trials import Trial
from sartor.model.onnx import content_hash, parameter_count, read_signature
from sartor.model.values import Model, Signature
from sartor.need import TrainSpec
from sartor.plan.candidates import RowShapes

_CALIBRATION_ROWS = 300
_TRAINING_SHARE = 0.5  # of the time left that one training may take, so that others get their turn


@dataclass(frozen=True)
class Source:
    """An ONNX file that compression starts from, with what it takes and gives.

    Attributes:
        content: hash that stands for its weights in the keys of trials.
        trained: whether the weights are the final ones.
        training: what training reported; empty when nothing was trained.
        output: number of the output that is judged.
        teacher: whose answers its networks learn when they are trained back; None for its own.
    """

    model: Model
    path: Path
    signature: Signature
    parameters: int
    inputs: Inputs
    content: str
    trained: bool
    training: dict[str, Any]
    output: int
    teacher: Source | None = None

    @property
    def rows(self) -> RowShapes:
        """The shapes of its rows, which say what shape policies there are."""
        return row_shapes_of(self.signature, self.row_shapes, varies=self.inputs.varies)

    @property
    def row_shapes(self) -> dict[str, tuple[int, ...]]:
        """Shape of one row of each of its inputs."""
        return by_input(self.inputs.row_shapes, self.signature)

    @property
    def fed(self) -> dict[str, Any]:
        """Its prepared rows on disk, by its own names of the inputs."""
        saved = self.inputs.saved
        padding = by_input(saved["padding"], self.signature) if saved["padding"] else {}
        return {**saved, "arrays": by_input(saved["arrays"], self.signature), "padding": padding}


def by_input(values: Mapping[str, Any], signature: Signature) -> dict[str, Any]:
    """Values of a model's inputs in its order; what belongs to an unnamed array goes to the only input.

    Raises:
        ModelError: the model takes an input that the rows do not have.
    """
    names = [spec.name for spec in signature.inputs]
    if len(names) == 1 and len(values) == 1:
        return {names[0]: next(iter(values.values()))}
    missing = [name for name in names if name not in values]
    if missing:
        raise ModelError(f"a model with the inputs {', '.join(names)}", f"rows with {', '.join(values)}")
    return {name: values[name] for name in names}


def prepared_inputs(run: Run, model: Model) -> Inputs:
    """The rows of a model after its declared steps."""
    learnt = run.work / "vocabulary" / run.data.splits.hashes["train"][:8]
    specs = specs_of(run.need, model, run.data.dataset, run.base, run.data.rows("train").tolist(), learnt)
    return run.data.inputs(specs, model, run.base)


def open_source(run: Run, model: Model) -> Source:
    """The model as it is before training: an ONNX file opened, anything else built and exported.

    Estimators of scikit-learn are fitted at once: what they compute, and so how fast, is what they learn.

    Raises:
        CandidateError: the export failed.
        ModelError: the model does not give one output a class.
    """
    if model.kind == "onnx":
        return _open_onnx(run, model)
    if model.kind == "sklearn" and trains(run.need, model):
        return train_source(run, model)
    inputs = prepared_inputs(run, model)
    folder = run.work / "models" / f"{model.name}-{model.content_hash[:8]}"
    parts = {**run.key_parts(), "model": model.content_hash, "inputs": repr(inputs.row_shapes), "columns": run.outputs}
    request = {
        "do": "export",
        "reference": model.reference,
        "base": str(run.base),
        "inputs": inputs.saved,
        "outputs": run.outputs if run.need.labelled else model.columns or 1,  # without labels a head is as it is
        "seed": run.need.seed,
        "threads": run.machine.cores,
        "to": str(folder / "untrained.onnx"),
    }
    trial = made_once(run, "export", model.name, parts, request)
    return _source(run, model, inputs, trial, trained=not trains(run.need, model))


def train_source(run: Run, model: Model) -> Source:
    """The model trained on the train split and exported.

    Raises:
        CandidateError: training failed, hung or ran out of memory or time.
    """
    inputs = prepared_inputs(run, model)
    folder = run.work / "models" / f"{model.name}-{model.content_hash[:8]}"
    spec = run.need.train if isinstance(run.need.train, TrainSpec) else TrainSpec()
    settings = {"epochs": spec.epochs, "learning_rate": spec.learning_rate, "batch": spec.batch}
    allowed = max(1.0, _TRAINING_SHARE * run.clock.left())
    limit = min(spec.time, allowed) if spec.time else allowed
    request = {
        "do": "train",
        "reference": model.reference,
        "base": str(run.base),
        "inputs": inputs.saved,
        "labels": str(run.data.labels_path),
        "rows": str(run.data.rows_path("train")),
        "outputs": run.outputs,
        "kind": run.need.kind,
        "settings": {**settings, "time_limit_s": limit},
        "seed": run.need.seed,
        "threads": run.machine.cores,
        "to": str(folder / "trained.onnx"),
    }
    parts = {**run.key_parts(), "model": model.content_hash, "training": {**settings, "time": spec.time}}
    trial = made_once(
        run,
        "train",
        model.name,
        parts,
        request,
        lambda step: run.watch.training(model.name, step),
        lambda made: (run.work / made["path"]).exists() and not cut_short(made, limit),
    )
    return _source(run, model, inputs, trial, trained=True)


def cut_short(made: dict[str, Any], limit: float) -> bool:
    """Whether a stored training was shortened by a time limit that is much larger now."""
    before = made["settings"].get("time_limit_s") or float("inf")
    return bool(made["seconds"] > 0.8 * before and limit > 1.5 * before)


def made_once(
    run: Run,
    stage: str,
    name: str,
    parts: dict[str, Any],
    request: dict[str, Any],
    on_progress: Callable[[dict[str, Any]], None] = lambda step: None,
    still_good: Callable[[dict[str, Any]], bool] | None = None,
) -> Trial:
    """The trial of a file that the building worker makes, from an earlier run where its file is there still.

    Raises:
        CandidateError: it failed.
    """

    def work() -> dict[str, Any]:
        result = run.jobs.ask(request, run.job_time_limit(stage), on_progress)
        return {**result, "path": run.relative(Path(result["path"]))}

    trial = run.trials.once(
        stage, name, parts, work, still_good or (lambda result: (run.work / result["path"]).exists())
    )
    if trial.status == "failed":
        raise trial.error()
    return trial


def _source(run: Run, model: Model, inputs: Inputs, trial: Trial, *, trained: bool) -> Source:
    made = trial.result
    signature = Signature.from_dict(made["signature"])
    output = check_outputs(model, signature, run.need, len(run.data.dataset.classes))
    training = {**made, "reused": trial.reused} if "epochs" in made else {}
    path = run.work / made["path"]
    # Not the trial's key: a training that is done again, with more time, has the same key and other weights.
    content = content_hash(path)
    return Source(model, path, signature, made["parameters"], inputs, content, trained, training, output)


def _open_onnx(run: Run, model: Model) -> Source:
    assert model.path is not None
    signature = read_signature(model.path)
    inputs = prepared_inputs(run, model)
    output = check_outputs(model, signature, run.need, len(run.data.dataset.classes))
    parameters = parameter_count(model.path)
    return Source(model, model.path, signature, parameters, inputs, model.content_hash, True, {}, output)


def to_compress(run: Run, source: Source) -> dict[str, Any]:
    """What a job needs of a source and its calibration rows."""
    return {
        "source": str(source.path),
        "signature": source.signature.as_dict(),
        "parameters": source.parameters,
        "inputs": source.fed,
        "rows": str(run.data.rows_path("calibrate")),
        "most_rows": _CALIBRATION_ROWS,
    }
