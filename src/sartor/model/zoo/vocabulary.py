"""A tokenizer for texts that come without one, learnt on the train split. The tokenizers library does the work."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from sartor.errors import DataError

SIZE = 8000
"""Tokens of a vocabulary at most, and rows of the embeddings of every zoo model for texts."""
PAD, UNKNOWN, START = "[PAD]", "[UNK]", "[CLS]"
_SPECIAL = (PAD, UNKNOWN, START)  # numbered 0, 1, 2


def train_tokenizer(texts: Iterable[str], to: Path, size: int = SIZE) -> Path:
    """Learn byte-pair encoding (Sennrich et al. 2016, arXiv 1508.07909) and write `tokenizer.json`.

    Texts are lower-cased and start with one special token, so that no text is empty. The padding token is 0.
    Characters that the texts do not have become the unknown token.

    Args:
        texts: of the train split only.
        to: the file to write.
        size: tokens at most.

    Returns:
        `to`.

    Raises:
        DataError: no text with anything to read in it.
    """
    from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors, trainers

    tokenizer = Tokenizer(models.BPE(unk_token=UNKNOWN))
    tokenizer.normalizer = normalizers.Sequence([normalizers.NFKC(), normalizers.Lowercase()])
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence([pre_tokenizers.Metaspace(), pre_tokenizers.Punctuation()])
    trainer = trainers.BpeTrainer(
        vocab_size=size, min_frequency=2, special_tokens=list(_SPECIAL), limit_alphabet=size // 4, show_progress=False
    )
    tokenizer.train_from_iterator(texts, trainer)
    if tokenizer.get_vocab_size() <= len(_SPECIAL) + 1:  # and the mark of a word's start
        raise DataError("texts without any characters", "texts to learn a vocabulary from")
    tokenizer.post_processor = processors.TemplateProcessing(
        single=f"{START} $A", special_tokens=[(START, _SPECIAL.index(START))]
    )
    to.parent.mkdir(parents=True, exist_ok=True)
    tokenizer.save(str(to))
    return to
