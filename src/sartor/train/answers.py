"""What a file gives, in the form that an objective takes. Imports torch: import this file inside functions only."""

from __future__ import annotations

from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from sartor.steps.labels import scores_kind
from sartor.steps.prepared import Prepared
from sartor.train.feeding import call_with, tensors_of
from sartor.train.values import Kind

Form = Literal["logits", "probabilities", "values"]
_LEAST = 1e-7  # of a probability: its logarithm is taken
_SEEN_ROWS = 256  # that tell whether a network gives probabilities


class Answers(nn.Module):
    """The first output of a network as columns: logits of the classes, or values.

    Probabilities become their logarithms, whose softmax they are; one column that stands for two classes becomes two.
    What else the network gave in its last call is kept in `features`, by name.
    """

    def __init__(self, network: nn.Module, form: Form) -> None:
        """`network` gives a dictionary whose first tensor is (rows, columns) or (rows,)."""
        super().__init__()
        self.features: dict[str, Tensor] = {}
        self.network = network
        self._form = form

    def forward(self, *rows: Tensor, **named: Tensor) -> Tensor:
        """What the network takes -> (rows, classes or values)."""
        name, *others = tensors = self.network(*rows, **named)
        self.features = {other: tensors[other] for other in others}
        scores = tensors[name]
        columns: Tensor = scores.reshape(len(scores), -1)
        if self._form == "values":
            return columns
        if self._form == "logits":
            return torch.cat([torch.zeros_like(columns), columns], 1) if columns.shape[1] == 1 else columns
        both = torch.cat([1 - columns, columns], 1) if columns.shape[1] == 1 else columns
        return both.clamp_min(_LEAST).log()


def form_of(network: nn.Module, kind: Kind, inputs: Prepared, rows: NDArray[np.int64]) -> tuple[Form, int]:
    """What the first output of a network gives, seen on some rows, and how many columns `Answers` makes of it."""
    with torch.inference_mode():
        seen = call_with(network, tensors_of(inputs.take(rows[:_SEEN_ROWS]).trimmed()), by_name=False)
    scores = next(iter(seen.values()))
    columns = scores.reshape(len(scores), -1).numpy()
    if kind == "regression":
        return "values", columns.shape[1]
    return scores_kind(columns), max(2, columns.shape[1])
