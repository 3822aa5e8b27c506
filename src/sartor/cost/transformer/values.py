"""A Transformer: the parts of a language model that decide what it costs, each with its weights counted."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import reduce
from operator import add
from typing import Literal, TypeAlias

from sartor.cost.graph import element_bits
from sartor.errors import InputError


@dataclass(frozen=True)
class Weights:
    """Numbers in a checkpoint, by what computing does with them.

    Attributes:
        matrix: each is multiplied and added once per token: linear layers, kernels of convolutions over the tokens.
        vector: biases, scales of norms, sinks; their arithmetic is not counted (below 1% of the matrices').
        table: rows that are looked up: embeddings of tokens, positions, relative distances.
    """

    matrix: int = 0
    vector: int = 0
    table: int = 0

    def __add__(self, other: Weights) -> Weights:
        return Weights(self.matrix + other.matrix, self.vector + other.vector, self.table + other.table)

    def __mul__(self, times: int) -> Weights:
        return Weights(self.matrix * times, self.vector * times, self.table * times)

    @property
    def count(self) -> int:
        """All of them."""
        return self.matrix + self.vector + self.table

    @property
    def read(self) -> int:
        """Those that a step reads whole."""
        return self.matrix + self.vector


def linear(inputs: int, outputs: int, bias: bool = False) -> Weights:
    """A linear layer of `inputs x outputs` weights."""
    return Weights(inputs * outputs, outputs if bias else 0)


def summed(weights: Iterable[Weights]) -> Weights:
    """The sum; of none, no weights."""
    return reduce(add, weights, Weights())


@dataclass(frozen=True)
class Attention:
    """Softmax attention of one layer.

    Attributes:
        pair_width: numbers multiplied for one query and one key, all heads: heads x (query width + value width).
        latent_width: the same when a decode step works on the compressed cache (MLA); 0 where it does not differ.
        cached: numbers kept per token.
        window: keys that a query sees at most, itself included; None for all.
        causal: False where tokens see later ones too; such a layer keeps no cache.
        source: what runs once for each token of the encoder; set for cross-attention, which looks at those only.
    """

    weights: Weights
    pair_width: int
    cached: int
    latent_width: int = 0
    window: int | None = None
    causal: bool = True
    source: Weights | None = None


@dataclass(frozen=True)
class Recurrence:
    """A mixer whose memory does not grow: state-space model or linear attention.

    Attributes:
        state: numbers kept per sequence.
        token_flop: operations per token beyond those of the matrices, in recurrent form.
    """

    weights: Weights
    state: int
    token_flop: int


Mixer: TypeAlias = Attention | Recurrence


@dataclass(frozen=True)
class FeedForward:
    """What a layer does to each token alone.

    Attributes:
        weights: what every token meets: a dense layer, or a router with its shared experts.
        expert: weights of one routed expert.
        experts: how many there are; 0 in a dense layer.
        chosen: experts that one token meets.
    """

    weights: Weights = Weights()
    expert: Weights = Weights()
    experts: int = 0
    chosen: int = 0


@dataclass(frozen=True)
class Layer:
    """One layer: mixers (two where attention and recurrence stand side by side), feed-forward, norms."""

    mixers: tuple[Mixer, ...]
    feed_forward: FeedForward
    norms: Weights


@dataclass(frozen=True)
class Stack:
    """Layers with what stands before and after them: tables, their projections, norms."""

    layers: tuple[Layer, ...]
    around: Weights

    @property
    def mixers(self) -> tuple[Mixer, ...]:
        """Those of all layers."""
        return tuple(mixer for layer in self.layers for mixer in layer.mixers)


@dataclass(frozen=True)
class Head:
    """What turns hidden values into logits.

    Attributes:
        shared: how many of the numbers are those of the token table (tied embeddings).
        positions: whether it is needed for every token or for one only.
    """

    weights: Weights = Weights()
    shared: int = 0
    positions: Literal["all", "last"] = "last"


@dataclass(frozen=True)
class Transformer:
    """A language model as its config.json describes it.

    Attributes:
        model_type: as the config names it.
        width: hidden values per token, which a look-up of a token reads.
        stack: the layers that read the text, or write it in an encoder-decoder.
        encoder: the layers that read the source in an encoder-decoder.
        notes: what was assumed or left out, in sentences.
    """

    model_type: str
    width: int
    stack: Stack
    head: Head
    encoder: Stack | None = None
    notes: tuple[str, ...] = ()

    @property
    def generates(self) -> bool:
        """Whether it decodes token by token: some layer keeps a cache or a state."""
        return any(isinstance(mixer, Recurrence) or mixer.causal for mixer in self.stack.mixers)

    @property
    def attentions(self) -> tuple[Attention, ...]:
        """Those of the stack that writes, or that reads where there is no other."""
        return tuple(mixer for mixer in self.stack.mixers if isinstance(mixer, Attention))


def whole(name: str, value: int, least: int) -> int:
    """`value` if it is a count of at least `least`.

    Raises:
        InputError: it is not.
    """
    if isinstance(value, bool) or not isinstance(value, int) or value < least:
        raise InputError(f"{name} = {value!r}", f"a whole number of at least {least}")
    return value


def stored_bytes(count: int, dtype: str) -> int:
    """Bytes of `count` numbers, types below 8 bits packed.

    Raises:
        InputError: an element type that is not known.
    """
    try:
        return -(-count * element_bits(dtype) // 8)
    except KeyError:
        raise InputError(
            f"no element type {dtype!r}", "float32, bfloat16, float16, int8, ...", "see numpy's names"
        ) from None
