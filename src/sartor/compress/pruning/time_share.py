"""Structured pruning of a file to a share of its time: which units go follows from importance and measured times."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from sartor.compress.layers import timed_layers
from sartor.compress.pruning.channels import channel_groups, layers_of
from sartor.compress.pruning.narrow import narrow
from sartor.compress.pruning.values import ChannelGroups, Group
from sartor.errors import CandidateError
from sartor.plan.widths import (
    LayerWidths,
    UnitGroup,
    WidthProblem,
    choose_widths,
    fit_layer_times,
    most_important,
)
from sartor.runtime.base import Array

if TYPE_CHECKING:
    from onnx import ModelProto

MEASURED_SHARES = (1.0, 0.75, 0.5, 0.25)
"""Shares of all units at which the layers are timed: two unknowns a layer, and a check."""
_VECTOR = 8  # channels that one instruction of this kind of processor computes together, in f32
_LEAST_SHARE = 1 / 8  # of a group that is always kept: a narrower passage is not won back


@dataclass(frozen=True)
class Measured:
    """What the layers of a network took with a share of the units of every group.

    Attributes:
        share: of the units that was asked for.
        seconds: by the name of a layer; one that the profile does not name is left out.
    """

    share: float
    seconds: Mapping[str, float]


@dataclass(frozen=True)
class Pruned:
    """A narrowed file.

    Attributes:
        kept: (units,) by name of a group, whether each stays; groups that are whole are left out.
        widths: units kept and units there were, by name of a group.
    """

    model: ModelProto
    kept: Mapping[str, NDArray[np.bool_]]
    widths: Mapping[str, tuple[int, int]]


def found_groups(model: ModelProto, example: Mapping[str, Array]) -> ChannelGroups:
    """What can be cut of a file.

    Raises:
        CandidateError: `unsupported`, nothing can.
    """
    groups = channel_groups(model, example)
    if not groups.groups:
        why = f" {groups.refused[0]}" if groups.refused else ""
        raise CandidateError("unsupported", f"no channels, heads or hidden units can be cut out.{why}")
    return groups


def narrow_uniformly(model: ModelProto, groups: ChannelGroups, share: float) -> ModelProto:
    """The file with a share of every group, to be timed: which units stay makes no difference to that."""
    kept = {group.name: np.arange(group.size) < _uniform_width(group, share) for group in groups.groups}
    return narrow(model, groups, kept)


def prune(
    model: ModelProto,
    groups: ChannelGroups,
    importance: Mapping[str, NDArray[np.float64]],
    measured: Sequence[Measured],
    share: float,
) -> Pruned:
    """The file with the units that lose least, so that its layers take a share of their time.

    Units over which a LayerNormalization takes its mean stay: without them every other number changes, too.

    Args:
        importance: (units,) by name of a group.
        measured: layers of the network at some widths, the whole one among them.
        share: of the time of the whole network's layers, above 0, below 1.

    Raises:
        CandidateError: `unsupported`, even the narrowest network takes longer, or no time is known of what a cut would
            make faster.
    """
    problem = _problem(model, groups, importance, measured)
    whole, narrowest = problem.seconds({}), problem.seconds({group.name: 1 for group in problem.groups})
    if not narrowest < whole:
        raise CandidateError("unsupported", "no layer whose time is known becomes faster when channels are cut out")
    widths = choose_widths(problem, share * whole)
    sizes = {group.name: group.size for group in groups.groups}
    kept = {name: mask for name, mask in most_important(importance, widths).items() if not mask.all()}
    return Pruned(narrow(model, groups, kept), kept, {name: (count, sizes[name]) for name, count in widths.items()})


def _problem(
    model: ModelProto,
    groups: ChannelGroups,
    importance: Mapping[str, NDArray[np.float64]],
    measured: Sequence[Measured],
) -> WidthProblem:
    belonging = layers_of(groups, model)
    # A layer that not every profile names is taken to cost nothing: none is cut for it.
    names = [one.name for one in timed_layers(model) if all(one.name in each.seconds for each in measured)]
    widths = [LayerWidths(belonging[name].read, belonging[name].written) for name in names]
    products = np.array([[_product(groups, one, each.share) for one in widths] for each in measured])
    seconds = np.array([[each.seconds[name] for name in names] for each in measured])
    units = tuple(
        UnitGroup(group.name, importance[group.name], _multiple(group), _least(group))
        for group in groups.groups
        if group.exact
    )
    return WidthProblem(units, tuple(widths), fit_layer_times(products, seconds))


def _product(groups: ChannelGroups, widths: LayerWidths, share: float) -> float:
    """Share of the channels in times share of the channels out of a layer, where all groups keep a share."""
    kept = {group.name: _uniform_width(group, share) / group.size for group in groups.groups}

    def channels(belonging: Mapping[str, float]) -> float:
        return 1.0 - sum(part * (1.0 - kept[name]) for name, part in belonging.items())

    return channels(widths.read) * channels(widths.written)


def _uniform_width(group: Group, share: float) -> int:
    multiple = _multiple(group)
    return (
        min(group.size, max(multiple, round(share * group.size / multiple) * multiple)) if group.exact else group.size
    )


def _multiple(group: Group) -> int:
    """Channels go by the vector; a head or a gate's hidden unit is a block of its own, and small groups go by one."""
    return _VECTOR if group.width == 1 and group.size >= 2 * _VECTOR else 1


def _least(group: Group) -> int:
    return max(1, round(_LEAST_SHARE * group.size))
