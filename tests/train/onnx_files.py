"""Small ONNX files, and what ONNX Runtime gives for them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import onnxruntime
from numpy.typing import NDArray
from onnx import ModelProto, NodeProto, helper, numpy_helper

Arrays = Mapping[str, NDArray[Any]]


def file_of(
    nodes: Sequence[NodeProto], stored: Arrays, inputs: Arrays, outputs: Mapping[str, int], opset: int = 20
) -> ModelProto:
    """A file with these nodes; inputs have the shapes of the arrays given, outputs the types of number given."""
    read = [
        helper.make_tensor_value_info(name, helper.np_dtype_to_tensor_dtype(rows.dtype), rows.shape)
        for name, rows in inputs.items()
    ]
    given = [helper.make_tensor_value_info(name, kind, None) for name, kind in outputs.items()]
    tensors = [numpy_helper.from_array(values, name) for name, values in stored.items()]
    graph = helper.make_graph(nodes, "net", read, given, tensors)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=10)


def reference(model: ModelProto, inputs: Arrays) -> dict[str, NDArray[Any]]:
    """What ONNX Runtime gives, without its graph optimisations."""
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    options.log_severity_level, options.intra_op_num_threads = 3, 1
    session = onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    names = [output.name for output in model.graph.output]
    return dict(zip(names, session.run(names, dict(inputs)), strict=True))


def normal(*shape: int, seed: int = 0) -> NDArray[np.float32]:
    """Normal numbers."""
    return np.random.default_rng(seed).standard_normal(shape).astype(np.float32)
