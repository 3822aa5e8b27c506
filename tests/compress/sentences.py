"""A network over sentences of several lengths, written without torch: embedding, layer, masked mean, layer."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from sartor.model.values import ExportedModel, Signature, TensorSpec
from sartor.runtime.base import Array
from sartor.steps.prepared import Prepared

WORDS, WIDTH = 300, 32
NAMES = ("ids", "mask")


def write_sentences(folder: Path) -> ExportedModel:
    """Two inputs (batch, length) int64 -> scores (batch, 2): in which half of the vocabulary most words are."""
    rng = np.random.default_rng(2)
    embedding = rng.standard_normal((WORDS, WIDTH)).astype(np.float32)
    embedding[: WORDS // 2, 0] += 3
    embedding[WORDS // 2 :, 0] -= 3
    head = np.zeros((WIDTH, 2), np.float32)
    head[0] = [1, -1]
    weights: dict[str, Array] = {
        "embedding": embedding,
        "inner": (np.eye(WIDTH) + rng.standard_normal((WIDTH, WIDTH)) / 50).astype(np.float32),
        "head": head,
        "last": np.array([2], np.int64),
        "one": np.array([1], np.int64),
    }
    make = helper.make_node
    nodes = [
        make("Gather", ["embedding", "ids"], ["words"], name="gather"),
        make("MatMul", ["words", "inner"], ["hidden"], name="inner_product"),
        make("Cast", ["mask"], ["used"], name="cast", to=TensorProto.FLOAT),
        make("Unsqueeze", ["used", "last"], ["used3"], name="unsqueeze"),
        make("Mul", ["hidden", "used3"], ["kept"], name="masked"),
        make("ReduceSum", ["kept", "one"], ["total"], name="total", keepdims=0),
        make("ReduceSum", ["used", "one"], ["count"], name="count", keepdims=1),
        make("Div", ["total", "count"], ["mean"], name="mean"),
        make("MatMul", ["mean", "head"], ["scores"], name="head_product"),
    ]
    shape: list[str | int] = ["batch", "length"]
    graph = helper.make_graph(
        nodes,
        "sentences",
        [helper.make_tensor_value_info(name, TensorProto.INT64, shape) for name in NAMES],
        [helper.make_tensor_value_info("scores", TensorProto.FLOAT, ["batch", 2])],
        [numpy_helper.from_array(values, name) for name, values in weights.items()],
    )
    path = folder / "sentences.onnx"
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10), path)
    inputs = tuple(TensorSpec(name, "int64", ("batch", "length")) for name in NAMES)
    return ExportedModel(path, Signature(inputs, (TensorSpec("scores", "float32", ("batch", 2)),)), 0)


def sentences(count: int, longest: int = 9) -> Prepared:
    """Sentences of 2 to `longest` words, most of each from one half of the vocabulary, padded with word 7."""
    rng = np.random.default_rng(4)
    lengths = rng.integers(2, longest + 1, count)
    halves = np.arange(count) % 2 * (WORDS // 2)
    ids = halves[:, np.newaxis] + rng.integers(0, WORDS // 2, (count, longest))
    mask = (np.arange(longest) < lengths[:, np.newaxis]).astype(np.int64)
    return Prepared({"ids": np.where(mask == 1, ids, 7), "mask": mask}, lengths, {"ids": 7, "mask": 0})
