"""A small vision Transformer (Dosovitskiy et al. 2021, "An image is worth 16x16 words", arXiv 2010.11929)."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from sartor.model.zoo.attention import Block

PATCHES_A_SIDE = 8  # where the patch is not given: 64 patches in a square picture


class VisionTransformer(nn.Module):
    """Square patches, `depth` blocks, the mean over the patches, a linear layer.

    Pictures whose sides are no multiple of the patch get zeros at the right and below; `patch` 0 takes an eighth
    of the shorter side. Shapes: (batch, channels, height, width) -> (batch, outputs).
    """

    def __init__(self, picture: tuple[int, int, int], outputs: int, width: int, depth: int, patch: int) -> None:
        super().__init__()
        channels, high, wide = picture
        side = patch or -(-min(high, wide) // PATCHES_A_SIDE)
        rows, columns = -(-high // side), -(-wide // side)
        self.missing = (0, columns * side - wide, 0, rows * side - high)
        self.patches = nn.Conv2d(channels, width, side, side)
        self.positions = nn.Parameter(torch.randn(rows * columns, width) * 0.02)
        self.blocks = nn.ModuleList(Block(width) for _ in range(depth))
        self.norm = nn.LayerNorm(width)
        self.head = nn.Linear(width, outputs)

    def forward(self, images: Tensor) -> Tensor:
        """(batch, channels, height, width) -> (batch, outputs)."""
        padded = functional.pad(images, self.missing) if any(self.missing) else images
        tokens = self.patches(padded).flatten(2).transpose(1, 2) + self.positions
        for block in self.blocks:
            tokens = block(tokens)
        head: Tensor = self.head(self.norm(tokens).mean(1))
        return head
