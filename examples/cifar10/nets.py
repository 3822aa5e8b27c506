"""ResNet-50 from a transformers configuration, with a stem for pictures of 32 x 32 pixels."""

from __future__ import annotations

from torch import Tensor, nn
from transformers import ResNetConfig, ResNetForImageClassification

DEPTHS = [3, 4, 6, 3]  # bottleneck blocks of each stage: with stem and head, fifty layers


class SmallPictures(nn.Module):
    """ResNet-50 that looks at every pixel. Shapes: (batch, 3, height, width) -> (batch, classes).

    The stem made for photographs of 224 x 224 pixels, a 7x7 convolution of stride 2 and a max pool, would leave
    8 x 8 of 32 x 32 pixels before the first block. Here it is a 3x3 convolution of stride 1 and no pool, as in
    section 4.2 of He et al. 2015 (arXiv 1512.03385).
    """

    def __init__(self, classes: int, stem: int) -> None:
        super().__init__()
        config = ResNetConfig(
            embedding_size=stem,
            hidden_sizes=[4 * stem, 8 * stem, 16 * stem, 32 * stem],
            depths=DEPTHS,
            layer_type="bottleneck",
            num_labels=classes,
        )
        self.network = ResNetForImageClassification(config)
        embedder = self.network.resnet.embedder
        embedder.embedder.convolution = nn.Conv2d(3, stem, 3, stride=1, padding=1, bias=False)
        embedder.pooler = nn.Identity()

    def forward(self, pictures: Tensor) -> Tensor:
        """(batch, 3, height, width) -> (batch, classes)."""
        logits: Tensor = self.network(pictures).logits
        return logits


def resnet50(classes: int) -> nn.Module:
    """The full width: 23.5 million weights, 1.3 billion multiplications a picture."""
    return SmallPictures(classes, stem=64)


def resnet50_eighth(classes: int) -> nn.Module:
    """The same fifty layers at an eighth of the width, which two CPU cores train in minutes."""
    return SmallPictures(classes, stem=8)
