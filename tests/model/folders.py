"""Tiny Hugging Face folders with random weights."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from sartor.model.zoo.vocabulary import train_tokenizer

VOCABULARY = 200
SMALL = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 24}
_WAVES = {
    **SMALL,
    "conv_dim": (8, 8),
    "conv_stride": (5, 4),
    "conv_kernel": (8, 4),
    "num_feat_extract_layers": 2,
    "num_conv_pos_embeddings": 4,
    "num_conv_pos_embedding_groups": 2,
    "classifier_proj_size": 8,
}
_CONFIGS: dict[str, dict[str, Any]] = {
    "Bert": {**SMALL, "vocab_size": VOCABULARY},
    "DistilBert": {"vocab_size": VOCABULARY, "dim": 16, "n_layers": 1, "n_heads": 2, "hidden_dim": 24},
    "Roberta": {**SMALL, "vocab_size": VOCABULARY, "max_position_embeddings": 34, "type_vocab_size": 1},
    "GPT2": {"vocab_size": VOCABULARY, "n_embd": 16, "n_layer": 1, "n_head": 2, "pad_token_id": 0},
    "ViT": {**SMALL, "image_size": 16, "patch_size": 8},
    "ResNet": {"embedding_size": 4, "hidden_sizes": [4, 8], "depths": [1, 1]},
    "MobileNetV2": {"depth_multiplier": 0.1, "image_size": 32, "min_depth": 4},
    "Wav2Vec2": _WAVES,
    "AST": {**SMALL, "num_mel_bins": 16, "max_length": 40, "patch_size": 8, "frequency_stride": 8, "time_stride": 8},
    "Whisper": {
        "d_model": 16,
        "encoder_layers": 1,
        "encoder_attention_heads": 2,
        "encoder_ffn_dim": 24,
        "decoder_layers": 1,
        "num_mel_bins": 20,
        "max_source_positions": 50,
        "classifier_proj_size": 8,
    },
}
TEXTS = ["A fine film with a good plot", "bad", "what a waste of two hours of my life", "good plot, bad film"] * 3


def write_folder(folder: Path, family: str, architecture: str = "", **settings: Any) -> Path:
    """Save a model, such as `Bert` as `BertModel`, and the tokenizer or the extractor of features of its family."""
    import torch
    import transformers
    from transformers.utils import logging

    logging.disable_progress_bar()
    torch.manual_seed(0)
    config = getattr(transformers, f"{family}Config")(**_CONFIGS[family], **settings)
    getattr(transformers, architecture or _usual(family))(config).save_pretrained(folder)
    if family == "AST":
        transformers.ASTFeatureExtractor(num_mel_bins=16, max_length=40, mean=-5.0, std=3.0).save_pretrained(folder)
    if family == "Whisper":
        transformers.WhisperFeatureExtractor(feature_size=20, chunk_length=1).save_pretrained(folder)
    if "vocab_size" in _CONFIGS[family]:
        train_tokenizer(TEXTS, folder / "tokenizer.json", VOCABULARY)
    return folder


def _usual(family: str) -> str:
    task = {"ViT": "Image", "ResNet": "Image", "MobileNetV2": "Image", "AST": "Audio", "Whisper": "Audio"}
    return f"{family}For{task.get(family, 'Sequence')}Classification"
