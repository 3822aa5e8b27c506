"""Small networks with channels of every kind, written without torch, and what is done to them to cut channels.

Rows have the free dimension `batch`, and texts `length`. Weights are random and large enough that every channel shows.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import onnx
import onnxruntime
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from sartor.compress.pruning.unshared import unshared
from sartor.compress.pruning.values import ChannelGroups
from sartor.runtime.base import Array

ROWS, SIDE = 3, 8
Network = Callable[[], onnx.ModelProto]
Kept = Mapping[str, NDArray[np.bool_]]


@dataclass
class Drawing:
    """A graph in the making: operators are named after what they give, weights as they are asked for."""

    nodes: list[onnx.NodeProto] = field(default_factory=list)
    constants: list[onnx.TensorProto] = field(default_factory=list)
    random: np.random.Generator = field(default_factory=lambda: np.random.default_rng(3))

    def weight(self, name: str, *shape: int) -> str:
        """A random initializer whose products keep the scale of what they are given."""
        scale = np.sqrt(1 / math.prod(shape[1:]))
        return self.constant(name, (self.random.standard_normal(shape) * scale).astype(np.float32))

    def constant(self, name: str, values: Any) -> str:
        """An initializer; lists become int64."""
        self.constants.append(numpy_helper.from_array(np.asarray(values), name))
        return name

    def add(self, kind: str, *inputs: str, to: str = "", outputs: int = 1, **attributes: Any) -> str:
        """An operator; returns the name of its first output, others have `.1`, `.2`, ... behind it."""
        name = to or f"{kind.lower()}{len(self.nodes)}"
        names = [name, *(f"{name}.{number}" for number in range(1, outputs))]
        self.nodes.append(helper.make_node(kind, inputs, names, name=name, **attributes))
        return name

    def conv(self, x: str, name: str, before: int, after: int, kernel: int = 3, **attributes: Any) -> str:
        """A convolution with a bias that keeps the size."""
        weight = self.weight(name, after, before // attributes.get("group", 1), kernel, kernel)
        bias = self.weight(f"{name}.bias", after)
        return self.add("Conv", x, weight, bias, pads=[kernel // 2] * 4, kernel_shape=[kernel, kernel], **attributes)

    def norm(self, x: str, name: str, size: int) -> str:
        """A batch normalisation with positive variances."""
        parts = [self.weight(f"{name}.{part}", size) for part in ("scale", "shift", "mean")]
        variance = self.constant(f"{name}.variance", self.random.uniform(0.5, 2, size).astype(np.float32))
        return self.add("BatchNormalization", x, *parts, variance)

    def dense(self, x: str, name: str, before: int, after: int) -> str:
        """A product and a bias."""
        product = self.add("MatMul", x, self.weight(name, before, after))
        return self.add("Add", product, self.weight(f"{name}.bias", after))

    def done(self, y: str, inputs: Mapping[str, tuple[int | str, ...]], width: int, opset: int = 20) -> onnx.ModelProto:
        """The model, with one output (batch, width)."""
        self.nodes.append(helper.make_node("Identity", [y], ["y"], name="y"))
        graph = helper.make_graph(
            self.nodes,
            "net",
            [helper.make_tensor_value_info(name, TensorProto.FLOAT, shape) for name, shape in inputs.items()],
            [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["batch", width])],
            self.constants,
        )
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=10)
        onnx.checker.check_model(model, full_check=True)
        return model


PICTURE: tuple[int | str, ...] = ("batch", 2, SIDE, SIDE)
TEXT: tuple[int | str, ...] = ("batch", "length", 12)


def flattening() -> onnx.ModelProto:
    """Two convolutions, a reshape of channels and places into one axis, two layers."""
    d = Drawing()
    x = d.add("Relu", d.conv("x", "c1", 2, 6))
    x = d.add("MaxPool", x, kernel_shape=[2, 2], strides=[2, 2])
    x = d.add("PRelu", d.conv(x, "c2", 6, 5), d.weight("slope", 5, 1, 1))
    x = d.add("Reshape", x, d.constant("flat", [-1, 5 * 16]))
    x = d.add("Relu", d.add("Gemm", x, d.weight("f1", 7, 80), d.weight("f1.bias", 7), transB=1))
    return d.done(d.add("Gemm", x, d.weight("f2", 7, 4)), {"x": PICTURE}, 4)


def residual() -> onnx.ModelProto:
    """Two stages of residual blocks with batch normalisations; the second begins with a shortcut convolution."""
    d = Drawing()
    x = d.add("Relu", d.norm(d.conv("x", "stem", 2, 6), "n0", 6))
    y = d.add("Relu", d.norm(d.conv(x, "a1", 6, 5), "n1", 5))
    x = d.add("Relu", d.add("Add", d.norm(d.conv(y, "a2", 5, 6), "n2", 6), x))
    y = d.add("Relu", d.conv(x, "b1", 6, 7, strides=[2, 2]))
    x = d.add("Add", d.conv(y, "b2", 7, 8), d.conv(x, "short", 6, 8, 1, strides=[2, 2]))
    mean = d.add("Flatten", d.add("GlobalAveragePool", d.add("Relu", x)))
    return d.done(d.dense(mean, "head", 8, 4), {"x": PICTURE}, 4)


def mobile() -> onnx.ModelProto:
    """Expansion, depthwise convolution, squeeze and excitation, projection, residual."""
    d = Drawing()
    x = d.conv("x", "stem", 2, 6)
    y = d.add("HardSwish", d.conv(x, "expand", 6, 12, 1))
    y = d.add("Relu", d.conv(y, "depthwise", 12, 12, group=12))
    gate = d.add("Relu", d.conv(d.add("GlobalAveragePool", y), "squeeze", 12, 5, 1))
    y = d.add("Mul", y, d.add("HardSigmoid", d.conv(gate, "excite", 5, 12, 1)))
    x = d.add("Add", x, d.conv(y, "project", 12, 6, 1))
    mean = d.add("ReduceMean", x, d.constant("places", [2, 3]), keepdims=0)
    return d.done(d.dense(mean, "head", 6, 4), {"x": PICTURE}, 4)


def joined() -> onnx.ModelProto:
    """Concatenations as in a DenseNet, a convolution in groups, one that enlarges, a resize and a padding."""
    d = Drawing()
    first = d.add("Relu", d.conv("x", "c1", 2, 4))
    both = d.add("Concat", "x", first, axis=1)
    second = d.add("Relu", d.conv(both, "c2", 6, 6))
    x = d.add("Concat", both, second, axis=1)
    x = d.add("Relu", d.conv(x, "c3", 12, 8))
    x = d.add("Relu", d.conv(x, "groups", 8, 12, group=4))
    x = d.add("Pad", x, d.constant("pads", [0, 0, 1, 1, 0, 0, 0, 0]))
    up = d.weight("up", 12, 5, 2, 2)
    x = d.add("ConvTranspose", x, up, d.weight("up.bias", 5), strides=[2, 2], kernel_shape=[2, 2])
    x = d.add("Resize", x, "", d.constant("scales", np.array([1, 1, 0.5, 0.5], np.float32)))
    mean = d.add("Flatten", d.add("GlobalAveragePool", x))
    return d.done(d.dense(mean, "head", 5, 4), {"x": PICTURE}, 4)


def gated() -> onnx.ModelProto:
    """A product split into values and gates; slices of another; a sum over letters; an instance normalisation."""
    d = Drawing()
    x = d.dense("x", "both", 12, 16)
    value = d.add("Split", x, d.constant("halves", [8, 8]), axis=-1, outputs=2)
    x = d.add("Mul", value, d.add("Sigmoid", f"{value}.1"))
    x = d.add("Einsum", x, d.weight("letters", 8, 10), equation="btc,cd->btd")
    ends = [d.constant(name, [number]) for name, number in (("zero", 0), ("four", 4), ("ten", 10), ("last", 2))]
    first, second = d.add("Slice", x, ends[0], ends[1], ends[3]), d.add("Slice", x, ends[1], ends[2], ends[3])
    second = d.dense(d.add("Relu", second), "c1", 6, 4)
    x = d.add("Transpose", d.add("Add", first, second), perm=[0, 2, 1])
    x = d.add("InstanceNormalization", x, d.weight("scale", 4), d.weight("shift", 4))
    mean = d.add("ReduceMean", x, ends[3], keepdims=0)
    return d.done(d.dense(mean, "head", 4, 3), {"x": TEXT}, 3)


def encoder() -> onnx.ModelProto:
    """A block of attention whose shapes are computed from the rows', with packed queries, keys and values."""
    d = Drawing()
    rows = d.add("Shape", "x", end=2)
    scale, shift = d.weight("scale", 12), d.weight("shift", 12)
    x = d.add("LayerNormalization", d.dense("x", "embed", 12, 12), scale, shift)
    packed = d.add("Concat", rows, d.constant("parts", [3, 4, 3]), axis=0)
    parts = d.add("Transpose", d.add("Reshape", d.dense(x, "qkv", 12, 36), packed), perm=[2, 0, 3, 1, 4])
    q, k, v = (d.add("Gather", parts, d.constant(f"part{number}", number)) for number in range(3))
    scores = d.add("MatMul", q, d.add("Transpose", k, perm=[0, 1, 3, 2]))
    mixed = d.add("Transpose", d.add("MatMul", d.add("Softmax", scores), v), perm=[0, 2, 1, 3])
    mixed = d.add("Reshape", mixed, d.add("Concat", rows, d.constant("width", [12]), axis=0))
    x = d.add("Add", x, d.dense(mixed, "out", 12, 12))
    x = d.add("Add", x, d.dense(d.add("Gelu", d.dense(x, "hidden", 12, 20)), "back", 20, 12))
    mean = d.add("ReduceMean", x, d.constant("one", [1]), keepdims=0)
    return d.done(d.dense(mean, "head", 12, 4), {"x": TEXT}, 4)


