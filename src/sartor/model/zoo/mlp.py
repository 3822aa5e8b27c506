"""A multilayer perceptron."""

from __future__ import annotations

import itertools

from torch import Tensor, nn


class MultilayerPerceptron(nn.Module):
    """`depth` hidden layers of `width` units with ReLU.

    Shapes: (batch, ...) with `features` values a row -> (batch, outputs).
    """

    def __init__(self, features: int, outputs: int, width: int, depth: int) -> None:
        super().__init__()
        sizes = [features, *[width] * depth]
        hidden: list[nn.Module] = []
        for before, after in itertools.pairwise(sizes):
            hidden += [nn.Linear(before, after), nn.ReLU()]
        self.hidden = nn.Sequential(*hidden)
        self.head = nn.Linear(width, outputs)

    def forward(self, rows: Tensor) -> Tensor:
        """(batch, ...) -> (batch, outputs)."""
        head: Tensor = self.head(self.hidden(rows.flatten(1)))
        return head
