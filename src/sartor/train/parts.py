"""A network that takes a batch in parts, for want of memory. Imports torch: import this file inside functions only."""

from __future__ import annotations

from functools import partial

import torch
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint


class InParts(nn.Module):
    """A network of dictionaries whose batches go through it in parts, of which one at a time is in memory.

    What lies between inputs and outputs is computed a second time for the gradients (Chen et al. 2016, "Training deep
    nets with sublinear memory cost", arXiv 1604.06174), which add up over the parts: a step is the same, takes a third
    more time, and keeps the outputs of all rows but the rest of one part only.
    """

    def __init__(self, network: nn.Module, parts: int) -> None:
        """`network` gives a dictionary of tensors (rows, ...), each row by itself; batches come in `parts` parts."""
        super().__init__()
        self.network = network
        self._parts = parts

    def forward(self, *rows: Tensor, **named: Tensor) -> dict[str, Tensor]:
        """What the network takes -> what it gives."""
        given: dict[int | str, Tensor] = dict(enumerate(rows))
        given.update(named)
        cut = {key: tensor.chunk(self._parts) for key, tensor in given.items()}
        pieces = [self._piece(dict(zip(cut, tensors, strict=True))) for tensors in zip(*cut.values(), strict=True)]
        return {name: torch.cat([piece[name] for piece in pieces]) for name in pieces[0]}

    def _piece(self, given: dict[int | str, Tensor]) -> dict[str, Tensor]:
        rows = [tensor for key, tensor in given.items() if isinstance(key, int)]
        named = {key: tensor for key, tensor in given.items() if isinstance(key, str)}
        compute = partial(self.network, *rows, **named)
        again = partial(checkpoint, compute, use_reentrant=False, preserve_rng_state=False)
        outputs: dict[str, Tensor] = again() if torch.is_grad_enabled() else compute()
        return outputs
