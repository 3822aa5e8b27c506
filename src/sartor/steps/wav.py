"""Read WAV files: RIFF, whole numbers of 8 to 32 bits or floats, any number of channels.

Done here because `wave` of the standard library knows no floats, and scipy reports a file that breaks off
as a warning, which threads of a server cannot catch safely.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from sartor.errors import InputError
from sartor.steps.base import Array

WHOLE, FLOAT, EXTENSIBLE = 1, 3, 0xFFFE  # format tags
_TYPES = {(WHOLE, 8): "<u1", (WHOLE, 16): "<i2", (WHOLE, 32): "<i4", (FLOAT, 32): "<f4", (FLOAT, 64): "<f8"}
_UNKNOWN_SIZE = 0xFFFFFFFF  # written by programs that stream and cannot know
_RATES = range(100, 400_001)  # Hz; beyond, the resampling filter would need gigabytes
_FORMS = "a WAV file (whole numbers of 8, 16, 24 or 32 bits, or floats)"


@dataclass(frozen=True)
class Sound:
    """One clip: (samples,) float32 from -1 to 1, the mean of its channels, with its rate in Hz."""

    samples: NDArray[np.float32]
    rate: int


@dataclass(frozen=True)
class _Format:
    tag: int
    channels: int
    rate: int
    bits: int


def read_wav(source: str | Path | bytes | bytearray) -> Sound:
    """A WAV file, or its bytes.

    Raises:
        InputError: missing, no WAV, damaged, an encoding other than the ones above, or without samples.
    """
    name = "the sound" if isinstance(source, (bytes, bytearray)) else f"sound {source}"
    try:
        content = bytes(source) if isinstance(source, (bytes, bytearray)) else Path(source).read_bytes()
        return _sound(content)
    except (OSError, ValueError) as reason:
        hint = "check the path and the file; other formats convert with `ffmpeg -i IN OUT.wav`"
        raise InputError(f"{name} cannot be read: {reason}", _FORMS, hint) from None


def full_scale(samples: Array) -> NDArray[np.float32]:
    """Samples of any of the types above -> float32 from -1 to 1; floats stay as they are."""
    if samples.dtype.kind == "f":
        return samples.astype(np.float32, copy=False)
    if samples.dtype == np.uint8:  # the only type without a sign, and with silence in its middle
        return (samples.astype(np.float32) - 128) / np.float32(128)
    return samples.astype(np.float32) / np.float32(2 ** (8 * samples.dtype.itemsize - 1))


def _sound(content: bytes) -> Sound:
    if content[:4] != b"RIFF" or content[8:12] != b"WAVE":
        raise ValueError("it does not begin with RIFF and WAVE")
    form: _Format | None = None
    for name, body in _chunks(content):
        if name == b"fmt ":
            form = _read_format(body)
        if name == b"data":
            if form is None:
                raise ValueError("samples before their format")
            return Sound(_samples(body, form), form.rate)
    raise ValueError("it holds no samples")


def _chunks(content: bytes) -> Iterator[tuple[bytes, bytes]]:
    position = 12
    while position + 8 <= len(content):
        name, size = struct.unpack_from("<4sI", content, position)
        body = content[position + 8 : position + 8 + size]
        if len(body) < size != _UNKNOWN_SIZE:
            raise ValueError(f"it breaks off: {len(body)} of {size} bytes of its part {name.decode('latin-1')!r}")
        yield name, body
        position += 8 + size + size % 2


def _read_format(body: bytes) -> _Format:
    if len(body) < 16:
        raise ValueError("its format is cut off")
    tag, channels, rate, _, _, bits = struct.unpack_from("<HHIIHH", body)
    if tag == EXTENSIBLE and len(body) >= 26:
        (tag,) = struct.unpack_from("<H", body, 24)
    if (tag, bits) not in {*_TYPES, (WHOLE, 24)}:
        raise ValueError(f"its encoding ({tag}) with {bits} bits is not known here")
    if channels == 0 or rate not in _RATES:
        raise ValueError(f"{channels} channels at {rate} Hz")
    return _Format(tag, channels, rate, bits)


def _samples(body: bytes, form: _Format) -> NDArray[np.float32]:
    frame = form.channels * form.bits // 8
    body = body[: len(body) - len(body) % frame]
    if not body:
        raise ValueError("it holds no samples")
    numbers = _wide(body) if form.bits == 24 else np.frombuffer(body, dtype=_TYPES[form.tag, form.bits])
    mono: NDArray[np.float32] = full_scale(numbers).reshape(-1, form.channels).mean(axis=1)
    if not np.isfinite(mono).all():
        raise ValueError("NaN or infinity among its samples")
    return mono


def _wide(body: bytes) -> NDArray[np.int32]:
    """24-bit numbers as the upper bytes of 32-bit ones."""
    wide = np.zeros((len(body) // 3, 4), dtype=np.uint8)
    wide[:, 1:] = np.frombuffer(body, dtype=np.uint8).reshape(-1, 3)
    return wide.view("<i4").reshape(-1)
