"""Opening what the Need names: models and data, checked before anything is written or trained."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sartor.data.callables import is_callable_target
from sartor.data.metrics import find_metric
from sartor.data.sources import open_data
from sartor.data.split import make_splits
from sartor.data.values import Dataset, Splits
from sartor.errors import ModelError, NeedError
from sartor.fit.limits import provable, working_limits
from sartor.fit.signature import check_inputs, check_outputs
from sartor.model.onnx import read_signature
from sartor.model.open import code_hash, open_model
from sartor.model.values import Model
from sartor.model.zoo import why_not
from sartor.need import Limit, Need
from sartor.plan.candidates import Refusal
from sartor.steps import apply_steps, fit_steps, read_steps


@dataclass(frozen=True)
class Opened:
    """What the Need names, opened.

    Attributes:
        models: those that can take the data's rows.
        refusals: zoo models that cannot, with the reason.
        limits: the limits to prove, implied ones included.
        provable: what the confirm split can prove at best, in words.
        metric_code: hash of the user's own metric; empty for the built-in ones.
    """

    dataset: Dataset
    splits: Splits
    models: tuple[Model, ...]
    refusals: tuple[Refusal, ...]
    limits: tuple[Limit, ...]
    provable: tuple[str, ...]
    metric_code: str

    def identity(self) -> dict[str, Any]:
        """What an answer depends on besides the Need: rows, models and metric, by their hashes."""
        models = {model.name: model.content_hash for model in self.models}
        return {"splits": dict(self.splits.hashes), "models": models, "metric": self.metric_code}


def open_inputs(need: Need, base: Path) -> Opened:
    """Open models and data, make the splits, and check that every limit could be proved.

    Raises:
        InputError: the first thing that is wrong.
    """
    models = tuple(open_model(reference, base) for reference in need.model)
    _refuse_twins(models)
    _check_training(need, models)
    find_metric(need.metric, need.kind, base)
    steps = read_steps(need.preprocess or ())
    size = next((tuple(spec["resize"]) for spec in need.preprocess or () if "resize" in spec), None)
    dataset = open_data(need.data, need.task, base, size)
    splits = make_splits(dataset, trains=any(trains(need, model) for model in models), seed=need.seed)
    metric_code = code_hash(need.metric, base) if is_callable_target(need.metric) else ""
    limits = working_limits(need, len(splits.confirm))
    said = provable(limits, need.confidence, 0, len(splits.confirm))
    shape = apply_steps(fit_steps(steps, dataset.inputs[:2]), dataset.inputs[:1]).shape[1:]
    for model in models:
        _check_signature(model, need, dataset, shape)
    refused = {model.name: why for model in models if (why := _unfit(model, shape))}
    if len(refused) == len(models):
        name, why = next(iter(refused.items()))
        raise ModelError(
            f"no model of the Need takes these rows; {name}: {why}", "a model that does", "zoo:mlp takes any"
        )
    kept = tuple(model for model in models if model.name not in refused)
    refusals = tuple(Refusal(name, why) for name, why in refused.items())
    return Opened(dataset, splits, kept, refusals, limits, tuple(said), metric_code)


def trains(need: Need, model: Model) -> bool:
    """Whether the Need has this model trained."""
    return model.trainable if need.train == "auto" else bool(need.train) and model.kind != "onnx"


def _check_training(need: Need, models: tuple[Model, ...]) -> None:
    """A zoo model that is never trained is noise, and an ONNX file cannot be trained."""
    untrained = next((model for model in models if model.kind == "zoo" and not trains(need, model)), None)
    if untrained:
        raise NeedError(
            f"`train: false` with `{untrained.reference}`, which has random weights",
            "train: auto, true, or settings",
            "",
            ("train",),
        )
    if need.train not in ("auto", False) and not any(trains(need, model) for model in models):
        raise NeedError(
            f"`train: {need.as_dict()['train']}` with `{models[0].reference}`, which cannot be trained",
            "train: auto or false; an ONNX file is taken as it is",
            "give the network as package.module:callable to train it",
            ("train",),
        )


def _check_signature(model: Model, need: Need, dataset: Dataset, rows: tuple[int, ...]) -> None:
    if model.path is not None:
        signature = read_signature(model.path)
        check_inputs(model, signature, rows, need)
        check_outputs(model, signature, need, len(dataset.classes))


def _unfit(model: Model, shape: tuple[int, ...]) -> str | None:
    if model.kind != "zoo":
        return None
    return why_not(model.reference.removeprefix("zoo:").partition("(")[0].strip(), shape)


def _refuse_twins(models: tuple[Model, ...]) -> None:
    names = [model.name for model in models]
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice:
        raise ModelError(f"two models are called `{twice}`", "every model once", "rename one of the files")
