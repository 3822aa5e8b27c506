"""Resources: bytes of files, peak memory and time to load, as sums over what a network has.

Each is a sum of non-negative parts that whole networks teach, as `plan/amounts.py` does for time. What a part costs
differs with the runtime and arithmetic: OpenVINO writes a line of XML an operator, ONNX Runtime keeps a packed copy of
each matrix beside the file's.
"""

from __future__ import annotations

from typing import Literal

import numpy as np
from numpy.typing import NDArray

from sartor.machine.samples import Network
from sartor.plan.outline import COLUMN, KINDS, PRODUCTS

Name = Literal["load", "size", "memory"]
NAMES: tuple[Name, ...] = ("load", "size", "memory")
_WEIGHTS = {
    # Packed anew by runtimes, quantized or left alone kind by kind.
    "convolution weights": ("convolution", "pointwise", "depthwise", "grouped", "transposed"),
    "dense weights": ("dense", "product", "attention"),
    "recurrent weights": ("recurrent",),
    "gathered weights": ("movement",),
}
AMOUNTS = (
    *("one", "groups", "products", "operators", "constants"),
    *(*_WEIGHTS, "other weights", "activations", "file"),
)


def resource_amounts(network: Network) -> NDArray[np.float64]:
    """(len(AMOUNTS),): how many groups, products, operators and constants; weights in elements; activations and the
    ONNX file in bytes."""
    kinds = network.groups[:, COLUMN["kind"]].astype(int)
    weights = network.groups[:, COLUMN["weight"]]
    places = [np.isin(kinds, [KINDS.index(kind) for kind in chosen]) for chosen in _WEIGHTS.values()]
    sums = [float(weights[place].sum()) for place in places]
    products = np.isin(kinds, [KINDS.index(kind) for kind in PRODUCTS])
    counts = (len(kinds), products.sum(), network.operators, network.constants)
    rest = float(weights.sum()) - sum(sums)
    return np.array([1.0, *map(float, counts), *sums, rest, network.activation_bytes, network.file_bytes])
