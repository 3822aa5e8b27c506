"""One node of an ONNX graph as the builders of its operator see it. Imports torch: import inside functions only.

A builder takes a `Node` and returns the function that computes it: tensors in (None where an optional input is left
out), a tensor or a tuple of tensors out. All fractions are f32, whatever the file stores.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

import numpy as np
import torch
from onnx import TensorProto, numpy_helper
from torch import Tensor

Run = Callable[..., Any]
Inputs = Sequence[Tensor | None]
Numbers = Callable[[Inputs], list[int] | None]

DTYPES: Mapping[int, torch.dtype] = MappingProxyType(
    {
        TensorProto.FLOAT: torch.float32,
        TensorProto.FLOAT16: torch.float32,
        TensorProto.BFLOAT16: torch.float32,
        TensorProto.DOUBLE: torch.float32,
        TensorProto.INT8: torch.int8,
        TensorProto.INT16: torch.int16,
        TensorProto.INT32: torch.int32,
        TensorProto.INT64: torch.int64,
        TensorProto.UINT8: torch.uint8,
        TensorProto.BOOL: torch.bool,
    }
)


class RefusedError(Exception):
    """A node that cannot be computed here; the message says which setting came, in one sentence."""


@dataclass(frozen=True)
class Node:
    """An operator with its settings.

    Attributes:
        kind: name of the operator.
        domain: of the operator; empty for ONNX's own.
        version: of ONNX's own operator set that the file uses.
        inputs: names of the tensors it reads; empty where one is left out.
        outputs: names of the tensors it gives; empty where nobody wants one.
        attributes: settings, as plain Python values.
        constants: the inputs that are known before any row is, by position.
    """

    kind: str
    domain: str
    version: int
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    attributes: Mapping[str, Any] = field(default_factory=dict)
    constants: Mapping[int, Tensor] = field(default_factory=dict)

    def has(self, position: int) -> bool:
        """Whether an optional input is given."""
        return position < len(self.inputs) and bool(self.inputs[position])

    def gives(self, position: int) -> bool:
        """Whether an optional output is wanted."""
        return position < len(self.outputs) and bool(self.outputs[position])

    def get(self, name: str, default: Any = None) -> Any:
        """An attribute, or its default."""
        return self.attributes.get(name, default)

    def refuse_unless(self, holds: bool, what: str) -> None:
        """Raises: RefusedError naming `what` when something does not hold."""
        if not holds:
            raise RefusedError(f"{self.kind}: {what}")


def numbers(node: Node, position: int, attribute: str = "") -> Numbers:
    """Whole numbers that older operator sets give as an attribute and newer ones as an input.

    Returns:
        What reads them from the inputs of a call; None when they are not given at all.
    """
    if attribute and attribute in node.attributes:
        fixed = [int(number) for number in np.ravel(node.attributes[attribute])]
        return lambda inputs: fixed
    if not node.has(position):
        return lambda inputs: None
    if position in node.constants:
        known: list[int] = node.constants[position].reshape(-1).tolist()
        return lambda inputs: known
    return lambda inputs: _listed(inputs[position])


def _listed(tensor: Tensor | None) -> list[int] | None:
    return None if tensor is None else [int(number) for number in tensor.reshape(-1).tolist()]


def number(node: Node, position: int, default: float) -> Callable[[Inputs], float]:
    """One number given as an input.

    Returns:
        What reads it from the inputs of a call.
    """
    if not node.has(position):
        return lambda inputs: default
    if position in node.constants:
        known = node.constants[position].item()
        return lambda inputs: known
    return lambda inputs: _item(inputs[position], default)


def _item(tensor: Tensor | None, default: float) -> float:
    return default if tensor is None else tensor.item()


def tensor_of(values: TensorProto) -> Tensor:
    """A stored tensor: fractions as f32.

    Raises:
        RefusedError: its numbers are of a type that is not computed with here.
    """
    dtype = DTYPES.get(values.data_type)
    if dtype is None:
        raise RefusedError(f"tensor `{values.name}`: numbers of type {type_name(values.data_type)}")
    array = numpy_helper.to_array(values)
    if dtype == torch.float32:
        array = array.astype(np.float32)
    # A copy: the array may be a view of the file's bytes, which nobody may write to.
    return torch.from_numpy(np.array(array, order="C")).to(dtype)


def type_name(data_type: int) -> str:
    """`FLOAT8E4M3FN`, say."""
    return TensorProto.DataType.Name(data_type) if data_type in TensorProto.DataType.values() else str(data_type)


def always(function: Run) -> Callable[[Node], Run]:
    """The builder of an operator without settings."""
    return lambda node: function