def shared_keys() -> onnx.ModelProto:
    """Attention in which two heads of queries share each of three heads of keys and values, which are copied."""
    d = Drawing()
    rows = d.add("Shape", "x", end=2)
    queries = d.add("Concat", rows, d.constant("six", [6, 2]), axis=0)
    keys = d.add("Concat", rows, d.constant("three", [3, 2]), axis=0)
    copied = [d.constant("copies", [1, 1, 2, 1, 1]), d.constant("two", [2])]
    length = d.add("Shape", "x", start=1, end=2)
    merged = d.add("Concat", d.constant("free", [-1]), d.constant("heads", [6]), length, copied[1], axis=0)

    def heads(name: str, count: int, shape: str) -> str:
        return d.add("Transpose", d.add("Reshape", d.dense("x", name, 12, 2 * count), shape), perm=[0, 2, 1, 3])

    def copies(x: str) -> str:
        spread = d.add("Expand", d.add("Unsqueeze", x, copied[1]), copied[0])
        return d.add("Reshape", spread, merged)

    q, k, v = heads("q", 6, queries), copies(heads("k", 3, keys)), copies(heads("v", 3, keys))
    scores = d.add("Softmax", d.add("MatMul", q, d.add("Transpose", k, perm=[0, 1, 3, 2])))
    mixed = d.add("Transpose", d.add("MatMul", scores, v), perm=[0, 2, 1, 3])
    x = d.dense(d.add("Reshape", mixed, d.constant("back", [0, 0, 12])), "out", 12, 5)
    return d.done(d.add("ReduceMean", x, d.constant("one", [1]), keepdims=0), {"x": TEXT}, 5)


