"""How long each layer of a model takes in a file made of it, by the runtime's own profile."""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from sartor.compress.layers import Layer
from sartor.runtime.kernels import Kernel

# What runtimes and quantizers put at the ends of names that they take over.
_ENDS = re.compile(
    r"(_nchwc|_quantized|_token_\d+|/WithoutBiases.*|/fq_.*|/MatMulAddFusion.*|_DequantizeLinear.*|\.f32)$"
)


def layer_seconds(found: Sequence[Layer], kernels: Sequence[Kernel]) -> NDArray[np.float64]:
    """(layers,), what the kernels of each take in a call; NaN for a layer that no kernel goes by the name of.

    A kernel is a layer's when it has the name of its operator, its weight or, failing those, of what it gives: a
    runtime names a fused kernel after any of them. Layers inside one kernel count to the first.
    """
    strong: dict[str, int] = {}
    weak: dict[str, int] = {}
    for number, layer in enumerate(found):
        strong |= {name: number for name in (layer.node, layer.name) if name}
        weak |= dict.fromkeys(layer.outputs, number)
    seconds = np.full(len(found), np.nan)
    for kernel in kernels:
        own, *read = [_ENDS.sub("", name) for name in kernel.names]
        which = next((strong[name] for name in (own, *read) if name in strong), weak.get(own))
        if which is not None:
            seconds[which] = kernel.seconds + np.nan_to_num(seconds[which])
    return seconds
