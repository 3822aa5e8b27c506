"""Architectures with width and depth knobs; `docs` of each knob live in its table here, without torch.

Every architecture works on 8x8 digits, 28x28 and 32x32 pictures, 64x64 pictures, and (mlp) tables of some
thirty columns with its default knobs.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sartor.errors import MissingExtraError, ModelError, nearest

if TYPE_CHECKING:
    from torch import nn

SMALLEST_SIDE = 4  # pixels; below this nothing is left after one halving


@dataclass(frozen=True)
class Knob:
    """One architecture setting: its default and the closed range that is allowed."""

    default: int
    low: int
    high: int
    meaning: str


@dataclass(frozen=True)
class Architecture:
    """One row of the zoo: its knobs and whether it needs pictures."""

    knobs: Mapping[str, Knob]
    needs_image: bool
    summary: str


ARCHITECTURES: Mapping[str, Architecture] = {
    "mlp": Architecture(
        {
            "width": Knob(128, 4, 4096, "units of each hidden layer"),
            "depth": Knob(2, 1, 8, "hidden layers"),
        },
        needs_image=False,
        summary="fully connected layers with ReLU; flattens any input",
    ),
    "cnn": Architecture(
        {
            "width": Knob(16, 4, 256, "channels of the first convolution; doubled at each halving"),
            "depth": Knob(3, 1, 8, "convolutions"),
        },
        needs_image=True,
        summary="a short stack of convolution, batch norm and ReLU",
    ),
    "resnet": Architecture(
        {
            "width": Knob(32, 4, 128, "channels of the first stage; doubled at each stage"),
            "depth": Knob(2, 1, 8, "basic blocks in each of the four stages (2 is ResNet-18)"),
        },
        needs_image=True,
        summary="residual network of basic blocks, ResNet-18-like",
    ),
}


def check(name: str, knobs: Mapping[str, int]) -> dict[str, int]:
    """The full knob settings of an architecture, defaults filled in. Needs no torch.

    Raises:
        ModelError: unknown architecture or knob, a value that is no whole number or out of range.
    """
    if name not in ARCHITECTURES:
        allowed = ", ".join(f"zoo:{known}" for known in ARCHITECTURES)
        raise ModelError(f"there is no model `{name}` in the zoo", allowed, nearest(name, ARCHITECTURES))
    table = ARCHITECTURES[name].knobs
    for knob, value in knobs.items():
        _check_knob(name, table, knob, value)
    return {knob: knobs.get(knob, row.default) for knob, row in table.items()}


def _check_knob(name: str, table: Mapping[str, Knob], knob: str, value: int) -> None:
    if knob not in table:
        allowed = ", ".join(f"{known} ({row.meaning})" for known, row in table.items())
        raise ModelError(f"zoo:{name} has no knob `{knob}`", allowed, nearest(knob, table))
    row = table[knob]
    if isinstance(value, bool) or not isinstance(value, int) or not row.low <= value <= row.high:
        raise ModelError(
            f"zoo:{name}({knob}={value})",
            f"a whole number from {row.low} to {row.high} ({row.meaning})",
            f"the default is {row.default}",
        )


def why_not(name: str, input_shape: tuple[int, ...]) -> str | None:
    """None when the architecture can take rows of this shape, else the reason in one sentence.

    Args:
        name: an architecture of the zoo.
        input_shape: shape of one row, without the batch: (channels, height, width) for pictures.
    """
    if math.prod(input_shape) < 1:
        return f"rows of shape {input_shape} are empty"
    if not ARCHITECTURES[name].needs_image:
        return None
    if len(input_shape) != 3:
        return f"{name} needs pictures (channels, height, width); these rows have shape {input_shape}"
    if min(input_shape[1:]) < SMALLEST_SIDE:
        return (
            f"{name} needs pictures of at least {SMALLEST_SIDE}x{SMALLEST_SIDE} pixels; "
            f"these are {input_shape[1]}x{input_shape[2]}"
        )
    return None


def build(name: str, input_shape: tuple[int, ...], outputs: int, **knobs: int) -> nn.Module:
    """An untrained module that maps (batch, *input_shape) float32 to (batch, outputs).

    The weights come from torch's global generator: seed it first for a repeatable result.

    Raises:
        ModelError: unknown name or knob, knob out of range, or rows this architecture cannot take.
        MissingExtraError: torch is not installed.
    """
    settings = check(name, knobs)
    reason = why_not(name, input_shape)
    if reason is not None:
        raise ModelError(f"zoo:{name} cannot take this data: {reason}", "data that fits", "try zoo:mlp")
    try:
        import torch  # noqa: F401
    except ImportError:
        raise MissingExtraError("torch", f"zoo:{name}", "pip install 'sartor[torch]'") from None
    return _construct(name, input_shape, outputs, settings)


def _construct(name: str, input_shape: tuple[int, ...], outputs: int, knobs: dict[str, int]) -> nn.Module:
    # torch takes seconds to import, so each architecture is imported only when it is built.
    if name == "mlp":
        from sartor.model.zoo.mlp import MultilayerPerceptron

        return MultilayerPerceptron(math.prod(input_shape), outputs, **knobs)
    channels, height, width = input_shape
    side = min(height, width)
    if name == "cnn":
        from sartor.model.zoo.cnn import ConvolutionStack

        return ConvolutionStack(channels, side, outputs, **knobs)
    from sartor.model.zoo.resnet import ResidualNetwork

    return ResidualNetwork(channels, side, outputs, **knobs)
