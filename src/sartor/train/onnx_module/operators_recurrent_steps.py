"""Recurrent units step by step, for settings that no kernel of torch has: other activations, clipped numbers, rows of
different lengths, peepholes. Imports torch: import this file inside functions only.

Letters used for shapes: t steps, b rows, h units, g gates. Formulas: ONNX operators GRU, LSTM, RNN.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from sartor.train.onnx_module.operators_base import Node

STATES = {"GRU": 1, "LSTM": 2, "RNN": 1}
USUAL = {"GRU": ("Sigmoid", "Tanh"), "LSTM": ("Sigmoid", "Tanh", "Tanh"), "RNN": ("Tanh",)}
_ACTIVATIONS: Mapping[str, Callable[[Tensor], Tensor]] = {
    "Sigmoid": torch.sigmoid,
    "Tanh": torch.tanh,
    "Relu": torch.relu,
    "Softsign": functional.softsign,
    "Softplus": functional.softplus,
}
States = tuple[Tensor, ...]


@dataclass(frozen=True)
class Cell:
    """One direction of a recurrent operator.

    Attributes:
        activations: by name, in the order of ONNX.
        clip: what goes into an activation is kept within plus and minus this; 0 for no bound.
        late_reset: in a GRU, whether the reset gate acts after the product with the recurrence.
        coupled: in an LSTM, whether the forget gate is 1 minus the input gate.
    """

    kind: str
    activations: tuple[str, ...]
    clip: float
    late_reset: bool
    coupled: bool

    def active(self, place: int, values: Tensor) -> Tensor:
        """An activation of this direction."""
        bounded = values.clamp(-self.clip, self.clip) if self.clip else values
        return _ACTIVATIONS[self.activations[place]](bounded)


def cell_of(node: Node, direction: int) -> Cell:
    """A direction's settings.

    Raises:
        RefusedError: an activation that is not known here, or bounds on the numbers of an LSTM.
    """
    usual = USUAL[node.kind]
    names = node.get("activations") or list(usual) * (direction + 1)
    chosen = tuple(names[direction * len(usual) : (direction + 1) * len(usual)])
    node.refuse_unless(all(name in _ACTIVATIONS for name in chosen), f"activations {', '.join(chosen)}")
    # Whether the memory is bounded too, before the last activation, is told differently by ONNX and by ONNX Runtime.
    node.refuse_unless(node.kind != "LSTM" or not node.get("clip"), "clip")
    late, coupled = bool(node.get("linear_before_reset", 0)), bool(node.get("input_forget", 0))
    return Cell(node.kind, chosen, node.get("clip", 0.0), late, coupled)


def stepped(cell: Cell, operands: tuple[Any, ...], backwards: bool) -> tuple[Tensor, States]:
    """All steps of one direction.

    Args:
        cell: what is done in a step.
        operands: x (t, b, i), weight (g h, i), recurrence (g h, h), bias (2 g h) or None, lengths (b) or None, the
            states (b, h) and the peepholes (3 h) or None.
        backwards: from the last step of each row to its first.

    Returns:
        (t, b, h), zero behind the end of a row, and the last states (b, h).
    """
    x, weight, recurrence, bias, lengths, states, peepholes = operands
    first, second = (None, None) if bias is None else bias.chunk(2)
    gates = functional.linear(x, weight, first)
    outputs: list[Tensor] = [x] * x.shape[0]
    for time in range(x.shape[0] - 1, -1, -1) if backwards else range(x.shape[0]):
        now = _STEPS[cell.kind](cell, gates[time], states, recurrence, second, peepholes)
        if lengths is None:
            states, outputs[time] = now, now[0]
            continue
        going = (time < lengths).unsqueeze(1)
        states = tuple(torch.where(going, new, old) for new, old in zip(now, states, strict=True))
        outputs[time] = torch.where(going, now[0], torch.zeros_like(now[0]))
    return torch.stack(outputs), states


def _gru(cell: Cell, gates: Tensor, states: States, recurrence: Tensor, bias: Tensor | None, _: Any) -> States:
    (hidden,) = states
    units = hidden.shape[1]
    both = functional.linear(hidden, recurrence[: 2 * units], None if bias is None else bias[: 2 * units])
    update, reset = cell.active(0, gates[:, : 2 * units] + both).chunk(2, 1)
    last, offset = recurrence[2 * units :], None if bias is None else bias[2 * units :]
    if cell.late_reset:
        recurred = reset * functional.linear(hidden, last, offset)
    else:
        recurred = functional.linear(reset * hidden, last, offset)
    new = cell.active(1, gates[:, 2 * units :] + recurred)
    return ((1 - update) * new + update * hidden,)


def _lstm(
    cell: Cell, gates: Tensor, states: States, recurrence: Tensor, bias: Tensor | None, peepholes: Tensor | None
) -> States:
    hidden, memory = states
    seen: tuple[Any, ...] = (0.0, 0.0, 0.0) if peepholes is None else peepholes.chunk(3)  # of i, o, f
    enter, leave, forget, new = (gates + functional.linear(hidden, recurrence, bias)).chunk(4, 1)
    enter = cell.active(0, enter + seen[0] * memory)
    forget = 1 - enter if cell.coupled else cell.active(0, forget + seen[2] * memory)
    memory = forget * memory + enter * cell.active(1, new)
    leave = cell.active(0, leave + seen[1] * memory)
    return leave * cell.active(2, memory), memory


def _rnn(cell: Cell, gates: Tensor, states: States, recurrence: Tensor, bias: Tensor | None, _: Any) -> States:
    return (cell.active(0, gates + functional.linear(states[0], recurrence, bias)),)


_STEPS: Mapping[str, Callable[..., States]] = {"GRU": _gru, "LSTM": _lstm, "RNN": _rnn}
