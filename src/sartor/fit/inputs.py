"""Opening what the Need names: models and data, checked before anything is written or trained."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from sartor.bundle.manifest import file_hash
from sartor.data.callables import is_callable_target
from sartor.data.metrics import find_metric
from sartor.data.report import describe
from sartor.data.sources import open_data
from sartor.data.split import make_splits
from sartor.data.values import Dataset, Splits
from sartor.errors import ModelError, NeedError
from sartor.fit.candidates import row_shapes_of
from sartor.fit.limits import provable, working_limits
from sartor.fit.preparing import TEXT_INPUTS, holds_text, inputs_of, specs_of
from sartor.fit.run import fed
from sartor.fit.signature import check_inputs, check_outputs
from sartor.model.onnx import already_compressed, read_signature
from sartor.model.open import code_hash, open_model
from sartor.model.sklearn import clusters, names_callable
from sartor.model.values import Model
from sartor.model.zoo import why_not
from sartor.need import Limit, Need
from sartor.plan.candidates import Refusal, RowShapes
from sartor.steps import fit_steps, prepare_rows, read_steps, step_files
from sartor.steps.images import declared_mode, framing
from sartor.steps.prepared import Prepared

_FINISHED = ("onnx", "exported-program", "keras")  # their weights are what the user gave
_SAMPLED = 8  # rows that are prepared to see their shape


@dataclass(frozen=True)
class Opened:
    """What the Need names, opened.

    Attributes:
        models: those that can take the data's rows; `trainable` says whether `train: auto` trains them on these
            labels.
        refusals: models that cannot, with the reason.
        limits: the limits to prove, implied ones included.
        provable: what the confirm split can prove at best, in words.
        metric_code: hash of the user's own metric; empty for the built-in ones.
        step_files: hash of the files that declared steps read, such as a tokenizer; empty where they read none.
        rows: by model, what is known of its rows' shapes.
        compressed: by model, what its file is compressed to already, in words; only those that are.
        description: the data report, see `sartor.data.describe`.
    """

    dataset: Dataset
    splits: Splits
    models: tuple[Model, ...]
    refusals: tuple[Refusal, ...]
    limits: tuple[Limit, ...]
    provable: tuple[str, ...]
    metric_code: str
    step_files: str
    rows: Mapping[str, RowShapes]
    compressed: Mapping[str, str]
    description: dict[str, Any]

    @property
    def notes(self) -> tuple[str, ...]:
        """What the reader of the data and the files of the models have to say."""
        return (*self.dataset.notes, *(f"{name}: {said}" for name, said in self.compressed.items()))

    def identity(self) -> dict[str, Any]:
        """What an answer depends on besides the Need: rows, models and metric, by their hashes."""
        models = {model.name: model.content_hash for model in self.models}
        return {
            "splits": dict(self.splits.hashes),
            "models": models,
            "metric": self.metric_code,
            "steps": self.step_files,
        }


def open_inputs(need: Need, base: Path) -> Opened:
    """Open models and data, make the splits, and check that every limit could be proved.

    Raises:
        InputError: the first thing that is wrong.
    """
    models = tuple(open_model(reference, base) for reference in need.model)
    _refuse_twins(models)
    if need.labelled:
        find_metric(need.metric, need.kind, base)
    dataset = read_data(need, models, base)
    models = tuple(replace(model, trainable=_learns(need, model, dataset)) for model in models)
    _check_training(need, models, len(dataset.classes))
    _check_class_order(need, models, dataset)
    splits = make_splits(dataset, trains=any(learns(need, model) for model in models), seed=need.seed)
    metric_code = code_hash(need.metric, base) if is_callable_target(need.metric) else ""
    limits = working_limits(need, len(splits.confirm))
    said = provable(limits, need.confidence, 0, len(splits.confirm))
    rows: dict[str, RowShapes] = {}
    refusals = []
    for model in models:
        sample = sample_rows(need, model, dataset, base)
        why = _unfit(model, sample)
        if why:
            refusals.append(Refusal(model.name, why))
        else:
            rows[model.name] = _checked(model, sample, need, dataset)
    if not rows:
        raise ModelError(
            f"no model of the Need takes these rows; {refusals[0].what}: {refusals[0].why}",
            "a model that does",
            "zoo:mlp takes any numbers",
        )
    kept = tuple(model for model in models if model.name in rows)
    return Opened(
        dataset,
        splits,
        kept,
        tuple(refusals),
        limits,
        tuple(said),
        metric_code,
        _step_files(need, kept, dataset, base),
        rows,
        _compressed(kept),
        describe(dataset, splits),
    )


def read_data(need: Need, models: Sequence[Model], base: Path) -> Dataset:
    """The rows that a Need names, decoded as its models want them.

    Raises:
        InputError: see `open_data`.
    """
    read_steps(need.preprocess or (), base)
    # What a Need says of its files counts; a model from a folder says RGB also of the grey files that it takes.
    declared = (spec for model in models for spec in model.steps or () if "decode_image" not in spec)
    steps = [*(need.preprocess or ()), *declared]
    classes = next((model.classes for model in models if model.classes), ())
    return decoded_data(need, steps, classes, base)


def decoded_data(need: Need, steps: Sequence[Mapping[str, Any]], classes: tuple[str, ...], base: Path) -> Dataset:
    """The rows that a Need names; files decoded to the size and the rate that the first of `steps` ask for.

    Raises:
        InputError: see `open_data`.
    """
    rate = next((int(spec["decode_audio"]["rate"]) for spec in steps if "decode_audio" in spec), None)
    return open_data(
        need.data,
        need.task,
        base,
        framing(steps),
        image_mode=declared_mode(steps),
        audio_rate=rate,
        labelled=need.labelled,
        model_classes=classes,
    )


def trains(need: Need, model: Model) -> bool:
    """Whether the Need has this model trained; `model` is one that `open_inputs` gave."""
    if need.train == "recover":
        return False
    return model.trainable if need.train == "auto" else bool(need.train) and model.kind not in _FINISHED


def learns(need: Need, model: Model) -> bool:
    """Whether rows may be learnt from: to train the model, or to learn back what a compression took from it."""
    return need.train == "recover" or trains(need, model)


def _learns(need: Need, model: Model, dataset: Dataset) -> bool:
    """Whether `train: auto` trains a model on these labels: the zoo, and a head that does not fit them."""
    if model.kind == "huggingface" and need.labelled:
        return model.columns != (len(dataset.classes) or 1)
    if model.kind == "sklearn" and need.train is False:
        return not names_callable(model.reference)  # which may return it fitted; its export says if it is not
    return model.trainable


def _check_training(need: Need, models: tuple[Model, ...], classes: int) -> None:
    """A model whose weights are random and stay so is noise, and a finished file cannot be trained."""
    untrained = next((model for model in models if model.trainable and not trains(need, model)), None)
    if untrained:
        head = untrained.kind == "huggingface"
        raise NeedError(
            f"`train: {str(need.train).lower()}` with `{untrained.reference}`, which has "
            + (_head_and_classes(untrained, classes) if head else "random weights"),
            "train: auto, true, or settings",
            "let a new head be trained; where the data lacks classes of the model, name all of its classes "
            "in the model's order with `labels:`"
            if head
            else "",
            ("train",),
        )
    if not need.labelled and any(trains(need, model) and not clusters(model.reference) for model in models):
        raise NeedError(
            "`agreement` with a model that is to be trained",
            "agreement for models as they are, `train: false`",
            "give labels and a limit on accuracy or its drop to train",
            ("require",),
        )
    headless = next((m for m in models if m.kind == "huggingface" and m.columns is None and not need.labelled), None)
    if headless:
        raise ModelError(
            f"`{headless.reference}` has no head, and without labels none can be trained",
            "a folder with a classification head, or labels to train one on",
            "for the encoder alone, export it to ONNX or .pt2 and use the task feature-extraction",
        )
    if need.train not in ("auto", "recover", False) and not any(trains(need, model) for model in models):
        raise NeedError(
            f"`train: {need.as_dict()['train']}` with `{models[0].reference}`, which cannot be trained",
            "train: auto, false, or recover; a finished file is taken as it is",
            "give the network as package.module:callable to train it",
            ("train",),
        )


def _head_and_classes(model: Model, classes: int) -> str:
    has = f"a head of {model.columns} outputs" if model.columns else "no head"
    return f"{has}; the data has " + (f"{classes} classes" if classes else "one value a row")


def _check_class_order(need: Need, models: Sequence[Model], dataset: Dataset) -> None:
    """A model that calls its outputs by the same names in another order would be judged on the wrong columns."""
    for model in models:
        same_names = model.classes and set(model.classes) == set(dataset.classes)
        if same_names and not trains(need, model) and model.classes != dataset.classes:
            raise ModelError(
                f"`{model.reference}` gives the classes in the order {', '.join(model.classes[:10])}",
                f"the order of the other models or of `labels:`, which is {', '.join(dataset.classes[:10])}",
                "fit models of different class orders one by one, or leave out `labels:`",
            )


def _reads_unlearnt(need: Need, model: Model, dataset: Dataset) -> bool:
    """Whether a vocabulary for the model is still to be learnt from the train rows."""
    return model.kind == "zoo" and need.preprocess is None and holds_text(dataset)


def _step_files(need: Need, models: Sequence[Model], dataset: Dataset, base: Path) -> str:
    declared = [
        step.as_dict()
        for model in models
        if not _reads_unlearnt(need, model, dataset)
        for step in read_steps(specs_of(need, model, dataset, base, (), base), base)
    ]
    files = step_files(declared)
    return hashlib.sha256("".join(map(file_hash, files)).encode()).hexdigest() if files else ""


def sample_rows(need: Need, model: Model, dataset: Dataset, base: Path) -> Prepared:
    """A few rows as the model would get them; nothing is written, so a vocabulary is not learnt yet."""
    if _reads_unlearnt(need, model, dataset):
        tokens = np.zeros((_SAMPLED, 2), dtype=np.int64)
        lengths = np.full(_SAMPLED, 2, dtype=np.int64)
        return Prepared({"input_ids": tokens, "attention_mask": tokens}, lengths, dict.fromkeys(TEXT_INPUTS, 0))
    rows = dataset.inputs[:_SAMPLED]
    specs = specs_of(need, model, dataset, base, (), base)
    prepared = prepare_rows(fit_steps(read_steps(specs, base), rows), rows)
    return fed(prepared, inputs_of(model, prepared))


def _checked(model: Model, sample: Prepared, need: Need, dataset: Dataset) -> RowShapes:
    varies = sample.lengths is not None
    if model.kind != "onnx":
        return RowShapes(varies=varies)
    assert model.path is not None
    signature = read_signature(model.path)
    check_inputs(model, signature, sample.row_shapes, need)
    check_outputs(model, signature, need, len(dataset.classes))
    return row_shapes_of(signature, sample.row_shapes, varies=varies)


def _unfit(model: Model, sample: Prepared) -> str | None:
    if model.kind != "zoo":
        return None
    return why_not(model.reference.removeprefix("zoo:").partition("(")[0].strip(), sample)


def _compressed(models: Sequence[Model]) -> dict[str, str]:
    files = {model.name: model.path for model in models if model.kind == "onnx" and model.path is not None}
    return {name: said for name, path in files.items() if (said := already_compressed(path))}


def _refuse_twins(models: tuple[Model, ...]) -> None:
    names = [model.name for model in models]
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice:
        raise ModelError(f"two models are called `{twice}`", "every model once", "rename one of the files")
