"""`sartor init`: look at a model and its data, and write down the Need that runs on them.

Nothing is guessed that can be tried: tasks and preparations are tried in the order of what is most likely, by
the very checks that `fit` begins with, and the first that passes is written.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sartor.data.report import lines
from sartor.errors import InputError, ModelError
from sartor.fit.inputs import Opened, open_inputs, sample_rows, trains
from sartor.model.onnx import read_signature
from sartor.model.open import open_model
from sartor.model.values import Model
from sartor.need import AGREEMENT, Need

_TASKS = (
    "image-classification",
    "text-classification",
    "audio-classification",
    "tabular-classification",
    "tabular-regression",
    "feature-extraction",
)
# The highest that the rows can prove is written: 99% takes 300 of them.
_AGREEMENTS = (">= 99%", ">= 95%", ">= 90%", ">= 80%")
_BUILT_IN = ("digits", "breast-cancer")


@dataclass(frozen=True)
class Proposal:
    """A Need that passed every check, with what was seen on the way.

    Attributes:
        seen: sentences about the model and the data.
    """

    need: Need
    opened: Opened
    seen: tuple[str, ...]


def propose(reference: str, source: str | None, base: Path, folder: Path) -> Proposal:
    """The first Need for a model and its data that could be fitted.

    Args:
        reference: a model reference; a path is relative to `base`.
        source: where the rows are; None tries the built-in ones.
        base: the folder that paths are given relative to.
        folder: the folder that the Need will stand in; paths are rewritten to it.

    Raises:
        InputError: no task fits; the error is that of the most likely one.
    """
    models = _meant(reference, base)
    sources = [_seen_from(source, base, folder)] if source else list(_BUILT_IN)
    problems: list[InputError] = []
    for model in models:
        for values in _candidates(model, _seen_from(model.reference, base, folder), sources):
            try:
                need = Need(**values)
                opened = open_inputs(need, folder)
                if need.task not in _tasks_of(opened.description):
                    continue
                _check_callable(need, opened, folder)
            except InputError as problem:
                problems.append(problem)
                continue
            return Proposal(need, opened, tuple(_seen(model, opened)))
    if source is None:
        raise ModelError(
            f"`{reference}` takes none of the built-in data",
            "a model with its data: sartor init MODEL DATA",
            "DATA: a file (.csv, .jsonl, .parquet, .npz), a folder or .tar of images or sound, or package.module:load",
        )
    raise _most_telling(problems)


def _meant(reference: str, base: Path) -> list[Model]:
    """What a reference may stand for: a function of yours may build a torch module, or an estimator."""
    model = open_model(reference, base)
    return [model, open_model(f"sklearn:{reference}", base)] if model.kind == "torch" else [model]


def _check_callable(need: Need, opened: Opened, folder: Path) -> None:
    """Only calling it tells what a function builds.

    Raises:
        ModelError: it builds something else than a module.
    """
    model = opened.models[0]
    if model.kind == "torch":
        from sartor.model.torch import build_module

        rows = sample_rows(need, model, opened.dataset, folder)
        build_module(model, rows, len(opened.dataset.classes) or 1, folder)


def _seen_from(reference: str, base: Path, folder: Path) -> str:
    """A path as the Need will name it, relative to its own folder; anything else as it is."""
    path = base / Path(reference).expanduser()
    return os.path.relpath(path, folder) if path.exists() else reference


def _candidates(model: Model, reference: str, sources: list[str]) -> Iterator[dict[str, Any]]:
    labelled: dict[str, Any] = {}
    unlabelled = [{"require": {AGREEMENT: level}} for level in _AGREEMENTS]
    for wanted in (labelled, *unlabelled):
        for source in sources:
            for task in _likely_tasks(model):
                if wanted is labelled and task == "feature-extraction":
                    continue
                for data in _readings(model, source):
                    for preprocess in _preparations(model):
                        yield {"task": task, "model": reference, "data": data, **preprocess, **wanted}


def _readings(model: Model, source: str) -> list[dict[str, Any]]:
    """For a model of several inputs the columns or arrays of their names, if there are any; else as it comes."""
    plain: dict[str, Any] = {"source": source}
    names = model.inputs
    if model.kind == "onnx" and model.path is not None:
        names = tuple(spec.name for spec in read_signature(model.path).inputs)
    if len(names) < 2 or model.kind == "huggingface":
        return [plain]
    return [{**plain, "input": {name: name for name in names}}, plain]


def _likely_tasks(model: Model) -> list[str]:
    first = _first_task(model)
    return [first, *(task for task in _TASKS if task != first)] if first else list(_TASKS)


def _tasks_of(description: Mapping[str, Any]) -> tuple[str, ...]:
    """The tasks that rows of a kind are for: nothing but their meaning keeps a table from being read as pictures."""
    shape = description["sizes"].get("shape", ())
    if description["kind"] == "records":
        return ("tabular-classification", "tabular-regression", "feature-extraction")
    if description["kind"] == "numbers" and len(shape) == 1:
        return tuple(task for task in _TASKS if task.startswith("tabular") or task == "feature-extraction")
    if description["kind"] == "images" or len(shape) == 3:
        return ("image-classification", "feature-extraction")
    return _TASKS


def _first_task(model: Model) -> str:
    steps = {name for spec in model.steps or () for name in spec}
    if "tokenise" in steps:
        return "text-classification"
    if steps & {"decode_audio", "log_mel", "normalise_rows"}:
        return "audio-classification"
    if steps & {"decode_image", "resize", "resize_shortest"}:
        return "image-classification"
    if model.kind == "sklearn":
        return "tabular-regression" if "Regress" in model.reference else "tabular-classification"
    return ""


def _preparations(model: Model) -> list[dict[str, Any]]:
    """As the rows come; and for a picture of a fixed size, brought to it."""
    if model.kind != "onnx" or model.path is None:
        return [{}]
    shape = read_signature(model.path).inputs[0].shape
    if len(shape) != 4 or not all(isinstance(size, int) for size in shape[1:]):
        return [{}]
    return [{}, {"preprocess": [{"resize": list(shape[2:])}, {"scale": 1 / 255}]}]


def _most_telling(problems: list[InputError]) -> InputError:
    """The error of the attempt that got furthest: a model that does not fit says more than data that cannot be read."""
    return next((problem for problem in problems if isinstance(problem, ModelError)), problems[0])


def _seen(model: Model, opened: Opened) -> Iterator[str]:
    what = {"onnx": "an ONNX file", "zoo": "a network of the zoo", "huggingface": "a Hugging Face folder"}
    yield f"{model.name}: {what.get(model.kind, model.kind)}"
    if model.kind == "onnx" and model.path is not None:
        signature = read_signature(model.path)
        yield "takes " + ", ".join(f"{spec.name} {spec.dtype} {list(spec.shape)}" for spec in signature.inputs)
        yield "gives " + ", ".join(f"{spec.name} {list(spec.shape)}" for spec in signature.outputs)
    if model.columns:
        yield f"its head has {model.columns} outputs: {', '.join(model.classes[:10]) or 'unnamed'}"
    yield from lines(opened.description)


def as_yaml(proposal: Proposal) -> str:
    """The Need as commented YAML that `read_need` reads back."""
    import yaml

    need, opened = proposal.need, proposal.opened

    def part(**values: Any) -> str:
        return yaml.safe_dump(values, sort_keys=False, allow_unicode=True, width=110).rstrip()

    told = [f"# {line}" for line in proposal.seen]
    trained = any(trains(need, model) for model in opened.models)
    blocks = [
        "# A Need for Sartor. Run it:  sartor fit THIS_FILE -o out      look first:  add --dry-run",
        *told,
        "",
        part(task=need.task),
        part(model=need.model[0]),
        part(data={key: value for key, value in need.data.model_dump(mode="json", exclude_none=True).items() if value}),
        *_preprocess_lines(need, part),
        f"train: {'auto' if trained else 'false'}"
        + ("    # its weights, or its head, are learnt from these labels" if trained else _NOT_TRAINED),
        "",
        *_require_lines(need, opened),
        "",
        "minimise: latency        # or throughput, size, memory",
        "workload: {batch: 1}     # rows in one call",
        f"budget: {{time: {'30 min' if trained else '10 min'}}}   # of the search; the best so far is always kept",
        "",
    ]
    return "\n".join(blocks)


_NOT_TRAINED = "             # taken as it is: you affirm that it never saw these rows"


def _preprocess_lines(need: Need, part: Any) -> list[str]:
    if need.preprocess is None:
        return []
    return [
        "# The model says nothing of how its pictures are scaled: check this against how it was trained.",
        part(preprocess=list(need.preprocess)),
    ]


def _require_lines(need: Need, opened: Opened) -> list[str]:
    shown = [f"# {said}" for said in opened.provable]
    if need.limits:
        limit = opened.limits[0]
        return [
            "# No labels were found, so quality is agreement with the uncompressed model.",
            *shown,
            f'require:\n  {limit.name}: ">= {limit.value:.4g}"',
        ]
    usual = "rmse" if need.kind == "regression" else "accuracy"
    floor = f'#   {usual}: "<= 1.5"' if usual == "rmse" else f'#   {usual}: ">= 0.9"'
    return [
        "# Empty: the fastest without measurable loss. Limits that you may want instead:",
        *shown,
        floor + f'          {usual}_drop: "<= 1 pt"' if usual != "rmse" else floor + '          rmse_drop: "<= 2%"',
        '#   latency_p99: "<= 5 ms"      size: "<= 10 MB"      memory: "<= 300 MB"',
        "require: {}",
    ]
