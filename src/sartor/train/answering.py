"""An ONNX file that only answers, as a module. Imports torch: import this file inside functions only."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from sartor.errors import CandidateError
from sartor.measure.child import speaks_of_memory
from sartor.model.onnx import read_signature
from sartor.runtime import open_runtime
from sartor.runtime.base import Settings


class Answering(nn.Module):
    """A file run by ONNX Runtime, which takes two thirds of the time that torch takes for a forward pass of a ResNet.

    It gives a dictionary of one tensor, as `OnnxModule` does.
    """

    def __init__(self, path: Path, output: str, threads: int) -> None:
        """`path` takes any number of rows; `output` is the name of what it is asked for.

        Raises:
            CandidateError: `unsupported`, ONNX Runtime does not take the file.
        """
        super().__init__()
        signature = read_signature(path)
        self._inputs = {spec.name: np.dtype(spec.dtype) for spec in signature.inputs}
        self._name = output
        self._place = [spec.name for spec in signature.outputs].index(output)
        self._session = open_runtime("onnxruntime").load(path, Settings("f32", threads))

    def forward(self, *rows: Tensor, **named: Tensor) -> dict[str, Tensor]:
        """What the file takes, in its order or by name -> what it gives.

        Raises:
            MemoryError: it ran out of memory.
        """
        given = {**dict(zip(self._inputs, rows, strict=False)), **named}
        arrays = {name: given[name].contiguous().numpy().astype(to, copy=False) for name, to in self._inputs.items()}
        try:
            outputs = self._session.run(arrays)
        except CandidateError as error:
            if speaks_of_memory(error.detail):
                raise MemoryError(error.detail) from error
            raise
        return {self._name: torch.from_numpy(np.array(outputs[self._place]))}
