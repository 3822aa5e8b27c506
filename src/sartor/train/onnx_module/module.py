"""A network of an ONNX file as a torch module whose weights can be trained, and written back.

Imports torch: import this file inside functions only.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from onnx import ModelProto, TensorProto, numpy_helper
from torch import Tensor, nn

from sartor.errors import CandidateError
from sartor.train.onnx_module.graph import read_graph, stored_in_place
from sartor.train.onnx_module.operators_base import DTYPES, tensor_of
from sartor.train.onnx_module.plan import Step, plan
from sartor.train.onnx_module.weights import trainable


def unsupported_operators(model: ModelProto, outputs: Sequence[str] = ()) -> tuple[str, ...]:
    """Why a file cannot be run as a module: one sentence for each cause; empty when it can.

    Args:
        outputs: tensors that are wanted; what only others need is not looked at.

    Raises:
        CandidateError: `failed`, no tensor is called as one of `outputs`.
    """
    return plan(read_graph(model, outputs), ()).refused


class OnnxModule(nn.Module):
    """A network of an ONNX file: its weights are parameters.

    All fractions are computed in f32, also where the file says f16, bf16 or f64. Dropout does nothing, and batch norms
    keep the statistics that the file holds, unless it asks for those of the batch (`training_mode`); both also while
    `training`. What depends on neither rows nor weights is computed once, here.
    """

    def __init__(self, model: ModelProto, outputs: Sequence[str] = ()) -> None:
        """Plan a network.

        Args:
            model: the file, with its weights inside.
            outputs: names of the tensors to give, outputs of the file or any inside; default: the file's outputs.

        Raises:
            CandidateError: `unsupported`, an operator or setting that `unsupported_operators` names; `failed`, no
                tensor is called as one of `outputs`.
        """
        super().__init__()
        graph = read_graph(model, outputs)
        names = sorted(trainable(graph) & stored_in_place(model).keys())
        planned = plan(graph, names)
        if planned.refused:
            raise CandidateError("unsupported", "; ".join(planned.refused))
        self._steps = planned.steps
        self._outputs = graph.outputs
        self._input_types = {name: DTYPES.get(kind) for name, kind in graph.inputs.items()}
        self._needed = graph.read & graph.inputs.keys()
        self._output_types = {name: DTYPES[kind] for name, kind in graph.types.items() if kind in DTYPES}
        self._weight_names = {name: f"weight_{_attribute(name)}_{number}" for number, name in enumerate(names)}
        self._constant_names = {name: f"constant_{number}" for number, name in enumerate(planned.constants)}
        for name, attribute in self._weight_names.items():
            self.register_parameter(attribute, nn.Parameter(tensor_of(graph.stored[name])))
        for name, attribute in self._constant_names.items():
            self.register_buffer(attribute, planned.constants[name], persistent=False)

    @property
    def weights(self) -> dict[str, nn.Parameter]:
        """The parameters by the names that their tensors have in the file."""
        return {name: self._parameters[attribute] for name, attribute in self._weight_names.items()}  # type: ignore[misc]

    def forward(self, *rows: Tensor, **named: Tensor) -> dict[str, Tensor]:
        """Compute the outputs.

        Args:
            rows: inputs in the order of the file.
            named: inputs by name.

        Returns:
            Tensors by the name of the output.

        Raises:
            TypeError: an input is missing, or unknown.
        """
        return self.walk(lambda step, given: step.run(*given), rows, named)

    def walk(
        self, visit: Callable[[Step, Sequence[Any]], Any], rows: Sequence[Tensor], named: dict[str, Tensor]
    ) -> dict[str, Tensor]:
        """Compute the outputs with a look at every step.

        Args:
            visit: given a step and its tensors, weights among them, gives what the step is to give.
            rows: inputs in the order of the file.
            named: inputs by name.

        Raises:
            TypeError: an input is missing, or unknown.
        """
        tensors: dict[str, Any] = {"": None, **self.weights, **self._given(rows, named)}
        tensors.update((name, self._buffers[attribute]) for name, attribute in self._constant_names.items())
        for step in self._steps:
            values = visit(step, [tensors[name] for name in step.inputs])
            if len(step.outputs) == 1:
                tensors[step.outputs[0]] = values if isinstance(values, Tensor) else values[0]
            else:
                tensors.update(zip(step.outputs, values, strict=False))
                tensors[""] = None
            for name in step.last:
                del tensors[name]
        return {name: self._as_declared(name, tensors[name]) for name in self._outputs}

    def write_to(self, model: ModelProto) -> None:
        """Put the weights into a copy of the same file, in place, as the type of number that it stores.

        Raises:
            CandidateError: `failed`, the file holds no tensor of a weight's name and shape, or its type of number
                cannot hold a weight; nothing is written then.
        """
        stored = stored_in_place(model)
        written = {name: _as_stored(name, weight, stored.get(name)) for name, weight in self.weights.items()}
        for name, tensor in written.items():
            stored[name].CopyFrom(tensor)

    def _given(self, rows: Sequence[Tensor], named: dict[str, Tensor]) -> dict[str, Tensor]:
        given = dict(zip(self._input_types, rows, strict=False)) | named
        known = given.keys() <= self._input_types.keys() and len(rows) <= len(self._input_types)
        if not known or not self._needed <= given.keys():
            expected, came = ", ".join(self._input_types), ", ".join(given) or "none"
            raise TypeError(f"inputs {came} came, {len(rows)} of them by position; the network takes {expected}")
        return {name: given[name].to(self._input_types[name]) for name in self._needed}

    def _as_declared(self, name: str, tensor: Tensor) -> Tensor:
        """Quantized numbers are held as fractions inside; an output of whole numbers is given as such."""
        return tensor.to(self._output_types.get(name, tensor.dtype))


def _as_stored(name: str, weight: Tensor, stored: TensorProto | None) -> TensorProto:
    """A weight as the type of number that the file stores."""
    if stored is None or tuple(stored.dims) != tuple(weight.shape):
        raise CandidateError("failed", f"the file has no tensor `{name}` of shape {tuple(weight.shape)}")
    dtype = numpy_helper.to_array(stored).dtype
    with np.errstate(over="ignore"):
        values = np.ascontiguousarray(weight.detach().cpu().numpy()).astype(dtype)
    if not np.isfinite(values).all():
        raise CandidateError("failed", f"weight `{name}` holds numbers that {dtype} cannot")
    return numpy_helper.from_array(values, stored.name)


def _attribute(name: str) -> str:
    return re.sub(r"\W", "_", name)
