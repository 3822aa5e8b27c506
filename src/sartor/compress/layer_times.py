"""How long each layer of a model takes in a file made of it, by the runtime's own profile."""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import cycle, islice
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from sartor.compress.calibration import pieces
from sartor.compress.layers import Layer, timed_layers
from sartor.compress.onnx_file import read_whole
from sartor.model.values import ExportedModel
from sartor.runtime.base import Settings
from sartor.runtime.kernels import Kernel, kernel_seconds
from sartor.steps.prepared import Prepared

# What runtimes and quantizers put at the ends of names that they take over.
_ENDS = re.compile(
    r"(_nchwc|_quantized|_token_\d+|/WithoutBiases.*|/fq_.*|/Dequantization.*|/MatMulAddFusion.*|_DequantizeLinear.*|\.f32)$"
)


def layer_seconds(found: Sequence[Layer], kernels: Sequence[Kernel]) -> NDArray[np.float64]:
    """(layers,), what the kernels of each take in a call; NaN for a layer that no kernel goes by the name of.

    A kernel is a layer's when it has the name of its operator, its weight or, failing those, of what it gives or what
    makes that: a runtime names a fused kernel after any of them. Layers inside one kernel count to the first.
    """
    strong: dict[str, int] = {}
    weak: dict[str, int] = {}
    for number, layer in enumerate(found):
        strong |= {name: number for name in (layer.node, layer.name) if name}
        weak |= dict.fromkeys([*layer.outputs, *filter(None, layer.followers)], number)
    seconds = np.full(len(found), np.nan)
    for kernel in kernels:
        own, *read = [_ENDS.sub("", name) for name in kernel.names]
        which = next((strong[name] for name in (own, *read) if name in strong), weak.get(own))
        if which is not None:
            seconds[which] = kernel.seconds + np.nan_to_num(seconds[which])
    return seconds


def profiled_seconds(
    source: ExportedModel, rows: Prepared, runtime: str, file: Path, settings: Settings, calls: int
) -> dict[str, float]:
    """Seconds of a call by the name of a layer; a layer that no kernel goes by the name of is left out.

    Args:
        source: the model in f32, whose layers these are.
        rows: of its inputs, in the declared dtypes; what is called with them, over and over.
        runtime: whose profile is read.
        file: what it loads, made of the source.
        settings: in which it runs.
        calls: how many are profiled.

    Raises:
        CandidateError: the file does not run under the profiler.
    """
    given = list(islice(cycle(pieces(source, rows, settings.batch)), calls))
    found = timed_layers(read_whole(source.path))
    seconds = layer_seconds(found, kernel_seconds(runtime, file, settings, given)).tolist()
    return {layer.name: one for layer, one in zip(found, seconds, strict=True) if not np.isnan(one)}
