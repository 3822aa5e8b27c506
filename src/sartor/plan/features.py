"""Features: what the corrections of a calibration look at, one row a fused group."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from sartor.plan.outline import COLUMN, CONVOLUTIONS, FOLLOWERS, KINDS, Outline

_LOGARITHMS = ("batch", "rows", "columns", "depth", "area", "steps", "read", "written", "flop", "weight")
_PLAIN = ("kind", "stride", "costly", *(f"{name}_count" for name in FOLLOWERS))
_LEFT_OVER = ("columns", "depth")
_LANES = 16.0
NAMES = (
    *_LOGARITHMS,
    *_PLAIN,
    *(f"{name} beyond whole registers" for name in _LEFT_OVER),
    "weights of the network",
    "groups of the network",
    "attention without convolutions after it",
)
_CONVOLUTIONS = tuple(KINDS.index(kind) for kind in CONVOLUTIONS)
_MATRICES = tuple(KINDS.index(kind) for kind in ("dense", "product"))
_ATTENDING = tuple(KINDS.index(kind) for kind in ("softmax", "attention"))
_LEAST_MATRICES = 4


def features(network: Outline, weight_bytes: float) -> NDArray[np.float64]:
    """(groups, len(NAMES)): sizes as logarithms to base 2, since efficiency changes with their order.

    Args:
        weight_bytes: of an element of a weight, in the precision that is asked about.
    """
    logarithms = np.log2(np.maximum(network[:, [COLUMN[name] for name in _LOGARITHMS]], 1.0))
    plain = network[:, [COLUMN[name] for name in _PLAIN]]
    left_over = network[:, [COLUMN[name] for name in _LEFT_OVER]] % _LANES / _LANES
    weights = np.log2(max(1.0, network[:, COLUMN["weight"]].sum() * weight_bytes))
    of_network = [weights, np.log2(max(1, len(network))), float(attends(network))]
    whole = np.broadcast_to(of_network, (len(network), len(of_network)))
    return np.hstack([logarithms, plain, left_over, whole])


def attends(network: Outline) -> bool:
    """Whether attention dominates, as quantizers see it, which then keep everything but products out of 8 bits."""
    kinds = network[:, COLUMN["kind"]].astype(int)
    products = np.isin(kinds, _MATRICES).sum() >= _LEAST_MATRICES
    scores = np.isin(kinds, _ATTENDING).any()
    late = np.isin(kinds[len(kinds) // 2 :], _CONVOLUTIONS).any()
    return bool(products and scores and not late)
