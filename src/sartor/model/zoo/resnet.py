"""A residual network of basic blocks (He et al. 2016, "Deep residual learning", arXiv 1512.03385)."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from sartor.model.zoo.cnn import LARGE_SIDE, conv_norm

STAGES = 4


class BasicBlock(nn.Module):
    """conv-norm-ReLU-conv-norm, plus the input, then ReLU (He et al. 2016, figure 5 left).

    Shapes: (batch, before, h, w) -> (batch, after, h / stride, w / stride).
    """

    def __init__(self, before: int, after: int, stride: int) -> None:
        super().__init__()
        self.body = nn.Sequential(*conv_norm(before, after, stride), nn.ReLU(), *conv_norm(after, after, 1))
        same = before == after and stride == 1
        self.shortcut = nn.Identity() if same else nn.Sequential(*conv_norm(before, after, stride, kernel=1))

    def forward(self, images: Tensor) -> Tensor:
        """(batch, before, h, w) -> (batch, after, h / stride, w / stride)."""
        return torch.relu(self.body(images) + self.shortcut(images))


class ResidualNetwork(nn.Module):
    """ResNet-18 for small pictures: `depth` basic blocks in each of four stages of doubling `width`.

    The stem is one 3x3 convolution, of stride 1 up to 32 pixels and 2 above, without max-pool. Stages
    after the first halve the picture. Shapes: (batch, channels, height, width) -> (batch, outputs).
    """

    def __init__(self, channels: int, side: int, outputs: int, width: int, depth: int) -> None:
        super().__init__()
        self.stem = nn.Sequential(*conv_norm(channels, width, 2 if side > LARGE_SIDE else 1), nn.ReLU())
        blocks: list[nn.Module] = []
        before = width
        for stage in range(STAGES):
            after = width * 2**stage
            for number in range(depth):
                stride = 2 if stage > 0 and number == 0 else 1
                blocks.append(BasicBlock(before, after, stride))
                before = after
        self.blocks = nn.Sequential(*blocks)
        self.head = nn.Linear(before, outputs)

    def forward(self, images: Tensor) -> Tensor:
        """(batch, channels, height, width) -> (batch, outputs)."""
        head: Tensor = self.head(self.blocks(self.stem(images)).mean((2, 3)))
        return head
