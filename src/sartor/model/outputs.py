"""What a module returns, as tensors with names. Needs torch only to look at tensors that are there already."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from sartor.errors import ModelError

if TYPE_CHECKING:
    from torch import Tensor

OUTPUT = "output"
LOGITS = "logits"


def named_tensors(output: Any, source: str) -> dict[str, Tensor]:
    """The tensors of a module's output, in order.

    One tensor is called `output`; so is `logits` of a dictionary or of a transformers output, which then stands
    for all of it. Other dictionaries keep their keys, tuples are numbered: `output_0`, `output_1`. What is no
    tensor (caches, lists of hidden states) is left out.

    Raises:
        ModelError: nothing of it is a tensor.
    """
    import torch

    if isinstance(output, torch.Tensor):
        return {OUTPUT: output}
    items: Mapping[str, Any] = {}
    if isinstance(output, Mapping):
        items = {OUTPUT: output[LOGITS]} if LOGITS in output else {str(key): value for key, value in output.items()}
    elif isinstance(output, (tuple, list)):
        items = {f"{OUTPUT}_{number}": value for number, value in enumerate(output)}
    tensors = {name: value for name, value in items.items() if isinstance(value, torch.Tensor)}
    if not tensors:
        raise ModelError(
            f"{source} returned {type(output).__name__}", "a tensor (batch, ...), or a tuple or dictionary of tensors"
        )
    return {OUTPUT: next(iter(tensors.values()))} if len(tensors) == 1 else tensors
