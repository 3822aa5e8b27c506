"""What can be cut of a network, as values."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Units = NDArray[np.int64]  # (length of an axis,): number of the unit that each element belongs to; -1 for none


@dataclass(frozen=True)
class Group:
    """Units that are alike: any number of them may be cut, as long as one is left.

    Attributes:
        name: of the weight that makes them; a second group that one weight makes has ` (2)` behind it.
        first: number of its first unit; the others follow.
        size: how many units there are, at least 2.
        width: elements of one unit in what that weight gives: 1 for a channel, its width for a head of attention.
        exact: whether a unit whose weights are all 0 can be cut without any change of the answers; not so where a mean
            is taken over the units, as a LayerNormalization does.
    """

    name: str
    first: int
    size: int
    width: int
    exact: bool


@dataclass(frozen=True)
class ChannelGroups:
    """What can be cut of one file.

    Attributes:
        groups: in the file's order.
        units: by name of a tensor, constants among them, the units along each of its axes; tensors without any are
            left out, pieces of a Split excepted.
        inferred: by name of what a Reshape gives, the axis whose length it finds itself.
        statistics: constants that describe activations, such as a batch normalisation's means, and are no weights.
        refused: one sentence for each operator whose channels stay because too little is known of it.
    """

    groups: tuple[Group, ...]
    units: Mapping[str, tuple[Units, ...]]
    inferred: Mapping[str, int]
    statistics: frozenset[str]
    refused: tuple[str, ...]

    @property
    def count(self) -> int:
        """Units of all groups."""
        return sum(group.size for group in self.groups)


@dataclass(frozen=True)
class LayerGroups:
    """Which groups one layer reads and writes.

    Attributes:
        read: share of its weight's input channels that belong to each group; what is missing to 1 cannot be cut. Empty
            for a depthwise convolution, whose work grows with what it writes alone.
        written: the same for its output channels.
    """

    read: Mapping[str, float]
    written: Mapping[str, float]
