"""The step log_mel: sound as a picture of frequency bands over time."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Literal

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from sartor.errors import InputError, nearest
from sartor.steps.base import Array
from sartor.steps.mel import Scale, mel_filters
from sartor.steps.shapes import read_count, read_keys

FLOOR = 1e-6
"""Least power whose logarithm is taken: digital silence becomes -13.8, not minus infinity."""
_VALUES_A_PART = 1 << 22  # bounds the memory for windows: 16 MiB of float32
_KEYS = ("rate", "window", "hop", "bands")
_LOGARITHMS = {"ln": np.log, "log10": np.log10}
_OPTIONAL: Mapping[str, Any] = {"scale": "htk", "centred": False, "floor": FLOOR, "log": "ln", "below_peak": None}


@dataclass(frozen=True)
class LogMel:
    """Logarithm of the power in mel bands.

    For every frame of `window` samples, `hop` samples apart:
    power = |rfft(frame * hann)|^2, band = power @ mel_filters (triangles on the mel `scale`),
    value = log(max(band, floor)).

    `centred`: frame i has its middle on sample i * hop, and the clip is mirrored at its ends; there are
    samples // hop of them (librosa and torch.stft have one more, which begins a clip that is over). Otherwise only
    whole frames count. `below_peak`: values further below the largest of their clip are raised to that distance.

    Whisper's pictures are `scale: slaney, centred: true, floor: 1e-10, log: log10, below_peak: 8`, then
    (x + 4) / 4 (A. Radford et al., Robust Speech Recognition via Large-Scale Weak Supervision, 2022,
    `whisper/audio.py::log_mel_spectrogram`).
    """

    rate: int
    window: int
    hop: int
    bands: int
    scale: Scale = "htk"
    centred: bool = False
    floor: float = FLOOR
    log: Literal["ln", "log10"] = "ln"
    below_peak: float | None = None

    @classmethod
    def read(cls, given: Any) -> LogMel:
        """From `{rate: 8000, window: 256, hop: 80, bands: 40}`: Hz, samples, samples, number; see the class."""
        keys = read_keys(given, "log_mel", _KEYS, tuple(_OPTIONAL))
        counts: dict[str, Any] = {key: read_count(keys[key], "log_mel", key) for key in _KEYS}
        step = cls(**counts, **_read_optional(keys))
        frequencies = step.window // 2 + 1
        if step.bands > frequencies or (step._filters().max(axis=0) == 0).any():
            raise InputError(
                f"log_mel: {step.bands} bands out of the {frequencies} frequencies of a window of {step.window}",
                "bands that hold one frequency or more each",
                "take fewer bands or a longer window",
            )
        return step

    def frames(self, samples: int) -> int:
        """How many windows a clip of `samples` samples has."""
        return samples // self.hop if self.centred else 1 + (samples - self.window) // self.hop

    def _shortest(self) -> int:
        return max(self.window, self.hop) if self.centred else self.window

    def apply(self, batch: Array) -> Array:
        """(n, samples) -> (n, 1, bands, frames) float32; see `frames`.

        Raises:
            InputError: clips of several lengths, or shorter than a window.
        """
        if batch.dtype == object or batch.ndim != 2 or batch.shape[1] < self._shortest():
            raise InputError(
                f"log_mel: a batch of shape {batch.shape}",
                f"clips of one length: (n, samples), at least {self._shortest()} samples",
                "add a step before it, such as fit_length: {seconds: 1, rate: 8000}",
            )
        frames = self.frames(batch.shape[1])
        pictures = np.empty((len(batch), 1, self.bands, frames), dtype=np.float32)
        rows = max(1, _VALUES_A_PART // (frames * self.window))
        for first in range(0, len(batch), rows):
            pictures[first : first + rows, 0] = self._pictures(batch[first : first + rows])
        return pictures

    def _pictures(self, clips: Array) -> NDArray[np.float32]:
        """(n, samples) -> (n, bands, frames)."""
        frames, half = self.frames(clips.shape[1]), self.window // 2
        if self.centred:
            clips = np.pad(clips, ((0, 0), (half, half)), mode="reflect")
        windows = sliding_window_view(clips.astype(np.float32, copy=False), self.window, axis=1)[:, :: self.hop]
        spectrum = np.fft.rfft(windows[:, :frames] * _hann(self.window))
        power = spectrum.real**2 + spectrum.imag**2
        bands = _LOGARITHMS[self.log](np.maximum(power @ self._filters(), np.float32(self.floor)))
        if self.below_peak is not None:
            bands = np.maximum(bands, bands.max(axis=(1, 2), keepdims=True) - np.float32(self.below_peak))
        pictures: NDArray[np.float32] = bands.transpose(0, 2, 1)
        return pictures

    def _filters(self) -> NDArray[np.float32]:
        return mel_filters(self.rate, self.window, self.bands, self.scale)

    def as_dict(self) -> dict[str, Any]:
        """The form of the Need; settings that are as usual are left out."""
        unusual = {key: getattr(self, key) for key, usual in _OPTIONAL.items() if getattr(self, key) != usual}
        return {"log_mel": {**{key: getattr(self, key) for key in _KEYS}, **unusual}}


def _read_optional(keys: Mapping[str, Any]) -> dict[str, Any]:
    given = {key: keys[key] for key in _OPTIONAL if key in keys}
    for key, allowed in (("scale", ("htk", "slaney")), ("log", tuple(_LOGARITHMS))):
        if key in given:
            _check_choice(key, given[key], allowed)
    if not isinstance(given.get("centred", False), bool):
        raise InputError(f"log_mel: centred is {given['centred']!r}", "true or false")
    for key in ("floor", "below_peak"):
        if key in given:
            given[key] = _positive(key, given[key])
    return given


def _check_choice(key: str, came: Any, allowed: Sequence[str]) -> None:
    if came not in allowed:
        raise InputError(f"log_mel: {key} is {came!r}", " or ".join(allowed), nearest(str(came), allowed))


def _positive(key: str, came: Any) -> float:
    number = isinstance(came, (int, float)) and not isinstance(came, bool)
    if not number or not math.isfinite(came) or came <= 0:
        raise InputError(f"log_mel: {key} is {came!r}", "a number above 0")
    return float(came)


@lru_cache(maxsize=8)
def _hann(window: int) -> NDArray[np.float32]:
    """The periodic Hann window: it divides by `window`, since a transform continues its frame periodically."""
    weights = (0.5 - 0.5 * np.cos(2 * np.pi * np.arange(window) / window)).astype(np.float32)
    weights.setflags(write=False)
    return weights
