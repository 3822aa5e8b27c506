"""Resources: bytes of files, peak memory and time to load, as sums over what a network has.

Each is a sum of non-negative parts that whole networks teach, as `plan/amounts.py` does for time. What a part costs
differs with the runtime and arithmetic: OpenVINO writes a line of XML an operator, ONNX Runtime keeps a packed copy of
each matrix beside the file's, and quantizers leave alone what is not a product where attention dominates.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from sartor.machine.samples import Network
from sartor.plan.features import attends
from sartor.plan.outline import COLUMN, CONVOLUTIONS, FOLLOWERS, KINDS, MATRICES, PRODUCTS, Outline

Name = Literal["load", "size", "memory"]
NAMES: tuple[Name, ...] = ("load", "size", "memory")
_ELEMENT = 4.0  # bytes of a weight in the ONNX file

_COMMON = ("one", "operators", "constants", "groups", "groups beside attention")
_WEIGHTS = ("convolution weights", "dense weights", "recurrent weights", "gathered weights", "other weights")
AMOUNTS: Mapping[Name, tuple[str, ...]] = {
    "load": (*_COMMON, *_WEIGHTS, "activations"),
    "size": (
        *(*_COMMON, "products", *_WEIGHTS, "convolution weights beside attention", "depthwise weights"),
        *("channels of convolutions", "channels of matrices", "text", "folded", "normalisations"),
    ),
    "memory": ("one", "operators", *_WEIGHTS, "activations"),  # more of them did not predict others any better
}
"""What each resource is a sum over: weights in elements; activations, text, normalisations, what is folded in bytes."""


def resource_amounts(name: Name, network: Network) -> NDArray[np.float64]:
    """(len(AMOUNTS[name]),): how much the network has of each."""
    known = _amounts(network)
    return np.array([known[amount] for amount in AMOUNTS[name]])


def _amounts(network: Network) -> dict[str, float]:
    groups = network.groups
    weights = groups[:, COLUMN["weight"]]
    attending, elements = attends(groups), float(weights.sum())
    convolutions, depthwise, matrices = (_of(groups, kinds) for kinds in (CONVOLUTIONS, ("depthwise",), MATRICES))
    with_weights = _of(groups, PRODUCTS) & (weights > 0)
    channels = groups[:, COLUMN["batch"]] * groups[:, COLUMN["columns"]] * with_weights
    followers = sum(float(groups[:, COLUMN[f"{name}_count"]].sum()) for name in FOLLOWERS)
    beside = "convolution weights beside attention"  # what quantizers leave alone there
    found = {
        "one": 1.0,
        "operators": float(network.operators),
        "constants": float(network.constants),
        "groups beside attention" if attending else "groups": len(groups) + followers,
        "products": float(with_weights.sum()),
        beside if attending else "convolution weights": float(weights[convolutions & ~depthwise].sum()),
        "depthwise weights": float(weights[depthwise].sum()),
        "dense weights": float(weights[matrices].sum()),
        "recurrent weights": float(weights[_of(groups, ("recurrent",))].sum()),
        "gathered weights": float(weights[_of(groups, ("movement",))].sum()),
        "channels of convolutions": float(channels[~matrices].sum()),
        "channels of matrices": float(channels[matrices].sum()),
        "text": network.file_bytes - network.folded_bytes - network.normalisation_bytes - _ELEMENT * elements,
        "folded": network.folded_bytes,
        "normalisations": network.normalisation_bytes,
        "activations": network.activation_bytes,
    }
    counted = (*_WEIGHTS, beside, "depthwise weights")
    found["other weights"] = elements - sum(found.get(name, 0.0) for name in counted)
    return dict.fromkeys({amount for amounts in AMOUNTS.values() for amount in amounts}, 0.0) | found


def _of(groups: Outline, kinds: tuple[str, ...]) -> NDArray[np.bool_]:
    return np.isin(groups[:, COLUMN["kind"]].astype(int), [KINDS.index(kind) for kind in kinds])
