"""Attention and rotary positions of operator sets from 23 on. Imports torch: import this file inside functions only.

Letters used for shapes: b rows, h heads, q and k tokens, w numbers for each head.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from sartor.train.onnx_module.operators_base import Node, Run

# softmax_precision asks for more digits than f16 has; here all is f32. The mode is that of an output that is refused.
_SETTINGS = frozenset(
    ("is_causal", "kv_num_heads", "q_num_heads", "scale", "softcap", "softmax_precision", "qk_matmul_output_mode")
)


def _attention(node: Node) -> Run:
    """Softmax of scaled products, times values (Vaswani et al. 2017, arXiv 1706.03762, eq. 1)."""
    node.refuse_unless(not node.get("softcap", 0.0), "softcap")
    node.refuse_unless(not node.gives(3), "the scores as an output")
    node.refuse_unless(not node.has(6), "nonpad_kv_seqlen")
    unknown = sorted(node.attributes.keys() - _SETTINGS)
    node.refuse_unless(not unknown, f"the setting {', '.join(unknown)}")
    causal = bool(node.get("is_causal", 0))
    node.refuse_unless(not (causal and node.has(4)), "is_causal with earlier keys")
    query_heads, key_heads = node.get("q_num_heads", 0), node.get("kv_num_heads", 0)
    scale, keeps = node.get("scale"), node.gives(1) or node.gives(2)

    def run(query: Tensor, key: Tensor, value: Tensor, mask: Tensor | None = None, *past: Tensor | None) -> Any:
        flat = query.ndim == 3
        if flat:
            query, key, value = _heads(query, query_heads), _heads(key, key_heads), _heads(value, key_heads)
        if past and past[0] is not None and past[1] is not None:
            key, value = torch.cat((past[0], key), 2), torch.cat((past[1], value), 2)
        y = _attended(query, key, value, mask, causal, scale)
        y = y.transpose(1, 2).flatten(2) if flat else y
        return (y, key, value) if keeps else y

    return run


def _heads(x: Tensor, heads: int) -> Tensor:
    """(b, q, h w) -> (b, h, q, w)."""
    return x.reshape(*x.shape[:2], heads, -1).transpose(1, 2)


def _attended(
    query: Tensor, key: Tensor, value: Tensor, mask: Tensor | None, causal: bool, scale: float | None
) -> Tensor:
    shared = query.shape[1] // key.shape[1]
    if shared > 1:
        key, value = key.repeat_interleave(shared, 1), value.repeat_interleave(shared, 1)
    if mask is not None:
        mask = _whole_mask(mask, query.shape[2], key.shape[2], causal)
        causal = False
    return functional.scaled_dot_product_attention(query, key, value, mask, is_causal=causal, scale=scale)


def _whole_mask(mask: Tensor, queries: int, keys: int, causal: bool) -> Tensor:
    """The mask with keys that it does not name unseen, and later ones where attention is causal."""
    unseen: Any = False if mask.dtype == torch.bool else -math.inf
    if mask.shape[-1] < keys:
        mask = functional.pad(mask, (0, keys - mask.shape[-1]), value=unseen)
    if not causal:
        return mask
    earlier = torch.ones(queries, keys, dtype=torch.bool, device=mask.device).tril()
    return torch.where(earlier, mask, unseen)


def _rotary(node: Node) -> Run:
    """Pairs of numbers turned by an angle for each position (Su et al. 2021, arXiv 2104.09864, eq. 34)."""
    heads, width, interleaved = (
        node.get("num_heads", 0),
        node.get("rotary_embedding_dim", 0),
        node.get("interleaved", 0),
    )

    def run(x: Tensor, cosines: Tensor, sines: Tensor, positions: Tensor | None = None) -> Tensor:
        parts = _heads(x, heads) if x.ndim == 3 else x  # (b, h, q, w)
        if positions is not None:
            cosines, sines = cosines[positions.long()], sines[positions.long()]
        cosines, sines = cosines.unsqueeze(1), sines.unsqueeze(1)  # (b, 1, q, w / 2)
        turned, rest = (parts[..., :width], parts[..., width:]) if width else (parts, parts[..., :0])
        first, second = (turned[..., 0::2], turned[..., 1::2]) if interleaved else turned.chunk(2, -1)
        real, imaginary = first * cosines - second * sines, first * sines + second * cosines
        joined = torch.stack((real, imaginary), -1).flatten(-2) if interleaved else torch.cat((real, imaginary), -1)
        y = torch.cat((joined, rest), -1)
        return y.transpose(1, 2).flatten(2) if x.ndim == 3 else y

    return run


ATTENTION: Mapping[str, Callable[[Node], Run]] = {"Attention": _attention, "RotaryEmbedding": _rotary}
