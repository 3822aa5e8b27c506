"""Which layers of an int8 ONNX file saturate on this processor.

x86 without VNNI multiplies u8 by s8 and adds pairs of the products in 16 bits (`vpmaddubsw`), which 2 * 255 * 127 does
not fit into. What comes out is then no rounding error but another number, and nothing says so. Here each layer is
computed twice from the same integers: by the kernels that the runtime chooses on this processor, and exactly. Exact is
a product in f32 between its quantizers, with the runtime's optimisations off (f32 holds whole numbers to 2^24, as many
as 500 products of 8 bits add up to, and what it rounds beyond is far below a step of the output); of MatMulInteger, the
same in f64.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import numpy as np

from sartor.compress.onnx_file import read_whole, write_whole
from sartor.model.onnx import with_outputs
from sartor.runtime.base import Array

if TYPE_CHECKING:
    from onnx import ModelProto, NodeProto

_PRODUCTS = ("Conv", "Gemm", "MatMul")
_STEPS = 1.5
"""Of the output's scale: kernels may round a half to the other side, which is one step."""
_SHARE = 1e-3
"""Of the largest output in f32, which kernels add up in another order."""


def saturates(path: Path, rows: Mapping[str, Array]) -> tuple[str, ...]:
    """Names of the operators of an int8 file whose kernels do not give what their integers say.

    Args:
        path: an ONNX file as ONNX Runtime's quantizer writes it, static (Q and DQ around products) or dynamic
            (MatMulInteger).
        rows: arrays of each input, of one call; the more extreme they are the more is found.

    Returns:
        In the file's order; empty where every layer is exact on these rows.
    """
    model = read_whole(path)
    with TemporaryDirectory(prefix="sartor-") as scratch:
        return (*_paired(model, rows, Path(scratch)), *_whole_numbers(model, rows, Path(scratch)))


@dataclass(frozen=True)
class _Layer:
    """A product between quantizers: `begin` and `end` are the tensors that a file of it alone takes and gives."""

    name: str
    nodes: tuple[NodeProto, ...]
    begin: str
    end: str


def _paired(model: ModelProto, rows: Mapping[str, Array], scratch: Path) -> Iterator[str]:
    """Products between DequantizeLinear, computed by integer kernels and by f32."""
    found = list(_layers(model))
    if not found:
        return
    begins = list(dict.fromkeys(layer.begin for layer in found))
    given = dict(zip(begins, _run(with_outputs(model, begins), rows, scratch, exact=True), strict=True))
    for layer in found:
        alone = _alone(model, layer, given[layer.begin])
        fed = {layer.begin: given[layer.begin]}
        fast, exact = (_run(alone, fed, scratch, exact=slow)[0] for slow in (False, True))
        if _differ(fast, exact):
            yield layer.name


def _whole_numbers(model: ModelProto, rows: Mapping[str, Array], scratch: Path) -> Iterator[str]:
    """MatMulInteger, computed by the kernel and in f64, which holds its sums exactly."""
    for node in [node for node in model.graph.node if node.op_type == "MatMulInteger"]:
        constants = {tensor.name: tensor for tensor in model.graph.initializer}
        outside = [name for name in node.input if name and name not in constants]
        *seen, fast = _run(with_outputs(model, [*outside, node.output[0]]), rows, scratch, exact=True)
        values = dict(zip(outside, seen, strict=True)) | {
            name: _array(constants[name]) for name in node.input if name in constants
        }
        left, right, *zeros = [values[name].astype(np.int64) if name else np.int64(0) for name in node.input]
        zero_left, zero_right = (*zeros, np.int64(0), np.int64(0))[:2]
        # f64 holds these sums exactly and multiplies by a library; numpy has none for integers.
        exact = np.matmul((left - zero_left).astype(np.float64), (right - zero_right).astype(np.float64))
        if not np.array_equal(fast, exact):
            yield node.name


def _layers(model: ModelProto) -> Iterator[_Layer]:
    """Products whose inputs are all dequantized, with their quantizer where one reads them alone."""
    makers = {name: node for node in model.graph.node for name in node.output}
    readers: dict[str, list[NodeProto]] = {}
    for node in model.graph.node:
        for name in node.input:
            readers.setdefault(name, []).append(node)
    constants = {tensor.name for tensor in model.graph.initializer}
    for node in model.graph.node:
        sources = [makers.get(name) for name in node.input[:2]]
        if node.op_type not in _PRODUCTS or not all(one is not None and _widens(one) for one in sources):
            continue
        activation, weight = (one for one in sources if one is not None)
        if activation.input[0] in constants or weight.input[0] not in constants:
            continue
        bias = [makers[name] for name in node.input[2:3] if name in makers]
        after = readers.get(node.output[0], [])
        ends = after if len(after) == 1 and after[0].op_type == "QuantizeLinear" else []
        end = ends[0].output[0] if ends else node.output[0]
        yield _Layer(node.name, (activation, weight, *bias, node, *ends), activation.input[0], end)


def _widens(node: NodeProto) -> bool:
    return node.op_type == "DequantizeLinear"


def _alone(model: ModelProto, layer: _Layer, given: Array) -> ModelProto:
    """A file of one layer that takes integers and gives what the layer gives."""
    from onnx import helper

    read = {name for node in layer.nodes for name in node.input}
    kind = helper.np_dtype_to_tensor_dtype(given.dtype)
    graph = helper.make_graph(
        list(layer.nodes),
        "layer",
        [helper.make_tensor_value_info(layer.begin, kind, given.shape)],
        [],
        [tensor for tensor in model.graph.initializer if tensor.name in read],
    )
    alone = helper.make_model(graph, opset_imports=list(model.opset_import), ir_version=model.ir_version)
    return with_outputs(alone, [layer.end])


def _differ(fast: Array, exact: Array) -> bool:
    apart = np.abs(fast.astype(np.float64) - exact.astype(np.float64)).max(initial=0.0)
    if np.issubdtype(exact.dtype, np.integer):
        return bool(apart > _STEPS)
    return bool(apart > _SHARE * np.abs(exact).max(initial=0.0))


def _run(model: ModelProto, rows: Mapping[str, Array], scratch: Path, *, exact: bool) -> list[Array]:
    """Every output; `exact` computes what is written, operator by operator."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    if exact:
        options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    path = write_whole(model, scratch / "part.onnx")
    session: Any = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    outputs: list[Array] = session.run(None, dict(rows))
    return outputs


def _array(tensor: Any) -> Array:
    from onnx import numpy_helper

    return numpy_helper.to_array(tensor)
