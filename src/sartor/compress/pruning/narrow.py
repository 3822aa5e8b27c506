"""Cutting channels out of a file: every weight is sliced, and what says sizes is mended.

No torch is needed, so a narrowed candidate is on disk, and can be timed, within a second.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from sartor.compress.pruning.narrow_operators import Cut, mended
from sartor.compress.pruning.shapes import constants_of
from sartor.compress.pruning.unshared import unshared
from sartor.compress.pruning.values import ChannelGroups
from sartor.cost.order import read_names
from sartor.errors import CandidateError, nearest

if TYPE_CHECKING:
    from onnx import ModelProto


def narrow(model: ModelProto, groups: ChannelGroups, kept: Mapping[str, NDArray[np.bool_]]) -> ModelProto:
    """The file with some units cut out.

    Args:
        model: the file that the groups were found in, or one that differs from it in the numbers of its weights only.
        groups: of `channel_groups`.
        kept: by name of a group, (units,) whether each stays; groups that are not named stay whole.

    Returns:
        A new file; free dimensions are free still, and declared shapes of what is inside are forgotten.

    Raises:
        CandidateError: `unsupported` when a group is unknown, of another size, or would be left without a unit.
    """
    from onnx import helper

    model = unshared(model)
    opset = next(each.version for each in model.opset_import if each.domain in ("", "ai.onnx"))
    makers = {name: node for node in model.graph.node for name in node.output}
    cut = Cut(groups.units, groups.inferred, _kept_units(groups, kept), constants_of(model), makers, opset)
    nodes = [each for node in model.graph.node for each in mended(node, cut)]
    graph = helper.make_graph(
        nodes, model.graph.name, model.graph.input, model.graph.output, [], doc_string=model.graph.doc_string
    )
    # Sizes that were mended may be read no longer, of which ONNX Runtime would warn.
    read = {name for node in nodes for name in read_names(node)} | {given.name for given in model.graph.output}
    graph.initializer.extend(cut.constant(tensor.name) for tensor in model.graph.initializer if tensor.name in read)
    graph.initializer.extend(cut.added)
    graph.sparse_initializer.extend(model.graph.sparse_initializer)
    result = helper.make_model(graph, opset_imports=model.opset_import, ir_version=model.ir_version)
    result.producer_name, result.producer_version = model.producer_name, model.producer_version
    result.metadata_props.extend(model.metadata_props)
    return result


def _kept_units(groups: ChannelGroups, kept: Mapping[str, NDArray[np.bool_]]) -> NDArray[np.bool_]:
    """(units + 1,), whether each stays; the last is what belongs to none."""
    whole = np.ones(groups.count + 1, bool)
    found = {group.name: group for group in groups.groups}
    for name, mask in kept.items():
        if name not in found:
            raise CandidateError("unsupported", f"no group is called `{name}`. {nearest(name, found)}".strip())
        group = found[name]
        if np.shape(mask) != (group.size,):
            raise CandidateError("unsupported", f"`{name}` has {group.size} units, {np.size(mask)} were decided on")
        if not np.any(mask):
            raise CandidateError("unsupported", f"no unit would be left of `{name}`")
        whole[group.first : group.first + group.size] = mask
    return whole
