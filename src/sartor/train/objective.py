"""Loss and score of a task. Imports torch: import this file inside functions only."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from sartor.train.feeding import scores_of


@dataclass(frozen=True)
class Classification:
    """Cross-entropy; scored by accuracy."""

    label_smoothing: float = 0.0
    higher_is_better = True

    def targets(self, labels: NDArray[Any]) -> Tensor:
        """(rows,) class numbers."""
        return torch.from_numpy(np.ascontiguousarray(labels, dtype=np.int64))

    def loss(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """Mean over the rows, in nats."""
        return functional.cross_entropy(outputs.float(), targets, label_smoothing=self.label_smoothing)

    def score(self, outputs: Tensor, targets: Tensor) -> float:
        """Accuracy, a share."""
        return float((outputs.argmax(1) == targets).double().mean())

    def finish(self, module: nn.Module) -> nn.Module:
        """The module as it is."""
        return module


@dataclass(frozen=True)
class Regression:
    """Mean square error on standardised targets; the standardisation is folded into the model at the end.

    Attributes:
        mean: (outputs,) of the training targets.
        deviation: (outputs,) of the training targets.
        output: the output of the module that is trained, where it gives several.
    """

    mean: Tensor
    deviation: Tensor
    output: str = ""
    higher_is_better = False

    @classmethod
    def of(cls, labels: NDArray[Any], output: str = "") -> Regression:
        """Standardise by the training rows' `labels`, (rows,) or (rows, outputs)."""
        columns = np.asarray(labels, dtype=np.float64).reshape(len(labels), -1)
        deviation = columns.std(0)
        deviation[deviation == 0] = 1.0  # a constant target stays itself
        return cls(torch.from_numpy(columns.mean(0)), torch.from_numpy(deviation), output)

    def targets(self, labels: NDArray[Any]) -> Tensor:
        """(rows, outputs), standardised."""
        columns = torch.from_numpy(np.asarray(labels, dtype=np.float64).reshape(len(labels), -1))
        return ((columns - self.mean) / self.deviation).float()

    def loss(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """Mean over the rows and outputs, in squared deviations."""
        return functional.mse_loss(outputs.float().reshape(targets.shape), targets)

    def score(self, outputs: Tensor, targets: Tensor) -> float:
        """Root mean square error in the units of the target."""
        errors = (outputs.reshape(targets.shape) - targets).double() * self.deviation
        return float(errors.square().mean().sqrt())

    def finish(self, module: nn.Module) -> nn.Module:
        """The module in real units: folded into the last layer of a zoo model, else added as a layer."""
        head = getattr(module, "head", None)
        if type(module).__module__.startswith("sartor.model.zoo.") and isinstance(head, nn.Linear):
            with torch.no_grad():
                head.weight.copy_((head.weight.double() * self.deviation[:, None]).float())
                head.bias.copy_((head.bias.double() * self.deviation + self.mean).float())
            return module
        return Rescaled(module, self.deviation.float(), self.mean.float(), self.output)


class Rescaled(nn.Module):
    """A module whose scores, (rows, outputs) or (rows,), are scaled and shifted to real units; others are dropped."""

    scale: Tensor
    offset: Tensor

    def __init__(self, module: nn.Module, scale: Tensor, offset: Tensor, output: str) -> None:
        super().__init__()
        self.module = module
        self.output = output
        self.register_buffer("scale", scale)
        self.register_buffer("offset", offset)

    def forward(self, *rows: Tensor, **named: Tensor) -> Tensor:
        """What the module takes -> (rows, outputs)."""
        scores = scores_of(self.module(*rows, **named), self.output, self.module)
        return scores.reshape(scores.shape[0], -1) * self.scale + self.offset


Objective = Classification | Regression
