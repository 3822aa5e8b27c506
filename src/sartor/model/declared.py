"""The pre-processing that a Hugging Face folder declares for texts and images, as steps of the house."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from sartor.errors import ModelError
from sartor.model.checkpoint import read_json, refuse_pointer
from sartor.model.transformers_library import positions_start_after_padding, quiet_transformers

LONGEST_TEXT = 512
"""Tokens that a text is cut to where the model allows for more: time grows with the length, squared for attention."""
TOKENIZER = "tokenizer.json"
_SLOW = ("vocab.txt", "vocab.json", "spiece.model", "sentencepiece.bpe.model", "tokenizer.model")
_SAVE_FAST = "AutoTokenizer.from_pretrained(FOLDER).save_pretrained(FOLDER) writes tokenizer.json"
_RESAMPLE = ("nearest", "lanczos", "bilinear", "bicubic", "box", "hamming")  # by Pillow's numbers
_CROP_ALWAYS = 384  # pixels; ConvNeXt's processor crops smaller pictures and squeezes larger ones

Steps = tuple[dict[str, Any], ...]


def text_steps(folder: Path, config: Mapping[str, Any]) -> tuple[tuple[str, ...], Steps]:
    """(inputs, steps) of a text model: its tokenizer, cut to what the model has positions for.

    Raises:
        ModelError: no `tokenizer.json`, or a damaged one.
    """
    path = folder / TOKENIZER
    tokenizer, settings = _tokenizer(path), read_json(folder / "tokenizer_config.json")
    inputs: tuple[str, ...] = ("input_ids", "attention_mask")
    named = settings.get("model_input_names")
    if int(config.get("type_vocab_size") or 0) > 1 and (named is None or "token_type_ids" in named):
        inputs = (*inputs, "token_type_ids")
    pad_id = _pad_id(tokenizer, settings, config)
    longest = _longest(settings, config, pad_id)
    step = {"file": str(path), "max_length": longest, "pad_id": pad_id, "inputs": list(inputs)}
    return inputs, ({"tokenise": step},)


def image_steps(folder: Path) -> Steps | None:
    """What the folder's image processor does; None when it has none.

    The steps are compared with the processor on one picture.

    Raises:
        ModelError: the processor cannot be loaded, or does more than resize, crop, scale and normalise.
    """
    if not any((folder / name).is_file() for name in ("preprocessor_config.json", "processor_config.json")):
        return None
    from transformers import AutoImageProcessor

    try:
        with quiet_transformers():
            processor = AutoImageProcessor.from_pretrained(folder, local_files_only=True, trust_remote_code=False)
    except (ImportError, OSError, ValueError, TypeError) as error:
        reason = next(iter(str(error).strip().splitlines()), type(error).__name__)
        raise ModelError(
            f"transformers cannot load the image processor of {folder}: {reason}",
            "a preprocessor_config.json that save_pretrained wrote",
        ) from None
    steps = ({"decode_image": {"mode": "RGB"}}, *_sizes(processor), *_numbers(processor))
    _check_on_a_picture(folder, processor, steps)
    return steps


def _tokenizer(path: Path) -> Any:
    from tokenizers import Tokenizer

    if not path.is_file():
        slow = next((name for name in _SLOW if (path.parent / name).is_file()), None)
        found = f"only {slow}" if slow else "none"
        raise ModelError(
            f"{path.parent} has no {TOKENIZER} ({found})",
            f"a text model with its fast tokenizer, {TOKENIZER}",
            _SAVE_FAST if slow else "copy or download all files of the model",
        )
    refuse_pointer(path)
    try:
        return Tokenizer.from_file(str(path))
    except Exception as error:  # noqa: BLE001 - the tokenizers library raises bare exceptions
        raise ModelError(f"{path} is damaged: {error}", "a file of the tokenizers library", _SAVE_FAST) from None


def _pad_id(tokenizer: Any, settings: Mapping[str, Any], config: Mapping[str, Any]) -> int:
    token = settings.get("pad_token")
    text = token.get("content") if isinstance(token, dict) else token
    found = tokenizer.token_to_id(text) if isinstance(text, str) else None
    return int(found if found is not None else config.get("pad_token_id") or 0)


def _longest(settings: Mapping[str, Any], config: Mapping[str, Any], pad_id: int) -> int:
    limits = [LONGEST_TEXT]
    limits += [int(settings["model_max_length"])] if settings.get("model_max_length") else []
    positions = config.get("max_position_embeddings") or 0
    if positions > 0:  # models with relative positions say -1 or nothing
        unused = (
            int(config.get("pad_token_id", pad_id)) + 1 if positions_start_after_padding(config["model_type"]) else 0
        )
        limits.append(int(positions) - unused)
    return max(1, min(limits))


def _sizes(processor: Any) -> list[dict[str, Any]]:
    """Resize and crop, as declared by the attributes of transformers' processors."""
    steps: list[dict[str, Any]] = []
    if getattr(processor, "do_resize", False):
        steps += _resize(processor)
    if getattr(processor, "do_center_crop", False):
        crop = dict(processor.crop_size)
        steps.append({"center_crop": [crop["height"], crop["width"]]})
    return steps


