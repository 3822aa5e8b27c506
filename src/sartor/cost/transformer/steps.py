"""What one prefill and one step of decoding take, counted from a Transformer.

What is counted. FLOP: two per weight of a matrix and token, and two per number multiplied for a query and a key that
it sees; softmax, norms, activations and rotations are left out (below 1%). Attention is counted as a kernel of the
flash kind computes it: only pairs inside the mask, both for the triangle and for windows (Dao 2023, arXiv:2307.08691,
section 3.1). Bytes: weights once per step, the cache read and written; activations are taken to stay on the chip.
"""

from __future__ import annotations

from typing import Literal

from sartor.cost.costs import Cost, total
from sartor.cost.transformer.values import (
    Attention,
    FeedForward,
    Head,
    Recurrence,
    Stack,
    Transformer,
    Weights,
    stored_bytes,
    whole,
)
from sartor.errors import ModelError

Logits = Literal["all", "last"]


def expected_experts(experts: int, chosen: int, tokens: int) -> float:
    """Distinct experts that `tokens` tokens meet, if each is sent to `chosen` of them at random.

    One token leaves an expert out with probability 1 - chosen / experts; independent tokens all do so with its
    power; expectations add: experts x (1 - (1 - chosen / experts) ** tokens). Real routing is less even: fewer.
    """
    return experts * (1 - (1 - chosen / experts) ** tokens) if experts else 0.0


def prefill_cost(
    model: Transformer, batch: int, length: int, dtype: str = "bfloat16", logits: Logits | None = None
) -> Cost:
    """The cost of reading `batch` sequences of `length` tokens; of an encoder-decoder, the source, none written yet.

    Args:
        dtype: element type of weights, cache and arithmetic.
        logits: for every token or one per sequence; where None, one if the model generates, else what its head needs.

    Raises:
        InputError: a count below 1, or an element type that is not known.
    """
    whole("batch", batch, 1), whole("length", length, 1)
    tokens = batch * length
    stack = model.encoder or model.stack
    cost = _tokens_cost(stack, model.width, tokens, dtype)
    cost += total(_reading_cost(mixer, batch, length, dtype) for mixer in stack.mixers)
    if model.encoder:
        return cost + total(_source_cost(mixer, tokens, dtype) for mixer in model.attentions if mixer.source)
    every = (logits or model.head.positions) == "all"
    return cost + _head_cost(model.head, tokens if every else batch, dtype)


def decode_cost(
    model: Transformer, batch: int, context: int, dtype: str = "bfloat16", source: int | None = None
) -> Cost:
    """The cost of one more token for each of `batch` sequences that have `context` tokens already.

    Args:
        dtype: element type of weights, cache and arithmetic.
        source: tokens of the encoder's input in an encoder-decoder; as many as `context` where None.

    Raises:
        ModelError: an encoder, which writes nothing.
        InputError: a count out of range, or an element type that is not known.
    """
    if not model.generates:
        raise ModelError(f"a {model.model_type} model writes no text", "a decoder", "ask for the cost of reading")
    whole("batch", batch, 1), whole("context", context, 0)
    source = context if source is None else whole("source", source, 1)
    cost = _tokens_cost(model.stack, model.width, batch, dtype)
    cost += total(_writing_cost(mixer, batch, context + 1, source, dtype) for mixer in model.stack.mixers)
    return cost + _head_cost(model.head, batch, dtype)


def seen_pairs(length: int, window: int | None = None, causal: bool = True) -> int:
    """Pairs of a query and a key that it sees, in a sequence that is read at once.

    Causal: query i sees min(i + 1, window) keys, n (n + 1) / 2 + (length - n) n pairs with n = min(length, window).
    Both ways: those up to (window - 1) / 2 away on each side, and itself.

    >>> seen_pairs(4), seen_pairs(4, window=2), seen_pairs(4, causal=False), seen_pairs(4, window=3, causal=False)
    (10, 7, 16, 10)
    """
    if causal:
        reach = min(length, window or length)
        return reach * (reach + 1) // 2 + (length - reach) * reach
    side = min(length, (window + 1) // 2 if window else length)
    return 2 * (side * (side + 1) // 2 + (length - side) * side) - length


def _tokens_cost(stack: Stack, width: int, tokens: int, dtype: str) -> Cost:
    """What every token meets alone: look-up, matrices, experts; attention over pairs comes on top."""
    looked_up = stored_bytes(width * tokens, dtype)
    cost = Cost(read_bytes=looked_up, weight_bytes=looked_up) + _weights_cost(stack.around, tokens, dtype)
    for layer in stack.layers:
        for mixer in layer.mixers:
            cost += _weights_cost(mixer.weights, tokens, dtype)
        cost += _weights_cost(layer.norms, tokens, dtype) + _feed_forward_cost(layer.feed_forward, tokens, dtype)
    return cost


def _weights_cost(weights: Weights, tokens: int, dtype: str) -> Cost:
    """Weights read once for all tokens."""
    read = stored_bytes(weights.read, dtype)
    return Cost({dtype: 2.0 * weights.matrix * tokens}, read_bytes=read, weight_bytes=read, operators=1)


def _feed_forward_cost(part: FeedForward, tokens: int, dtype: str) -> Cost:
    """Arithmetic of the chosen experts; of weights, those of the distinct experts that are expected."""
    read = expected_experts(part.experts, part.chosen, tokens) * stored_bytes(part.expert.read, dtype)
    flop = 2.0 * part.expert.matrix * part.chosen * tokens
    return _weights_cost(part.weights, tokens, dtype) + Cost({dtype: flop}, read_bytes=read, weight_bytes=read)


def _reading_cost(mixer: Attention | Recurrence, batch: int, length: int, dtype: str) -> Cost:
    """Mixing the tokens of whole sequences: the cache is written once and read once."""
    if isinstance(mixer, Recurrence):
        kept = stored_bytes(mixer.state * batch, dtype)
        return Cost({dtype: float(mixer.token_flop * batch * length)}, written_bytes=kept)
    kept = stored_bytes(mixer.cached * batch * length, dtype)
    pairs = seen_pairs(length, mixer.window, mixer.causal) * batch
    return Cost({dtype: 2.0 * mixer.pair_width * pairs}, read_bytes=kept, written_bytes=kept)


def _writing_cost(mixer: Attention | Recurrence, batch: int, context: int, source: int, dtype: str) -> Cost:
    """Mixing one token of each sequence with the `context` tokens that it ends, or with the source."""
    if isinstance(mixer, Recurrence):
        state = stored_bytes(mixer.state * batch, dtype)
        return Cost({dtype: float(mixer.token_flop * batch)}, read_bytes=state, written_bytes=state)
    keys = source if mixer.source else min(context, mixer.window or context)
    read = stored_bytes(mixer.cached * batch * keys, dtype)
    written = 0 if mixer.source else stored_bytes(mixer.cached * batch, dtype)
    flop = 2.0 * (mixer.latent_width or mixer.pair_width) * batch * keys
    return Cost({dtype: flop}, read_bytes=read, written_bytes=written)


def _source_cost(mixer: Attention, tokens: int, dtype: str) -> Cost:
    """Keys and values of the source for one layer of the decoder."""
    assert mixer.source is not None
    return _weights_cost(mixer.source, tokens, dtype) + Cost(written_bytes=stored_bytes(mixer.cached * tokens, dtype))


def _head_cost(head: Head, positions: int, dtype: str) -> Cost:
    return _weights_cost(head.weights, positions, dtype)
