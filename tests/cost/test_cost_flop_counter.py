"""Against torch.utils.flop_counter, which counts matrix products, convolutions and attention and nothing else."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from sartor.cost.capture import capture
from sartor.cost.count import count
from tests.cost.operators import products_of


def image() -> dict[str, Any]:
    import torch

    return {"pixel_values": torch.rand(2, 3, 64, 64)}


def words() -> dict[str, Any]:
    import torch

    return {"input_ids": torch.randint(1, 90, (2, 24))}


def sound() -> dict[str, Any]:
    import torch

    return {"input_values": torch.rand(2, 3200)}


Made = tuple[str, dict[str, Any], Callable[[], dict[str, Any]]]

TEXT = {"vocab_size": 100, "hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4}
SMALL_TEXT = {**TEXT, "intermediate_size": 64, "max_position_embeddings": 64}
ARCHITECTURES: dict[str, Made] = {
    "ResNet": ("ResNet", {"embedding_size": 8, "hidden_sizes": [8, 16], "depths": [1, 2]}, image),
    "MobileNetV2": ("MobileNetV2", {"depth_multiplier": 0.35}, image),
    "ConvNext": ("ConvNext", {"hidden_sizes": [8, 16], "depths": [1, 2], "num_stages": 2}, image),
    "ViT": ("ViT", {**TEXT, "intermediate_size": 64, "image_size": 64, "patch_size": 16}, image),
    "Swin": (
        "Swin",
        {"image_size": 64, "embed_dim": 8, "depths": [1, 2], "num_heads": [2, 4], "window_size": 4},
        image,
    ),
    "Segformer": (
        "Segformer",
        {"depths": [1, 1, 1, 1], "hidden_sizes": [8, 16, 24, 32], "decoder_hidden_size": 16},
        image,
    ),
    "Bert": ("Bert", SMALL_TEXT, words),
    "DistilBert": (
        "DistilBert",
        {"vocab_size": 100, "dim": 32, "hidden_dim": 64, "n_layers": 2, "n_heads": 4, "max_position_embeddings": 64},
        words,
    ),
    "GPT2": (
        "GPT2",
        {"vocab_size": 100, "n_embd": 32, "n_layer": 2, "n_head": 4, "n_positions": 64, "use_cache": False},
        words,
    ),
    "T5Encoder": (
        "T5",
        {"vocab_size": 100, "d_model": 32, "d_kv": 8, "d_ff": 64, "num_layers": 2, "num_heads": 4},
        words,
    ),
    "Wav2Vec2": (
        "Wav2Vec2",
        {
            **{**TEXT, "intermediate_size": 64, "conv_dim": [8, 8, 8], "conv_stride": [5, 2, 2]},
            **{"conv_kernel": [10, 3, 3], "num_feat_extract_layers": 3},
            **{"num_conv_pos_embeddings": 8, "num_conv_pos_embedding_groups": 4},
        },
        sound,
    ),
    "Electra": ("Electra", {**SMALL_TEXT, "embedding_size": 16}, words),
}
FAST = ("ConvNext", "DistilBert")


def built(name: str) -> tuple[Any, dict[str, Any]]:
    """A network with random weights and an example of its inputs."""
    transformers = pytest.importorskip("transformers")
    import torch

    torch.set_num_threads(1)
    torch.manual_seed(0)
    prefix, settings_, example = ARCHITECTURES[name]
    config = getattr(transformers, f"{prefix}Config")(**settings_)
    model = getattr(transformers, "T5EncoderModel" if name == "T5Encoder" else f"{prefix}Model")
    return model(config).eval(), example()


def torch_flop(network: Any, inputs: dict[str, Any]) -> int:
    import torch
    from torch.nn.attention import SDPBackend, sdpa_kernel
    from torch.utils.flop_counter import FlopCounterMode

    counter = FlopCounterMode(display=False)
    # Of the fused attention for CPUs torch's counter knows nothing; of the products that it stands for it does.
    with counter, torch.no_grad(), sdpa_kernel(SDPBackend.MATH):
        network(**inputs)
    return int(counter.get_total_flops())


def exported(network: Any, inputs: dict[str, Any], path: Path) -> Path:
    """As `sartor.model.export` traces a module, with fixed sizes and without its checks."""
    import torch

    from sartor.model.export import exporter_errors, save_program
    from sartor.model.tracing import Positional

    def outputs(named: dict[str, Any]) -> tuple[Any, ...]:  # all of them, for torch counts all of them
        return tuple(each for each in network(**named).values() if isinstance(each, torch.Tensor))

    module = Positional(network, list(inputs), outputs).eval()
    with exporter_errors(type(network).__name__), torch.no_grad():
        program = torch.onnx.export(
            module, tuple(inputs.values()), input_names=list(inputs), opset_version=20, dynamo=True, verbose=False
        )
    assert program is not None
    save_program(program, path, False)
    return path


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=() if name in FAST else pytest.mark.slow) for name in ARCHITECTURES]
)
def test_flop_agree_with_the_counter_of_torch(name: str, tmp_path: Path) -> None:
    pytest.importorskip("torch")
    network, inputs = built(name)
    captured = capture(exported(network, inputs, tmp_path / "net.onnx"))

    assert products_of(captured) == pytest.approx(torch_flop(network, inputs), rel=0.01)
    assert not count(captured).unknown
