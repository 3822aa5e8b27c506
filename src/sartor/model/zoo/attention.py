"""Transformer blocks (Vaswani et al. 2017, arXiv 1706.03762), with the norm before each part (Xiong et al. 2020,
"On layer normalization in the transformer architecture", arXiv 2002.04745).

Letters used for shapes: b rows, t tokens or patches, w width.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional

HEADS = 4
_WIDENING = 4  # the hidden layer of each block is so many times as wide


class Block(nn.Module):
    """Self-attention, then two linear layers with GELU; each adds to its input. (b, t, w) -> (b, t, w)."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.first_norm = nn.LayerNorm(width)
        self.projections = nn.Linear(width, 3 * width)
        self.mixing = nn.Linear(width, width)
        self.second_norm = nn.LayerNorm(width)
        self.hidden = nn.Sequential(nn.Linear(width, _WIDENING * width), nn.GELU(), nn.Linear(_WIDENING * width, width))

    def forward(self, tokens: Tensor, seen: Tensor | None = None) -> Tensor:
        """(b, t, w) -> (b, t, w); `seen` (b, 1, 1, t) is true where a token may be looked at."""
        tokens = tokens + self._attend(self.first_norm(tokens), seen)
        return tokens + torch.as_tensor(self.hidden(self.second_norm(tokens)))

    def _attend(self, tokens: Tensor, seen: Tensor | None) -> Tensor:
        width = tokens.shape[-1]
        # (b, t, 3, heads, w / heads) -> three of (b, heads, t, w / heads)
        parts = self.projections(tokens).unflatten(-1, (3, HEADS, width // HEADS)).permute(2, 0, 3, 1, 4)
        mixed = functional.scaled_dot_product_attention(parts[0], parts[1], parts[2], attn_mask=seen)
        mixing: Tensor = self.mixing(mixed.transpose(1, 2).flatten(2))
        return mixing


def masked_mean(tokens: Tensor, mask: Tensor) -> Tensor:
    """(b, t, w), (b, t) of 1 and 0 -> (b, w): the mean over the tokens with 1."""
    weights = mask.to(tokens.dtype).unsqueeze(-1)
    return (tokens * weights).sum(1) / weights.sum(1).clamp(min=1)


def sines(length: int, width: int) -> Tensor:
    """(length, width): sines and cosines of each position at `width / 2` wavelengths (Vaswani et al., section 3.5).

    Unlike learnt positions these are right for texts longer than any that was trained on.
    """
    rates = torch.exp(torch.arange(0, width, 2) * (-math.log(10_000) / width))
    angles = torch.arange(length).unsqueeze(1) * rates
    return torch.stack((angles.sin(), angles.cos()), dim=2).flatten(1)
