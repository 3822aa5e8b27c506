"""A small Transformer encoder for texts."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from sartor.model.zoo.attention import Block, masked_mean, sines


class TextTransformer(nn.Module):
    """Embeddings with sines of their positions, `depth` blocks, the mean over the tokens, a linear layer.

    Shapes: (batch, length) token numbers and (batch, length) of 1 and 0 -> (batch, outputs).

    Args:
        vocabulary: numbers that a token may have.
        longest: tokens that a text may have.
        outputs: of the head.
        width: of the embeddings.
        depth: blocks.
    """

    positions: Tensor

    def __init__(self, vocabulary: int, longest: int, outputs: int, width: int, depth: int) -> None:
        super().__init__()
        self.embeddings = nn.Embedding(vocabulary, width)
        # As large as the sines once both are added (Vaswani et al. 2017, section 3.4 scales likewise).
        nn.init.normal_(self.embeddings.weight, std=math.sqrt(0.5))
        self.register_buffer("positions", sines(longest, width), persistent=False)
        self.blocks = nn.ModuleList(Block(width) for _ in range(depth))
        self.norm = nn.LayerNorm(width)
        self.head = nn.Linear(width, outputs)

    def forward(self, input_ids: Tensor, attention_mask: Tensor) -> Tensor:
        """(batch, length), (batch, length) -> (batch, outputs)."""
        tokens = self.embeddings(input_ids) + self.positions[: input_ids.shape[1]]
        seen = attention_mask.to(torch.bool)[:, None, None, :]
        for block in self.blocks:
            tokens = block(tokens, seen)
        head: Tensor = self.head(masked_mean(self.norm(tokens), attention_mask))
        return head
