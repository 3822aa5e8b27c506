"""Loss and score of a task. Imports torch: import this file inside functions only."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from sartor.train.feeding import scores_of

_TEMPERATURE = 4.0  # of the answers that are imitated; Hinton et al. 2015, section 3, used 2.5 to 20
_IMITATION = 0.9  # share of the loss that is imitation: the labels are the smaller part (section 2)


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

    def imitation(self, outputs: Tensor, labels_loss: Tensor, teacher: Tensor) -> Tensor:
        """Mostly the divergence from a teacher's softened answers, in nats (Hinton et al. 2015, arXiv 1503.02531)."""
        mine, other = outputs.float() / _TEMPERATURE, teacher.float() / _TEMPERATURE
        divergence = functional.kl_div(
            functional.log_softmax(mine, 1), functional.log_softmax(other, 1), reduction="batchmean", log_target=True
        )
        return _IMITATION * _TEMPERATURE**2 * divergence + (1 - _IMITATION) * labels_loss

    def score(self, outputs: Tensor, targets: Tensor) -> float:
        """Accuracy, a share."""
        return float((outputs.argmax(1) == targets).double().mean())

    def noise(self, score: float, rows: int) -> float:
        """Standard error of an accuracy seen on some rows: binomial."""
        return math.sqrt(score * (1 - score) / rows)

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
        real: whether the module gives real units already, as one that recovers does.
    """

    mean: Tensor
    deviation: Tensor
    output: str = ""
    real: bool = False
    higher_is_better = False

    @classmethod
    def of(cls, labels: NDArray[Any], output: str = "", *, real: bool = False) -> Regression:
        """Standardise by the training rows' `labels`, (rows,) or (rows, outputs)."""
        columns = np.asarray(labels, dtype=np.float64).reshape(len(labels), -1)
        deviation = columns.std(0)
        deviation[deviation == 0] = 1.0  # a constant target stays itself
        return cls(torch.from_numpy(columns.mean(0)), torch.from_numpy(deviation), output, real)

    def targets(self, labels: NDArray[Any]) -> Tensor:
        """(rows, outputs), standardised."""
        columns = torch.from_numpy(np.asarray(labels, dtype=np.float64).reshape(len(labels), -1))
        return ((columns - self.mean) / self.deviation).float()

    def loss(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """Mean over the rows and outputs, in squared deviations."""
        return functional.mse_loss(self._standardised(outputs, targets), targets)

    def imitation(self, outputs: Tensor, labels_loss: Tensor, teacher: Tensor) -> Tensor:
        """Mostly the squared distance to a teacher's answers in real units, in squared deviations."""
        columns = teacher.reshape(len(teacher), -1)
        other = ((columns - self.mean) / self.deviation).float()
        distance = functional.mse_loss(self._standardised(outputs, other), other)
        return _IMITATION * distance + (1 - _IMITATION) * labels_loss

    def score(self, outputs: Tensor, targets: Tensor) -> float:
        """Root mean square error in the units of the target."""
        errors = (self._standardised(outputs, targets) - targets).double() * self.deviation
        return float(errors.square().mean().sqrt())

    def noise(self, score: float, rows: int) -> float:
        """Standard error of a root mean square seen on some rows, of normal errors."""
        return score / math.sqrt(2 * rows)

    def _standardised(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """Outputs in the shape and the units of the targets."""
        columns = outputs.float().reshape(targets.shape)
        return ((columns - self.mean) / self.deviation).float() if self.real else columns

    def finish(self, module: nn.Module) -> nn.Module:
        """The module in real units: folded into the last layer of a zoo model, else added as a layer."""
        if self.real:
            return module
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
