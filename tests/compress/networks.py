"""A small trained-like convolutional network as ONNX, written without torch."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from sartor.model.values import ExportedModel, Signature, TensorSpec

SIDE, CLASSES, CHANNELS = 12, 10, 96
Weights = dict[str, NDArray[np.float32]]


def templates() -> NDArray[np.float32]:
    """One pattern per class [10, 1, 12, 12], smooth enough to survive convolution."""
    rng = np.random.default_rng(3)
    coarse = rng.standard_normal((CLASSES, 1, 4, 4)).astype(np.float32)
    return np.kron(coarse, np.ones((1, 1, 3, 3), np.float32))


def rows(count: int, seed: int = 0) -> NDArray[np.float32]:
    """Noisy patterns [count, 1, 12, 12], classes in turn."""
    rng = np.random.default_rng(seed)
    noise = rng.standard_normal((count, 1, SIDE, SIDE)).astype(np.float32)
    return templates()[np.arange(count) % CLASSES] + 0.3 * noise


def write_residual(folder: Path, batch: str | int = "batch", scale: float = 1.0, outlier: float = 1.0) -> ExportedModel:
    """Conv, residual block, mean, linear. Its last layer tells the patterns apart, as a trained one would.

    Args:
        outlier: how many times as large one channel between the second and the third convolution is. What the network
            computes is the same, but in 8 bits all other channels drown in the range of that one.
    """
    weights = _random_weights()
    weights["c3"] *= np.float32(scale)
    weights["c2"][0] *= np.float32(outlier)
    weights["c3"][:, 0] /= np.float32(outlier)
    return _classifying(folder, _body(), weights, batch)


def _classifying(folder: Path, nodes: list[onnx.NodeProto], weights: Weights, batch: str | int) -> ExportedModel:
    """With a last layer that tells the patterns apart by their means [n, CHANNELS, 1, 1]."""
    probe = _write(folder / "probe.onnx", nodes, weights, batch, "mean", [batch, CHANNELS, 1, 1])
    features = _run(probe, templates()) if batch == "batch" else np.eye(CLASSES, CHANNELS, dtype=np.float32)
    centred = features - features.mean(axis=0)
    weights["fc"] = (centred / np.linalg.norm(centred, axis=1, keepdims=True)).astype(np.float32)
    weights["fb"] = -(weights["fc"] @ features.mean(axis=0)).astype(np.float32)
    head = [
        helper.make_node("Flatten", ["mean"], ["flat"], name="flat"),
        helper.make_node("Gemm", ["flat", "fc", "fb"], ["y"], name="gemm", transB=1),
    ]
    path = _write(folder / "net.onnx", [*nodes, *head], weights, batch, "y", [batch, CLASSES])
    return _exported(path, batch)


def write_chain(folder: Path, depth: int, outlier: float) -> ExportedModel:
    """Convolutions one after another, with an outlier between the third and the fourth, as in `write_residual`."""
    rng = np.random.default_rng(1)
    shapes = [(CHANNELS, 1, 3, 3), *[(CHANNELS, CHANNELS, 3, 3)] * (depth - 1)]
    drawn = [rng.standard_normal(shape) * np.sqrt(2 / np.prod(shape[1:])) for shape in shapes]
    weights = {f"c{number}": weight.astype(np.float32) for number, weight in enumerate(drawn)}
    weights["c2"][0] *= np.float32(outlier)
    weights["c3"][:, 0] /= np.float32(outlier)
    nodes, last = [], "x"
    for number in range(depth):
        names = [last, f"c{number}"]
        pads: dict[str, Any] = {"kernel_shape": [3, 3], "pads": [1, 1, 1, 1]}
        nodes.append(helper.make_node("Conv", names, [f"a{number}"], name=f"conv{number}", **pads))
        nodes.append(helper.make_node("Relu", [f"a{number}"], [f"r{number}"], name=f"relu{number}"))
        last = f"r{number}"
    nodes.append(helper.make_node("GlobalAveragePool", [last], ["mean"], name="pool"))
    return _classifying(folder, nodes, weights, "batch")


def write_without_weights(folder: Path) -> ExportedModel:
    """A network with nothing to quantize: Relu and a mean."""
    nodes = [
        helper.make_node("Relu", ["x"], ["r"], name="relu"),
        helper.make_node("Flatten", ["r"], ["y"], name="flat"),
    ]
    path = _write(folder / "plain.onnx", nodes, {}, "batch", "y", ["batch", SIDE * SIDE])
    return _exported(path, "batch", SIDE * SIDE)


def write_dense(folder: Path) -> ExportedModel:
    """Two matrices around a Relu: what dynamic quantization is for."""
    rng = np.random.default_rng(5)
    weights = {
        "w1": (rng.standard_normal((SIDE * SIDE, 256)) / 12).astype(np.float32),
        "w2": (rng.standard_normal((256, CLASSES)) / 16).astype(np.float32),
    }
    nodes = [
        helper.make_node("Flatten", ["x"], ["flat"], name="flat"),
        helper.make_node("MatMul", ["flat", "w1"], ["h"], name="m1"),
        helper.make_node("Relu", ["h"], ["r"], name="relu"),
        helper.make_node("MatMul", ["r", "w2"], ["y"], name="m2"),
    ]
    return _exported(_write(folder / "dense.onnx", nodes, weights, "batch", "y", ["batch", CLASSES]), "batch")


def _random_weights() -> Weights:
    rng = np.random.default_rng(1)
    shapes = {"c1": (CHANNELS, 1, 3, 3), "c2": (CHANNELS, CHANNELS, 3, 3), "c3": (CHANNELS, CHANNELS, 3, 3)}
    return {
        name: (rng.standard_normal(shape) * np.sqrt(2 / np.prod(shape[1:]))).astype(np.float32)
        for name, shape in shapes.items()
    }


def _body() -> list[onnx.NodeProto]:
    same: dict[str, Any] = {"kernel_shape": [3, 3], "pads": [1, 1, 1, 1]}
    return [
        helper.make_node("Conv", ["x", "c1"], ["a1"], name="conv1", strides=[2, 2], **same),
        helper.make_node("Relu", ["a1"], ["r1"], name="relu1"),
        helper.make_node("Conv", ["r1", "c2"], ["a2"], name="conv2", **same),
        helper.make_node("Relu", ["a2"], ["r2"], name="relu2"),
        helper.make_node("Conv", ["r2", "c3"], ["a3"], name="conv3", **same),
        helper.make_node("Add", ["a3", "r1"], ["s"], name="add"),
        helper.make_node("Relu", ["s"], ["r3"], name="relu3"),
        helper.make_node("GlobalAveragePool", ["r3"], ["mean"], name="pool"),
    ]


def _write(
    path: Path,
    nodes: list[onnx.NodeProto],
    weights: Weights,
    batch: str | int,
    output: str,
    shape: list[str | int],
) -> Path:
    graph = helper.make_graph(
        nodes,
        "net",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [batch, 1, SIDE, SIDE])],
        [helper.make_tensor_value_info(output, TensorProto.FLOAT, shape)],
        [numpy_helper.from_array(values, name) for name, values in weights.items()],
    )
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10), path)
    return path


def _run(path: Path, x: NDArray[np.float32]) -> NDArray[np.float32]:
    import onnxruntime

    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    features: NDArray[np.float32] = session.run(None, {"x": x})[0].reshape(len(x), -1)
    return features


def _exported(path: Path, batch: str | int, width: int = CLASSES) -> ExportedModel:
    inputs = (TensorSpec("x", "float32", (batch, 1, SIDE, SIDE)),)
    return ExportedModel(path, Signature(inputs, (TensorSpec("y", "float32", (batch, width)),)), 0)
