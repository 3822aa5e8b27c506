"""Small tokenizers and WAV files for the tests of steps."""

from __future__ import annotations

import io
import wave
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

WORDS = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "good", "bad", "film", "a", "the", "very")


def write_tokenizer(file: Path, special: bool = True) -> Path:
    """A tokenizer of whole words with [CLS] and [SEP], which (as many do) declares its own cutting and padding."""
    from tokenizers import Tokenizer, models, pre_tokenizers, processors

    tokenizer = Tokenizer(models.WordLevel({word: number for number, word in enumerate(WORDS)}, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    if special:
        pieces = [("[CLS]", 2), ("[SEP]", 3)]
        tokenizer.post_processor = processors.TemplateProcessing(single="[CLS] $A [SEP]", special_tokens=pieces)
    tokenizer.enable_truncation(3)
    tokenizer.enable_padding(length=99)
    file.parent.mkdir(parents=True, exist_ok=True)
    tokenizer.save(str(file))
    return file


def wav_bytes(samples: NDArray[np.int16], rate: int = 8000) -> bytes:
    """(samples,) or (samples, channels) int16 as a WAV file of the standard library."""
    buffer = io.BytesIO()
    with wave.open(buffer, "wb") as file:
        file.setnchannels(1 if samples.ndim == 1 else samples.shape[1])
        file.setsampwidth(2)
        file.setframerate(rate)
        file.writeframes(samples.astype("<i2").tobytes())
    return buffer.getvalue()


def sounds(rate: int, seconds: float) -> list[NDArray[np.float32]]:
    """Noise, tones, a tone that rises, silence, and noise that ends in silence; each of `seconds`."""
    random, count = np.random.default_rng(0), int(rate * seconds)
    time = np.arange(count) / rate
    turns = 2 * np.pi * time
    clips = [
        random.normal(0, 0.2, count),
        random.normal(0, 0.001, count),
        0.9 * np.sin(turns * rate / 36),
        0.5 * np.sin(turns * rate / 2.3) + 0.3,
        np.sin(turns * time * rate / 8),
        np.zeros(count),
        np.where(time < seconds / 2, random.normal(0, 0.5, count), 0),
    ]
    return [clip.astype(np.float32) for clip in clips]
