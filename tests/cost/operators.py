"""Operators made by hand, their tensors given as shapes."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

from sartor.cost.costs import Cost, total
from sartor.cost.count import operator_cost
from sartor.cost.formulas import family_of
from sartor.cost.graph import Body, Graph, Operator, Tensor

Shape = tuple[int, ...]
MICROSOFT = "com.microsoft"


def tensor(shape: Shape | None, dtype: str = "float32", name: str = "") -> Tensor:
    return Tensor(name or f"{dtype}{shape}", dtype, shape)


int8 = partial(tensor, dtype="int8")
uint8 = partial(tensor, dtype="uint8")
int64 = partial(tensor, dtype="int64")


def operator(
    type_: str,
    inputs: Sequence[Shape | Tensor | None],
    *outputs: Shape | Tensor,
    domain: str = "",
    weights: Sequence[int] = (),
    bodies: tuple[Body, ...] = (),
    **attributes: Any,
) -> Operator:
    """An operator whose tensors are given as shapes of float32 numbers, each under a name of its own."""

    def named(each: Shape | Tensor, name: str) -> Tensor:
        return each if isinstance(each, Tensor) else tensor(each, name=name)

    given_inputs = tuple(None if each is None else named(each, f"in{n}") for n, each in enumerate(inputs))
    made = tuple(named(each, f"out{n}") for n, each in enumerate(outputs))
    return Operator(type_.lower(), type_, domain, given_inputs, made, frozenset(weights), attributes, bodies)


def graph(*operators: Operator) -> Graph:
    return Graph("net", (), (), operators, ())


def flop(*args: Any, **kwargs: Any) -> float:
    return operator_cost(operator(*args, **kwargs)).total_flop


def convolution(batch: int, channels: int, out: int, groups: int, size: int, kernel: int) -> Operator:
    """Without padding, stride one."""
    places = size - kernel + 1
    shapes = [(batch, channels, size, size), (out, channels // groups, kernel, kernel)]
    return operator("Conv", shapes, (batch, out, places, places), group=groups)


COUNTED_BY_TORCH = {"matrix product", "convolution"}  # attention is exported as its products


def products_of(captured: Graph) -> float:
    """FLOP of the families that torch counts, by torch's convention: without biases and fused activations."""
    return total(_without_bias(each) * times for each, times in captured.walk() if times).total_flop


def _without_bias(each: Operator) -> Cost:
    if family_of(each) not in COUNTED_BY_TORCH or not operator_cost(each).flop:
        return Cost()
    read = each.inputs[:2] if each.type in {"Conv", "FusedConv", "Gemm", "ConvTranspose"} else each.inputs
    attributes = {name: set_ for name, set_ in each.attributes.items() if name != "activation"}
    return operator_cost(Operator(each.name, each.type, each.domain, read, each.outputs, attributes=attributes))
