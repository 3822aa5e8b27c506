"""How much a network would lose with each unit, by its weights: (units,) for each group.

Both measures are sums over everything that goes with a unit, which Fang et al. (2023, "DepGraph", arXiv 2301.12900,
section 3.3) found to tell important units better than one weight of theirs does.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from sartor.compress.pruning.values import ChannelGroups
from sartor.errors import DataError
from sartor.runtime.base import Array

if TYPE_CHECKING:
    from onnx import ModelProto

Importance = NDArray[np.float64]  # (units,)


def magnitude(groups: ChannelGroups, weights: Mapping[str, Array]) -> dict[str, Importance]:
    """The root of the sum of the squares of all weights of a unit, over the sum of these roots in its group.

    Li et al. (2017, "Pruning filters for efficient ConvNets", arXiv 1608.08710) take the norm of a filter alone. Each
    group shares 1, so that none is emptied because its weights are small, and a unit of few counts for more.

    Args:
        weights: by name of an initializer, such as of `weights_of`; those of `groups.statistics` do not count.
    """
    squares = np.zeros(groups.count + 1)
    for name, values in _counted(groups, weights):
        squares += _summed(groups, name, np.square(values, dtype=np.float64))
    return {name: norms / (norms.sum() or 1.0) for name, norms in by_group(groups, np.sqrt(squares)).items()}


def taylor(
    groups: ChannelGroups, weights: Mapping[str, Array], gradients: Iterable[Mapping[str, Array]]
) -> dict[str, Importance]:
    """The mean over batches of the square of the sum of weight times gradient over a unit.

    To first order that is the squared change of the loss when the unit goes (Molchanov et al. 2019, "Importance
    estimation for neural network pruning", arXiv 1906.10771, eq. 8). Groups compare as they are.

    Args:
        weights: by name of an initializer.
        gradients: of the loss, one batch after another, by name of an initializer; weights without one do not count.

    Raises:
        DataError: there are no gradients.
    """
    total, batches = np.zeros(groups.count + 1), 0
    for batch in gradients:
        change = np.zeros(groups.count + 1)
        for name, values in _counted(groups, weights):
            if name in batch:
                change += _summed(groups, name, values.astype(np.float64) * batch[name])
        total += change**2
        batches += 1
    if not batches:
        raise DataError("no gradients were given", "those of at least one batch")
    return by_group(groups, total / batches)


def weights_of(model: ModelProto) -> dict[str, Array]:
    """The floating initializers of a file, by name."""
    from onnx import TensorProto, numpy_helper

    floats = (TensorProto.FLOAT, TensorProto.FLOAT16, TensorProto.BFLOAT16, TensorProto.DOUBLE)
    return {each.name: numpy_helper.to_array(each) for each in model.graph.initializer if each.data_type in floats}


def by_group(groups: ChannelGroups, values: Importance) -> dict[str, Importance]:
    """Values of all units, (units + 1,), group by group."""
    return {group.name: values[group.first : group.first + group.size] for group in groups.groups}


def _counted(groups: ChannelGroups, weights: Mapping[str, Array]) -> Iterator[tuple[str, Array]]:
    for name, values in weights.items():
        if name in groups.units and name not in groups.statistics and values.dtype.kind == "f":
            yield name, values


def _summed(groups: ChannelGroups, name: str, values: NDArray[np.float64]) -> Importance:
    """(units + 1,), the sum over what each unit has of a weight; the last is what belongs to none.

    What lies in a row and in a column of one unit, as on the diagonal of a recurrence, counts once for each.
    """
    total = np.zeros(groups.count + 1)
    for axis, units in enumerate(groups.units[name]):
        if (units >= 0).any():
            others = tuple(each for each in range(values.ndim) if each != axis)
            total += np.bincount(np.where(units < 0, groups.count, units), values.sum(others), groups.count + 1)
    return total