def recurrent() -> onnx.ModelProto:
    """A bidirectional GRU with states of zeros made for the rows, then an LSTM; the last step is read."""
    d = Drawing()
    count = d.add("Shape", "x", end=1)
    x = d.add("Transpose", d.dense("x", "embed", 12, 6), perm=[1, 0, 2])
    weights = [d.weight("w1", 2, 15, 6), d.weight("r1", 2, 15, 5), d.weight("b1", 2, 30)]
    two, five = d.constant("two", [2]), d.constant("five", [5])
    states = d.add("ConstantOfShape", d.add("Concat", two, count, five, axis=0))
    gru: dict[str, Any] = {"hidden_size": 5, "direction": "bidirectional", "linear_before_reset": 1}
    x = d.add("Transpose", d.add("GRU", x, *weights, "", states, **gru), perm=[0, 2, 1, 3])
    x = d.add("Reshape", x, d.constant("both", [0, 0, 10]))
    x = d.add("LSTM", x, d.weight("w2", 1, 16, 10), d.weight("r2", 1, 16, 4), d.weight("b2", 1, 32), hidden_size=4)
    x = d.add("Gather", d.add("Squeeze", x, d.constant("one", [1])), d.constant("last", -1))
    return d.done(d.dense(x, "head", 4, 3), {"x": TEXT}, 3)


NETWORKS = (flattening, residual, mobile, joined, gated, encoder, shared_keys, recurrent)


def rows_of(model: onnx.ModelProto, batch: int = ROWS, length: int = 5) -> dict[str, Array]:
    """Random rows."""
    random = np.random.default_rng(batch)
    free = {"batch": batch, "length": length}
    shapes = {
        given.name: [
            free[each.dim_param] if each.dim_param else each.dim_value for each in given.type.tensor_type.shape.dim
        ]
        for given in model.graph.input
    }
    return {name: random.standard_normal(shape).astype(np.float32) for name, shape in shapes.items()}


def answers(model: onnx.ModelProto, rows: Mapping[str, Array]) -> Array:
    """What ONNX Runtime computes, without any optimisation."""
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    found: Array = session.run(None, dict(rows))[0]
    return found


def some_kept(groups: ChannelGroups, seed: int, share: float = 0.6, *, exact: bool = True) -> dict[str, Any]:
    """Units of each group drawn by chance, at least one; all of groups whose cut changes a mean, if `exact`."""
    random = np.random.default_rng(seed)
    kept = {}
    for group in groups.groups:
        drawn = random.random(group.size) < share
        drawn[random.integers(group.size)] = True
        kept[group.name] = drawn | (exact and not group.exact)
    return kept


def zeroed(model: onnx.ModelProto, groups: ChannelGroups, kept: Kept) -> onnx.ModelProto:
    """The file with all numbers of the units that are not kept set to zero."""
    keep = np.ones(groups.count + 1, bool)
    for group in groups.groups:
        keep[group.first : group.first + group.size] = kept.get(group.name, True)
    result = onnx.ModelProto()
    result.CopyFrom(unshared(model))
    for tensor in result.graph.initializer:
        values = numpy_helper.to_array(tensor).copy()
        for axis, units in enumerate(groups.units.get(tensor.name, ())):
            np.moveaxis(values, axis, 0)[~keep[units]] = 0
        tensor.CopyFrom(numpy_helper.from_array(values, tensor.name))
    return result
