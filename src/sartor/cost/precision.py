"""The same computation in narrower numbers: what its Cost would be with weights and products in another type."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Literal

from sartor.cost.costs import Cost
from sartor.cost.counted import Counted, Work
from sartor.cost.graph import element_bits

PRECISIONS = ("float32", "bfloat16", "int8")
"""Element types that a whole model can be asked for in."""

Activations = Literal["kept", "converted", "narrow"]
"""What becomes of the numbers between operators.

`kept`: each stays as it is, and kernels that multiply narrow numbers convert them on the chip for nothing.
`converted`: products read them once more to write them narrow and read them again, as dynamic quantization does.
`narrow`: all are stored narrow, between all operators.
"""

PRODUCTS = frozenset({"matrix product", "convolution", "attention", "recurrent"})
"""Families whose weights and products runtimes compute in narrower types."""


def in_precision(work: tuple[Work, ...], dtype: str, activations: Activations = "kept") -> tuple[Work, ...]:
    """The operators with the weights and products of `PRODUCTS` in `dtype`; what is as narrow already stays.

    The operators themselves, their shapes and how many there are do not change: what converts numbers is taken to
    be fused into what computes.
    """
    return tuple(tuple(_narrowed(piece, dtype, activations) for piece in pieces) for pieces in work)


def narrows(work: tuple[Work, ...], dtype: str) -> bool:
    """Whether `in_precision` would change anything."""
    return any(piece.family in PRODUCTS and _scale(piece.cost.flop, dtype) < 1 for pieces in work for piece in pieces)


def _narrowed(piece: Counted, dtype: str, activations: Activations) -> Counted:
    if piece.family in PRODUCTS:
        return replace(piece, cost=_narrowed_product(piece.cost, dtype, activations))
    if activations == "narrow":
        return replace(piece, cost=_narrowed_bytes(piece.cost, _scale(piece.cost.flop, dtype)))
    return piece


def _narrowed_product(cost: Cost, dtype: str, activations: Activations) -> Cost:
    scale = _scale(cost.flop, dtype)
    if scale == 1.0:
        return cost
    flop: dict[str, float] = {}
    for name, value in cost.flop.items():
        taken = dtype if _wider(name, dtype) else name
        flop[taken] = flop.get(taken, 0.0) + value
    if activations == "narrow":
        return replace(_narrowed_bytes(cost, scale), flop=flop)
    weights, activated = cost.weight_bytes * scale, cost.read_bytes - cost.weight_bytes
    converted = scale * activated if activations == "converted" else 0.0
    read, written = weights + activated + converted, cost.written_bytes + converted
    return replace(cost, flop=flop, weight_bytes=weights, read_bytes=read, written_bytes=written)


def _narrowed_bytes(cost: Cost, scale: float) -> Cost:
    read, written, weights = (scale * moved for moved in (cost.read_bytes, cost.written_bytes, cost.weight_bytes))
    return replace(cost, read_bytes=read, written_bytes=written, weight_bytes=weights)


def _scale(flop: Mapping[str, float], dtype: str) -> float:
    """How many of the bytes are left; 1 where it computes nothing, or nothing that is wider."""
    wide = [element_bits(name) for name in flop if _wider(name, dtype)]
    return element_bits(dtype) / max(wide) if wide else 1.0


def _wider(name: str, dtype: str) -> bool:
    return name.startswith(("float", "bfloat")) and element_bits(name) > element_bits(dtype)
