"""The layers that language models are made of, sized from a config. H is the hidden width, I an inner one."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from sartor.cost.transformer.settings import Flag, Settings
from sartor.cost.transformer.values import Attention, FeedForward, Mixer, Recurrence, Weights, linear

Windows = Callable[[Settings], tuple[int | None, ...]]


def unlimited(settings: Settings) -> tuple[int | None, ...]:
    """Every layer sees everything."""
    return (None,) * settings.number("num_hidden_layers")


@dataclass(frozen=True)
class Family:
    """How models of one type differ from Llama (Touvron et al. 2023, arXiv:2302.13971).

    Attributes:
        mixer: of a layer with its number.
        feed_forward: of a layer with its number.
        windows: keys seen at most, by layer.
        causal: False for encoders.
        query_bias: in the projections to queries, keys and values.
        grouped: several heads of queries may share one of keys; where False, a key that says so is not looked at.
        gated: a third matrix beside up and down.
        norm: numbers per width that a norm keeps: 1 scale, 2 scale and shift, 0 none.
        norms: how many stand in a layer.
        key_norm: norms of queries and keys: one for all heads, or one over their whole width.
        sinks: a learned logit per head (gpt-oss).
        positions: a table of positions with so many extra rows; None without.
        kinds_of_token: a table of token types; embedding_norm: a norm after the tables.
        embedding_width: the key of a narrower token table. It is projected to H with a bias after all tables (ELECTRA),
            or, where `projected_back`, alone and without one, and again before the head (OPT).
        distances: a table of relative distances by head, shared by the layers (T5, MPNet).
    """

    mixer: Callable[[Settings, Family, int], tuple[Mixer, ...]]
    feed_forward: Callable[[Settings, Family, int], FeedForward]
    windows: Windows = unlimited
    causal: bool = True
    query_bias: Flag = "attention_bias"
    output_bias: Flag = "attention_bias"
    inner_bias: Flag = "mlp_bias"
    grouped: bool = True
    gated: bool = True
    norm: int = 1
    norms: Callable[[Settings, int], int] = lambda settings, layer: 2
    key_norm: Literal["", "head", "width"] = ""
    key_norm_if: Flag = True
    sinks: bool = False
    positions: int | None = None
    kinds_of_token: bool = False
    embedding_norm: bool = False
    final_norm: Callable[[Settings], bool] = lambda settings: True
    embedding_width: str = ""
    projected_back: bool = False
    distances: bool = False
    head_bias: Flag = False


def head_width(settings: Settings) -> int:
    """Width of one attention head, H / heads unless the config says otherwise."""
    return settings.number("head_dim", settings.number("hidden_size") // settings.number("num_attention_heads"))


def key_heads(settings: Settings) -> int:
    """Heads of keys and values (grouped-query attention: Ainslie et al. 2023, arXiv:2305.13245)."""
    return settings.number("num_key_value_heads", settings.number("num_attention_heads"))


def attention(settings: Settings, family: Family, layer: int) -> tuple[Attention]:
    """Multi-head and grouped-query attention; the cache keeps a key and a value per head of keys: 2 x heads x width."""
    return (_attention(settings, family, layer, query_parts=1),)


def gated_attention(settings: Settings, family: Family, layer: int) -> tuple[Attention]:
    """The same with a gate as wide as the queries (Qwen3-Next)."""
    return (_attention(settings, family, layer, query_parts=2),)


def _attention(settings: Settings, family: Family, layer: int, query_parts: int) -> Attention:
    hidden, width = settings.number("hidden_size"), head_width(settings)
    heads = settings.number("num_attention_heads")
    queries, keys = heads * width, (key_heads(settings) if family.grouped else heads) * width
    bias = settings.truth(family.query_bias)
    weights = linear(hidden, query_parts * queries, bias) + linear(hidden, keys, bias) * 2
    weights += linear(queries, hidden, settings.truth(family.output_bias))
    weights += Weights(vector=heads if family.sinks else 0)
    if family.key_norm and settings.truth(family.key_norm_if):
        weights += Weights(vector=family.norm * (2 * width if family.key_norm == "head" else queries + keys))
    window = family.windows(settings)[layer]
    return Attention(weights, 2 * queries, 2 * keys if family.causal else 0, window=window, causal=family.causal)


def crossed(settings: Settings, family: Family, layer: int) -> tuple[Attention, ...]:
    """A decoder's attention to itself and to the source, whose keys and values are computed once."""
    hidden, queries = settings.number("hidden_size"), settings.number("num_attention_heads") * head_width(settings)
    bias = settings.truth(family.query_bias)
    own = linear(hidden, queries, bias) + linear(queries, hidden, settings.truth(family.output_bias))
    source = linear(hidden, queries, bias) * 2
    cross = Attention(own, 2 * queries, 2 * queries, source=source)
    return *attention(settings, family, layer), cross


def latent_attention(settings: Settings, family: Family, layer: int) -> tuple[Attention]:
    """Multi-head latent attention (DeepSeek-V2, arXiv:2405.04434, section 2.1).

    The cache keeps the compressed keys and values with the shared rotary key: r_kv + d_rope numbers per token. A
    prefill expands them to heads; a decode step multiplies queries and outputs instead (same work per token), so that
    a pair takes heads x (2 r_kv + d_rope).
    """
    hidden, heads = settings.number("hidden_size"), settings.number("num_attention_heads")
    plain, rotary = settings.number("qk_nope_head_dim"), settings.number("qk_rope_head_dim")
    value, rank = settings.number("v_head_dim"), settings.number("kv_lora_rank")
    bias = settings.truth("attention_bias")
    queries = heads * (plain + rotary)
    if settings.optional("q_lora_rank"):
        query_rank = settings.number("q_lora_rank")
        weights = linear(hidden, query_rank, bias) + Weights(vector=query_rank) + linear(query_rank, queries)
    else:
        weights = linear(hidden, queries)
    weights += linear(hidden, rank + rotary, bias) + Weights(vector=rank)
    weights += linear(rank, heads * (plain + value)) + linear(heads * value, hidden, bias)
    return (Attention(weights, queries + heads * value, rank + rotary, heads * (2 * rank + rotary)),)


