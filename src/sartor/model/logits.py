"""A transformers model as a module that returns its logits. Imports torch: import this file inside functions only."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from torch import Tensor, nn


class Logits(nn.Module):
    """Takes the inputs by name or in order; (batch, ...) -> (batch, outputs)."""

    def __init__(self, network: nn.Module, names: Sequence[str]) -> None:
        super().__init__()
        self.network = network
        self.names = tuple(names)

    def forward(self, *rows: Tensor, **named: Tensor) -> Tensor:
        """Tensors (batch, ...) -> logits (batch, outputs)."""
        output: Any = self.network(**dict(zip(self.names, rows, strict=False)), **named)
        logits: Tensor = output.logits
        return logits
