"""From components of labels to groups of units that are alike."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import numpy as np
from numpy.typing import NDArray

from sartor.compress.pruning.labels import Labelling, Labels, Operation
from sartor.compress.pruning.shapes import Known
from sartor.compress.pruning.values import ChannelGroups, Group, Units

_MAKERS = ("Conv", "ConvTranspose", "Einsum", "Gather", "Gemm", "GRU", "LSTM", "MatMul", "RNN")


def grouped(
    operations: Iterable[Operation], labelling: Labelling, components: Labels, refused: tuple[str, ...]
) -> ChannelGroups:
    """Give alike components one group, and their units numbers: those of a group follow each other."""
    operations = list(operations)
    found = {name: tuple(components[labels] for labels in axes) for name, axes in labelling.axes.items()}
    # `narrow` asks for the units of all pieces of what is split, of those that stay whole as well.
    pieces = {name for each in operations if each.kind == "Split" for name in each.outputs}
    found = {name: axes for name, axes in found.items() if name in pieces or any(axis.any() for axis in axes)}
    group_of = _alike(found, labelling.known, int(components.max()) + 1)
    order = np.argsort(group_of, kind="stable")[np.count_nonzero(group_of < 0) :]
    unit_of = np.full(len(group_of), -1)
    unit_of[order] = np.arange(len(order))
    units = {name: tuple(unit_of[axis] for axis in axes) for name, axes in found.items()}
    units = {name: axes for name, axes in units.items() if name in pieces or any((axis >= 0).any() for axis in axes)}
    firsts = np.concatenate([[0], np.cumsum(np.bincount(group_of[order]))]).astype(np.int64)
    averaged = [unit_of[components[labels]] for labels in labelling.averaged]
    inexact = {group for axis in averaged for group in _widths(axis, firsts)}
    makers = _makers(operations, units, firsts, labelling.known)
    groups = tuple(
        Group(name, int(firsts[number]), int(firsts[number + 1] - firsts[number]), width, number not in inexact)
        for number, (name, width) in enumerate(makers)
    )
    statistics = (name for each in operations if each.kind == "BatchNormalization" for name in each.inputs[3:5])
    return ChannelGroups(groups, units, labelling.inferred, frozenset(statistics), refused)


def _alike(found: Mapping[str, tuple[Labels, ...]], known: Known, count: int) -> NDArray[np.int64]:
    """(components,), the group of each, numbered in the order of their first; -1 for what stays.

    Components are alike when they have equally many elements along each axis of each tensor. These counts are compared
    by a sum of random numbers of 64 bits, one a place, which differs when they do but for a chance of 2^-64.
    """
    random = np.random.default_rng(0)
    signatures = np.zeros(count, np.uint64)
    weighted = np.zeros(count, bool)
    for name, axes in found.items():
        for axis in axes:
            places = random.integers(0, 2**64, dtype=np.uint64)
            with np.errstate(over="ignore"):
                signatures += np.bincount(axis, minlength=count).astype(np.uint64) * places
            weighted[axis] |= name in known.constants
    weighted[0] = False
    numbers = np.flatnonzero(weighted)
    _, first, inverse = np.unique(signatures[numbers], return_index=True, return_inverse=True)
    rank = np.full(len(first), -1)
    several = np.flatnonzero(np.bincount(inverse, minlength=len(first)) > 1)
    rank[several[np.argsort(first[several])]] = np.arange(len(several))
    group_of = np.full(count, -1)
    group_of[numbers] = rank[inverse]
    return group_of


def _makers(
    operations: Iterable[Operation], units: Mapping[str, tuple[Units, ...]], firsts: NDArray[np.int64], known: Known
) -> list[tuple[str, int]]:
    """(name, elements a unit) of each group: of the first weight that makes it, else of the first that has it."""
    made: dict[int, tuple[str, int]] = {}
    weights = {name: axes for name, axes in units.items() if name in known.constants}
    for operation in operations:
        weight = next((name for name in operation.inputs if name in weights), None)
        if operation.kind in _MAKERS and weight is not None:
            held = {group for axis in weights[weight] for group in _widths(axis, firsts)}
            for axis in units.get(operation.outputs[0], ()):
                for group, width in _widths(axis, firsts).items():
                    if group in held:
                        made.setdefault(group, (weight, width))
    for name, axes in weights.items():
        for axis in axes:
            for group, width in _widths(axis, firsts).items():
                made.setdefault(group, (name, width))
    return _unique([made[group] for group in range(len(firsts) - 1)])


def _widths(axis: Units, firsts: NDArray[np.int64]) -> dict[int, int]:
    """Elements of one unit along an axis, by number of the group."""
    counts = np.bincount(np.searchsorted(firsts, axis[axis >= 0], side="right") - 1, minlength=1)
    return {int(group): int(counts[group] // (firsts[group + 1] - firsts[group])) for group in np.flatnonzero(counts)}


def _unique(named: Iterable[tuple[str, int]]) -> list[tuple[str, int]]:
    """Number those that have a name that another had."""
    seen: dict[str, int] = {}
    result = []
    for name, width in named:
        seen[name] = seen.get(name, 0) + 1
        result.append((name if seen[name] == 1 else f"{name} ({seen[name]})", width))
    return result
