"""Texts -> token ids, with the model's own `tokenizer.json`. The tokenizers library is loaded when needed."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sartor.errors import InputError, nearest
from sartor.steps.base import Array
from sartor.steps.prepared import Prepared
from sartor.steps.shapes import read_count, read_keys

INPUTS = ("input_ids", "attention_mask", "token_type_ids")
_FIELDS = {"input_ids": "ids", "attention_mask": "attention_mask", "token_type_ids": "type_ids"}
_TEXTS_A_CALL = 1024  # encodings are a hundred times as large as the ids taken from them


@dataclass(frozen=True)
class Tokenise:
    """Texts -> the arrays that a language model takes, padded at their end.

    Attributes:
        file: the `tokenizer.json`; its own truncation length and padding are not used.
        max_length: longer texts are cut to so many tokens, the special ones included.
        pad_to: every row gets this length (and longer texts are cut to it); None pads to the longest row.
        pad_id: fills the ids; the other inputs are filled with 0.
        inputs: what the model takes, by its own names and in its order.
        kinds: which of INPUTS each of them is; by default their names say it.
    """

    file: Path
    max_length: int
    pad_to: int | None = None
    pad_id: int = 0
    inputs: tuple[str, ...] = ("input_ids", "attention_mask")
    kinds: tuple[str, ...] = ()

    @classmethod
    def read(cls, given: Any) -> Tokenise:
        """From `{file: tokenizer.json, max_length: 128, pad_to: 64, pad_id: 0, inputs: [input_ids]}`.

        Only `file` and `max_length` are required; the file is not opened. A model with other names for its inputs
        says which is which: `inputs: {tokens: input_ids, mask: attention_mask}`.
        """
        keys = read_keys(given, "tokenise", ("file", "max_length"), ("pad_to", "pad_id", "inputs"))
        file, pad_to, pad_id = keys["file"], keys.get("pad_to"), keys.get("pad_id", 0)
        if not isinstance(file, (str, Path)) or not str(file):
            raise InputError(f"tokenise: file is {file!r}", "the path of a tokenizer.json")
        if type(pad_id) is not int or pad_id < 0:
            raise InputError(f"tokenise: pad_id is {pad_id!r}", "a whole number, 0 or above")
        inputs, kinds = _read_inputs(keys.get("inputs", cls.inputs))
        return cls(
            Path(file),
            read_count(keys["max_length"], "tokenise", "max_length"),
            None if pad_to is None else read_count(pad_to, "tokenise", "pad_to"),
            pad_id,
            inputs,
            kinds,
        )

    @property
    def _kinds(self) -> dict[str, str]:
        """Which of INPUTS each input of the model is."""
        return dict(zip(self.inputs, self.kinds or self.inputs, strict=True))

    @property
    def longest(self) -> int:
        """No row has more tokens than this."""
        return self.max_length if self.pad_to is None else min(self.max_length, self.pad_to)

    def apply(self, batch: Array | Sequence[str]) -> Prepared:
        """(n,) texts -> (n, t) int64 for each of `inputs`, with the lengths of the rows unless `pad_to` is set.

        Raises:
            InputError: no texts, something that is no text, or a tokenizer file that cannot be used.
        """
        found: dict[str, list[NDArray[np.int64]]] = {name: [] for name in self.inputs}
        lengths: list[int] = []
        for encodings in self._encoded(_checked_texts(batch)):
            lengths += [len(encoding) for encoding in encodings]
            for name, flat in found.items():
                field = _FIELDS[self._kinds[name]]
                tokens = (token for encoding in encodings for token in getattr(encoding, field))
                flat.append(np.fromiter(tokens, dtype=np.int64))
        padding = {name: float(self.pad_id if kind == "input_ids" else 0) for name, kind in self._kinds.items()}
        # A text without any token still takes one (padding) place: no model takes rows of length 0.
        width = self.pad_to or max(1, *lengths)
        used = np.arange(width) < np.array(lengths)[:, np.newaxis]
        arrays = {name: _filled(used, np.concatenate(flat), int(padding[name])) for name, flat in found.items()}
        if self.pad_to is not None:
            return Prepared(arrays)
        return Prepared(arrays, np.maximum(np.array(lengths, dtype=np.int64), 1), padding)

    def truncated(self, texts: Array | Sequence[str]) -> int:
        """How many texts are cut, since they have more than `longest` tokens."""
        batches = self._encoded(_checked_texts(texts))
        return sum(bool(encoding.overflowing) for encodings in batches for encoding in encodings)

    def _encoded(self, texts: list[str]) -> Iterator[list[Any]]:
        tokenizer = _open_tokenizer(self.file, self.longest)
        for first in range(0, len(texts), _TEXTS_A_CALL):
            try:
                yield tokenizer.encode_batch_fast(texts[first : first + _TEXTS_A_CALL])
            except TypeError:  # half of a surrogate pair, as JSON may carry it
                raise InputError("a text that is no valid Unicode", "texts", "remove broken characters") from None

    @property
    def files(self) -> tuple[Path, ...]:
        """What a bundle has to carry for this step."""
        return (self.file,)

    def with_files(self, moved: Mapping[Path, str]) -> Tokenise:
        """The same step on files that lie elsewhere; files not in `moved` stay."""
        return replace(self, file=Path(moved.get(self.file, self.file)))

    def as_dict(self) -> dict[str, Any]:
        """The form of the Need."""
        pad_to = {} if self.pad_to is None else {"pad_to": self.pad_to}
        settings = {"file": str(self.file), "max_length": self.max_length, **pad_to}
        inputs = self._kinds if self.kinds else list(self.inputs)
        return {"tokenise": {**settings, "pad_id": self.pad_id, "inputs": inputs}}


def _read_inputs(given: Any) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Names of the model's inputs, and which of INPUTS each is; the latter empty where the names say it."""
    renamed = isinstance(given, Mapping)
    kinds = tuple(given.values()) if renamed else tuple(given) if isinstance(given, (list, tuple)) else ()
    unknown = next((kind for kind in kinds if kind not in INPUTS), None)
    if not kinds or unknown is not None or len(set(kinds)) < len(kinds):
        hint = "" if unknown is None else nearest(str(unknown), INPUTS)
        allowed = f"a list of some of {', '.join(INPUTS)}, or {{model's own name: one of them}}"
        raise InputError(f"tokenise: inputs is {given!r}", allowed, hint)
    return (tuple(map(str, given)), kinds) if renamed else (kinds, ())


