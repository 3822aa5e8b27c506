"""Reading and writing ONNX files whole, and what their weights say."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from sartor.errors import CandidateError
from sartor.model.export import publish_checked
from sartor.model.values import ExportedModel
from sartor.runtime.base import Array

if TYPE_CHECKING:
    from onnx import ModelProto, TensorProto

_LARGEST_FILE = 2_000_000_000  # a protobuf message ends at 2 GiB
# Smaller tensors are shapes, scales and biases: no bytes to save, and some operators want them constant.
SMALLEST_WEIGHT = 256


def read_whole(path: Path) -> ModelProto:
    """The model with its weights, wherever they are stored.

    Raises:
        CandidateError: `unsupported` when one file cannot hold the weights.
    """
    import onnx

    model = onnx.load(str(path))
    if sum(len(tensor.raw_data) for tensor in model.graph.initializer) > _LARGEST_FILE:
        raise CandidateError("unsupported", "the weights exceed the 2 GB that one ONNX file can hold")
    return model


def write_whole(model: ModelProto, path: Path) -> Path:
    """Write one file that holds everything; returns `path`."""
    import onnx

    onnx.save(model, str(path))
    return path


def publish_whole(model: ModelProto, to: Path) -> ExportedModel:
    """Write one file that holds everything, under its name only once it is a valid model."""

    def write(draft: Path) -> None:
        write_whole(model, draft)

    return publish_checked(to, write, lambda draft: None)


def float_weights(model: ModelProto) -> Iterator[tuple[TensorProto, Array]]:
    """Initializers in f32 that are large enough to be worth compressing, with their values."""
    from onnx import TensorProto, numpy_helper

    for tensor in model.graph.initializer:
        if tensor.data_type == TensorProto.FLOAT and np.prod(tensor.dims, dtype=np.int64) >= SMALLEST_WEIGHT:
            yield tensor, numpy_helper.to_array(tensor)


def int8_share(model: ModelProto) -> float:
    """Share of the weights (matrices and more) that are stored in 8 bits, between 0 and 1."""
    from onnx import TensorProto

    sizes = {True: 0, False: 0}
    for tensor in model.graph.initializer:
        if len(tensor.dims) >= 2 and tensor.data_type in (
            TensorProto.INT8,
            TensorProto.UINT8,
            TensorProto.FLOAT,
        ):
            sizes[tensor.data_type != TensorProto.FLOAT] += int(np.prod(tensor.dims, dtype=np.int64))
    return sizes[True] / max(sizes[True] + sizes[False], 1)


def operators_in_f32(model: ModelProto) -> str:
    """How many operators of which type read matrices in f32, in words: `2 LSTM, 1 ConvTranspose`; empty for none."""
    matrices = {tensor.name for tensor, _ in float_weights(model) if len(tensor.dims) >= 2}
    types = Counter(node.op_type for node in model.graph.node if matrices.intersection(node.input))
    return ", ".join(f"{count} {name}" for name, count in types.most_common())


def looks_like_transformer(model: ModelProto) -> bool:
    """Whether attention dominates, so that NNCF should keep attention scores out of 8 bits.

    A convolution near the end speaks against it; one at the start may cut an image into patches.
    """
    operators = [node.op_type for node in model.graph.node]
    has_attention = "Attention" in operators or ("Softmax" in operators and operators.count("MatMul") >= 4)
    return has_attention and "Conv" not in operators[len(operators) // 2 :]


def may_attend(path: Path) -> bool:
    """Whether a file looks like a transformer, without reading weights that lie beside it."""
    import onnx

    return looks_like_transformer(onnx.load(str(path), load_external_data=False))


def drop_weight_shapes(model: ModelProto) -> None:
    """Forget declared shapes of weights, in place.

    The torch exporter declares them; the quantizer then replaces Gemm by MatMul with a transposed weight of
    the same name, and shape inference stops at the contradiction.
    """
    weights = {tensor.name for tensor in model.graph.initializer}
    kept = [info for info in model.graph.value_info if info.name not in weights]
    del model.graph.value_info[:]
    model.graph.value_info.extend(kept)


def name_operators(model: ModelProto) -> None:
    """Give operators without a name, or with one that another has, the name of what they give, in place.

    The quantizer leaves operators out by name: without this, one that has none takes all others without one along.
    """
    seen: set[str] = set()
    for node in model.graph.node:
        if not node.name or node.name in seen:
            node.name = f"to {node.output[0]}"
        seen.add(node.name)
