"""Attention: softmax(scale Q K^T + mask) V, counted as the pairs of positions that attend to each other.

A pair takes 2 d FLOP in Q K^T, 2 d_v in the product with V, one for the scale, one for a mask, and five in the softmax
(Vaswani et al. 2017, arXiv 1706.03762; softmax as in `normalisation.py`). Grouped queries (Ainslie et al. 2023,
2305.13245) change what is read, not what is computed. Where the operator itself says that it is causal or has a
window, only the pairs it allows are counted; a mask among its inputs changes nothing, for its values are not known.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from sartor.cost.formulas.normalisation import SOFTMAX
from sartor.cost.formulas.work import (
    MICROSOFT,
    ONNX,
    Formula,
    Work,
    arithmetic,
    elements,
    given,
    has,
    merged,
    shape,
    type_of,
    under,
)
from sartor.cost.graph import Operator

ROTATION = 3  # x cos + turned(x) sin, for each number that is turned


@dataclass(frozen=True)
class _Heads:
    """Batch, query heads, their queries and keys, the width of a head's keys and of its values."""

    batch: int
    heads: int
    queries: int
    keys: int
    width: int
    value_width: int

    def flop(self, pairs: int, extra: int = 0) -> float:
        """FLOP of so many pairs for each head, with `extra` operations beside scale and softmax."""
        return float(self.batch * self.heads * pairs * (2 * self.width + 2 * self.value_width + 1 + SOFTMAX + extra))


def attended_pairs(queries: int, keys: int, causal: bool, left: int = -1, right: int = -1) -> int:
    """How many (query, key) pairs the operator computes; the last query stands at the last key.

    Args:
        left: how many positions before its own a query sees; -1 for all.
        right: how many after; -1 for all, and none where it is causal.

    >>> attended_pairs(4, 4, causal=False), attended_pairs(4, 4, causal=True), attended_pairs(1, 9, causal=True)
    (16, 10, 9)
    """
    if not causal and left < 0 and right < 0:
        return queries * keys
    place = np.arange(queries, dtype=np.int64) + keys - queries
    last = place if causal else (place + right if right >= 0 else np.full(queries, keys - 1, dtype=np.int64))
    first = place - left if left >= 0 else np.zeros(queries, dtype=np.int64)
    return int(np.clip(np.minimum(last, keys - 1) - np.maximum(first, 0) + 1, 0, None).sum())


def _standard(operator: Operator) -> Work:
    """Attention(Q, K, V, mask, past key, past value): heads in their own axis, or in the last with their numbers."""
    query, key, value = (shape(operator, position) for position in range(3))
    attributes = operator.attributes
    if len(query) == 4:
        batch, heads, queries, width = query
        keys, value_width = key[2], value[3]
    else:
        batch, queries, wide = query
        heads = attributes["q_num_heads"]
        width, keys, value_width = wide // heads, key[1], value[2] // attributes["kv_num_heads"]
    keys += shape(operator, 4)[2] if has(operator, 4) else 0
    sizes = _Heads(batch, heads, queries, keys, width, value_width)
    causal = bool(attributes.get("is_causal", 0))
    windows = (attributes.get("left_window_size", -1), attributes.get("right_window_size", -1))
    extra = has(operator, 3) + (3 if attributes.get("softcap") else 0)
    return arithmetic(operator, sizes.flop(attended_pairs(queries, keys, causal, *windows), extra))