def delta_net(settings: Settings) -> Recurrence:
    """Gated delta rule (Yang et al. 2024, arXiv:2412.06464), as in Qwen3-Next.

    Per head the state is d_k x d_v. A token decays it (1 operation per number), reads it with its key (2), adds an
    outer product (2) and reads it with its query (2): 7. Chunked kernels of a prefill do more.
    """
    hidden, kernel = settings.number("hidden_size"), settings.number("linear_conv_kernel_dim")
    key_width, value_width = settings.number("linear_key_head_dim"), settings.number("linear_value_head_dim")
    value_heads = settings.number("linear_num_value_heads")
    keys, values = settings.number("linear_num_key_heads") * key_width, value_heads * value_width
    channels = 2 * keys + values
    weights = linear(hidden, channels + values) + linear(hidden, 2 * value_heads) + linear(values, hidden)
    weights += Weights(kernel * channels, 2 * value_heads + value_width)
    state = value_heads * key_width * value_width
    return Recurrence(weights, state + kernel * channels, 7 * state)


def selective_scan(settings: Settings, bias: Flag, normed: bool) -> Recurrence:
    """Mamba (Gu and Dao 2023, arXiv:2312.00752), with Jamba's three inner norms where `normed`.

    The state is I x N. A token takes, per number of it: step x A, step x B, decay, input, sum (1 each) and the product
    with C (2): 7; per channel 2 for the skip. Exponentials are not counted.
    """
    hidden, channels, kernel, states = _mamba_sizes(settings)
    rank = settings.optional("time_step_rank")
    rank = math.ceil(hidden / 16) if rank in (None, "auto") else settings.number("time_step_rank")
    biased = settings.truth(bias)
    weights = linear(hidden, 2 * channels, biased) + linear(channels, hidden, biased)
    weights += linear(channels, rank + 2 * states) + linear(rank, channels, True)
    weights += Weights(kernel * channels, channels if settings.truth("use_conv_bias") else 0)
    weights += Weights(vector=channels * states + channels + (rank + 2 * states if normed else 0))
    return Recurrence(weights, channels * (states + kernel), channels * (7 * states + 2))


def state_space_dual(settings: Settings, bias: Flag, output_bias: Flag, normed: Flag) -> Recurrence:
    """Mamba-2 (Dao and Gu 2024, arXiv:2405.21060): one decay per head.

    Per number of the state I x N: decay, input, sum (1 each) and the product with C (2): 5; per channel 2 for the
    skip and 1 for the step. Chunked kernels of a prefill do more.
    """
    hidden, channels, kernel, states = _mamba_sizes(settings)
    heads, groups = settings.number("mamba_heads"), settings.number("n_groups")
    mixed = channels + 2 * groups * states
    weights = linear(hidden, channels + mixed + heads, settings.truth(bias))
    weights += linear(channels, hidden, settings.truth(output_bias))
    weights += Weights(kernel * mixed, mixed if settings.truth("use_conv_bias") else 0)
    weights += Weights(vector=3 * heads + (channels if settings.truth(normed) else 0))
    return Recurrence(weights, channels * states + kernel * mixed, channels * (5 * states + 3))


def _mamba_sizes(settings: Settings) -> tuple[int, int, int, int]:
    """Hidden width, channels, kernel of the convolution, size of a channel's state."""
    hidden = settings.number("hidden_size")
    channels = settings.number("mamba_d_ssm", settings.number("expand") * hidden)
    return hidden, channels, settings.number("conv_kernel"), settings.number("state_size")


def dense(settings: Settings, family: Family, layer: int) -> FeedForward:
    """Two matrices, or three with a gate (Shazeer 2020, arXiv:2002.05202)."""
    width = settings.number("intermediate_size", 4 * settings.number("hidden_size"))
    return FeedForward(_inner(settings, family, width))


def nothing(settings: Settings, family: Family, layer: int) -> FeedForward:
    """A layer that is a mixer only."""
    return FeedForward()


def _inner(settings: Settings, family: Family, width: int) -> Weights:
    hidden, bias = settings.number("hidden_size"), settings.truth(family.inner_bias)
    return linear(hidden, width * (2 if family.gated else 1), bias) + linear(width, hidden, bias)


def mixture(
    settings: Settings,
    family: Family,
    layer: int,
    width: str = "moe_intermediate_size",
    plain: Callable[[Settings, int], bool] = lambda settings, layer: False,
    shared: Callable[[Settings], int] = lambda settings: 0,
    shared_gate: bool = False,
    router_vectors: int = 0,
) -> FeedForward:
    """A mixture of experts.

    Args:
        width: the key of an expert's inner width.
        plain: whether a layer is dense instead.
        shared: inner width of the experts that every token meets; `shared_gate` is a vector that weighs them.
        router_vectors: numbers per expert beside the router's matrix: its bias, or a learned correction of its scores
            (which transformers keeps as a buffer, and the checkpoint stores).
    """
    if plain(settings, layer):
        return dense(settings, family, layer)
    hidden, count = settings.number("hidden_size"), settings.number("num_experts")
    always = Weights(hidden * count, router_vectors * count)
    if common := shared(settings):
        always += _inner(settings, family, common) + Weights(hidden if shared_gate else 0)
    expert = _inner(settings, family, settings.number(width))
    return FeedForward(always, expert, count, min(settings.number("num_experts_per_tok"), count))
