"""The heads of language models: what turns hidden values into logits, by the ending of an architecture's name."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from sartor.cost.transformer.layers import Family
from sartor.cost.transformer.settings import Settings
from sartor.cost.transformer.values import Head, Weights, linear

Reader = Callable[[Settings, Family], Head]

_TWO = 2  # classes where the config names none, as in transformers


def labels(settings: Settings) -> int:
    """Classes of a classification head."""
    names = settings.optional("id2label")
    return len(names) if names else settings.number("num_labels", _TWO)


def none(settings: Settings, family: Family) -> Head:
    """The hidden values themselves."""
    return Head()


def next_token(settings: Settings, family: Family) -> Head:
    """Logits over the vocabulary; the matrix is the token table where embeddings are tied."""
    return _vocabulary(settings, token_width(settings, family), settings.truth(family.head_bias))


def one_per_class(settings: Settings, family: Family) -> Head:
    """Decoders that classify: a matrix without bias."""
    return Head(linear(token_width(settings, family), labels(settings)))


def _vocabulary(settings: Settings, width: int, bias: bool) -> Head:
    weights = linear(width, settings.number("vocab_size"), bias)
    return Head(weights, weights.matrix if settings.truth("tie_word_embeddings") else 0)


def token_width(settings: Settings, family: Family) -> int:
    """Width of the token table: H, or narrower with projections."""
    hidden = settings.number("hidden_size")
    return settings.number(family.embedding_width, hidden) if family.embedding_width else hidden


def pooled(settings: Settings, family: Family) -> Head:
    """A square layer over the first token (BERT's pooler)."""
    hidden = settings.number("hidden_size")
    return Head(linear(hidden, hidden, True))


def pooled_classes(settings: Settings, family: Family) -> Head:
    """A square layer over the first token, then the classes."""
    hidden = settings.number("hidden_size")
    return Head(linear(hidden, hidden, True) + linear(hidden, labels(settings), True))


def token_classes(settings: Settings, family: Family) -> Head:
    """Classes for every token."""
    return Head(linear(settings.number("hidden_size"), labels(settings), True), positions="all")


def masked_token(settings: Settings, family: Family) -> Head:
    """A square layer, a norm, then logits over the vocabulary with a bias, for every token (BERT)."""
    hidden, width = settings.number("hidden_size"), token_width(settings, family)
    vocabulary = _vocabulary(settings, width, True)
    return Head(linear(hidden, width, True) + Weights(vector=2 * width) + vocabulary.weights, vocabulary.shared, "all")


def _modern_dense(settings: Settings, family: Family) -> Weights:
    hidden = settings.number("hidden_size")
    return linear(hidden, hidden, settings.truth("classifier_bias")) + Weights(vector=family.norm * hidden)


def _modern_masked(settings: Settings, family: Family) -> Head:
    vocabulary = _vocabulary(settings, settings.number("hidden_size"), settings.truth("decoder_bias"))
    return Head(_modern_dense(settings, family) + vocabulary.weights, vocabulary.shared, "all")


def _modern_classes(settings: Settings, family: Family) -> Head:
    return Head(_modern_dense(settings, family) + linear(settings.number("hidden_size"), labels(settings), True))


def _modern_token_classes(settings: Settings, family: Family) -> Head:
    return Head(_modern_classes(settings, family).weights, positions="all")


GENERATIVE: Mapping[str, Reader] = {
    "ForCausalLM": next_token,
    "LMHeadModel": next_token,
    "ForSequenceClassification": one_per_class,
    "Model": none,
}
SEQUENCE: Mapping[str, Reader] = {
    "ForConditionalGeneration": next_token,
    "MTModel": next_token,
    "WithLMHeadModel": next_token,
    "Model": none,
}
BERT: Mapping[str, Reader] = {
    "ForMaskedLM": masked_token,
    "ForSequenceClassification": pooled_classes,
    "ForTokenClassification": token_classes,
    "Model": pooled,
}
UNPOOLED: Mapping[str, Reader] = {**BERT, "Model": none}
MODERNBERT: Mapping[str, Reader] = {
    "ForMaskedLM": _modern_masked,
    "ForSequenceClassification": _modern_classes,
    "ForTokenClassification": _modern_token_classes,
    "Model": none,
}
