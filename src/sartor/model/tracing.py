"""How a module is shown to the exporter. Imports torch: import this file inside functions only."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from torch import Tensor, nn

from sartor.model.outputs import named_tensors


class Positional(nn.Module):
    """A module that takes its inputs in order, and returns its tensors in order.

    Names, keywords and classes of outputs stay outside of the traced graph.

    Args:
        source: the module; held so that its weights are found.
        names: of the inputs, in the order of the arguments of `forward`.
        call: calls the source with the named tensors.
    """

    def __init__(self, source: nn.Module, names: Sequence[str], call: Callable[[dict[str, Tensor]], Any]) -> None:
        super().__init__()
        self.source = source
        self.names = tuple(names)
        self.call = call

    def forward(self, *rows: Tensor) -> tuple[Tensor, ...]:
        """Tensors (batch, ...) -> tensors (batch, ...)."""
        output = self.call(dict(zip(self.names, rows, strict=True)))
        return tuple(named_tensors(output, type(self.source).__name__).values())
