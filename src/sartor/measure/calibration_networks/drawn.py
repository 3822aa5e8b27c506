"""Draw a network by its number."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from sartor.measure.calibration_networks.attentive import decoder, encoder, hybrid, windows
from sartor.measure.calibration_networks.dice import MOST_FLOP, Dice, Family
from sartor.measure.calibration_networks.images import (
    bottleneck,
    branches,
    channels_last,
    convolutions,
    inverted,
    pooled,
    separable,
    stem,
)
from sartor.measure.calibration_networks.plain import elements, mixer, perceptron
from sartor.measure.calibration_networks.sequences import recurrent, sound
from sartor.measure.network import Shape

if TYPE_CHECKING:
    from onnx import ModelProto

_DEPTH = 8
_SEVERAL_ROWS, _MOST_ROWS = 0.25, 16.0  # a call: how often, and how many


def name_of(number: int, *, deep: bool = False) -> str:
    """What samples of the network with this number are kept under."""
    return f"drawn-{number}{'-deep' if deep else ''}"


@dataclass(frozen=True)
class Drawn:
    """A network to time.

    Attributes:
        family: the manner it was drawn in.
        shape: of one row of its input.
        vocabulary: above 0 the input is whole numbers below it.
        batch: rows of a call.
        deep: not to be timed, only loaded.
    """

    number: int
    family: str
    model: ModelProto
    shape: Shape
    vocabulary: int
    batch: int
    deep: bool = False

    @property
    def name(self) -> str:
        """What samples of it are kept under."""
        return name_of(self.number, deep=self.deep)


# How often each is drawn: by how many published architectures live of it.
FAMILIES: tuple[tuple[str, Family, int], ...] = (
    ("convolutions", convolutions, 5),
    ("bottleneck", bottleneck, 4),
    ("inverted", inverted, 4),
    ("separable", separable, 2),
    ("channels-last", channels_last, 2),
    ("stem", stem, 3),
    ("branches", branches, 3),
    ("pooled", pooled, 2),
    ("encoder", encoder, 6),
    ("decoder", decoder, 3),
    ("windows", windows, 2),
    ("hybrid", hybrid, 3),
    ("recurrent", recurrent, 3),
    ("sound", sound, 3),
    ("perceptron", perceptron, 3),
    ("mixer", mixer, 2),
    ("elements", elements, 3),
)


def draw(number: int, *, deep: bool = False) -> Drawn:
    """The network with this number; neighbouring numbers are of different families.

    Args:
        deep: as deep as published models are, which takes too long to time but tells what they need of memory.
    """
    turns = [index for index, (_, _, times) in enumerate(FAMILIES) for _ in range(times)]
    order = np.random.default_rng([number // len(turns), 9]).permutation(len(turns))
    name, family, _ = FAMILIES[turns[order[number % len(turns)]]]
    dice = Dice(number, _DEPTH if deep else 1)
    network, output = family(dice)
    most = int(min(_MOST_ROWS, MOST_FLOP / max(1.0, network.flop)))
    batch = dice.between(2, most) if most > 2 and not deep and dice.chance(_SEVERAL_ROWS) else 1
    return Drawn(number, name, network.model(output), network.shapes["x"][1:], network.vocabulary, batch, deep)
