"""The step log_mel: sound as a picture of frequency bands over time."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from sartor.errors import InputError
from sartor.steps.base import Array
from sartor.steps.shapes import read_count, read_keys

FLOOR = 1e-6
"""Least power whose logarithm is taken: digital silence becomes -13.8, not minus infinity."""
_VALUES_A_PART = 1 << 22  # bounds the memory for windows: 16 MiB of float32
_KEYS = ("rate", "window", "hop", "bands")


@dataclass(frozen=True)
class LogMel:
    """Logarithm of the power in mel bands.

    For every frame of `window` samples, `hop` samples apart (not padded at the ends):
    power = |rfft(frame * hann)|^2, band = triangular filters over power, value = ln(max(band, FLOOR)).

    The mel scale is that of HTK, m(f) = 2595 log10(1 + f / 700) (O'Shaughnessy 1987; S. Young et al., The HTK Book,
    section 5.4). `bands` triangles of height 1 stand with their feet on the tops of their neighbours, evenly spaced
    in mel from 0 Hz to rate / 2. These are the filters of torchaudio's `melscale_fbanks(norm=None, mel_scale="htk")`;
    librosa's default scale (Slaney's) and its levelling of areas differ.
    """

    rate: int
    window: int
    hop: int
    bands: int

    @classmethod
    def read(cls, given: Any) -> LogMel:
        """From `{rate: 8000, window: 256, hop: 80, bands: 40}`: Hz, samples, samples, number."""
        keys = read_keys(given, "log_mel", _KEYS)
        step = cls(*(read_count(keys[key], "log_mel", key) for key in _KEYS))
        frequencies = step.window // 2 + 1
        if step.bands > frequencies or (mel_filters(step.rate, step.window, step.bands).max(axis=0) == 0).any():
            raise InputError(
                f"log_mel: {step.bands} bands out of the {frequencies} frequencies of a window of {step.window}",
                "bands that hold one frequency or more each",
                "take fewer bands or a longer window",
            )
        return step

    def frames(self, samples: int) -> int:
        """How many windows fit into a clip."""
        return 1 + (samples - self.window) // self.hop

    def apply(self, batch: Array) -> Array:
        """(n, samples) -> (n, 1, bands, frames) float32, with frames = 1 + (samples - window) // hop.

        Raises:
            InputError: clips of several lengths, or shorter than a window.
        """
        if batch.dtype == object or batch.ndim != 2 or batch.shape[1] < self.window:
            raise InputError(
                f"log_mel: a batch of shape {batch.shape}",
                f"clips of one length: (n, samples), at least {self.window} samples",
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
        windows = sliding_window_view(clips.astype(np.float32, copy=False), self.window, axis=1)[:, :: self.hop]
        spectrum = np.fft.rfft(windows * _hann(self.window))
        power = spectrum.real**2 + spectrum.imag**2
        bands = power @ mel_filters(self.rate, self.window, self.bands)
        pictures: NDArray[np.float32] = np.log(np.maximum(bands, np.float32(FLOOR))).transpose(0, 2, 1)
        return pictures

    def as_dict(self) -> dict[str, Any]:
        """The form of the Need."""
        return {"log_mel": {"rate": self.rate, "window": self.window, "hop": self.hop, "bands": self.bands}}


@lru_cache(maxsize=8)
def mel_filters(rate: int, window: int, bands: int) -> NDArray[np.float32]:
    """(window // 2 + 1, bands): the weight of each frequency of the transform in each band; see `LogMel`."""
    frequencies = np.arange(window // 2 + 1) * rate / window
    corners = _frequency(np.linspace(0, _mel(rate / 2), bands + 2))
    widths = np.diff(corners)
    rising = (frequencies[:, np.newaxis] - corners[:-2]) / widths[:-1]
    falling = (corners[2:] - frequencies[:, np.newaxis]) / widths[1:]
    filters = np.maximum(0, np.minimum(rising, falling)).astype(np.float32)
    filters.setflags(write=False)
    return filters


def _mel(frequency: float) -> float:
    return float(2595 * np.log10(1 + frequency / 700))


def _frequency(mel: NDArray[np.float64]) -> NDArray[np.float64]:
    hertz: NDArray[np.float64] = 700 * (10 ** (mel / 2595) - 1)
    return hertz


@lru_cache(maxsize=8)
def _hann(window: int) -> NDArray[np.float32]:
    """The periodic Hann window: it divides by `window`, since a transform continues its frame periodically."""
    weights = (0.5 - 0.5 * np.cos(2 * np.pi * np.arange(window) / window)).astype(np.float32)
    weights.setflags(write=False)
    return weights
