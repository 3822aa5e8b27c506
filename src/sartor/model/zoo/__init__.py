"""Architectures with width and depth knobs; `docs` of each knob live in its table here, without torch.

The architectures for pictures work on 8x8 digits, 28x28, 32x32 and 64x64 pictures, the mlp on tables of some
thirty columns, those for texts on any text, with their default knobs.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from sartor.errors import MissingExtraError, ModelError, nearest

if TYPE_CHECKING:
    from torch import nn

    from sartor.steps.prepared import Prepared

TOKENS, MASK = "input_ids", "attention_mask"
SMALLEST_SIDE = 4  # pixels; below this nothing is left after one halving
LONGEST_TEXT = 512  # tokens
_MULTIPLE = 4  # of the width of attention, which has so many heads

Needs = Literal["numbers", "picture", "text", "text or sequence"]
RowShapes = Mapping[str, tuple[int, ...]]


@dataclass(frozen=True)
class Knob:
    """One architecture setting: its default, the closed range that is allowed, and what it must be a multiple of."""

    default: int
    low: int
    high: int
    meaning: str
    multiple: int = 1


@dataclass(frozen=True)
class Architecture:
    """One row of the zoo: its knobs, what rows it needs, and whether it has attention."""

    knobs: Mapping[str, Knob]
    needs: Needs
    summary: str
    attends: bool = False


ARCHITECTURES: Mapping[str, Architecture] = {
    "mlp": Architecture(
        {
            "width": Knob(128, 4, 4096, "units of each hidden layer"),
            "depth": Knob(2, 1, 8, "hidden layers"),
        },
        needs="numbers",
        summary="fully connected layers with ReLU; flattens any input",
    ),
    "cnn": Architecture(
        {
            "width": Knob(16, 4, 256, "channels of the first convolution; doubled at each halving"),
            "depth": Knob(3, 1, 8, "convolutions"),
        },
        needs="picture",
        summary="a short stack of convolution, batch norm and ReLU",
    ),
    "resnet": Architecture(
        {
            "width": Knob(32, 4, 128, "channels of the first stage; doubled at each stage"),
            "depth": Knob(2, 1, 8, "basic blocks in each of the four stages (2 is ResNet-18)"),
        },
        needs="picture",
        summary="residual network of basic blocks, ResNet-18-like",
    ),
    "vit": Architecture(
        {
            "width": Knob(64, 8, 1024, "numbers for each patch", _MULTIPLE),
            "depth": Knob(4, 1, 24, "blocks of attention"),
            "patch": Knob(0, 0, 64, "pixels of a patch's side; 0 takes an eighth of the picture's shorter side"),
        },
        needs="picture",
        summary="vision Transformer with the mean over its patches",
        attends=True,
    ),
    "transformer": Architecture(
        {
            "width": Knob(64, 8, 1024, "numbers for each token", _MULTIPLE),
            "depth": Knob(2, 1, 24, "blocks of attention"),
        },
        needs="text",
        summary="Transformer encoder over texts, with the mean over their tokens",
        attends=True,
    ),
    "gru": Architecture(
        {
            "width": Knob(64, 4, 1024, "recurrent units of each layer"),
            "depth": Knob(1, 1, 8, "layers of units"),
        },
        needs="text or sequence",
        summary="gated recurrent units over texts, (steps, features) or spectrograms, with the mean over time",
    ),
}


def architecture_of(reference: str) -> Architecture:
    """The row of a reference such as `zoo:cnn(width=32)`, which was opened before."""
    return ARCHITECTURES[reference.removeprefix("zoo:").partition("(")[0].strip()]


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
    if value % row.multiple:
        raise ModelError(
            f"zoo:{name}({knob}={value})",
            f"a multiple of {row.multiple} ({row.meaning})",
            f"try {max(row.low, value - value % row.multiple)}",
        )


def why_not(name: str, example: Prepared) -> str | None:
    """None when the architecture can take rows like these, else the reason in one sentence.

    Args:
        name: an architecture of the zoo.
        example: rows of one array: (n, channels, height, width) for pictures, (n, steps, features) or
            (n, 1, bands, frames) for sequences; or of texts: `input_ids` and `attention_mask`, (n, length) each.
    """
    row_shapes = example.row_shapes
    shapes = list(row_shapes.values())
    empty = next((shape for shape in shapes if math.prod(shape) < 1), None)
    if empty is not None:
        return f"rows of shape {empty} are empty"
    if TOKENS in row_shapes:
        return _why_not_text(name, row_shapes)
    if len(shapes) > 1:
        return f"{name} takes one array; these rows have {', '.join(row_shapes)}"
    if example.lengths is not None:
        return f"{name} takes rows of one length; these differ, and nothing says which part of them is padding"
    return _why_not_array(name, shapes[0])


def _why_not_array(name: str, shape: tuple[int, ...]) -> str | None:
    needs = ARCHITECTURES[name].needs
    if needs == "text":
        return f"{name} needs texts; these rows have shape {shape}"
    if needs == "text or sequence":
        return _why_not_sequence(name, shape)
    return _why_not_picture(name, shape) if needs == "picture" else None


def _why_not_text(name: str, row_shapes: RowShapes) -> str | None:
    if "text" not in ARCHITECTURES[name].needs:
        return f"{name} takes no texts"
    if set(row_shapes) != {TOKENS, MASK}:
        return f"{name} takes {TOKENS} and {MASK}; these rows have {', '.join(row_shapes)}"
    longest = row_shapes[TOKENS][0]
    return f"{name} takes up to {LONGEST_TEXT} tokens; these rows have {longest}" if longest > LONGEST_TEXT else None


def _why_not_sequence(name: str, shape: tuple[int, ...]) -> str | None:
    if len(shape) == 2 or (len(shape) == 3 and shape[0] == 1):
        return None
    return f"{name} needs texts, (steps, features) or spectrograms (1, bands, frames); these rows have shape {shape}"


def _why_not_picture(name: str, shape: tuple[int, ...]) -> str | None:
    if len(shape) != 3:
        return f"{name} needs pictures (channels, height, width); these rows have shape {shape}"
    if min(shape[1:]) < SMALLEST_SIDE:
        return (
            f"{name} needs pictures of at least {SMALLEST_SIDE}x{SMALLEST_SIDE} pixels; these are {shape[1]}x{shape[2]}"
        )
    return None


def build(name: str, example: Prepared, outputs: int, **knobs: int) -> nn.Module:
    """An untrained module that maps rows like those of `example` to (batch, outputs).

    It takes float32 of one array as its only argument, or token numbers and their mask by name. The weights come
    from torch's global generator: seed it first for a repeatable result.

    Raises:
        ModelError: unknown name or knob, knob out of range, or rows this architecture cannot take.
        MissingExtraError: torch is not installed.
    """
    settings = check(name, knobs)
    reason = why_not(name, example)
    if reason is not None:
        raise ModelError(f"zoo:{name} cannot take this data: {reason}", "data that fits", _instead(example))
    try:
        import torch  # noqa: F401
    except ImportError:
        raise MissingExtraError("torch", f"zoo:{name}", "pip install 'sartor[torch]'") from None
    if TOKENS in example.arrays:
        return _construct_for_text(name, outputs, settings)
    return _construct(name, next(iter(example.row_shapes.values())), outputs, settings)


def _instead(example: Prepared) -> str:
    if TOKENS in example.arrays:
        return "try zoo:transformer or zoo:gru"
    return "try zoo:mlp" if len(example.arrays) == 1 else ""


def _construct(name: str, shape: tuple[int, ...], outputs: int, knobs: dict[str, int]) -> nn.Module:
    # torch takes seconds to import, so each architecture is imported only when it is built.
    if name == "mlp":
        from sartor.model.zoo.mlp import MultilayerPerceptron

        return MultilayerPerceptron(math.prod(shape), outputs, **knobs)
    if name == "gru":
        from sartor.model.zoo.gru import SequenceRecurrence

        return SequenceRecurrence(shape[1], outputs, **knobs)
    channels, height, width = shape
    if name == "vit":
        from sartor.model.zoo.vit import VisionTransformer

        return VisionTransformer((channels, height, width), outputs, **knobs)
    side = min(height, width)
    if name == "cnn":
        from sartor.model.zoo.cnn import ConvolutionStack

        return ConvolutionStack(channels, side, outputs, **knobs)
    from sartor.model.zoo.resnet import ResidualNetwork

    return ResidualNetwork(channels, side, outputs, **knobs)


def _construct_for_text(name: str, outputs: int, knobs: dict[str, int]) -> nn.Module:
    from sartor.model.zoo.vocabulary import SIZE

    if name == "gru":
        from sartor.model.zoo.gru import TextRecurrence

        return TextRecurrence(SIZE, outputs, **knobs)
    from sartor.model.zoo.transformer import TextTransformer

    return TextTransformer(SIZE, LONGEST_TEXT, outputs, **knobs)
