"""The operators of ONNX files that have a counterpart in torch. Imports torch: import this file inside functions only.

Source of what each computes: the operator pages of ONNX, operator sets 7 to 28; of domain `com.microsoft`,
ContribOperators.md of ONNX Runtime.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from sartor.train.onnx_module.operators_attention import ATTENTION
from sartor.train.onnx_module.operators_base import Node, RefusedError, Run
from sartor.train.onnx_module.operators_convolution import CONVOLUTION
from sartor.train.onnx_module.operators_elementwise import ELEMENTWISE
from sartor.train.onnx_module.operators_indexing import INDEXING
from sartor.train.onnx_module.operators_linear import LINEAR
from sartor.train.onnx_module.operators_normalization import NORMALIZATION
from sartor.train.onnx_module.operators_pooling import POOLING
from sartor.train.onnx_module.operators_quantization import QUANTIZATION
from sartor.train.onnx_module.operators_recurrent import RECURRENT
from sartor.train.onnx_module.operators_reduction import REDUCTION
from sartor.train.onnx_module.operators_resize import RESIZE
from sartor.train.onnx_module.operators_shape import SHAPE

OPERATORS: Mapping[str, Callable[[Node], Run]] = {
    **ELEMENTWISE,
    **SHAPE,
    **LINEAR,
    **CONVOLUTION,
    **POOLING,
    **NORMALIZATION,
    **INDEXING,
    **REDUCTION,
    **RECURRENT,
    **QUANTIZATION,
    **RESIZE,
    **ATTENTION,
}


# Of other domains than ONNX's own: where names and settings mean the same here. Attention, say, shares a name only.
_FOREIGN: Mapping[str, frozenset[str]] = {
    "ai.onnx.ml": frozenset(("ArrayFeatureExtractor", "Scaler")),
    "com.microsoft": frozenset(
        (
            *("BiasGelu", "FastGelu", "FusedMatMul", "Gelu", "QuickGelu", "QuantizeLinear", "DequantizeLinear"),
            *("SkipLayerNormalization", "SkipSimplifiedLayerNormalization", "SimplifiedLayerNormalization"),
        )
    ),
}
_CONTROL = frozenset(("If", "Loop", "Scan"))


def build(node: Node) -> Run:
    """What computes a node.

    Raises:
        RefusedError: the operator, or one of its settings, is not supported; in one sentence.
    """
    if node.kind in _CONTROL:
        raise RefusedError(f"{node.kind}: what it computes depends on the rows, so that nothing can be planned")
    if node.kind not in OPERATORS or (node.domain and node.kind not in _FOREIGN.get(node.domain, ())):
        named = f"{node.domain}.{node.kind}" if node.domain else node.kind
        raise RefusedError(f"{named}: the operator has no counterpart here")
    return OPERATORS[node.kind](node)
