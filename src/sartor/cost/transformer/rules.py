"""What single families do differently: their mixers by layer, where experts stand, what their flags change."""

from __future__ import annotations

from dataclasses import replace

from sartor.cost.transformer.layers import (
    Family,
    attention,
    delta_net,
    gated_attention,
    selective_scan,
    state_space_dual,
)
from sartor.cost.transformer.settings import Settings
from sartor.cost.transformer.values import Mixer
from sartor.cost.transformer.windows import check_kinds, every


def qwen_plain(settings: Settings, layer: int) -> bool:
    """Qwen: every `decoder_sparse_step`-th layer has experts, those of `mlp_only_layers` never."""
    step = settings.number("decoder_sparse_step", 1)
    listed = layer in (settings.optional("mlp_only_layers") or ())
    return listed or (layer + 1) % step != 0 or settings.optional("num_experts") == 0


def first_plain(settings: Settings, layer: int) -> bool:
    """DeepSeek: the first layers are dense."""
    return layer < settings.number("first_k_dense_replace", 0, least=0)


def counted_shared(settings: Settings) -> int:
    """Shared experts as wide as the others."""
    return settings.number("n_shared_experts", 0, least=0) * settings.number("moe_intermediate_size")


def wide_shared(settings: Settings) -> int:
    """One shared expert with a width of its own."""
    return settings.number("shared_expert_intermediate_size", 0, least=0)


def by_kind(settings: Settings, family: Family, layer: int) -> tuple[Mixer, ...]:
    """Qwen3-Next: three layers of linear attention, then a gated one of softmax."""
    kinds = settings.optional("layer_types")
    if kinds:
        check_kinds(settings, kinds, ("full_attention", "linear_attention"))
    period = settings.number("full_attention_interval", 4)
    full = kinds[layer] == "full_attention" if kinds else (layer + 1) % period == 0
    return gated_attention(settings, family, layer) if full else (delta_net(settings),)


def mamba(settings: Settings, family: Family, layer: int) -> tuple[Mixer, ...]:
    """Mamba."""
    return (selective_scan(settings, "use_bias", normed=False),)


def mamba2(settings: Settings, family: Family, layer: int) -> tuple[Mixer, ...]:
    """Mamba-2, biases in both projections or none."""
    return (state_space_dual(settings, "use_bias", "use_bias", normed=True),)


def jamba(settings: Settings, family: Family, layer: int) -> tuple[Mixer, ...]:
    """Jamba (arXiv:2403.19887): attention in one layer of a period."""
    if layer % settings.number("attn_layer_period") == settings.number("attn_layer_offset", least=0):
        return attention(settings, family, layer)
    return (selective_scan(settings, "use_bias", normed=True),)


def jamba_plain(settings: Settings, layer: int) -> bool:
    """Jamba: experts in one layer of another period."""
    offset = settings.number("expert_layer_offset", least=0)
    return layer % settings.number("expert_layer_period") != offset or settings.number("num_experts") == 1


def bamba(settings: Settings, family: Family, layer: int) -> tuple[Mixer, ...]:
    """Bamba: attention in the layers that are listed."""
    if layer in (settings.optional("attn_layer_indices") or ()):
        return attention(settings, family, layer)
    return (state_space_dual(settings, "use_bias", "use_bias", normed=True),)


def falcon_h1(settings: Settings, family: Family, layer: int) -> tuple[Mixer, ...]:
    """Falcon-H1 (arXiv:2507.22448): attention and Mamba-2 side by side in each layer."""
    recurrent = state_space_dual(settings, "use_bias", "projectors_bias", normed="mamba_rms_norm")
    return *attention(settings, family, layer), recurrent


def falcon_attention(settings: Settings, family: Family, layer: int) -> tuple[Mixer, ...]:
    """One head of keys or as many as of queries; as `num_kv_heads` says in the new architecture only."""
    new, heads = settings.truth("new_decoder_architecture"), settings.number("num_attention_heads")
    old = 1 if settings.truth("multi_query") else heads
    keys = settings.number("num_kv_heads", heads) if new else old
    return attention(replace(settings, given={**settings.given, "num_key_value_heads": keys}), family, layer)


def falcon(settings: Settings, family: Family) -> Family:
    """One norm where attention and feed-forward share it."""
    new, side_by_side = settings.truth("new_decoder_architecture"), settings.truth("parallel_attn")
    norms = settings.number("num_ln_in_parallel_attn", 2 if new else 1) if side_by_side else 2
    return replace(family, norms=lambda settings, layer: norms)


def t5(settings: Settings, family: Family) -> Family:
    """T5 1.1 has gates, T5 none."""
    gated = str(settings.optional("feed_forward_proj") or "").startswith("gated")
    return replace(family, gated=gated)


def opt(settings: Settings, family: Family) -> Family:
    """OPT-350M has its norms after the blocks and none at the end."""
    ends = settings.truth("do_layer_norm_before") and not settings.truth("_remove_final_layer_norm")
    norm = 2 if settings.truth("layer_norm_elementwise_affine") else 0
    return replace(family, final_norm=lambda settings: ends, norm=norm)


def modernbert(settings: Settings, family: Family) -> Family:
    """Norms with a shift only if asked for."""
    return replace(encoder(settings, family), norm=2 if settings.truth("norm_bias") else 1)


def stablelm(settings: Settings, family: Family) -> Family:
    """One norm where attention and feed-forward stand side by side; norms of queries head by head."""
    if settings.truth("qk_layernorm"):
        raise settings.refuse("has `qk_layernorm`", "false; its norms by head are not counted")
    return replace(family, norms=one if settings.truth("use_parallel_residual") else family.norms)


def gemma3(settings: Settings, family: Family) -> Family:
    """Looks both ways where the config says so (EmbeddingGemma), half a window to each side."""
    if not settings.truth("use_bidirectional_attention"):
        return family
    return replace(family, causal=False, windows=every(6, "sliding_window_pattern", both_sides=True))


def decoder_alone(settings: Settings, family: Family) -> Family:
    """Refuses attention to another model."""
    if settings.truth("add_cross_attention"):
        raise settings.refuse("has `add_cross_attention`", "a model that stands alone")
    return family


def encoder(settings: Settings, family: Family) -> Family:
    """Refuses an encoder that is used as a decoder."""
    if settings.truth("is_decoder"):
        raise settings.refuse("has `is_decoder`", "an encoder used as one")
    return decoder_alone(settings, family)


def one_vocabulary(settings: Settings, family: Family) -> Family:
    """Refuses an encoder and a decoder with tables of their own (Marian can have them)."""
    if settings.optional("share_encoder_decoder_embeddings") is False:
        raise settings.refuse("has `share_encoder_decoder_embeddings: false`", "one table of tokens for both sides")
    return family


def one(settings: Settings, layer: int) -> int:
    """One norm in each layer."""
    return 1


def one_then_two(settings: Settings, layer: int) -> int:
    """Two norms, but one in the first layer, which follows the norm of the embeddings."""
    return 2 if layer else 1


def three(settings: Settings, layer: int) -> int:
    """Three norms in each layer."""
    return 3


def four(settings: Settings, layer: int) -> int:
    """Four norms in each layer."""
    return 4


def without_final_norm(settings: Settings) -> bool:
    """No norm after the last layer."""
    return False
