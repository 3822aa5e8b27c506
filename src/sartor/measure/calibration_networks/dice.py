"""Choices that make one network unlike another, and what every family begins and goes on with."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import TypeVar

import numpy as np

from sartor.measure.network import Network

Item = TypeVar("Item")
MOST_FLOP = 1.2e9
"""Of one network; seconds of a calibration are better spent on many."""
_MOST_ELEMENTS = 3e7  # weights of a deep network
_SIZES = (7, 8, 10, 12, 14, 16, 20, 24, 28, 32, 40, 48, 56, 64, 80, 96, 112)
ACTIVATIONS = ("relu", "relu", "relu", "silu", "silu", "relu6", "hardswish", "gelu", "gelu", "erf", "none", "leaky")
FEED_FORWARD = ("gelu", "gelu", "gelu", "erf", "gelu-tanh", "relu", "silu")


class Dice:
    """Choices of one network.

    Args:
        depth: times as many blocks, and as much to compute, as usual.
    """

    def __init__(self, number: int, depth: int = 1) -> None:
        self._random = np.random.default_rng([number, 4])
        self.depth = depth

    def one(self, *items: Item) -> Item:
        return items[int(self._random.integers(len(items)))]

    def of(self, items: Sequence[Item]) -> Item:
        return items[int(self._random.integers(len(items)))]

    def chance(self, share: float) -> bool:
        return bool(self._random.random() < share)

    def between(self, low: float, high: float, multiple: int = 1) -> int:
        """A whole multiple, log-uniform."""
        drawn = math.exp(self._random.uniform(math.log(low), math.log(high)))
        return max(multiple, round(drawn / multiple) * multiple)

    def channels(self, low: float = 8, high: float = 512) -> int:
        """Mostly multiples of 8, as people choose them."""
        return self.between(low, high, self.one(8, 8, 8, 16, 16, 32, 4, 1))

    def flop(self) -> float:
        """How large this network may become."""
        return self.depth * math.exp(self._random.uniform(math.log(3e7), math.log(MOST_FLOP)))


Family = Callable[[Dice], tuple[Network, str]]


def image(dice: Dice, low: float = 8, high: float = 512) -> tuple[Network, str]:
    """A feature map of any size, larger ones with fewer channels."""
    size = dice.of(_SIZES)
    channels = dice.channels(low, min(high, max(16.0, 2e4 / size)))
    height = size if dice.chance(0.8) else dice.of(_SIZES)
    return Network((channels, height, size), normalises=dice.chance(0.35)), "x"


def grow(dice: Dice, network: Network, x: str, most: float, block: Callable[[str], str], blocks: int = 8) -> str:
    """Add block after block, until there are enough or they compute or hold enough."""
    for _ in range(blocks * dice.depth):
        x = block(x)
        if network.flop > most or (dice.depth > 1 and network.elements > _MOST_ELEMENTS):
            break
    return x
