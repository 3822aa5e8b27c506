"""GRU, LSTM and RNN. Imports torch: import this file inside functions only.

Letters used for shapes: t steps, b rows, i inputs, h units, d directions (1 or 2), g gates (3 in a GRU, 4 in an LSTM).
ONNX orders gates z, r, h and i, o, f, c; torch orders them r, z, n and i, f, g, o.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from sartor.train.onnx_module.operators_base import Node, Run
from sartor.train.onnx_module.operators_recurrent_steps import STATES, USUAL, Cell, cell_of, stepped

_TORCH_ORDER = {"GRU": (1, 0, 2), "LSTM": (0, 2, 3, 1), "RNN": (0,)}


@dataclass(frozen=True)
class Operands:
    """Inputs of a node in one order: x (t, b, i), weight (d, g h, i), recurrence (d, g h, h), bias (d, 2 g h)."""

    x: Tensor
    weight: Tensor
    recurrence: Tensor
    bias: Tensor | None
    lengths: Tensor | None
    states: tuple[Tensor, ...]  # (d, b, h) each: hidden, and in an LSTM the cell
    peepholes: Tensor | None = None  # (d, 3 h)


def _recurrent(node: Node) -> Run:
    directions = 2 if node.get("direction", "forward") == "bidirectional" else 1
    cells = [cell_of(node, number) for number in range(directions)]
    batch_first = bool(node.get("layout", 0))
    native = _is_native(node, cells)

    def run(*inputs: Tensor | None) -> Any:
        operands = _operands(node.kind, inputs, batch_first)
        whole, last = _native(node, operands) if native else _stepped(node, cells, operands)
        if batch_first:
            whole = whole.permute(2, 0, 1, 3)
            last = tuple(each.transpose(0, 1) for each in last)
        return (whole, *last)

    return run


def _is_native(node: Node, cells: list[Cell]) -> bool:
    """Whether torch's own kernel computes this."""
    usual = all(cell.activations == USUAL[node.kind] for cell in cells)
    order = node.kind != "GRU" or bool(node.get("linear_before_reset", 0))
    special = node.has(4) or node.has(7) or bool(node.get("clip")) or bool(node.get("input_forget"))
    return usual and order and not special


def _operands(kind: str, inputs: tuple[Tensor | None, ...], batch_first: bool) -> Operands:
    given = [*inputs, *[None] * (8 - len(inputs))]
    x, weight, recurrence = given[:3]
    assert x is not None
    assert weight is not None
    assert recurrence is not None
    x = x.transpose(0, 1) if batch_first else x
    shape = weight.shape[0], x.shape[1], recurrence.shape[2]
    states = [given[5 + number] for number in range(STATES[kind])]
    if batch_first:
        states = [None if state is None else state.transpose(0, 1) for state in states]
    full = tuple(x.new_zeros(shape) if state is None else state for state in states)
    return Operands(x, weight, recurrence, given[3], given[4], full, given[7])


def _native(node: Node, operands: Operands) -> tuple[Tensor, tuple[Tensor, ...]]:
    backwards = node.get("direction", "forward") == "reverse"
    x = operands.x.flip(0) if backwards else operands.x
    directions, units = operands.weight.shape[0], operands.recurrence.shape[2]
    weights = _torch_weights(operands, _TORCH_ORDER[node.kind])
    states: Any = tuple(state.contiguous() for state in operands.states)
    function: Any = {"GRU": torch.gru, "LSTM": torch.lstm, "RNN": torch.rnn_tanh}[node.kind]
    state = states if node.kind == "LSTM" else states[0]
    whole, *last = function(x, state, weights, operands.bias is not None, 1, 0.0, False, directions == 2, False)
    whole = whole.reshape(*x.shape[:2], directions, units).permute(0, 2, 1, 3)
    return (whole.flip(0) if backwards else whole), tuple(last)


def _torch_weights(operands: Operands, order: tuple[int, ...]) -> list[Tensor]:
    weights = []
    for direction in range(operands.weight.shape[0]):
        parts = [operands.weight[direction], operands.recurrence[direction]]
        if operands.bias is not None:
            parts += operands.bias[direction].chunk(2)
        weights += [_reordered(part, order) for part in parts]
    return weights


def _reordered(part: Tensor, order: tuple[int, ...]) -> Tensor:
    gates = part.chunk(len(order))
    return torch.cat([gates[place] for place in order])


def _stepped(node: Node, cells: list[Cell], operands: Operands) -> tuple[Tensor, tuple[Tensor, ...]]:
    backwards = [node.get("direction", "forward") == "reverse", True]
    wholes, lasts = [], []
    for direction, cell in enumerate(cells):
        whole, last = stepped(cell, _one(operands, direction), backwards[direction])
        wholes.append(whole)
        lasts.append(last)
    return torch.stack(wholes, 1), tuple(torch.stack(states) for states in zip(*lasts, strict=True))


def _one(operands: Operands, direction: int) -> tuple[Any, ...]:
    return (
        operands.x,
        operands.weight[direction],
        operands.recurrence[direction],
        None if operands.bias is None else operands.bias[direction],
        operands.lengths,
        tuple(state[direction] for state in operands.states),
        None if operands.peepholes is None else operands.peepholes[direction],
    )


RECURRENT: Mapping[str, Callable[[Node], Run]] = dict.fromkeys(("GRU", "LSTM", "RNN"), _recurrent)
