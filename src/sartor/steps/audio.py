"""Steps on sound: decode what a user has, bring clips to one length, level them.

A clip is (samples,) float32. Clips of several lengths are an (n,) array of objects; of one length, (n, samples).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from math import gcd, isfinite
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sartor.errors import InputError
from sartor.steps.base import Array
from sartor.steps.shapes import read_count, read_keys
from sartor.steps.wav import full_scale, read_wav

_FORMS = "a WAV file, its bytes, or samples: floats from -1 to 1, or int16, int32 or uint8"
_SAMPLE_TYPES = (np.uint8, np.int16, np.int32)
_TINY = 1e-7  # keeps a silent row from being divided by 0


def as_clip(item: Any) -> NDArray[np.float32]:
    """Samples that are there already -> (samples,) float32; whole numbers are divided by their full scale.

    Raises:
        InputError: not of one dimension, empty, no numbers, or NaN or infinity among them.
    """
    samples = np.asarray(item)
    if samples.dtype.kind != "f" and samples.dtype not in _SAMPLE_TYPES:
        raise InputError(f"a clip of type {samples.dtype}", _FORMS)
    if samples.ndim != 1 or not samples.size:
        raise InputError(f"a clip of shape {samples.shape}", "(samples,), one channel", "average the channels")
    clip = full_scale(samples)
    if not np.isfinite(clip).all():
        raise InputError("NaN or infinity in a clip", "finite samples", "remove the clip")
    return clip


def as_clips(items: Iterable[Any]) -> Array:
    """Samples of several clips -> (n,) objects; see `as_clip`."""
    return _objects([as_clip(item) for item in items])


def is_sound_file(value: Any) -> bool:
    """Whether `value` is one sound that still has to be decoded: a path, or bytes."""
    return isinstance(value, (str, Path, bytes, bytearray))


def one_length(clips: Array) -> Array:
    """(n,) clips of one length -> (n, samples); arrays that are no objects stay as they are.

    Raises:
        InputError: clips of several lengths.
    """
    if clips.dtype != object:
        return clips
    lengths = sorted({len(clip) for clip in clips})
    if len(lengths) != 1:
        came = f"clips of {lengths[0]} to {lengths[-1]} samples" if lengths else "no clips"
        raise InputError(came, "clips of one length", "add a step, such as fit_length: {samples: 8000}")
    return np.stack(list(clips))


def resampled(clip: NDArray[np.float32], rate: int, wanted: int) -> NDArray[np.float32]:
    """(samples,) at `rate` Hz -> (ceil(samples * wanted / rate),) at `wanted` Hz, low-pass filtered (polyphase)."""
    if rate == wanted:
        return clip
    from scipy.signal import resample_poly

    shared = gcd(rate, wanted)
    result: NDArray[np.float32] = resample_poly(clip, wanted // shared, rate // shared).astype(np.float32)
    return result


def _objects(clips: list[NDArray[np.float32]]) -> Array:
    # Assigned one by one: numpy would join clips of one length into a table.
    held = np.empty(len(clips), dtype=object)
    for number, clip in enumerate(clips):
        held[number] = clip
    return held


@dataclass(frozen=True)
class DecodeAudio:
    """What a user has -> (n,) clips at `rate` Hz, the mean of their channels.

    Samples that are given as numbers count as being at `rate` already.
    """

    rate: int

    @classmethod
    def read(cls, given: Any) -> DecodeAudio:
        """From `{rate: 8000}`."""
        return cls(read_count(read_keys(given, "decode_audio", ("rate",))["rate"], "decode_audio", "rate"))

    def apply(self, batch: Any) -> Array:
        """WAV files, their bytes or samples, or an array (n, samples) -> (n,) clips.

        Raises:
            InputError: a file that cannot be read, or samples that are no clip.
        """
        return _objects([self._decode(item) for item in batch])

    def _decode(self, item: Any) -> NDArray[np.float32]:
        if not is_sound_file(item):
            return as_clip(item)
        sound = read_wav(item)
        return resampled(sound.samples, sound.rate, self.rate)

    def as_dict(self) -> dict[str, Any]:
        """The form of the Need."""
        return {"decode_audio": {"rate": self.rate}}


@dataclass(frozen=True)
class FitLength:
    """Every clip gets `samples` samples: cut at its end, or followed by silence."""

    samples: int

    @classmethod
    def read(cls, given: Any) -> FitLength:
        """From `{samples: 8000}`, or `{seconds: 1, rate: 8000}`."""
        if not isinstance(given, dict) or "seconds" not in given:
            keys = read_keys(given, "fit_length", ("samples",), ())
            return cls(read_count(keys["samples"], "fit_length", "samples"))
        keys = read_keys(given, "fit_length", ("seconds", "rate"))
        seconds, rate = keys["seconds"], read_count(keys["rate"], "fit_length", "rate")
        if isinstance(seconds, bool) or not isinstance(seconds, (int, float)) or not isfinite(seconds):
            raise InputError(f"fit_length: seconds is {seconds!r}", "a number above 0")
        if round(seconds * rate) < 1:
            raise InputError(f"fit_length: {seconds} seconds at {rate} Hz", "at least one sample")
        return cls(round(seconds * rate))

    def apply(self, batch: Array) -> Array:
        """(n,) clips or (n, any) -> (n, samples) float32."""
        if batch.dtype == object:
            fitted = np.zeros((len(batch), self.samples), dtype=np.float32)
            for row, clip in zip(fitted, batch, strict=True):
                row[: len(clip)] = clip[: self.samples]
            return fitted
        if batch.ndim != 2:
            raise InputError(f"fit_length: a batch of shape {batch.shape}", "clips: (n, samples)")
        cut = batch[:, : self.samples].astype(np.float32)
        return np.pad(cut, ((0, 0), (0, self.samples - cut.shape[1])))

    def as_dict(self) -> dict[str, Any]:
        """The form of the Need."""
        return {"fit_length": {"samples": self.samples}}


@dataclass(frozen=True)
class NormaliseRows:
    """Every row gets mean 0 and variance 1: (x - mean) / sqrt(variance + 1e-7), as Wav2Vec2 wants its sound.

    Before `fit_length` the silence that fills a clip up does not count (their extractor with an attention mask),
    after it, it does (without one).
    """

    @classmethod
    def read(cls, given: Any) -> NormaliseRows:
        """From `{}`: it has no settings."""
        if given not in (None, {}):
            raise InputError(f"normalise_rows: {given!r}", "no settings", "normalise_rows: {}")
        return cls()

    def apply(self, batch: Array) -> Array:
        """(n,) clips -> (n,) clips; (n, ...) -> (n, ...) float32."""
        if batch.dtype == object:
            return _objects([_levelled(clip[np.newaxis])[0] for clip in batch])
        if batch.ndim < 2:
            raise InputError(f"normalise_rows: a batch of shape {batch.shape}", "rows: (n, ...)")
        return _levelled(batch)

    def as_dict(self) -> dict[str, Any]:
        """The form of the Need."""
        return {"normalise_rows": {}}


def _levelled(batch: Array) -> NDArray[np.float32]:
    axes = tuple(range(1, batch.ndim))
    centred = batch.astype(np.float32)
    centred -= centred.mean(axis=axes, keepdims=True)
    centred /= np.sqrt(centred.var(axis=axes, keepdims=True) + np.float32(_TINY))
    return centred
