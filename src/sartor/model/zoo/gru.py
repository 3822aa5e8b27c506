"""Gated recurrent units (Cho et al. 2014, arXiv 1406.1078) over texts, sequences and spectrograms."""

from __future__ import annotations

from torch import Tensor, nn

from sartor.model.zoo.attention import masked_mean


class TextRecurrence(nn.Module):
    """Embeddings, `depth` layers of units, the mean over the tokens, a linear layer.

    The units run from left to right only, so that the padding after a text changes nothing in it.
    Shapes: (batch, length) token numbers and (batch, length) of 1 and 0 -> (batch, outputs).
    """

    def __init__(self, vocabulary: int, outputs: int, width: int, depth: int) -> None:
        super().__init__()
        self.embeddings = nn.Embedding(vocabulary, width)
        self.units = nn.GRU(width, width, depth, batch_first=True)
        self.head = nn.Linear(width, outputs)

    def forward(self, input_ids: Tensor, attention_mask: Tensor) -> Tensor:
        """(batch, length), (batch, length) -> (batch, outputs)."""
        states, _ = self.units(self.embeddings(input_ids))
        head: Tensor = self.head(masked_mean(states, attention_mask))
        return head


class SequenceRecurrence(nn.Module):
    """`depth` layers of units along time, the mean over time, a linear layer.

    Shapes: (batch, steps, features), or (batch, 1, bands, frames) read along its frames, -> (batch, outputs).
    """

    def __init__(self, features: int, outputs: int, width: int, depth: int) -> None:
        super().__init__()
        self.units = nn.GRU(features, width, depth, batch_first=True)
        self.head = nn.Linear(width, outputs)

    def forward(self, rows: Tensor) -> Tensor:
        """(batch, steps, features) or (batch, 1, bands, frames) -> (batch, outputs)."""
        steps = rows.squeeze(1).transpose(1, 2) if rows.ndim == 4 else rows
        states, _ = self.units(steps)
        head: Tensor = self.head(states.mean(1))
        return head
