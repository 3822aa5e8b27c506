"""Parameters of a language model and the bytes of its cache, from its config alone."""

from __future__ import annotations

from sartor.cost.transformer.values import (
    Attention,
    Layer,
    Recurrence,
    Transformer,
    Weights,
    stored_bytes,
    summed,
    whole,
)


def parameters(model: Transformer) -> int:
    """Trained numbers in the checkpoint; tied embeddings count once."""
    return _count(model, active=False)


def active_parameters(model: Transformer) -> int:
    """Those that one token meets: all but the experts it is not sent to. Tables of embeddings count whole."""
    return _count(model, active=True)


def _count(model: Transformer, active: bool) -> int:
    stacks = [stack for stack in (model.stack, model.encoder) if stack]
    parts = [stack.around for stack in stacks]
    parts += [_layer_weights(layer, active) for stack in stacks for layer in stack.layers]
    return summed(parts).count + model.head.weights.count - model.head.shared


def _layer_weights(layer: Layer, active: bool) -> Weights:
    mixers = [mixer.weights for mixer in layer.mixers]
    sources = [mixer.source for mixer in layer.mixers if isinstance(mixer, Attention) and mixer.source]
    inner = layer.feed_forward
    experts = inner.expert * (inner.chosen if active else inner.experts)
    return summed([*mixers, *sources, layer.norms, inner.weights, experts])


def kv_bytes_per_token(model: Transformer, dtype: str = "bfloat16") -> int:
    """Bytes by which the cache of one sequence grows per token while no window is full; 0 for encoders.

    Per layer 2 x heads of keys x width, or r_kv + d_rope with latent attention (DeepSeek-V2, arXiv:2405.04434,
    table 1).
    """
    return stored_bytes(sum(mixer.cached for mixer in model.attentions if not mixer.source), dtype)


def kv_bytes(
    model: Transformer, context: int, batch: int = 1, dtype: str = "bfloat16", source: int | None = None
) -> int:
    """Bytes that `batch` sequences of `context` tokens keep: caches, full windows and recurrent states.

    Args:
        dtype: element type of the cache and of the states, which some runtimes keep in float32.
        source: tokens of the encoder's input in an encoder-decoder; as many as `context` where None.
    """
    whole("context", context, 0), whole("batch", batch, 1)
    source = context if source is None else whole("source", source, 1)
    kept = sum(mixer.cached * _kept_tokens(mixer, context, source) for mixer in model.attentions)
    kept += sum(mixer.state for mixer in model.stack.mixers if isinstance(mixer, Recurrence))
    return stored_bytes(kept * batch, dtype)


def _kept_tokens(mixer: Attention, context: int, source: int) -> int:
    return source if mixer.source else min(context, mixer.window or context)