def _checked_texts(batch: Array | Sequence[str]) -> list[str]:
    texts = batch.tolist() if isinstance(batch, np.ndarray) else list(batch)
    wrong = next((number for number, text in enumerate(texts) if not isinstance(text, str)), None)
    if wrong is not None:
        came = f"a {type(texts[wrong]).__name__} in row {wrong + 1}"
        raise InputError(f"tokenise: {came}", "texts", "name the column of the texts with `input:`")
    if not texts:
        raise InputError("tokenise: no texts", "at least one text")
    return texts


def _filled(used: NDArray[np.bool_], flat: NDArray[np.int64], pad: int) -> Array:
    """`flat` laid out row by row where `used` is true, `pad` elsewhere."""
    rows = np.full(used.shape, pad, dtype=np.int64)
    rows[used] = flat
    return rows


def _open_tokenizer(file: Path, max_length: int) -> Any:
    try:
        stamp = file.stat()
    except OSError as reason:
        raise _unusable(file, reason.strerror or str(reason)) from None
    return _cached_tokenizer(file, max_length, stamp.st_mtime_ns, stamp.st_size)


@lru_cache(maxsize=8)
def _cached_tokenizer(file: Path, max_length: int, changed: int, size: int) -> Any:
    """Opened once in a process, unless the file changes; never altered afterwards, so threads may share it."""
    # Its threads would compete with the runtime for the cores that were measured.
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    from tokenizers import Tokenizer

    try:
        tokenizer = Tokenizer.from_buffer(file.read_bytes())
    except (OSError, ValueError) as reason:
        raise _unusable(file, str(reason)) from None
    special = tokenizer.num_special_tokens_to_add(is_pair=False)
    # The library does not cut at all where the special tokens alone fill the row.
    if max_length <= special:
        came = f"tokenise: {max_length} tokens, but {file.name} adds {special} special ones to every text"
        raise InputError(came, f"at least {special + 1}", "raise max_length (and pad_to)")
    side = (tokenizer.truncation or {}).get("direction", "right")
    tokenizer.no_padding()
    tokenizer.enable_truncation(max_length, direction=side)
    return tokenizer


def _unusable(file: Path, reason: str) -> InputError:
    return InputError(
        f"tokenizer {file} cannot be read: {reason}",
        "the tokenizer.json of the model",
        "save it with tokenizer.save_pretrained(folder) of a fast tokenizer",
    )
