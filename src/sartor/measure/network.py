"""A small network written operator by operator, with the patterns that exporters leave in a file."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from onnx import ModelProto

Shape = tuple[int, ...]
OPSET = 20
_STEP = 977
_POOL = np.random.default_rng(0).normal(size=1 << 16).astype(np.float32)


class Network:
    """Grows from its input; every method adds operators after a tensor and gives the name of their result.

    Weights repeat a pool of random numbers, for how fast a network runs does not depend on them; they are scaled so
    that activations keep their size. The first dimension, the batch, is free in the file.

    Args:
        shape: of a row.
        vocabulary: above 0 the input is whole numbers below it.
        normalises: convolutions end in a batch normalisation in place of a bias, as exporters leave them.
    """

    def __init__(self, shape: Shape, vocabulary: int = 0, *, normalises: bool = False) -> None:
        self.vocabulary = vocabulary
        self._normalises = normalises
        self.shapes: dict[str, Shape] = {"x": (1, *shape)}
        self.flop = 0.0  # of products, of which most time goes into
        self.elements = 0  # of constants
        self._nodes: list[Any] = []
        self._weights: list[Any] = []

    def add(self, operator: str, inputs: Sequence[str], shape: Shape, **attributes: Any) -> str:
        """One operator with one output of a known shape, its batch taken as 1."""
        from onnx import helper

        name = f"t{len(self._nodes)}"
        self._nodes.append(helper.make_node(operator, list(inputs), [name], f"n{len(self._nodes)}", **attributes))
        self.shapes[name] = shape
        return name

    def weight(self, shape: Shape, depth: int = 1) -> str:
        """A constant whose numbers have a standard deviation of `depth ** -0.5`."""
        # No two alike: runtimes keep equal constants once, which real networks have few of.
        pool = np.roll(_POOL, _STEP * len(self._weights))
        return self.constant(np.resize(pool, math.prod(shape)).reshape(shape) / np.float32(math.sqrt(depth)))

    def constant(self, values: Any) -> str:
        """A constant array."""
        from onnx import numpy_helper

        name = f"w{len(self._weights)}"
        self.elements += values.size
        self._weights.append(numpy_helper.from_array(np.ascontiguousarray(values), name))
        return name

    def integers(self, *values: int) -> str:
        """A constant of shapes, axes and the like."""
        return self.constant(np.array(values, np.int64))

    def scalar(self, value: float) -> str:
        """A constant number."""
        return self.constant(np.array(value, np.float32))

    # Products -----------------------------------------------------------------------------------------------------

    def conv(self, x: str, channels: int, kernel: int | Shape = 3, stride: int = 1, groups: int = 1) -> str:
        """A convolution in one or two dimensions with a bias or a normalisation, padded to keep its size."""
        _, depth, *space = self.shapes[x]
        kernels = (kernel,) * len(space) if isinstance(kernel, int) else kernel
        kernels = tuple(min(k, s) for k, s in zip(kernels, space, strict=True))
        weight = self.weight((channels, depth // groups, *kernels), depth // groups * math.prod(kernels))
        pads = [(k - 1) // 2 for k in kernels] + [k // 2 for k in kernels]
        out = [-(-size // stride) for size in space]
        self.flop += 2.0 * channels * math.prod(out) * depth // groups * math.prod(kernels)
        bias = [] if self._normalises else [self.weight((channels,), 100)]
        made = self.add(
            *("Conv", [x, weight, *bias], (1, channels, *out)),
            strides=[stride] * len(space),
            pads=pads,
            group=groups,
            kernel_shape=list(kernels),
        )
        return self.batch_norm(made) if self._normalises else made

    def transposed(self, x: str, channels: int, stride: int = 2) -> str:
        """A transposed convolution with kernels as large as its stride."""
        _, depth, *space = self.shapes[x]
        weight = self.weight((depth, channels, *([stride] * len(space))), depth)
        shape = (1, channels, *(size * stride for size in space))
        self.flop += 2.0 * math.prod(shape) * depth
        return self.add(
            "ConvTranspose", [x, weight, self.weight((channels,), 100)], shape, strides=[stride] * len(space)
        )

    def dense(self, x: str, width: int, bias: bool = True) -> str:
        """A product with a constant matrix along the last dimension."""
        *lead, depth = self.shapes[x]
        self.flop += 2.0 * math.prod(lead) * depth * width
        out = self.add("MatMul", [x, self.weight((depth, width), depth)], (*lead, width))
        return self.add("Add", [out, self.weight((width,), 100)], (*lead, width)) if bias else out

    def head(self, x: str, width: int) -> str:
        """A Gemm on (batch, features), as a classifier ends."""
        depth = self.shapes[x][1]
        self.flop += 2.0 * depth * width
        return self.add(
            "Gemm", [x, self.weight((width, depth), depth), self.weight((width,), 100)], (1, width), transB=1
        )

    def matmul(self, left: str, right: str) -> str:
        """A product of two activations."""
        self.flop += 2.0 * math.prod(self.shapes[left]) * self.shapes[right][-1]
        return self.add("MatMul", [left, right], (*self.shapes[left][:-1], self.shapes[right][-1]))

    def recurrent(self, x: str, kind: str, width: int, both: bool) -> str:
        """An LSTM or GRU over (batch, length, features), as exporters write it."""
        _, length, depth = self.shapes[x]
        ways, gates = 1 + both, {"LSTM": 4, "GRU": 3}[kind]
        self.flop += 2.0 * length * ways * gates * width * (depth + width)
        steps = self.transpose(x, (1, 0, 2))
        weights = [
            self.weight((ways, gates * width, depth), depth),
            self.weight((ways, gates * width, width), width),
            self.weight((ways, 2 * gates * width), 100),
        ]
        more = {"linear_before_reset": 1} if kind == "GRU" else {}
        out = self.add(
            kind,
            [steps, *weights],
            (length, ways, 1, width),
            hidden_size=width,
            direction="bidirectional" if both else "forward",
            **more,
        )
        out = self.transpose(out, (2, 0, 1, 3))
        return self.reshape(out, (length, ways * width))

    # Elementwise --------------------------------------------------------------------------------------------------

    def map(self, operator: str, x: str, *others: str, **attributes: Any) -> str:
        """An elementwise operator whose result has the shape of `x`."""
        return self.add(operator, [x, *others], self.shapes[x], **attributes)

    def act(self, x: str, name: str) -> str:
        """An activation as exporters write it."""
        if name == "silu":
            return self.map("Mul", x, self.map("Sigmoid", x))
        if name == "relu6":
            return self.map("Clip", x, self.scalar(0.0), self.scalar(6.0))
        if name == "erf":
            inner = self.map("Erf", self.map("Div", x, self.scalar(math.sqrt(2))))
            return self.map("Mul", self.map("Mul", x, self.map("Add", inner, self.scalar(1.0))), self.scalar(0.5))
        if name == "gelu-tanh":
            cube = self.map("Mul", self.map("Mul", x, x), x)
            inner = self.map("Add", x, self.map("Mul", cube, self.scalar(0.044715)))
            inner = self.map("Tanh", self.map("Mul", inner, self.scalar(0.79788)))
            return self.map("Mul", self.map("Mul", x, self.scalar(0.5)), self.map("Add", inner, self.scalar(1.0)))
        plain = {
            "relu": "Relu",
            "gelu": "Gelu",
            "hardswish": "HardSwish",
            "tanh": "Tanh",
            "sigmoid": "Sigmoid",
            "leaky": "LeakyRelu",
            "elu": "Elu",
            "hardsigmoid": "HardSigmoid",
        }
        return self.map(plain[name], x) if name in plain else x

    def plus(self, x: str, other: str) -> str:
        """A sum of two activations."""
        return self.map("Add", x, other)

    def times(self, x: str, other: str) -> str:
        """A product, element by element, `other` broadcast."""
        return self.map("Mul", x, other)

    # Normalisation and reduction ----------------------------------------------------------------------------------

    def layer_norm(self, x: str) -> str:
        """Normalisation of the last dimension."""
        width = self.shapes[x][-1]
        return self.map("LayerNormalization", x, self.weight((width,)), self.weight((width,)), axis=-1)

    def rms_norm(self, x: str) -> str:
        """Root mean square normalisation, in single operators."""
        *lead, width = self.shapes[x]
        square = self.map("Pow", x, self.scalar(2.0))
        mean = self.add("ReduceMean", [square, self.integers(-1)], (*lead, 1))
        root = self.map("Reciprocal", self.map("Sqrt", self.map("Add", mean, self.scalar(1e-6))))
        return self.map("Mul", self.map("Mul", x, root), self.weight((width,)))

    def instance_norm(self, x: str) -> str:
        """Normalisation of each channel over space."""
        channels = self.shapes[x][1]
        return self.map("InstanceNormalization", x, self.weight((channels,)), self.weight((channels,)))

    def group_norm(self, x: str) -> str:
        """Normalisation of all channels together, as exporters write GroupNorm with one group."""
        shape = self.shapes[x]
        flat = self.reshape(x, (1, math.prod(shape[1:])))
        flat = self.map("InstanceNormalization", flat, self.weight((1,)), self.weight((1,)))
        out = self.reshape(flat, shape[1:])
        shape = (shape[1], *(1 for _ in shape[2:]))
        return self.map("Add", self.map("Mul", out, self.weight(shape)), self.weight(shape))

    def batch_norm(self, x: str) -> str:
        """Batch normalisation that nothing folds: a product and a sum a channel."""
        channels = self.shapes[x][1]
        spread = [self.weight((channels,)) for _ in range(3)]
        return self.map("BatchNormalization", x, *spread, self.constant(np.ones(channels, np.float32)))

    def mean(self, x: str, axes: Sequence[int], keep: bool = True) -> str:
        """The mean over axes."""
        shape = self.shapes[x]
        axes = [axis % len(shape) for axis in axes]
        kept = tuple(1 if axis in axes else size for axis, size in enumerate(shape))
        out = kept if keep else tuple(size for axis, size in enumerate(shape) if axis not in axes)
        return self.add("ReduceMean", [x, self.integers(*axes)], out, keepdims=int(keep))

    def softmax(self, x: str) -> str:
        """Along the last dimension."""
        return self.map("Softmax", x, axis=-1)

    def pool(self, x: str, kernel: int, stride: int, average: bool = False) -> str:
        """A pooling, padded to keep its size."""
        _, channels, *space = self.shapes[x]
        kernel = min(kernel, *space)
        pads = [(kernel - 1) // 2] * len(space) + [kernel // 2] * len(space)
        out = tuple(-(-size // stride) for size in space)
        return self.add(
            "AveragePool" if average else "MaxPool",
            [x],
            (1, channels, *out),
            kernel_shape=[kernel] * len(space),
            strides=[stride] * len(space),
            pads=pads,
        )

    def global_pool(self, x: str) -> str:
        """The mean over space."""
        shape = self.shapes[x]
        return self.add("GlobalAveragePool", [x], (*shape[:2], *(1 for _ in shape[2:])))

    # Movement -----------------------------------------------------------------------------------------------------

    def transpose(self, x: str, order: Sequence[int]) -> str:
        """Another order of dimensions."""
        return self.add("Transpose", [x], tuple(self.shapes[x][axis] for axis in order), perm=list(order))

    def reshape(self, x: str, shape: Sequence[int], batch: int = 1) -> str:
        """Another shape; the batch stays free unless it is merged with others."""
        lead = (0,) if batch == self.shapes[x][0] == 1 else (-1,)
        return self.add("Reshape", [x, self.integers(*lead, *shape)], (batch, *shape))

    def slice(self, x: str, axis: int, start: int, end: int) -> str:
        """A part of one dimension."""
        shape = list(self.shapes[x])
        shape[axis] = end - start
        ranges = [self.integers(start), self.integers(end), self.integers(axis)]
        return self.add("Slice", [x, *ranges], tuple(shape))

    def concat(self, parts: Sequence[str], axis: int) -> str:
        """Parts one after another."""
        shape = list(self.shapes[parts[0]])
        shape[axis] = sum(self.shapes[part][axis] for part in parts)
        return self.add("Concat", parts, tuple(shape), axis=axis)

    def resize(self, x: str, factor: int, linear: bool) -> str:
        """Larger in space by a whole factor."""
        _, channels, *space = self.shapes[x]
        factors = self.constant(np.array([1, 1, *([factor] * len(space))], np.float32))
        return self.add(
            "Resize",
            [x, "", factors],
            (1, channels, *(factor * size for size in space)),
            mode="linear" if linear else "nearest",
            coordinate_transformation_mode="half_pixel",
        )

    def embed(self, x: str, rows: int, width: int) -> str:
        """Rows of a table, one for each number."""
        return self.add("Gather", [self.weight((rows, width)), x], (*self.shapes[x], width))

    def model(self, output: str) -> ModelProto:
        """The file."""
        from onnx import TensorProto, helper

        kind = TensorProto.INT64 if self.vocabulary else TensorProto.FLOAT
        given = helper.make_tensor_value_info("x", kind, ["batch", *self.shapes["x"][1:]])
        made = helper.make_tensor_value_info(output, TensorProto.FLOAT, ["batch", *self.shapes[output][1:]])
        graph = helper.make_graph(self._nodes, "network", [given], [made], self._weights)
        return helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=10)
