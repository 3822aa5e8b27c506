"""Read a Transformer from a Hugging Face `config.json`: no weights, no torch, no code of the model."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from sartor.cost.transformer.heads import Reader, token_width
from sartor.cost.transformer.layers import Family
from sartor.cost.transformer.settings import Settings, defaults
from sartor.cost.transformer.types import LLAMA, TYPES, Type
from sartor.cost.transformer.values import Head, Layer, Stack, Transformer, Weights, linear
from sartor.errors import ModelError, nearest
from sartor.model.checkpoint import read_json

CONFIG = "config.json"
_ALLOWED = "the config.json of a language model that transformers has itself"
_LLAMA_SIZES = ("vocab_size", "hidden_size", "intermediate_size", "num_hidden_layers", "num_attention_heads")
# Keys that say a model is no plain Llama: experts, latent or linear attention, states, norms of queries.
_NOT_LLAMA = re.compile(
    r"expert|lora_rank|layer_types|mamba|ssm|conv|linear_|qk_|cross_|encoder|moe|attn_type|block_types|kv_shared"
)
_LANGUAGE_PARTS = ("text_config", "llm_config", "language_config")


def read_transformer(config: Mapping[str, Any] | str | Path) -> Transformer:
    """The model that a config describes.

    Args:
        config: the content of a `config.json`, its path, or the folder it lies in.

    A model type that is not known is read as a Llama, with a note, where it has Llama's sizes and no key that
    speaks of another layout. Of a model that also sees or hears, the language part is read, with a note.

    Raises:
        ModelError: no such file, an unknown type, a size missing or impossible, or code of its own needed.
    """
    content = config if isinstance(config, Mapping) else _file(Path(config))
    part = next((key for key in _LANGUAGE_PARTS if isinstance(content.get(key), Mapping)), None)
    if part:
        return _assembled(_language_part(content, part), (f"only `{part}` is counted, no other part of the model",))
    return _assembled(content, ())


def _file(path: Path) -> Mapping[str, Any]:
    file = path / CONFIG if path.is_dir() else path
    if not file.is_file():
        raise ModelError(f"{path} has no {CONFIG}" if path.is_dir() else f"no file {path}", f"a folder with {CONFIG}")
    return read_json(file)


def _language_part(content: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    """The nested config; whether its embeddings are tied may be said outside."""
    outer = {name: content[name] for name in ("tie_word_embeddings", "quantization_config") if name in content}
    return {**outer, **content[key]}


def _assembled(content: Mapping[str, Any], notes: tuple[str, ...]) -> Transformer:
    kind, found, told = _type(content)
    _refuse_part(content, found)
    settings = Settings(kind, content, defaults().get(found.defaults_of or kind, {}), found.names)
    family = found.shape(settings, found.family)
    ending = _ending(content, found)
    return Transformer(
        kind,
        token_width(settings, family),
        _stack(settings, family),
        _head(settings, family, found.heads.get(ending)),
        _encoder(settings, found),
        (*notes, *told, *_left_out(content, settings, found, ending)),
    )


def _refuse_part(content: Mapping[str, Any], found: Type) -> None:
    """One side of a pair alone would need the other's sizes left out."""
    names = content.get("architectures") or []
    if found.encoder and names and str(names[0]).endswith("EncoderModel"):
        raise ModelError(f"{names[0]} is the encoder of a pair only", "the whole encoder-decoder")


