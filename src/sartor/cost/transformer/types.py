"""Which model types are known, and how each differs from Llama: read from transformers 5.23, modeling_*.py."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import partial

from sartor.cost.transformer import heads, rules
from sartor.cost.transformer.layers import (
    Family,
    attention,
    crossed,
    dense,
    latent_attention,
    mixture,
    nothing,
    unlimited,
)
from sartor.cost.transformer.settings import Settings
from sartor.cost.transformer.windows import asked, declared, every, everywhere, without_rotary


@dataclass(frozen=True)
class Type:
    """One model type.

    Attributes:
        family: of its layers; an encoder-decoder's decoder, whose encoder is `encoder`.
        names: what its config calls sizes, where that is not one of the usual names.
        encoder_names: the same for the encoder.
        shape: adapts a family to a config whose flags change more than sizes.
        heads: by the ending of an architecture's name.
        plain: the ending meant where the config names no architecture.
        defaults_of: the type whose defaults it has, where that is another.
    """

    family: Family
    names: Mapping[str, str] = field(default_factory=dict)
    encoder: Family | None = None
    encoder_names: Mapping[str, str] = field(default_factory=dict)
    shape: Callable[[Settings, Family], Family] = lambda settings, family: family
    heads: Mapping[str, heads.Reader] = field(default_factory=lambda: heads.GENERATIVE)
    plain: str = "ForCausalLM"
    defaults_of: str = ""


def _encoder(
    family: Family, kind: Mapping[str, heads.Reader], shape: Callable[[Settings, Family], Family] = rules.encoder
) -> Type:
    return Type(family, heads=kind, plain="Model", shape=shape)


def _pair(
    family: Family,
    names: tuple[Mapping[str, str], Mapping[str, str]],
    shape: Callable[[Settings, Family], Family] = rules.one_vocabulary,
) -> Type:
    """Encoder and decoder of one family; the decoder also looks at the source, with a norm more."""
    decoder = replace(family, mixer=crossed, norms=rules.three)
    encoder = replace(family, causal=False)
    return Type(decoder, names[1], encoder, names[0], shape, heads.SEQUENCE, "ForConditionalGeneration")


def _all_biases(family: Family, key: str) -> Family:
    return replace(family, query_bias=key, output_bias=key, inner_bias=key)


LLAMA = Family(attention, dense)
_PLAIN = replace(LLAMA, query_bias=False, output_bias=False, inner_bias=False)
_QKV = replace(LLAMA, output_bias=False)
_WINDOWED = replace(_PLAIN, windows=declared(everywhere))
_QWEN2 = replace(_PLAIN, query_bias=True, windows=declared(asked))
_QWEN3 = replace(LLAMA, inner_bias=False, key_norm="head", windows=declared(asked))
_GEMMA = replace(LLAMA, inner_bias=False)
_GEMMA3 = replace(_GEMMA, norms=rules.four, key_norm="head", windows=every(6, "sliding_window_pattern"))
_COHERE = replace(LLAMA, norms=rules.one)
_GPT = replace(_PLAIN, query_bias=True, output_bias=True, inner_bias=True, grouped=False, gated=False, norm=2)
_OPT = replace(
    _all_biases(_GPT, "enable_bias"), positions=2, embedding_width="word_embed_proj_dim", projected_back=True
)
_BERT = replace(
    _GPT, causal=False, positions=0, kinds_of_token=True, embedding_norm=True, final_norm=rules.without_final_norm
)
_MODERNBERT = replace(
    LLAMA,
    causal=False,
    grouped=False,
    embedding_norm=True,
    norms=rules.one_then_two,
    windows=every(3, "global_attn_every_n_layers", 0, "local_attention", both_sides=True),
)
_T5 = replace(_PLAIN, grouped=False, distances=True)
_MBART = replace(_GPT, positions=2, embedding_norm=True)
_BART = replace(_MBART, final_norm=rules.without_final_norm)
_MAMBA = replace(_PLAIN, mixer=rules.mamba, feed_forward=nothing, norms=rules.one)

# Experts as wide as a dense layer; DeepSeek's, with shared ones, a first few dense layers, and a correction of scores.
_WIDE = partial(mixture, width="intermediate_size")
_QWEN_EXPERTS = partial(mixture, plain=rules.qwen_plain, shared=rules.wide_shared, shared_gate=True)
_DEEPSEEK2 = partial(mixture, plain=rules.first_plain, shared=rules.counted_shared)
_DEEPSEEK3 = partial(_DEEPSEEK2, router_vectors=1)

_MAMBA_NAMES = {
    **{"state_size": "mamba_d_state", "expand": "mamba_expand", "conv_kernel": "mamba_d_conv"},
    **{"use_conv_bias": "mamba_conv_bias", "use_bias": "mamba_proj_bias", "time_step_rank": "mamba_dt_rank"},
    **{"mamba_heads": "mamba_n_heads", "n_groups": "mamba_n_groups"},
}
_T5_NAMES: tuple[Mapping[str, str], Mapping[str, str]] = ({}, {"num_hidden_layers": "num_decoder_layers"})


def _side(name: str) -> Mapping[str, str]:
    sizes = {"num_hidden_layers": "layers", "num_attention_heads": "attention_heads", "intermediate_size": "ffn_dim"}
    return {size: f"{name}_{ending}" for size, ending in sizes.items()}


_BART_NAMES = (_side("encoder"), _side("decoder"))

TYPES: Mapping[str, Type] = {
    # Llama and its kin
    **{name: Type(LLAMA) for name in ("llama", "granite")},
    **{name: Type(_WINDOWED) for name in ("mistral", "ministral")},
    "phi3": Type(replace(_PLAIN, windows=everywhere)),
    "qwen2": Type(_QWEN2),
    "qwen3": Type(_QWEN3),
    "gemma": Type(_GEMMA),
    "gemma2": Type(replace(_GEMMA, norms=rules.four, windows=every(2))),
    "gemma3_text": Type(_GEMMA3, shape=rules.gemma3),
    "olmo": Type(replace(LLAMA, norm=0)),
    "olmo2": Type(replace(LLAMA, key_norm="width")),
    "olmo3": Type(replace(LLAMA, key_norm="width", windows=every(4))),
    "cohere": Type(replace(_COHERE, key_norm="width", key_norm_if="use_qk_norm")),
    "cohere2": Type(replace(_COHERE, windows=every(4, "sliding_window_pattern"))),
    "glm": Type(_QKV),
    "glm4": Type(replace(_QKV, norms=rules.four)),
    "helium": Type(_QKV),
    "smollm3": Type(replace(LLAMA, windows=declared(without_rotary))),
    "exaone4": Type(replace(_PLAIN, key_norm="head", windows=every(4, "sliding_window_pattern"))),
    "ernie4_5": Type(_all_biases(LLAMA, "use_bias")),
    "arcee": Type(replace(LLAMA, gated=False)),
    "seed_oss": Type(replace(LLAMA, output_bias="attention_out_bias")),
    "nemotron": Type(replace(LLAMA, gated=False, norm=2)),
    "stablelm": Type(replace(_PLAIN, query_bias="use_qkv_bias", norm=2), shape=rules.stablelm),
    # Mixtures of experts
    "mixtral": Type(replace(_WINDOWED, feed_forward=_WIDE)),
    "phimoe": Type(replace(LLAMA, norm=2, head_bias="lm_head_bias", windows=everywhere, feed_forward=_WIDE)),
    "olmoe": Type(replace(LLAMA, key_norm="width", feed_forward=_WIDE)),
    "granitemoe": Type(replace(LLAMA, feed_forward=_WIDE)),
    "qwen2_moe": Type(replace(_QWEN2, query_bias="qkv_bias", feed_forward=_QWEN_EXPERTS)),
    "qwen3_moe": Type(replace(_QWEN3, feed_forward=partial(mixture, plain=rules.qwen_plain))),
    "deepseek_v2": Type(replace(LLAMA, mixer=latent_attention, feed_forward=_DEEPSEEK2)),
    "deepseek_v3": Type(replace(LLAMA, mixer=latent_attention, feed_forward=_DEEPSEEK3)),
    "kimi_k2": Type(replace(LLAMA, mixer=latent_attention, feed_forward=_DEEPSEEK3), defaults_of="deepseek_v3"),
    "glm4_moe": Type(replace(_QKV, key_norm="head", key_norm_if="use_qk_norm", feed_forward=_DEEPSEEK3)),
    "gpt_oss": Type(
        replace(LLAMA, inner_bias=True, sinks=True, windows=every(2), feed_forward=partial(_WIDE, router_vectors=1))
    ),
    # GPT and its kin
    "gpt2": Type(replace(_GPT, positions=0), shape=rules.decoder_alone),
    "gpt_neox": Type(replace(_GPT, query_bias="attention_bias", output_bias="attention_bias")),
    "gptj": Type(replace(_GPT, query_bias=False, output_bias=False, norms=rules.one, head_bias=True)),
    "phi": Type(
        replace(_GPT, grouped=True, norms=rules.one, head_bias=True, key_norm="head", key_norm_if="qk_layernorm")
    ),
    "opt": Type(_OPT, shape=rules.opt),
    "bloom": Type(replace(_GPT, embedding_norm=True)),
    "falcon": Type(_all_biases(replace(_GPT, mixer=rules.falcon_attention, grouped=True), "bias"), shape=rules.falcon),
    "starcoder2": Type(replace(_all_biases(_GPT, "use_bias"), grouped=True, windows=declared(everywhere))),
    # State spaces, linear attention, hybrids
    "mamba": Type(_MAMBA),
    "mamba2": Type(replace(_MAMBA, mixer=rules.mamba2), {"mamba_heads": "num_heads"}),
    "jamba": Type(
        replace(_PLAIN, mixer=rules.jamba, feed_forward=partial(_WIDE, plain=rules.jamba_plain)), _MAMBA_NAMES
    ),
    "falcon_h1": Type(replace(LLAMA, mixer=rules.falcon_h1), _MAMBA_NAMES),
    "bamba": Type(replace(LLAMA, mixer=rules.bamba), _MAMBA_NAMES),
    "qwen3_next": Type(replace(_QWEN3, windows=unlimited, mixer=rules.by_kind, feed_forward=_QWEN_EXPERTS)),
    # Encoders
    "bert": _encoder(_BERT, heads.BERT),
    **{name: _encoder(_BERT, heads.BERT) for name in ("roberta", "xlm-roberta", "camembert")},
    "mpnet": _encoder(replace(_BERT, kinds_of_token=False, distances=True), heads.BERT),
    "electra": _encoder(replace(_BERT, embedding_width="embedding_size"), heads.UNPOOLED),
    "distilbert": _encoder(replace(_BERT, kinds_of_token=False), heads.UNPOOLED),
    "modernbert": _encoder(_MODERNBERT, heads.MODERNBERT, rules.modernbert),
    # Encoders with decoders
    **{name: _pair(_T5, _T5_NAMES, rules.t5) for name in ("t5", "mt5")},
    "bart": _pair(_BART, _BART_NAMES),
    "mbart": _pair(_MBART, _BART_NAMES),
    "marian": _pair(replace(_BART, positions=0, embedding_norm=False), _BART_NAMES),
    "pegasus": _pair(replace(_MBART, positions=0, embedding_norm=False), _BART_NAMES),
}
