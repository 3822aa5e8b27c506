"""Tiny ONNX files, written without torch."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

FEATURES, CLASSES = 16, 5


def write_dense(path: Path, batch: str | int = "batch") -> Path:
    """Relu(x W) V with x [batch, 16]; a 5-way output."""
    rng = np.random.default_rng(0)
    weights = [rng.standard_normal(shape).astype(np.float32) for shape in ((FEATURES, 32), (32, CLASSES))]
    nodes = [
        helper.make_node("MatMul", ["x", "W"], ["h"]),
        helper.make_node("Relu", ["h"], ["r"]),
        helper.make_node("MatMul", ["r", "V"], ["y"]),
    ]
    return _write(path, nodes, batch, dict(zip("WV", weights, strict=True)))


def write_sum(path: Path, features: int) -> Path:
    """left + right, both [batch, features]."""
    infos = [
        helper.make_tensor_value_info(name, TensorProto.FLOAT, ["batch", features]) for name in ("left", "right", "sum")
    ]
    graph = helper.make_graph([helper.make_node("Add", ["left", "right"], ["sum"])], "net", infos[:2], infos[2:])
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10), str(path))
    return path


def write_unknown_operator(path: Path) -> Path:
    """An operator that no runtime knows."""
    return _write(path, [helper.make_node("Frobnicate", ["x"], ["y"], domain="my.ops")], "batch", {})


def _write(path: Path, nodes: list[onnx.NodeProto], batch: str | int, weights: dict[str, NDArray[np.float32]]) -> Path:
    graph = helper.make_graph(
        nodes,
        "net",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [batch, FEATURES])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, [batch, CLASSES])],
        [numpy_helper.from_array(values, name) for name, values in weights.items()],
    )
    opsets = [helper.make_opsetid("", 20), helper.make_opsetid("my.ops", 1)]
    onnx.save(helper.make_model(graph, opset_imports=opsets, ir_version=10), path)
    return path
