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
AMOUNTS = ("one", "groups", "products", "product weights", "gathered weights", "other weights", "activations", "file")


def resource_amounts(network: Network) -> NDArray[np.float64]:
    """(len(AMOUNTS),): how many groups, products and weights, in elements; activations and the ONNX file in bytes."""
    kinds = network.groups[:, COLUMN["kind"]].astype(int)
    weights = network.groups[:, COLUMN["weight"]]
    product = np.isin(kinds, [KINDS.index(kind) for kind in PRODUCTS])
    gathered = kinds == KINDS.index("movement")
    rest = ~(product | gathered)
    sums = [float(weights[chosen].sum()) for chosen in (product, gathered, rest)]
    counts = (1.0, float(len(kinds)), float(product.sum()))
    return np.array([*counts, *sums, network.activation_bytes, network.file_bytes])
