"""A Graph: the operators of a model in the order they run, with every shape and element type known."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

# Bits of the element types whose names are no numpy types, or whose numpy form is wider than their storage.
_BITS = {
    **{"bool": 8, "int2": 2, "uint2": 2, "int4": 4, "uint4": 4, "float4e2m1": 4, "bfloat16": 16},
    **{"float6e2m3": 6, "float6e3m2": 6, "string": 0, "undefined": 0},
    **{"float8e4m3fn": 8, "float8e4m3fnuz": 8, "float8e5m2": 8, "float8e5m2fnuz": 8, "float8e8m0": 8},
    **{f"{kind}{bits}": bits for kind in ("int", "uint") for bits in (8, 16, 32, 64)},
    **{f"float{bits}": bits for bits in (16, 32, 64)},
    **{"complex64": 64, "complex128": 128},
}


def element_bits(dtype: str) -> int:
    """Bits that one element takes in memory; text counts as none, for its length is not known.

    >>> element_bits("bfloat16"), element_bits("uint4")
    (16, 4)
    """
    return _BITS[dtype]


@dataclass(frozen=True)
class Tensor:
    """A value that flows: its name, element type (numpy name, or ONNX's own where numpy has none) and shape.

    Attributes:
        shape: None where nothing is known; operators with such a tensor are counted as unknown.
    """

    name: str
    dtype: str
    shape: tuple[int, ...] | None

    @property
    def elements(self) -> int:
        """How many numbers; 1 for a scalar, 0 where a dimension is zero or nothing is known."""
        return math.prod(self.shape) if self.shape is not None else 0

    @property
    def size_bytes(self) -> int:
        """Bytes in memory, types below 8 bits packed."""
        return -(-self.elements * element_bits(self.dtype) // 8)


@dataclass(frozen=True)
class Operator:
    """One operator with what goes in and out.

    Attributes:
        type: name in its domain, such as `Conv`; `domain` is empty for ONNX's own.
        inputs: None stands for an optional input that is left out.
        outputs: an output that is left out is an empty Tensor without a name.
        weights: positions of the inputs that are constants of the file.
        attributes: numbers, texts and lists of them; graphs are in `bodies`.
        bodies: the graphs of control flow, each with how often it runs.
    """

    name: str
    type: str
    domain: str
    inputs: tuple[Tensor | None, ...]
    outputs: tuple[Tensor, ...]
    weights: frozenset[int] = frozenset()
    attributes: Mapping[str, Any] = field(default_factory=dict)
    bodies: tuple[Body, ...] = ()

    @property
    def shapes_known(self) -> bool:
        """Whether every tensor it touches has a shape."""
        touched = [*(tensor for tensor in self.inputs if tensor is not None), *self.outputs]
        return all(tensor.shape is not None for tensor in touched)


@dataclass(frozen=True)
class Body:
    """A graph inside an operator of control flow.

    Attributes:
        times: how often it runs: the branch taken counts once, the other not at all, a loop its trips.
        bounded: whether `times` is an upper bound because the file does not say.
    """

    graph: Graph
    times: int
    bounded: bool = False


@dataclass(frozen=True)
class Graph:
    """A model's operators in the order they run.

    Attributes:
        inputs: what the caller gives, with the shapes that were asked about.
        weights: the constants of the file, each once however many operators read it.
        sizes: the free sizes of the model and what they were set to, such as `{"batch": 1}`.
        notes: what is bounded or not known, in sentences.
        copies: names of weights whose numbers are another weight's, laid out anew: tied embeddings, transposed.
    """

    name: str
    inputs: tuple[Tensor, ...]
    outputs: tuple[Tensor, ...]
    operators: tuple[Operator, ...]
    weights: tuple[Tensor, ...]
    sizes: Mapping[str, int] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    copies: frozenset[str] = frozenset()

    def walk(self) -> Iterator[tuple[Operator, int]]:
        """Every operator that computes, bodies included, with how often it runs."""
        for operator in self.operators:
            yield operator, 1
            for body in operator.bodies:
                yield from ((inner, times * body.times) for inner, times in body.graph.walk())

    @property
    def weight_bytes(self) -> int:
        """Bytes of all weights, those of bodies included."""
        bodies = [body.graph.weight_bytes for operator in self.operators for body in operator.bodies]
        return sum(tensor.size_bytes for tensor in self.weights) + sum(bodies)