def _projected(operator: Operator) -> Work:
    """Attention(input, weights of Q, K and V, bias, mask, past, added to scores), and QAttention of int8 numbers."""
    batch, length, hidden = shape(operator, 0)
    wide = shape(operator, 1)[1]
    quantized = operator.type == "QAttention"
    past, mask = (8, 5) if quantized else (4, 3)
    added = has(operator, mask) + (has(operator, 5) if not quantized else 0)
    key_wide, value_wide = _widths(operator, wide)
    heads = operator.attributes["num_heads"]
    keys = length + (shape(operator, past)[3] if has(operator, past) else 0)
    sizes = _Heads(batch, heads, length, keys, key_wide // heads, value_wide // heads)
    pairs = attended_pairs(length, keys, bool(operator.attributes.get("unidirectional", 0)))
    products = 2.0 * batch * length * hidden * wide
    rest = batch * length * wide * (has(operator, 2) + quantized) + sizes.flop(pairs, added)
    return Work(merged((type_of(operator), products), (type_of(operator, 3 if quantized else 0), rest)))


def _widths(operator: Operator, wide: int) -> tuple[int, int]:
    """Of all keys and of all values."""
    sizes = operator.attributes.get("qkv_hidden_sizes")
    return (sizes[1], sizes[2]) if sizes else (wide // 3, wide // 3)


def _multi_head(operator: Operator) -> Work:
    """MultiHeadAttention(query, key, value, bias, padding, scores, past key, past value), packed in five ways."""
    heads = operator.attributes["num_heads"]
    query = shape(operator, 0)
    if len(query) == 5:  # batch, length, heads, 3, width
        batch, length, _, _, width = query
        fresh, value_width = length, width
    else:
        batch, length, wide = query
        width = wide // heads
        key = shape(operator, 1) if has(operator, 1) else query
        fresh = key[2] if len(key) == 4 else key[1]
        value = shape(operator, 2) if has(operator, 2) else (*key[:2], wide)
        value_width = value[3] if len(value) == 4 else value[2] // heads
    keys = fresh + (shape(operator, 6)[2] if has(operator, 6) else 0)
    sizes = _Heads(batch, heads, length, keys, width, value_width)
    pairs = attended_pairs(length, keys, bool(operator.attributes.get("unidirectional", 0)))
    bias = elements(operator, 3) * batch * length if has(operator, 3) else 0
    return arithmetic(operator, sizes.flop(pairs, has(operator, 4) + has(operator, 5)) + bias)


def _group_query(operator: Operator) -> Work:
    """GroupQueryAttention(query, key, value, past key, past value, ...): causal, perhaps with a window and rotation.

    Where past and present share one buffer the filled part is a value that is not known here: all of it counts.
    """
    batch, length, wide = shape(operator, 0)
    heads, groups = operator.attributes["num_heads"], operator.attributes["kv_num_heads"]
    packed = not has(operator, 1)
    width = wide // (heads + 2 * groups) if packed else wide // heads
    keys = _total_keys(operator, length)
    causal = bool(operator.attributes.get("causal", 1))
    window = operator.attributes.get("local_window_size", -1)
    pairs = attended_pairs(length, keys, causal, window - 1 if window > 0 else -1)
    turned = ROTATION * batch * length * (heads + groups) * width if operator.attributes.get("do_rotary") else 0
    extra = has(operator, 10) + (3 if operator.attributes.get("softcap") else 0)
    return arithmetic(operator, _Heads(batch, heads, length, keys, width, width).flop(pairs, extra) + turned)


def _total_keys(operator: Operator, fresh: int) -> int:
    past = shape(operator, 3)[2] if has(operator, 3) else 0
    present = operator.outputs[1].shape if len(operator.outputs) > 1 else None
    shared = past > 0 and present is not None and len(present) == 4 and present[2] == past
    return past if shared else past + fresh


def _decoded(operator: Operator) -> Work:
    """DecoderMaskedMultiHeadAttention: one query for each row, all positions of the cache (past key at 5)."""
    heads = operator.attributes["num_heads"]
    batch, length, wide = shape(operator, 0)
    keys = length + (shape(operator, 5)[2] if has(operator, 5) else 0)
    sizes = _Heads(batch, heads, length, keys, wide // heads, wide // heads)
    return arithmetic(operator, sizes.flop(length * keys, has(operator, 3) + has(operator, 4)))


def _flexible(operator: Operator) -> Work:
    """FlexAttention(Q, K, V): what its bodies do to scores and probabilities is counted with the bodies."""
    (batch, heads, queries, width), key, value = (shape(operator, position) for position in range(3))
    return arithmetic(operator, _Heads(batch, heads, queries, key[2], width, value[3]).flop(queries * key[2]))


# Operations for each element of the state and token: the update, the decay, the delta rule's prediction.
_RULES = {"linear": 2, "gated": 3, "delta": 4, "gated_delta": 5}


def _linear(operator: Operator) -> Work:
    """LinearAttention: for each token and head a state (d_k, d_v) is updated, and read by every query head.

    The recurrence is counted (2 d_k d_v for the update, as many for reading, for predicting in the delta rule, one for
    the decay), not its form in chunks: Katharopoulos et al. 2020, arXiv 2006.16236; Yang et al. 2024, 2412.06464.
    """
    batch, tokens, wide = shape(operator, 0)
    heads, groups = operator.attributes["q_num_heads"], operator.attributes["kv_num_heads"]
    state = (wide // heads) * (shape(operator, 2)[2] // groups)
    rule = operator.attributes.get("update_rule", "gated_delta")
    return arithmetic(operator, batch * tokens * state * (groups * _RULES[rule] + 2 * heads))


def _delta_net(operator: Operator) -> Work:
    """GatedDeltaNet with tokens first; the state (batch, heads, d_v, d_k) is known from its input or from K and V."""
    tokens = shape(operator, 0)[0]
    if has(operator, 6):
        _, heads, value_width, width = shape(operator, 6)
    else:
        (_, _, width), (_, heads, value_width) = shape(operator, 1), shape(operator, 2)
    return arithmetic(operator, tokens * heads * width * value_width * (_RULES["gated_delta"] + 2))


def _rotary(tables: tuple[int, int], places: int) -> Formula:
    """RotaryEmbedding: the turned part of every head (Su et al. 2021, arXiv 2104.09864); reads the rows it takes."""

    def formula(operator: Operator) -> Work:
        dimensions = shape(operator, 0)
        heads = operator.attributes.get("num_heads", 0)
        width = dimensions[-1] // heads if heads and len(dimensions) == 3 else dimensions[-1]
        turned = operator.attributes.get("rotary_embedding_dim", 0) or width
        rows = dimensions[0] * dimensions[-2] if has(operator, places) else 0
        read = {position: float(_rows_read(operator, position, rows)) for position in tables} if rows else {}
        flop = ROTATION * elements(operator) * min(turned / width, 1.0) if width else 0.0
        return Work({type_of(operator): flop}, read)

    return formula


def _rows_read(operator: Operator, position: int, rows: int) -> int:
    tensor = given(operator, position)
    length = shape(operator, position)[0]
    return min(tensor.size_bytes, rows * tensor.size_bytes // length) if length else 0


TABLE = {
    **under(
        ONNX,
        {"Attention": _standard, "LinearAttention": _linear, "RotaryEmbedding": _rotary((1, 2), 3)},
    ),
    **under("ai.onnx.preview", {"FlexAttention": _flexible}),
    **under(
        MICROSOFT,
        {
            "Attention": _projected,
            "QAttention": _projected,
            "DecoderMaskedSelfAttention": _projected,
            "MultiHeadAttention": _multi_head,
            "GroupQueryAttention": _group_query,
            "DecoderMaskedMultiHeadAttention": _decoded,
            "LinearAttention": _linear,
            "GatedDeltaNet": _delta_net,
            "RotaryEmbedding": _rotary((2, 3), 1),
        },
    ),
}
