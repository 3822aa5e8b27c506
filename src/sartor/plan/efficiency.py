"""The time of each group of a network, as one Efficiency of a calibration has it."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from sartor.machine.calibration import Efficiency, Hardware, Tree
from sartor.plan.amounts import CALL, NAMES, amounts
from sartor.plan.features import features
from sartor.plan.outline import COLUMN, KINDS, OTHERS, Outline

Values = NDArray[np.float64]
Places = NDArray[np.int64]
WEIGHT_BYTES = {"f32": 4.0, "bf16": 2.0, "int8": 1.0, "int8+bf16": 1.0, "int8-dynamic": 1.0}
"""Bytes of an element of a weight in each arithmetic that is calibrated."""
_INHERITING = {
    "convolution": ("convolution", "pointwise"),
    "channelwise": ("depthwise", "grouped", "transposed"),
    "matrix": ("dense", "product", "attention", "recurrent"),
    "other": OTHERS,
}
INHERITED = tuple(f"as before.{name}" for name in _INHERITING)
"""Amounts that are seconds of another Efficiency, by kind of group."""
_INHERITED_AS = np.array([next(n for n, of in enumerate(_INHERITING.values()) if kind in of) for kind in KINDS])


def amount_names(base: Efficiency | None) -> tuple[str, ...]:
    """The columns of `amounts_on`."""
    return NAMES if base is None else (*INHERITED, *NAMES)


def amounts_on(network: Outline, arithmetic: str, base: Efficiency | None, hardware: Hardware) -> Values:
    """(groups, amounts): those of the network and, before them, the seconds that `base` gives each kind of group.

    What a kernel is bad at in f32 it is mostly bad at in int8 as well, and what two threads gain depends on the kind of
    group more than on anything else. So one arithmetic teaches the next, and one thread teaches two.
    """
    own = amounts(network, hardware, WEIGHT_BYTES[arithmetic])
    if base is None:
        return own
    inherited = np.zeros((len(network), len(INHERITED)))
    seconds = group_seconds(network, base, hardware)
    kinds = network[:, COLUMN["kind"]].astype(int)
    inherited[np.arange(len(network)), _INHERITED_AS[kinds]] = seconds
    return np.hstack([inherited, own])


def group_seconds(network: Outline, efficiency: Efficiency, hardware: Hardware) -> Values:
    """Seconds of each group in one call, without what the call itself costs."""
    coefficients = np.array([efficiency.seconds.get(name, 0.0) for name in amount_names(efficiency.base)])
    plain: Values = amounts_on(network, efficiency.arithmetic, efficiency.base, hardware) @ coefficients
    return plain * np.exp(_summed(efficiency.trees, features(network, WEIGHT_BYTES[efficiency.arithmetic])))


def call_seconds(efficiency: Efficiency) -> float:
    """What a call costs whatever it computes."""
    return efficiency.seconds.get(CALL, 0.0)


def _summed(trees: tuple[Tree, ...], table: Values) -> Values:
    """The sum of what the trees say of each row; all trees are walked at once, a level a step."""
    if not trees or not len(table):
        return np.zeros(len(table))
    feature, threshold, left, right, value, depth = _stacked(trees)
    first = np.arange(len(trees))[:, None] * feature.shape[1]  # of a tree's nodes, one tree after another
    # scikit-learn compares in single precision. Layers repeat, so few rows differ.
    narrow, which = _different(np.ascontiguousarray(table, dtype=np.float32))
    node = np.repeat(first, len(narrow), axis=1)
    row = np.arange(len(narrow))[None, :] * narrow.shape[1]
    for _ in range(depth):
        asked = feature.ravel()[node]
        smaller = narrow.ravel()[row + np.maximum(asked, 0)] <= threshold.ravel()[node]
        node = np.where(asked < 0, node, first + np.where(smaller, left.ravel()[node], right.ravel()[node]))
    summed: Values = value.ravel()[node].sum(axis=0)
    return summed[which]


def _different(table: NDArray[np.float32]) -> tuple[NDArray[np.float32], Places]:
    """The rows of a table that differ, and which of them each row is."""
    places: dict[bytes, int] = {}
    which = [places.setdefault(row.tobytes(), len(places)) for row in table]
    rows = np.frombuffer(b"".join(places), dtype=np.float32).reshape(-1, table.shape[1])
    return rows, np.array(which, dtype=np.int64)


@lru_cache(maxsize=64)
def _stacked(trees: tuple[Tree, ...]) -> tuple[Places, Values, Places, Places, Values, int]:
    """The nodes of all trees as arrays (trees, nodes), and the steps from a root to the deepest leaf."""
    most = max(len(tree.feature) for tree in trees)

    def table(rows: Sequence[Sequence[float]], fill: float) -> Values:
        return np.array([[*row, *([fill] * (most - len(row)))] for row in rows])

    return (
        table([tree.feature for tree in trees], -1).astype(np.int64),
        table([tree.threshold for tree in trees], 0.0),
        table([tree.left for tree in trees], 0).astype(np.int64),
        table([tree.right for tree in trees], 0).astype(np.int64),
        table([tree.value for tree in trees], 0.0),
        max(_depth(tree) for tree in trees),
    )


def _depth(tree: Tree, node: int = 0) -> int:
    if tree.feature[node] < 0:
        return 0
    return 1 + max(_depth(tree, tree.left[node]), _depth(tree, tree.right[node]))
