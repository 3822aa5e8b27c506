"""Trees, linear models, support vectors and scalers of `ai.onnx.ml`.

Definitions: https://onnx.ai/onnx/operators/index_ai.onnx.ml.html. The parameters of these operators are attributes,
not inputs, so they are no part of the bytes read.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from sartor.cost.formulas.elementwise import per_input
from sartor.cost.formulas.work import ML, Formula, Work, arithmetic, elements, shape, under
from sartor.cost.graph import Operator

_Numbers = np.ndarray[Any, Any]
_KERNEL = {"LINEAR": 0, "POLY": 3, "RBF": 2, "SIGMOID": 3}  # beside two operations for each feature


def _rows(operator: Operator) -> int:
    dimensions = shape(operator, 0)
    return dimensions[0] if len(dimensions) > 1 else 1


def _trees(operator: Operator) -> Work:
    """A comparison at each level of every tree and the addition of its leaf.

    A row goes as deep as the deepest leaf of each tree: an upper bound (Breiman 2001, Machine Learning 45(1)).
    """
    return arithmetic(operator, _rows(operator) * tree_steps(operator.attributes))


def tree_steps(attributes: Mapping[str, Any]) -> int:
    """The sum over trees of the depth of the deepest leaf, and one for each tree.

    >>> tree_steps({"nodes_treeids": (0, 0, 0), "nodes_nodeids": (0, 1, 2), "nodes_truenodeids": (1, 0, 0),
    ...     "nodes_falsenodeids": (2, 0, 0), "nodes_modes": ("BRANCH_LEQ", "LEAF", "LEAF")})
    2
    """
    if "tree_roots" in attributes:
        roots = np.asarray(attributes["tree_roots"], np.int64)
        yes, no = _children(attributes, "true"), _children(attributes, "false")
        return _levels(roots, yes, no, np.ones(len(yes), bool)) + len(roots)
    trees = np.asarray(attributes.get("nodes_treeids", ()), np.int64)
    asks = np.array([mode != "LEAF" for mode in attributes.get("nodes_modes", ())], bool)
    names = zip(trees.tolist(), attributes.get("nodes_nodeids", ()), strict=True)
    place = {name: index for index, name in enumerate(names)}

    def followed(side: str) -> _Numbers:
        to = zip(trees.tolist(), attributes.get(f"nodes_{side}nodeids", ()), asks.tolist(), strict=True)
        return np.array([place[tree, node] if inner else -1 for tree, node, inner in to], np.int64)

    _, roots = np.unique(trees, return_index=True)
    return _levels(roots, followed("true"), followed("false"), asks) + len(roots)


def _children(attributes: Mapping[str, Any], side: str) -> _Numbers:
    """Where a node of TreeEnsemble (version 5) leads; -1 to a leaf."""
    to = np.asarray(attributes[f"nodes_{side}nodeids"], np.int64)
    return np.where(np.asarray(attributes[f"nodes_{side}leafs"], bool), -1, to)


def _levels(roots: _Numbers, yes: _Numbers, no: _Numbers, asks: _Numbers) -> int:
    """The sum over trees of the comparisons on their longest path: all trees are walked at once, level by level."""
    at, tree = roots, np.arange(len(roots))
    steps = 0
    for _ in range(len(yes) + 1):  # a file whose nodes lead in a circle ends here
        inner = (at >= 0) & asks[at]
        at, tree = at[inner], tree[inner]
        if not len(at):
            break
        steps += len(np.unique(tree))
        at, tree = np.concatenate([yes[at], no[at]]), np.concatenate([tree, tree])
    return steps


def _linear(operator: Operator) -> Work:
    """LinearClassifier, LinearRegressor: a product for each coefficient, and the intercepts."""
    attributes = operator.attributes
    numbers = 2 * len(attributes.get("coefficients", ())) + len(attributes.get("intercepts", ()))
    return arithmetic(operator, _rows(operator) * numbers)


def _vectors(operator: Operator) -> Work:
    """SVMClassifier, SVMRegressor: the kernel with every support vector, then the coefficients (Cortes and Vapnik)."""
    attributes = operator.attributes
    numbers = len(attributes.get("support_vectors", ()))
    features = max(elements(operator) // max(_rows(operator), 1), 1)
    kind = attributes.get("kernel_type", "LINEAR")
    each = 3 if kind == "RBF" else 2  # a squared distance takes one more than a product
    kernel = each * numbers + _KERNEL.get(kind, 0) * (numbers // features)
    return arithmetic(operator, _rows(operator) * (kernel + 2 * len(attributes.get("coefficients", ()))))


_TREES: dict[str, Formula] = dict.fromkeys(("TreeEnsemble", "TreeEnsembleClassifier", "TreeEnsembleRegressor"), _trees)

TABLE = under(
    ML,
    {
        **_TREES,
        **dict.fromkeys(("LinearClassifier", "LinearRegressor"), _linear),
        **dict.fromkeys(("SVMClassifier", "SVMRegressor"), _vectors),
        **{"Binarizer": per_input(1), "Imputer": per_input(1), "Scaler": per_input(2), "Normalizer": per_input(3)},
    },
)
