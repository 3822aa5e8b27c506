"""Rows become tensors, and a module is called with them. Imports torch: import this file inside functions only."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from sartor.model.outputs import OUTPUT, named_tensors
from sartor.model.torch import call_builder
from sartor.steps.base import Array
from sartor.steps.prepared import SOLE, Prepared
from sartor.train.rows import Rows, shift
from sartor.train.values import TrainingJob

_PICTURE = 4  # dimensions of (rows, channels, height, width)
_VECTOR = 8  # channels that a kernel computes together
_SHIFTED_SIDE = 16  # pixels; smaller pictures lose too much when they are moved
_NUMBERS = {"f": np.float32, "i": np.int64, "u": np.int64, "b": np.bool_}  # by numpy's letter of the kind

Tensors = Mapping[str, Tensor]


@dataclass(frozen=True)
class Feed:
    """How the rows of one training reach its module.

    Attributes:
        inputs: all rows of the data.
        by_name: whether even an only input is given by keyword.
        pixels: by how much pictures are shifted; 0 for anything else.
        layout: memory order of pictures.
        mean_length: of all rows; 0 when they have one shape.
        output: the output that is trained, where the module gives several.
    """

    inputs: Prepared
    by_name: bool
    pixels: int
    layout: torch.memory_format
    mean_length: float = 0.0
    output: str = ""

    @classmethod
    def of(cls, job: TrainingJob, module: nn.Module) -> Feed:
        """What a job's rows and its module ask for."""
        arrays = list(job.inputs.arrays.values())
        picture = len(arrays) == 1 and arrays[0].ndim == _PICTURE and arrays[0].dtype.kind == "f" and not job.by_name
        large = picture and min(arrays[0].shape[2:]) >= _SHIFTED_SIDE
        # Convolutions of this kind of CPU run faster with the channels last. Modules that take their input by
        # name are a library's, and some reshape in ways that only the plain order allows.
        layout = torch.channels_last if picture and _may_reorder(module) else torch.contiguous_format
        mean = 0.0 if job.inputs.lengths is None else float(job.inputs.lengths.mean())
        return cls(job.inputs, job.by_name, int(job.shifts and large), layout, mean, job.output)

    def read(self, rows: Rows, generator: np.random.Generator | None = None) -> dict[str, Tensor]:
        """The tensors of some rows, as short as their longest; pictures are shifted where a generator is given."""
        tensors = tensors_of(self.inputs.take(rows).trimmed())
        if self.pixels and generator is not None:
            tensors = {
                name: torch.from_numpy(shift(tensor.numpy(), self.pixels, generator))
                for name, tensor in tensors.items()
            }
        if self.layout is torch.contiguous_format:
            return tensors
        return {name: tensor.to(memory_format=self.layout) for name, tensor in tensors.items()}

    def relative_length(self, rows: Rows) -> float:
        """How long a batch is beside the mean of all rows: about what its work is beside that of others."""
        lengths = self.inputs.lengths
        return 1.0 if lengths is None or not self.mean_length else float(lengths[rows].max()) / self.mean_length or 1.0

    def call(self, module: nn.Module, tensors: Tensors) -> Tensor:
        """What a module gives for a batch; see `scores_of`."""
        return scores_of(call_with(module, tensors, by_name=self.by_name), self.output, module)

    def call_checked(self, module: nn.Module, tensors: Tensors) -> Tensor:
        """The same, for the first call: what the user's code raises is told as such."""
        name = f"{type(module).__name__}.forward"
        return scores_of(call_builder(name, call_with, module, tensors, by_name=self.by_name), self.output, module)


def _may_reorder(module: nn.Module) -> bool:
    """Whether gradients of the module's convolutions are right with the channels last.

    Torch 2.13 writes beyond its memory in the backward pass of a 1 x 1 convolution with a stride that reads 2 to 7
    channels, on one thread: seen as crashes, and as numbers of something else.
    """
    kernels = (tuple(weight.shape) for weight in module.parameters() if weight.ndim == _PICTURE)
    return not any(1 < read < _VECTOR and high == wide == 1 for _, read, high, wide in kernels)


def tensors_of(batch: Prepared) -> dict[str, Tensor]:
    """The arrays of a batch: fractions as float32, whole numbers as int64; copied where they must be."""
    return {name: torch.from_numpy(_as_number(array)) for name, array in batch.arrays.items()}


def _as_number(array: Array) -> Array:
    return np.ascontiguousarray(array, dtype=_NUMBERS.get(array.dtype.kind, np.float32))


def call_with(module: nn.Module, tensors: Tensors, *, by_name: bool) -> Any:
    """Call a module on a batch: several inputs by keyword, a sole one as the only argument.

    Args:
        module: what to call.
        tensors: input -> (rows, ...).
        by_name: whether a sole input that has a name is given by keyword too.
    """
    if len(tensors) == 1 and (not by_name or SOLE in tensors):
        return module(next(iter(tensors.values())))
    return module(**tensors)


def scores_of(returned: Any, output: str, module: nn.Module) -> Tensor:
    """The one tensor that is trained: the output of that name, else `output` or logits, else the first.

    Raises:
        ModelError: nothing that the module returned is a tensor.
    """
    tensors = named_tensors(returned, f"{type(module).__name__}.forward")
    chosen = next((name for name in (output, OUTPUT) if name in tensors), next(iter(tensors)))
    return tensors[chosen]
