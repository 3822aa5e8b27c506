"""After a cut: weights that make the narrowed network's layers give what they gave before."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from importlib.util import find_spec
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from sartor.compress.pruning.time_share import Pruned
from sartor.compress.pruning.unshared import unshared
from sartor.compress.pruning.values import ChannelGroups
from sartor.cost.proto import attributes_of
from sartor.errors import CandidateError
from sartor.steps.prepared import Prepared

if TYPE_CHECKING:
    from onnx import ModelProto, NodeProto

    from sartor.train.reconstruct import Rebuilt

REBUILDING_ROWS = 512
_FEWEST_ROWS = 32
_ROWS_OF = 2**21  # numbers of all rows together: activations of every layer are in memory with them
_OPERATORS = ("Conv", "Gemm", "MatMul")


def rebuild_if_possible(model: ModelProto, pruned: Pruned, groups: ChannelGroups, rows: Prepared, threads: int) -> str:
    """`rebuild` with as many rows as memory should take; why the weights are as they were, where it cannot be done."""
    if find_spec("torch") is None:
        return "weights are as they were: torch, which would solve for better ones, is not installed"
    few = max(_FEWEST_ROWS, _ROWS_OF // sum(array[0].size for array in rows.arrays.values()))
    try:
        rebuild(model, pruned.model, groups, pruned.kept, rows.take(slice(0, few)), threads)
    except CandidateError as error:
        return f"weights are as they were: {error.detail}"
    return ""


def rebuild(
    model: ModelProto,
    narrowed: ModelProto,
    groups: ChannelGroups,
    kept: Mapping[str, NDArray[np.bool_]],
    rows: Prepared,
    threads: int,
) -> None:
    """Solve for the weights of a narrowed file, in place; see `sartor.train.reconstruct`.

    Args:
        model: the file before it was cut.
        narrowed: what `narrow` made of it.
        groups: of the file before.
        kept: what was given to `narrow`.
        rows: prepared rows, by the names of the file's inputs; no labels are needed.
        threads: that torch may use.

    Raises:
        CandidateError: `unsupported`, an operator that torch cannot run; `failed`, an activation is not finite.
    """
    import torch

    from sartor.train.feeding import tensors_of
    from sartor.train.onnx_module import OnnxModule
    from sartor.train.reconstruct import reconstruct

    whole = unshared(model)
    units = np.ones(groups.count + 1, bool)
    for group in groups.groups:
        if group.name in kept:
            units[group.first : group.first + group.size] = kept[group.name]
    readers = Counter(name for node in whole.graph.node for name in node.input)
    weights = {tensor.name: tensor.dims for tensor in whole.graph.initializer}
    # Also those too small to be layers of their own elsewhere: what a cut took is made up for in every one.
    rebuilt = {
        node.input[1]: _rebuilt(node, weights[node.input[1]], groups, units)
        for node in narrowed.graph.node  # a cut of depthwise channels changes how many groups there are
        if node.op_type in _OPERATORS and node.input[1] in weights and readers[node.input[1]] == 1
    }
    torch.set_num_threads(threads)
    network = OnnxModule(narrowed)
    reconstruct(OnnxModule(whole), network, rebuilt, tensors_of(rows.trimmed()))
    network.write_to(narrowed)


def _rebuilt(node: NodeProto, shape: Sequence[int], groups: ChannelGroups, units: NDArray[np.bool_]) -> Rebuilt:
    import torch

    from sartor.train.reconstruct import Rebuilt

    attributes, convolution = attributes_of(node), node.op_type == "Conv"
    transposed = convolution or bool(attributes.get("transB"))
    axes = groups.units.get(node.output[0])
    if axes is None:
        kept = np.ones(shape[0] if transposed else shape[-1], bool)
    else:
        kept = units[axes[1 if convolution else -1]]  # -1, what belongs to no unit, is the last: kept
    return Rebuilt(transposed, int(attributes.get("group", 1)) if convolution else 0, torch.from_numpy(kept))
