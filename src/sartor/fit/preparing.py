"""Which declared steps a model's rows go through: the Need's, else the model's own, else what its kind is used to."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from sartor.data.values import Dataset
from sartor.errors import ModelError
from sartor.model.onnx import read_signature
from sartor.model.values import Model
from sartor.need import Need
from sartor.runtime.base import Array
from sartor.steps.base import Step
from sartor.steps.prepared import Prepared
from sartor.steps.specs import InputSpec
from sartor.steps.text import Tokenise

Specs = tuple[dict[str, Any], ...]

TEXT_INPUTS = ("input_ids", "attention_mask")
"""What the text models of the zoo take; the first of them marks a model of texts."""

_LONGEST_TEXT = 128  # tokens of a zoo model's row
_CLIP_QUANTILE = 0.95  # of the clips are not cut
_BANDS = 40


def specs_of(need: Need, model: Model, dataset: Dataset, base: Path, train_rows: Sequence[int], work: Path) -> Specs:
    """The declared steps of a model's rows, without what reading the data has done already.

    Args:
        train_rows: rows that a vocabulary is learnt from, where a zoo model reads text.
        work: folder that such a vocabulary is kept in; another one for other rows.

    Raises:
        ModelError: text for a model that comes without a tokenizer.
    """
    if need.preprocess is not None:
        return _without_decoding(need.preprocess, dataset)
    if model.steps is not None and _raw(dataset):
        return _no_longer_than_needed(_without_decoding(model.steps, dataset), dataset)
    if holds_text(dataset):
        return _text_steps(model, dataset, base, train_rows, work)
    if holds_clips(dataset):
        return _clip_steps(dataset)
    # Trees split on the order of values alone, and pipelines bring their own scaling.
    return ({"standardise": "train"},) if model.kind == "zoo" and dataset.inputs.dtype.names is None else ()


def inputs_of(model: Model, rows: Prepared) -> tuple[InputSpec, ...]:
    """What a model takes, as far as it says so before it is built; types are those of the rows if it does not."""
    if model.kind == "onnx":
        assert model.path is not None
        return read_signature(model.path).taken
    if model.kind == "huggingface":
        dtype = "int64" if TEXT_INPUTS[0] in model.inputs else "float32"
        return tuple(InputSpec(name, dtype) for name in model.inputs)
    sole = next(iter(rows.arrays.values()))
    return tuple(InputSpec(name, rows.arrays.get(name, sole).dtype.name) for name in model.inputs)


def cut_texts(steps: Sequence[Step], rows: Array) -> str:
    """How many texts are longer than the model takes, in words; empty where none is."""
    tokenise = next((step for step in steps if isinstance(step, Tokenise)), None)
    cut = tokenise.truncated(rows) if tokenise and rows.dtype == object else 0
    if not (tokenise and cut):
        return ""
    many = "is longer than" if cut == 1 else "are longer than"
    return f"{cut:,} of {len(rows):,} texts {many} {tokenise.longest} tokens and {'is' if cut == 1 else 'are'} cut"


def holds_text(dataset: Dataset) -> bool:
    """Whether rows are texts."""
    return dataset.inputs.dtype == object and isinstance(dataset.inputs[0], str)


def holds_clips(dataset: Dataset) -> bool:
    """Whether rows are clips of sound."""
    return dataset.inputs.dtype == object and isinstance(dataset.inputs[0], np.ndarray)


def _raw(dataset: Dataset) -> bool:
    """Whether rows are as a user has them; numbers that are no bytes were prepared by whoever made them."""
    return dataset.inputs.dtype in (object, np.uint8)


def _without_decoding(specs: Sequence[Mapping[str, Any]], dataset: Dataset) -> Specs:
    """Reading the files has decoded them; the bundle gets those steps from the data set."""
    done = {name for spec in dataset.input_steps for name in spec}
    return tuple(dict(spec) for spec in specs if not (set(spec) & done & {"decode_image", "decode_audio"}))


def _no_longer_than_needed(specs: Specs, dataset: Dataset) -> Specs:
    """A model of samples is declared with the longest clip that it takes, and time grows with the length.

    Its extractor fills clips up to the longest of a call; here, to the longest of the data. Pictures of sound keep
    the size that their model was built for.
    """
    names = {name for spec in specs for name in spec}
    if not holds_clips(dataset) or names & {"log_mel", "filter_bank"}:
        return specs
    longest = max(len(clip) for clip in dataset.inputs)
    return tuple(
        {"fit_length": {"samples": min(spec["fit_length"]["samples"], longest)}} if "fit_length" in spec else spec
        for spec in specs
    )


def _text_steps(model: Model, dataset: Dataset, base: Path, train_rows: Sequence[int], work: Path) -> Specs:
    if model.kind == "zoo":
        from sartor.model.zoo.vocabulary import train_tokenizer

        file = work / "tokenizer.json"
        if not file.exists():
            train_tokenizer([str(dataset.inputs[row]) for row in train_rows], file)
        return (_tokenise(file, TEXT_INPUTS),)
    beside = model.path.parent / "tokenizer.json" if model.path is not None else None
    if beside is not None and beside.is_file():
        return (_tokenise(beside, model.inputs),)
    raise ModelError(
        f"`{model.reference}` comes without a tokenizer, and the rows are text",
        "a tokenizer.json beside the model, or a tokenise step",
        "preprocess: [{tokenise: {file: tokenizer.json, max_length: 128}}]",
    )


def _tokenise(file: Path, inputs: Sequence[str]) -> dict[str, Any]:
    named = {"inputs": list(inputs)} if inputs else {}
    return {"tokenise": {"file": str(file), "max_length": _LONGEST_TEXT, **named}}


def _clip_steps(dataset: Dataset) -> Specs:
    """One length for all clips, and the energy in bands over time, the whole picture to mean 0 and variance 1."""
    rate = next((int(spec["decode_audio"]["rate"]) for spec in dataset.input_steps if "decode_audio" in spec), 16000)
    lengths = [len(clip) for clip in dataset.inputs]
    hop = rate // 100
    samples = -(-int(np.quantile(lengths, _CLIP_QUANTILE)) // hop) * hop
    window = 1 << (rate // 40).bit_length()  # some 25 ms and more, a power of two
    return (
        {"fit_length": {"samples": samples}},
        {"log_mel": {"rate": rate, "window": window, "hop": hop, "bands": _BANDS}},
        {"standardise": "train"},
    )