def _type(content: Mapping[str, Any]) -> tuple[str, Type, tuple[str, ...]]:
    kind = content.get("model_type")
    if not isinstance(kind, str):
        raise ModelError("the config has no `model_type`", _ALLOWED)
    if kind in TYPES:
        return kind, TYPES[kind], ()
    if "auto_map" in content:
        raise ModelError(
            f"a {kind} model asks for remote code: `auto_map` in its {CONFIG}",
            f"{_ALLOWED}; code of a model is never run",
            "export the model to ONNX and inspect that file",
        )
    if "vocab_size" not in content:
        raise ModelError(f"a {kind} model has no `vocab_size`: no language model", _ALLOWED, nearest(kind, TYPES))
    foreign = sorted(key for key, value in content.items() if _NOT_LLAMA.search(key) and value)
    missing = [key for key in _LLAMA_SIZES if not isinstance(content.get(key), int)]
    if missing or foreign or "rms_norm_eps" not in content:
        reason = f"`{(missing or foreign or ['rms_norm_eps'])[0]}`"
        why = f"{reason} says that its layers are not Llama's" if foreign and not missing else f"{reason} is missing"
        raise ModelError(f"models of type {kind} are not known, and {why}", ", ".join(TYPES), nearest(kind, TYPES))
    return kind, Type(LLAMA), (f"{kind} is not known: counted as a Llama of its sizes",)


def _left_out(content: Mapping[str, Any], settings: Settings, found: Type, ending: str) -> tuple[str, ...]:
    notes = []
    if ending not in found.heads:
        notes.append(f"the head of {(content.get('architectures') or [''])[0]} is not known and not counted")
    if settings.number("num_nextn_predict_layers", 0, least=0) and "num_nextn_predict_layers" in content:
        notes.append("layers that predict further tokens (MTP) are not counted")
    if content.get("quantization_config"):
        notes.append("the weights are quantised: bytes are counted in the element type asked for")
    return tuple(notes)


def _ending(content: Mapping[str, Any], found: Type) -> str:
    """The longest known ending of the architecture's name; the name itself where none is known."""
    names = content.get("architectures") or [found.plain]
    endings = [ending for ending in sorted(found.heads, key=len, reverse=True) if str(names[0]).endswith(ending)]
    return endings[0] if endings else str(names[0])


def _head(settings: Settings, family: Family, reader: Reader | None) -> Head:
    return reader(settings, family) if reader else Head()


def _encoder(settings: Settings, found: Type) -> Stack | None:
    """The encoder of a pair, without the token table that it shares with the decoder."""
    if found.encoder is None:
        return None
    named = Settings(settings.model_type, settings.given, settings.defaults, found.encoder_names)
    return _stack(named, found.shape(named, found.encoder), tokens=False)


def _stack(settings: Settings, family: Family, tokens: bool = True) -> Stack:
    windows = family.windows(settings)
    family = replace(family, windows=lambda settings: windows)
    layers = tuple(_layer(settings, family, layer) for layer in range(settings.number("num_hidden_layers")))
    return Stack(layers, _around(settings, family, tokens))


def _layer(settings: Settings, family: Family, layer: int) -> Layer:
    norms = family.norms(settings, layer) * family.norm * settings.number("hidden_size")
    mixers = family.mixer(settings, family, layer)
    return Layer(mixers, family.feed_forward(settings, family, layer), Weights(vector=norms))


def _around(settings: Settings, family: Family, tokens: bool) -> Weights:
    """Tables, norms before and after the layers, projections of a narrower token table."""
    hidden, narrow = settings.number("hidden_size"), token_width(settings, family)
    other = hidden if family.projected_back else narrow
    table = settings.number("vocab_size") * narrow if tokens else 0
    if family.kinds_of_token:
        table += settings.number("type_vocab_size", 0, least=0) * other
    if family.positions is not None:
        table += (settings.number("max_position_embeddings") + family.positions) * other
    if family.distances:
        table += settings.number("relative_attention_num_buckets") * settings.number("num_attention_heads")
    norms = (other if family.embedding_norm else 0) + (hidden if family.final_norm(settings) else 0)
    return _projections(family, hidden, narrow) + Weights(vector=family.norm * norms, table=table)


def _projections(family: Family, hidden: int, narrow: int) -> Weights:
    if hidden == narrow:
        return Weights()
    return linear(narrow, hidden) * 2 if family.projected_back else linear(narrow, hidden, bias=True)
