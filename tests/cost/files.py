"""Small ONNX files to capture."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from onnx import FunctionProto, GraphProto, NodeProto, TensorProto, ValueInfoProto, helper, numpy_helper, save

Size = int | str | None


def value(name: str, shape: Sequence[Size] | None, code: int = TensorProto.FLOAT) -> ValueInfoProto:
    """An input or output; None is a dimension without a name, or a shape that is left out."""
    return helper.make_tensor_value_info(name, code, shape)


def weight(name: str, numbers: object) -> TensorProto:
    """A constant of the file."""
    return numpy_helper.from_array(np.asarray(numbers), name)


def graph(
    nodes: Sequence[NodeProto],
    inputs: Sequence[ValueInfoProto],
    outputs: Sequence[ValueInfoProto],
    weights: Sequence[TensorProto] = (),
) -> GraphProto:
    """A graph named `net`."""
    return helper.make_graph(nodes, "net", inputs, outputs, weights)


def write(path: Path, made: GraphProto, version: int = 20, functions: Sequence[FunctionProto] = ()) -> Path:
    """A file with the standard operators of a version, ONNX Runtime's and `local`."""
    opsets = [helper.make_opsetid(domain, number) for domain, number in (("", version), ("com.microsoft", 1))]
    opsets.append(helper.make_opsetid("local", 1))
    save(helper.make_model(made, opset_imports=opsets, ir_version=10, functions=functions), path)
    return path


def write_linear(path: Path, *shape: Size) -> Path:
    """`y = x @ w` for `x` of a shape whose last size is 3; `w` is 3x2."""
    return write(
        path,
        graph(
            [helper.make_node("MatMul", ["x", "w"], ["y"], name="product")],
            [value("x", shape)],
            [value("y", None)],
            [weight("w", np.ones((3, 2), np.float32))],
        ),
    )
