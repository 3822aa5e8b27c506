"""Local Hugging Face folders: encoders that classify texts, images or sounds, or that can get a head that does.

Opening reads the files of the folder; it imports transformers for images only, whose processor is asked what it
does. No code of the folder is ever run: weights are safetensors, and a folder that asks for remote code is refused.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from sartor.errors import ModelError
from sartor.model.checkpoint import hash_files, read_json, weight_files
from sartor.model.declared import image_steps, text_steps
from sartor.model.declared_audio import audio_steps
from sartor.model.transformers_library import auto_classes, quiet_transformers, require_transformers
from sartor.model.values import Model

if TYPE_CHECKING:
    from torch import nn

Family = Literal["text", "image", "audio"]
CONFIG = "config.json"
_AUTO = {
    "text": "AutoModelForSequenceClassification",
    "image": "AutoModelForImageClassification",
    "audio": "AutoModelForAudioClassification",
}
_TABLES: Mapping[Family, str] = {
    "text": "MODEL_FOR_SEQUENCE_CLASSIFICATION_MAPPING_NAMES",
    "image": "MODEL_FOR_IMAGE_CLASSIFICATION_MAPPING_NAMES",
    "audio": "MODEL_FOR_AUDIO_CLASSIFICATION_MAPPING_NAMES",
}
_HEAD = re.compile(r"For(Sequence|Image|Audio)Classification")
# What is loaded into an encoder with a new head; the head that the checkpoint has is dropped.
_HEADLESS = re.compile(r"(Model|ForMaskedLM|ForPreTraining|ForMaskedImageModeling|ForCTC)$")
_ALLOWED = "an encoder for texts, images or sounds, with a classification head or none"
_CODE_FILES = (CONFIG, "tokenizer_config.json", "preprocessor_config.json", "processor_config.json")
_HASHED = (*_CODE_FILES, "tokenizer.json", "special_tokens_map.json", "added_tokens.json")
_UNNAMED = re.compile(r"LABEL_\d+")
_DEFAULT_COLUMNS = 2  # transformers leaves two classes without names out of config.json


def open_huggingface(reference: str, base: Path) -> Model:
    """A folder with `config.json`, safetensors and, for texts, `tokenizer.json`.

    Its `steps` do what its tokenizer or processor does. `columns` is None when it has no classification head:
    `build_huggingface` then puts a new one on.

    Raises:
        ModelError: remote code, pickled weights, missing or damaged files, no tokenizer, or an architecture
            that is no encoder for classification.
        MissingExtraError: transformers is not installed.
    """
    from sartor.model.open import slug

    require_transformers(reference)
    folder = (base / Path(reference).expanduser()).resolve()
    config = _config(folder)
    family = _family(folder, config)
    weights = weight_files(folder)
    inputs, steps = _declared(family, folder, config)
    files = [folder / name for name in _HASHED if (folder / name).is_file()]
    return Model(
        slug(folder.name),
        reference,
        "huggingface",
        False,
        hash_files([*files, *weights]),
        path=folder,
        inputs=inputs,
        steps=steps,
        classes=_classes(config),
        columns=_columns(config),
    )


def build_huggingface(model: Model, outputs: int) -> nn.Module:
    """The module in float32; `forward` takes the model's inputs, by name or in order, and returns the logits.

    Its own head is kept when it has `outputs` columns; otherwise a new one is put on, with weights from torch's
    global generator.

    Raises:
        ModelError: transformers refuses the folder, or weights of the encoder are missing or of another shape.
        MissingExtraError: torch or transformers is not installed.
    """
    from sartor.model.torch import require_torch

    require_torch(model.reference)
    require_transformers(model.reference)
    from sartor.model.logits import Logits

    assert model.path is not None
    config = _config(model.path)
    network, loading = _load(model, config, outputs)
    _check_weights(model, network, loading, own_head=model.columns == outputs)
    return Logits(network, model.inputs)


def _config(folder: Path) -> dict[str, Any]:
    for name in _CODE_FILES:
        if "auto_map" in read_json(folder / name):
            raise ModelError(
                f"{folder} asks for remote code: `auto_map` in its {name}",
                "an architecture that transformers has itself; code of a model is never run",
                "export the model to ONNX where you trust it, or give it as package.module:callable",
            )
    config = read_json(folder / CONFIG)
    if not isinstance(config.get("model_type"), str):
        raise ModelError(f"{folder / CONFIG} has no `model_type`", "a folder that save_pretrained wrote")
    return config


def _family(folder: Path, config: Mapping[str, Any]) -> Family:
    """Texts, images or sounds, from the architecture and from what transformers has for the model type."""
    kind, architecture = config["model_type"], _architecture(config)
    if architecture and not (_HEAD.search(architecture) or _HEADLESS.search(architecture)):
        raise ModelError(
            f"{folder} holds a {architecture}", _ALLOWED, "models that generate, detect or tag are not taken"
        )
    able = [family for family, table in _TABLES.items() if kind in auto_classes(table)]
    named = _HEAD.search(architecture)
    if named and named[1] in ("Image", "Audio"):
        able = [family for family in able if family == named[1].lower()]
    elif "audio" in able:
        able = ["audio"]  # transformers says ForSequenceClassification of sounds as well
    if not able:
        raise ModelError(f"{folder} holds a model of type `{kind}` ({architecture or 'no architecture'})", _ALLOWED)
    if able[0] == "text":
        _refuse_decoder(folder, config)
    return able[0]


def _refuse_decoder(folder: Path, config: Mapping[str, Any]) -> None:
    kind = config["model_type"]
    generates = kind in auto_classes("MODEL_FOR_CAUSAL_LM_MAPPING_NAMES")
    encodes = kind in auto_classes("MODEL_FOR_MASKED_LM_MAPPING_NAMES")
    if config.get("is_encoder_decoder") or config.get("is_decoder") or (generates and not encodes):
        raise ModelError(f"{folder} holds a model that generates text (`{kind}`)", _ALLOWED)


def _declared(
    family: Family, folder: Path, config: Mapping[str, Any]
) -> tuple[tuple[str, ...], tuple[dict[str, Any], ...] | None]:
    if family == "text":
        return text_steps(folder, config)
    if family == "image":
        return ("pixel_values",), image_steps(folder)
    return audio_steps(folder, config)


def _architecture(config: Mapping[str, Any]) -> str:
    names = config.get("architectures") or [""]
    return str(names[0])


def _columns(config: Mapping[str, Any]) -> int | None:
    if not _HEAD.search(_architecture(config)):
        return None
    labels = config.get("id2label")
    return len(labels) if labels else int(config.get("num_labels") or _DEFAULT_COLUMNS)


def _classes(config: Mapping[str, Any]) -> tuple[str, ...]:
    labels = config.get("id2label") or {}
    if _columns(config) is None:
        return ()
    names = tuple(str(labels[key]) for key in sorted(labels, key=int))
    return () if all(_UNNAMED.fullmatch(name) for name in names) else names


@dataclass(frozen=True)
class _Loading:
    missing: tuple[str, ...]
    mismatched: tuple[str, ...]


def _load(model: Model, config: Mapping[str, Any], outputs: int) -> tuple[Any, _Loading]:
    import torch
    import transformers

    assert model.path is not None
    architecture = _architecture(config)
    # With a head, the class that was saved: several share one automatic class.
    name = _AUTO[_family(model.path, config)] if model.columns is None else architecture
    try:
        with quiet_transformers():
            network, info = getattr(transformers, name).from_pretrained(
                model.path,
                num_labels=outputs,
                ignore_mismatched_sizes=True,
                dtype=torch.float32,
                local_files_only=True,
                trust_remote_code=False,
                use_safetensors=True,
                output_loading_info=True,
            )
    except (ImportError, OSError, ValueError, RuntimeError, AttributeError, TypeError, KeyError) as error:
        reason = next(iter(str(error).strip().splitlines()), type(error).__name__)
        raise ModelError(
            f"transformers cannot load {model.path}: {reason}", "a folder that save_pretrained wrote"
        ) from error
    mismatched = (entry if isinstance(entry, str) else entry[0] for entry in info["mismatched_keys"])
    return network, _Loading(tuple(sorted(info["missing_keys"])), tuple(sorted(mismatched)))


def _check_weights(model: Model, network: Any, loading: _Loading, own_head: bool) -> None:
    """Everything but a new head must come from the folder. Poolers belong to the head: many encoders lack one."""
    prefix = f"{network.base_model_prefix}."

    def of_encoder(name: str) -> bool:
        return name.startswith(prefix) and ".pooler." not in name

    lost = [name for name in (*loading.missing, *loading.mismatched) if own_head or of_encoder(name)]
    if lost:
        raise ModelError(
            f"{model.path} lacks {len(lost)} weights of its model, or has them in another shape: {lost[0]}",
            "the weights of the architecture that its config.json names",
            "copy or download all files of the model",
        )