def _resize(processor: Any) -> list[dict[str, Any]]:
    size, resample = dict(processor.size), _RESAMPLE[int(processor.resample)]
    shortest, share = size.get("shortest_edge"), getattr(processor, "crop_pct", None)
    if not shortest:
        height, width = size.get("height"), size.get("width")
        if height is None or width is None:
            raise ModelError(f"an image processor that resizes to {size}", "height and width, or shortest_edge")
        return [{"resize": {"size": [height, width], "resample": resample}}]
    if share is None:
        return [{"resize_shortest": {"size": shortest, "resample": resample}}]
    if getattr(processor, "do_center_crop", False):
        return [{"resize_shortest": {"size": int(shortest / share), "resample": resample}}]
    if shortest >= _CROP_ALWAYS:
        return [{"resize": {"size": [shortest, shortest], "resample": resample}}]
    first = {"resize_shortest": {"size": int(shortest / share), "resample": resample}}
    return [first, {"center_crop": [shortest, shortest]}]


def _numbers(processor: Any) -> list[dict[str, Any]]:
    """Scale and normalise; EfficientNet's processor shifts and divides once more."""
    steps: list[dict[str, Any]] = []
    if getattr(processor, "do_rescale", False):
        steps.append({"scale": float(processor.rescale_factor)})
    if getattr(processor, "do_rescale", False) and getattr(processor, "rescale_offset", False):
        steps.append({"normalise": {"mean": 1.0, "std": 1.0}})
    if getattr(processor, "do_normalize", False):
        steps.append({"normalise": {"mean": _plain(processor.image_mean), "std": _plain(processor.image_std)}})
    if getattr(processor, "include_top", False):
        steps.append({"normalise": {"mean": 0.0, "std": _plain(processor.image_std)}})
    return steps


def _plain(values: Any) -> float | list[float]:
    return [float(value) for value in values] if isinstance(values, (list, tuple)) else float(values)


def _check_on_a_picture(folder: Path, processor: Any, steps: Steps) -> None:
    from sartor.steps import apply_steps, read_steps

    picture = np.random.default_rng(0).integers(0, 256, (1, 3, 75, 100), dtype=np.uint8)
    wanted = np.asarray(
        processor(list(picture), return_tensors="np", input_data_format="channels_first")["pixel_values"]
    )
    got = apply_steps(read_steps(steps), picture)
    # Half a level of 256, as large as it becomes by the division: what roundings of two resizings may differ by.
    close = wanted.shape == got.shape and bool(np.allclose(wanted, got, rtol=0, atol=np.ptp(wanted) / 255 / 2 + 1e-6))
    if not close:
        raise ModelError(
            f"the image processor of {folder} ({type(processor).__name__}) does more than can be declared",
            "resize, resize of the shortest edge, centre crop, rescale, normalise",
            "export the model to ONNX, and declare its `preprocess` in the Need",
        )
