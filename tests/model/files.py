"""Small ONNX files for the tests of this room."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import onnx
from onnx import NodeProto, TensorProto, helper, numpy_helper


def write_linear(
    path: Path, batch: int | str = "batch", external: str | None = None, nodes: Sequence[NodeProto] = ()
) -> Path:
    """A file that computes `output = input @ weight`, (batch, 3) -> (batch, 2), and then `nodes`."""
    weight = numpy_helper.from_array(np.arange(6, dtype=np.float32).reshape(3, 2), "weight")
    last = nodes[-1].output[0] if nodes else "product"
    graph = helper.make_graph(
        [helper.make_node("MatMul", ["input", "weight"], ["product"]), *nodes],
        "linear",
        [helper.make_tensor_value_info("input", TensorProto.FLOAT, [batch, 3])],
        [helper.make_tensor_value_info(last, TensorProto.FLOAT, [batch, 2])],
        [weight],
    )
    domains = sorted({node.domain for node in nodes} | {""})
    opsets = [helper.make_opsetid(domain, 1 if domain else 20) for domain in domains]
    model = helper.make_model(graph, opset_imports=opsets, ir_version=10)
    onnx.save_model(model, path, save_as_external_data=external is not None, location=external, size_threshold=0)
    return path
