"""Attention in one operator of ONNX Runtime, in place of the twenty that exporters write it in.

The patterns are onnxscript's. Products with weights are none of it, so that it does not matter to them whether those
are in 8 bits by now. What it saves: `benchmarks/compress/attention.py`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sartor.compress.onnx_file import looks_like_transformer

if TYPE_CHECKING:
    from onnx import ModelProto

_SPLIT = [0, 2, 1, 3]  # (rows, length, heads, head size) to (rows, heads, length, head size) and back


def fuse_attention(model: ModelProto) -> ModelProto:
    """The model with every attention in one operator.

    The numbers are those before but for rounding: sums are in another order. The model itself where not every attention
    is of a known pattern.
    """
    if not looks_like_transformer(model):
        return model
    import onnx_ir
    from onnx_ir.passes import common
    from onnxscript.rewriter.ort_fusions.mha import fuse_mha2
    from onnxscript.rewriter.ort_fusions.sdpa import fuse_sdpa

    graph = onnx_ir.from_proto(model)
    common.ShapeInferencePass()(graph)
    # An intermediate operator that no runtime knows stands for each attention until it is one of ONNX Runtime's.
    found = fuse_sdpa(graph, apply_shape_inference=True)
    if found == 0 or fuse_mha2(graph) < found:
        return model
    common.RemoveUnusedNodesPass()(graph)  # or else what no longer counts would still read the heads
    _join_heads_at_once(graph)
    for tidy in (common.IdentityEliminationPass(), common.RemoveUnusedNodesPass(), common.RemoveUnusedOpsetsPass()):
        tidy(graph)
    return onnx_ir.to_proto(graph)


def _join_heads_at_once(graph: Any) -> None:
    """Leave out that keys and values are split into heads and joined again."""
    from onnxscript.rewriter import pattern

    def split_and_joined(op: Any, x: Any, apart: Any, joined: Any) -> Any:
        split = op.Reshape(x, apart, _outputs=["split"])
        return op.Reshape(op.Transpose(op.Transpose(split, perm=_SPLIT), perm=_SPLIT), joined)

    def gives_the_same(context: Any, x: Any, split: Any, joined: Any, **_: Any) -> bool:
        whole, parts, to = x.shape, split.shape, joined.const_value
        if whole is None or parts is None or to is None or (len(whole), len(parts)) != (3, 4):
            return False
        return to.numpy().tolist() == [0, 0, -1] and list(whole[:2]) == list(parts[:2])

    rule = pattern.RewriteRule(split_and_joined, lambda op, x, **_: op.Identity(x), gives_the_same)
    pattern.RewriteRuleSet([rule]).apply_to_model(graph)
