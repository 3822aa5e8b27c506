"""The models that a probe times: chains of matrix products, in floats and in 8-bit integers, and of tiny operators."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np

if TYPE_CHECKING:
    from onnx import NodeProto, TensorProto

Form = Literal["float", "unsigned", "signed"]
INT8_FORMS: dict[str, Form] = {"onnxruntime": "unsigned", "openvino": "signed"}
"""How each runtime wants its activations in 8 bits."""
DEPTH = 4
"""Products of a chain, so that conversions at its ends and the call itself take a small part of the time."""
_RANGE = 8.0  # what 8 bits span of activations, which stay normally distributed through the chain


def write_chain(path: Path, rows: int, width: int, form: Form) -> Path:
    """Write `DEPTH` products of (rows, width) by one constant (width, width) weight; gives `path`.

    In 8 bits: Q/DQ pairs around each product, one scale a tensor, signed weights. Activations are unsigned for ONNX
    Runtime, whose kernels want them so, and signed for OpenVINO: of unsigned ones with a zero point its fused chains
    of small products (2026.4, AVX512-VNNI, seen at width 64) gave wrong numbers.
    """
    import onnx

    # Scaled so that activations keep their size from product to product.
    weight = np.random.default_rng(0).normal(size=(width, width)) / np.sqrt(width)
    constants = (
        _int8_constants(weight, form)
        if form != "float"
        else [onnx.numpy_helper.from_array(weight.astype(np.float32), "w")]
    )
    nodes = _float_nodes(DEPTH) if form == "float" else _int8_nodes(DEPTH)
    ends = [onnx.helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, [rows, width]) for name in "xy"]
    graph = onnx.helper.make_graph(nodes, "chain", ends[:1], ends[1:], constants)
    onnx.save(onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 20)], ir_version=10), path)
    return path


def chain_flop(rows: int, width: int) -> float:
    """Operations of a chain: 2 m k n for each product (Golub & Van Loan 2013, section 1.1.11)."""
    return 2.0 * rows * width * width * DEPTH


def write_operators(path: Path, count: int) -> Path:
    """Write a chain of `count` 1x1 convolutions of (1, 8, 1, 1), 128 FLOP each; gives `path`.

    Convolutions, since neither runtime fuses one with the next: OpenVINO turns small MatMuls and elementwise
    operators into a few subgraphs, so that one more of them seems to cost nothing.
    """
    import onnx

    weight = onnx.numpy_helper.from_array(np.full((8, 8, 1, 1), 0.1, dtype=np.float32), "w")
    names = ["x", *(f"h{index}" for index in range(1, count)), "y"]
    nodes = [onnx.helper.make_node("Conv", [names[index], "w"], [names[index + 1]]) for index in range(count)]
    ends = [onnx.helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, [1, 8, 1, 1]) for name in "xy"]
    graph = onnx.helper.make_graph(nodes, "operators", ends[:1], ends[1:], [weight])
    onnx.save(onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 20)], ir_version=10), path)
    return path


def _float_nodes(depth: int) -> list[NodeProto]:
    from onnx.helper import make_node

    names = ["x", *(f"h{index}" for index in range(1, depth)), "y"]
    return [make_node("MatMul", [names[index], "w"], [names[index + 1]]) for index in range(depth)]


def _int8_nodes(depth: int) -> list[NodeProto]:
    from onnx.helper import make_node

    nodes, current = [], "x"
    for index in range(depth):
        nodes += [
            make_node("QuantizeLinear", [current, "scale", "zero"], [f"q{index}"]),
            make_node("DequantizeLinear", [f"q{index}", "scale", "zero"], [f"d{index}"]),
            make_node("DequantizeLinear", ["w", "w_scale", "w_zero"], [f"w{index}"]),
            make_node("MatMul", [f"d{index}", f"w{index}"], [f"h{index}"]),
        ]
        current = f"h{index}"
    last = make_node("QuantizeLinear", [current, "scale", "zero"], ["q"])
    return [*nodes, last, make_node("DequantizeLinear", ["q", "scale", "zero"], ["y"])]


def _int8_constants(weight: np.ndarray, form: Form) -> list[TensorProto]:
    from onnx.numpy_helper import from_array

    step = float(np.abs(weight).max()) / 127
    return [
        from_array(np.rint(weight / step).astype(np.int8), "w"),
        from_array(np.array(step, dtype=np.float32), "w_scale"),
        from_array(np.array(0, dtype=np.int8), "w_zero"),
        from_array(np.array(_RANGE / 255, dtype=np.float32), "scale"),
        from_array(np.array(128, dtype=np.uint8) if form == "unsigned" else np.array(0, dtype=np.int8), "zero"),
    ]
