"""What layers of a teacher give, learnt beside its answers. Imports torch: import this file inside functions only."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import torch
from onnx import ModelProto, NodeProto, helper, save
from torch import Tensor

from sartor.errors import CandidateError
from sartor.model.onnx import with_outputs
from sartor.runtime import open_runtime
from sartor.runtime.base import Array, Session, Settings

_MOST = 4  # tensors
_MASKED = 1e4  # numbers that large are not features, but shut something out
_ACTIVATIONS = ("Relu", "Clip", "LeakyRelu", "HardSwish", "Gelu", "Elu", "PRelu")

Arrays = Mapping[str, Array]


class Features:
    """Layers of two networks, one of which was made of the other, so that tensors of one name stand for the same.

    As many as four of one shape in both, evenly spread: of the sums that end residual branches; where there are none,
    of activations. Their mean squared distance is TinyBERT's loss of hidden states (Jiao et al. 2020, arXiv
    1909.10351), here as a share of the variance that the teacher's numbers have.
    """

    def __init__(self, student: ModelProto, teacher: ModelProto, rows: Arrays, threads: int) -> None:
        """Find the layers by a few rows under the names of the files' inputs.

        Raises:
            CandidateError: `unsupported`, no layer of one has the shape that it has in the other.
        """
        kinds = {given.name: given.type.tensor_type.elem_type for given in teacher.graph.input}
        self._types = {name: helper.tensor_dtype_to_np_dtype(kind) for name, kind in kinds.items()}
        rows = self._typed(rows)
        self.names = _chosen(_shared(student, teacher, rows, threads))
        if not self.names:
            why = "no features to learn: no layer of the network has the shape that it has in its teacher"
            raise CandidateError("unsupported", why)
        self._teacher = _session(teacher, self.names, threads)
        self._variances = [float(array.var()) for array in self._teacher.run(rows)]

    def distance(self, given: Mapping[str, Tensor], inputs: Mapping[str, Tensor]) -> Tensor:
        """Mean over the layers of the mean squared distance, as a share of the teacher's variance.

        Args:
            given: by the student for these inputs, by name.
            inputs: as the student saw them.
        """
        rows = self._typed({name: tensor.contiguous().numpy() for name, tensor in inputs.items()})
        wanted = [torch.from_numpy(array.copy()) for array in self._teacher.run(rows)]
        pairs = zip(self.names, wanted, self._variances, strict=True)
        return torch.stack([(given[name].float() - other).square().mean() / v for name, other, v in pairs]).mean()

    def _typed(self, rows: Arrays) -> dict[str, Array]:
        """Rows as the files take them."""
        return {name: rows[name].astype(dtype, copy=False) for name, dtype in self._types.items()}


def _session(model: ModelProto, outputs: Sequence[str], threads: int) -> Session:
    """A session that gives these tensors of a file."""
    with TemporaryDirectory(prefix="sartor-") as scratch:
        save(with_outputs(model, outputs), str(Path(scratch) / "observed.onnx"))
        return open_runtime("onnxruntime").load(Path(scratch) / "observed.onnx", Settings("f32", threads))


def _shared(student: ModelProto, teacher: ModelProto, rows: Arrays, threads: int) -> list[NodeProto]:
    """Operators whose only output both networks compute: fractions that vary, of one shape."""
    theirs = {name for node in teacher.graph.node for name in node.output}
    ends = {output.name for model in (student, teacher) for output in model.graph.output}
    nodes = [node for node in student.graph.node if len(node.output) == 1 and node.output[0] in theirs - ends]
    names = [node.output[0] for node in nodes]
    if not names:
        return []
    mine, other = (_session(model, names, threads).run(dict(rows)) for model in (student, teacher))
    count = len(next(iter(rows.values())))
    return [node for node, one, two in zip(nodes, mine, other, strict=True) if _comparable(one, two, count)]


def _comparable(mine: Array, other: Array, rows: int) -> bool:
    alike = mine.dtype == np.float32 and mine.shape == other.shape and mine.shape[:1] == (rows,)
    return alike and bool(np.abs(other).max(initial=0.0) < _MASKED) and float(other.var()) > 0


def _chosen(nodes: Sequence[NodeProto]) -> tuple[str, ...]:
    """Names of a few tensors: of sums, else of activations, else of anything; the last among them."""
    made = {name for node in nodes for name in node.output}
    sums = [node for node in nodes if node.op_type == "Add" and made.issuperset(node.input)]
    activations = [node for node in nodes if node.op_type in _ACTIVATIONS]
    found = [node.output[0] for node in sums or activations or nodes]
    step = max(1, math.ceil(len(found) / _MOST))
    return tuple(found[::-1][::step][::-1])
