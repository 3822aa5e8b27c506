"""Biases and scales of equal numbers that an exporter stored once."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from onnx import ModelProto


def unshared(model: ModelProto) -> ModelProto:
    """The file with a copy of each vector for every use of it; the file itself where no vector is used twice.

    Exporters store equal constants once, so that the zero biases of a fresh network, or the ones and zeros of its
    normalisations, would bind channels together that have nothing to do with each other. Vectors are initializers with
    at most one axis that is longer than 1; matrices that are used twice are tied on purpose. The first use keeps the
    name, the second gets `.copy2` behind it.
    """
    from onnx import ModelProto, TensorProto

    floats = (TensorProto.FLOAT, TensorProto.FLOAT16, TensorProto.BFLOAT16, TensorProto.DOUBLE)
    vectors = {
        tensor.name: tensor
        for tensor in model.graph.initializer
        if tensor.data_type in floats and sum(size > 1 for size in tensor.dims) == 1
    }
    uses: dict[str, int] = {}
    for node in model.graph.node:
        for name in node.input:
            uses[name] = uses.get(name, 0) + (name in vectors)
    if max(uses.values(), default=0) < 2:
        return model
    result = ModelProto()
    result.CopyFrom(model)
    seen: dict[str, int] = {}
    for node in result.graph.node:
        for position, name in enumerate(node.input):
            seen[name] = seen.get(name, 0) + (name in vectors)
            if seen[name] > 1:
                copy = result.graph.initializer.add()
                copy.CopyFrom(vectors[name])
                node.input[position] = copy.name = f"{name}.copy{seen[name]}"
    return result
