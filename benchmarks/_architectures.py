"""Architectures from transformers configurations that predictions are judged on: none took part in any calibration.

Weights are random: how fast a network runs does not depend on them. Sizes are those of the published models or a
little below, 0.1 to 20 GFLOP in all.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np

from sartor.model.values import ExportedModel
from sartor.steps.prepared import Prepared

Family = Literal["convolutional", "transformer", "recurrent", "hybrid"]


@dataclass(frozen=True)
class Architecture:
    """One network.

    Attributes:
        model: class in transformers, or a function of this file.
        settings: of its configuration.
        shape: of one row; whole numbers below `vocabulary` where that is given.
        keys: names of the input.
    """

    family: Family
    model: str
    settings: Mapping[str, Any]
    shape: tuple[int, ...]
    vocabulary: int = 0
    key: str = "pixel_values"

    def network(self) -> Any:
        """The network, in evaluation mode."""
        import torch
        import transformers

        torch.manual_seed(0)
        if self.model in _OWN:
            return _OWN[self.model](**self.settings).eval()
        model = getattr(transformers, self.model)
        return model(model.config_class(**self.settings)).eval()

    def rows(self, count: int, seed: int = 0) -> Prepared:
        """Made-up rows."""
        random = np.random.default_rng(seed)
        if self.vocabulary:
            return Prepared({self.key: random.integers(5, self.vocabulary, (count, *self.shape), dtype=np.int64)})
        return Prepared({self.key: random.normal(size=(count, *self.shape)).astype(np.float32)})


def _recurrent(kind: str, inputs: int, width: int, layers: int, both: bool = False) -> Any:
    """A recurrent network with a linear head on its last state."""
    import torch
    from torch import nn

    class Recurrent(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            make = {"lstm": nn.LSTM, "gru": nn.GRU}[kind]
            self.network = make(inputs, width, layers, batch_first=True, bidirectional=both)
            self.head = nn.Linear(width * (1 + both), 35)

        def forward(self, features: torch.Tensor) -> torch.Tensor:
            steps, _ = self.network(features)
            scores: torch.Tensor = self.head(steps[:, -1])
            return scores

    return Recurrent()


def _convolution_recurrent(width: int, layers: int) -> Any:
    """Convolutions over a spectrogram, then a bidirectional GRU, as in DeepSpeech 2."""
    import torch
    from torch import nn

    class Speech(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.front = nn.Sequential(
                *(nn.Conv2d(1, 32, (11, 41), (2, 2), (5, 20)), nn.BatchNorm2d(32), nn.Hardtanh(0, 20)),
                *(nn.Conv2d(32, 32, (11, 21), (1, 2), (5, 10)), nn.BatchNorm2d(32), nn.Hardtanh(0, 20)),
            )
            self.network = nn.GRU(32 * 40, width, layers, batch_first=True, bidirectional=True)
            self.head = nn.Linear(2 * width, 29)

        def forward(self, features: torch.Tensor) -> torch.Tensor:
            maps = self.front(features).transpose(1, 2).flatten(2)
            scores: torch.Tensor = self.head(self.network(maps)[0])
            return scores

    return Speech()


def _whisper_encoder(**settings: Any) -> Any:
    from transformers import WhisperConfig
    from transformers.models.whisper.modeling_whisper import WhisperEncoder

    return WhisperEncoder(WhisperConfig(**settings))


_OWN: dict[str, Callable[..., Any]] = {
    "recurrent": _recurrent,
    "convolution_recurrent": _convolution_recurrent,
    "whisper_encoder": _whisper_encoder,
}


def _image(family: Family, model: str, size: int = 224, **settings: Any) -> Architecture:
    return Architecture(family, model, settings, (3, size, size))


def _text(model: str, length: int, vocabulary: int = 8000, **settings: Any) -> Architecture:
    settings = {"vocab_size": vocabulary, **settings}
    return Architecture("transformer", model, settings, (length,), vocabulary, "input_ids")


def _wide(layers: int, width: int, heads: int, times: int = 4) -> dict[str, Any]:
    return {
        "num_hidden_layers": layers,
        "hidden_size": width,
        "num_attention_heads": heads,
        "intermediate_size": times * width,
    }


_CONV: Family = "convolutional"
_BOTH: Family = "hybrid"
_DECODER = {"use_cache": False}
ARCHITECTURES: dict[str, Architecture] = {
    "resnet18": _image(
        _CONV,
        "ResNetForImageClassification",
        depths=[2, 2, 2, 2],
        hidden_sizes=[64, 128, 256, 512],
        layer_type="basic",
    ),
    "resnet50": _image(_CONV, "ResNetForImageClassification", 160),
    "regnet-y-400mf": _image(
        _CONV,
        "RegNetForImageClassification",
        depths=[1, 3, 6, 6],
        hidden_sizes=[48, 104, 208, 440],
        groups_width=8,
    ),
    "mobilenet-v1": _image(_CONV, "MobileNetV1ForImageClassification"),
    "mobilenet-v2": _image(_CONV, "MobileNetV2ForImageClassification"),
    "convnext-tiny": _image(_CONV, "ConvNextForImageClassification", 160),
    "convnextv2-atto": _image(
        _CONV, "ConvNextV2ForImageClassification", depths=[2, 2, 6, 2], hidden_sizes=[40, 80, 160, 320]
    ),
    "bit-r26": _image(_CONV, "BitForImageClassification", 160, depths=[2, 2, 2, 2]),
    "poolformer-s12": _image(_CONV, "PoolFormerForImageClassification"),
    "hgnet-v2": _image(_CONV, "HGNetV2ForImageClassification", 160),
    "focalnet-tiny": _image(_CONV, "FocalNetForImageClassification", 128, image_size=128, depths=[2, 2, 6, 2]),
    "textnet": _image(_CONV, "TextNetForImageClassification", 160),
    "vit-tiny": _image("transformer", "ViTForImageClassification", **_wide(12, 192, 3)),
    "deit-small": _image("transformer", "DeiTForImageClassification", **_wide(12, 384, 6)),
    "beit-tiny": _image("transformer", "BeitForImageClassification", 160, image_size=160, **_wide(8, 256, 4)),
    "dinov2-small": _image(
        "transformer",
        "Dinov2Model",
        140,
        image_size=140,
        **{
            "num_hidden_layers": 12,
            "hidden_size": 384,
            "num_attention_heads": 6,
        },
    ),
    "swin-tiny": _image("transformer", "SwinForImageClassification"),
    "swinv2-small": _image(
        "transformer",
        "Swinv2ForImageClassification",
        128,
        image_size=128,
        window_size=8,
        depths=[2, 2, 4, 2],
        embed_dim=64,
        num_heads=[2, 4, 8, 16],
    ),
    "pvt-v2-b0": _image("transformer", "PvtV2ForImageClassification"),
    "segformer-b0": _image("transformer", "SegformerForSemanticSegmentation", 256),
    "yolos-tiny": _image(
        "transformer",
        "YolosForObjectDetection",
        256,
        image_size=[256, 256],
        num_detection_tokens=50,
        **_wide(12, 192, 3),
    ),
    "hiera-tiny": _image("transformer", "HieraForImageClassification"),
    "bert-mini": _text("BertModel", 128, **_wide(4, 256, 4)),
    "bert-base": _text("BertModel", 64, **_wide(12, 768, 12)),
    "minilm-l6": _text("BertModel", 32, 30522, **_wide(6, 384, 12)),
    "distilbert": _text("DistilBertModel", 64, dim=512, hidden_dim=2048, n_layers=6, n_heads=8),
    "albert": _text("AlbertModel", 128, embedding_size=128, **_wide(8, 512, 8)),
    "electra-small": _text("ElectraModel", 128, embedding_size=128, **_wide(12, 256, 4)),
    "roberta": _text("RobertaModel", 256, **_wide(6, 512, 8), max_position_embeddings=260),
    "mobilebert": _text("MobileBertModel", 64, num_hidden_layers=12),
    "squeezebert": _text("SqueezeBertModel", 128, embedding_size=384, **_wide(8, 384, 6)),
    "deberta-v2": _text("DebertaV2Model", 64, **_wide(6, 384, 6), relative_attention=True, pos_att_type=["p2c", "c2p"]),
    "gpt2-mini": _text("GPT2Model", 128, n_embd=512, n_layer=6, n_head=8, **_DECODER),
    "opt": _text(
        "OPTModel",
        64,
        hidden_size=512,
        ffn_dim=2048,
        num_hidden_layers=8,
        num_attention_heads=8,
        word_embed_proj_dim=512,
        **_DECODER,
    ),
    "llama-mini": _text("LlamaModel", 128, **_wide(6, 512, 8, 3), num_key_value_heads=4, **_DECODER),
    "qwen2-mini": _text("Qwen2Model", 64, **_wide(12, 448, 7, 5), num_key_value_heads=1, **_DECODER),
    "t5-encoder": _text(
        "T5EncoderModel",
        128,
        d_model=512,
        d_kv=64,
        d_ff=1024,
        num_layers=6,
        num_heads=6,
        feed_forward_proj="gated-gelu",
    ),
    "modernbert": _text(
        "ModernBertModel",
        128,
        **_wide(8, 384, 6, 2),
        pad_token_id=0,
        cls_token_id=1,
        sep_token_id=2,
        bos_token_id=1,
        eos_token_id=2,
    ),
    "wav2vec2": Architecture(
        _BOTH, "Wav2Vec2Model", {**_wide(6, 384, 6), "conv_dim": [256] * 7}, (16000,), key="input_values"
    ),
    "whisper-tiny": Architecture(
        "transformer",
        "whisper_encoder",
        {
            "d_model": 384,
            "encoder_layers": 4,
            "encoder_attention_heads": 6,
            "encoder_ffn_dim": 1536,
            "max_source_positions": 250,
        },
        (80, 500),
        key="input_features",
    ),
    "ast-small": Architecture(
        "transformer",
        "ASTForAudioClassification",
        {**_wide(6, 384, 6), "max_length": 256, "num_mel_bins": 64},
        (256, 64),
        key="input_values",
    ),
    "mobilevit-small": _image(_BOTH, "MobileViTForImageClassification", 192),
    "mobilevit-v2": _image(_BOTH, "MobileViTV2ForImageClassification", 192),
    "levit-128s": _image(
        _BOTH,
        "LevitForImageClassification",
        hidden_sizes=[128, 256, 384],
        num_attention_heads=[4, 6, 8],
        depths=[2, 3, 4],
    ),
    "cvt-13": _image(_BOTH, "CvtForImageClassification", 128),
    "swiftformer": _image(_BOTH, "SwiftFormerForImageClassification"),
    "wav2vec2-conformer": Architecture(
        _BOTH,
        "Wav2Vec2ConformerModel",
        {**_wide(4, 256, 4), "conv_dim": [128] * 7, "position_embeddings_type": None},
        (16000,),
        key="input_values",
    ),
    "lstm-keywords": Architecture(
        "recurrent", "recurrent", {"kind": "lstm", "inputs": 64, "width": 256, "layers": 3}, (98, 64), key="features"
    ),
    "gru-keywords": Architecture(
        "recurrent", "recurrent", {"kind": "gru", "inputs": 40, "width": 512, "layers": 2}, (49, 40), key="features"
    ),
    "bilstm": Architecture(
        "recurrent",
        "recurrent",
        {"kind": "lstm", "inputs": 300, "width": 384, "layers": 2, "both": True},
        (64, 300),
        key="features",
    ),
    "deepspeech": Architecture(
        "recurrent", "convolution_recurrent", {"width": 384, "layers": 3}, (1, 100, 160), key="features"
    ),
    "patchtst": Architecture(
        "transformer",
        "PatchTSTForPrediction",
        {
            "num_input_channels": 7,
            "context_length": 512,
            "patch_length": 16,
            "patch_stride": 8,
            "d_model": 128,
            "num_hidden_layers": 3,
            "num_attention_heads": 8,
            "ffn_dim": 256,
            "prediction_length": 96,
        },
        (512, 7),
        key="past_values",
    ),
    "patchtsmixer": Architecture(
        "hybrid",
        "PatchTSMixerForPrediction",
        {
            "num_input_channels": 7,
            "context_length": 512,
            "patch_length": 16,
            "patch_stride": 8,
            "d_model": 96,
            "num_layers": 8,
            "prediction_length": 96,
        },
        (512, 7),
        key="past_values",
    ),
}


def export(one: Architecture, to: Path) -> ExportedModel:
    """Write the network as ONNX, as `sartor fit` does."""
    import torch

    from sartor.model.export import export_torch

    network = one.network()

    class Sole(torch.nn.Module):
        """Gives the first floating output alone, as a fit judges one."""

        def __init__(self) -> None:
            super().__init__()
            self.network = network

        def forward(self, **named: torch.Tensor) -> torch.Tensor:
            found = self.network(**named)
            if isinstance(found, torch.Tensor):
                return found
            return next(each for each in found.values() if isinstance(each, torch.Tensor) and each.is_floating_point())

    return export_torch(Sole().eval(), one.rows(8), to)
