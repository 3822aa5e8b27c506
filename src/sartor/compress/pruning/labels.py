"""Labels of channels: every element along every axis of every tensor has one, and operators say which are one.

Label 0 is what cannot be cut. Whatever is joined to it, through however many operators, stays.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sartor.compress.pruning.shapes import Known

Labels = NDArray[np.int64]  # (length of an axis,)
Axes = tuple[Labels, ...]


class Refused(Exception):
    """An operator of which it is not known how it mixes channels; its text says why."""


@dataclass(frozen=True)
class Operation:
    """One operator of the file.

    Attributes:
        kind: its type, such as `Conv`.
        inputs: names; empty ones are left out.
        outputs: names.
        attributes: plain values.
        opset: version of the standard operators.
        number: place in the file.
    """

    kind: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    attributes: Mapping[str, Any]
    opset: int
    number: int

    def given(self, position: int) -> str:
        """The input at a position; empty where it is left out."""
        return self.inputs[position] if position < len(self.inputs) else ""


@dataclass
class Labelling:
    """What the operators have said so far.

    Attributes:
        known: shapes, constants and small values of the file.
        splits: by number of a Reshape, which axis of those that it splits one into carries the labels.
        tried: by number of a Reshape that splits an axis into three and more, the labels carried and the axes to choose
            among.
        averaged: labels along axes that something takes a mean over.
        counted: by name of a tensor that a Shape operator's numbers went into, the labels that were counted.
        inferred: by name of what a Reshape gives, the axis whose length it finds itself.
    """

    known: Known
    splits: Mapping[int, int] = field(default_factory=dict)
    tried: dict[int, tuple[Labels, int]] = field(default_factory=dict)
    averaged: list[Labels] = field(default_factory=list)
    counted: dict[str, tuple[Labels, ...]] = field(default_factory=dict)
    inferred: dict[str, int] = field(default_factory=dict)
    axes: dict[str, Axes] = field(default_factory=dict)
    _count: int = 1
    _edges: list[tuple[Labels, Labels]] = field(default_factory=list)

    def fresh(self, count: int) -> Labels:
        """Labels that nothing else has."""
        self._count += count
        return np.arange(self._count - count, self._count)

    def of(self, name: str) -> Axes:
        """The labels of a tensor; those of a constant are made when it is first asked for."""
        if name not in self.axes:
            shape = self.shape(name)
            free = name in self.known.floats
            self.axes[name] = tuple(self.fresh(size) if free else np.zeros(size, np.int64) for size in shape)
        return self.axes[name]

    def shape(self, name: str) -> tuple[int, ...]:
        """The shape of a tensor for the example's rows.

        Raises:
            Refused: it is not known.
        """
        shape = self.known.shapes.get(name)
        if shape is None:
            raise Refused(f"the shape of `{name}` is not known")
        return shape

    def value(self, name: str) -> NDArray[Any] | None:
        """The small value of a tensor where it does not depend on the rows' content."""
        return self.known.values.get(name)

    def give(self, name: str, axes: Sequence[Labels]) -> None:
        """Say what an output's labels are.

        Raises:
            Refused: they do not fit its shape.
        """
        if not name:
            return
        if self.shape(name) != tuple(len(labels) for labels in axes):
            raise Refused(f"the shape of `{name}` is another than it should be")
        self.axes[name] = tuple(axes)

    def join(self, first: Labels, second: Labels) -> None:
        """Let elements of equal places live and die together.

        Raises:
            Refused: there are not equally many.
        """
        if first.shape != second.shape:
            raise Refused(f"{first.size} channels meet {second.size}")
        if first is not second:
            self._edges.append((first, second))

    def freeze(self, *labels: Labels) -> None:
        """Let elements stay."""
        for each in labels:
            if each.any():
                self._edges.append((each, np.zeros_like(each)))

    def frozen(self, size: int) -> Labels:
        """Labels of an axis that cannot be cut."""
        return np.zeros(size, np.int64)

    def freeze_tensors(self, names: Iterable[str]) -> None:
        """Let all axes of some tensors stay, those without a known shape excepted."""
        for name in names:
            if name in self.known.shapes:
                self.freeze(*self.of(name))

    def components(self) -> Labels:
        """(labels,), the component of each label; that of label 0 is 0."""
        from scipy.sparse import coo_array
        from scipy.sparse.csgraph import connected_components

        if not self._edges:
            return np.arange(self._count)
        first, second = (np.concatenate([edge[side] for edge in self._edges]) for side in (0, 1))
        graph = coo_array((np.ones(first.size, np.int8), (first, second)), shape=(self._count, self._count))
        _, found = connected_components(graph, directed=False)
        # scipy numbers components in the order of their first label.
        return np.asarray(found, np.int64)
