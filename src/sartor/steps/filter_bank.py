"""The step filter_bank: the log-mel energies of Kaldi, which audio spectrogram transformers read."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from sartor.errors import InputError
from sartor.steps.base import Array
from sartor.steps.mel import KALDI_LOWEST, kaldi_filters
from sartor.steps.shapes import read_count, read_keys

FLOOR = float(np.finfo(np.float32).eps)
"""Least energy whose logarithm is taken, 1.19e-7: digital silence becomes -15.9."""
PRE_EMPHASIS = 0.97
"""Share of the sample before that is taken off each sample."""
_KEYS = ("rate", "window", "hop", "bands", "frames")


@dataclass(frozen=True)
class FilterBank:
    """Logarithm of the energy in mel bands, as Kaldi's `fbank` computes it, in a fixed number of frames.

    For every frame of `window` samples, `hop` samples apart (only whole ones): take off its mean; pre-emphasis,
    x[t] - 0.97 x[t - 1] with x[-1] = x[0]; the symmetric Hann window; power = |rfft|^2, filled up with zeros to a power
    of two; value = ln(max(power @ kaldi_filters, FLOOR)).

    Source: D. Povey et al., The Kaldi Speech Recognition Toolkit (2011), `feat/feature-window.cc` and
    `feat/feature-fbank.cc`, without dither and with `--window-type=hanning`. These are the numbers of
    `torchaudio.compliance.kaldi.fbank` on samples from -1 to 1, and those of transformers' ASTFeatureExtractor.
    """

    rate: int
    window: int
    hop: int
    bands: int
    frames: int

    @classmethod
    def read(cls, given: Any) -> FilterBank:
        """From `{rate: 16000, window: 400, hop: 160, bands: 128, frames: 1024}`: Hz, samples, samples, numbers."""
        keys = read_keys(given, "filter_bank", _KEYS)
        step = cls(*(read_count(keys[key], "filter_bank", key) for key in _KEYS))
        if step.rate / 2 <= KALDI_LOWEST or step.window < 2:
            raise InputError(
                f"filter_bank: windows of {step.window} samples at {step.rate} Hz",
                f"2 samples or more, at more than {2 * KALDI_LOWEST:.0f} Hz",
            )
        return step

    def apply(self, batch: Array) -> Array:
        """(n,) clips or (n, samples) -> (n, frames, bands) float32.

        Frames above `frames` are cut; missing ones are 0, all of them for a clip that is shorter than a window.

        Raises:
            InputError: no clips.
        """
        if batch.dtype != object and batch.ndim != 2:
            raise InputError(f"filter_bank: a batch of shape {batch.shape}", "clips: (n, samples)")
        pictures = np.zeros((len(batch), self.frames, self.bands), dtype=np.float32)
        for picture, clip in zip(pictures, batch, strict=True):
            if len(clip) >= self.window:
                energies = self._energies(clip)
                picture[: len(energies)] = energies
        return pictures

    def _energies(self, clip: Array) -> NDArray[np.float64]:
        """(samples,) -> (frames at most, bands)."""
        # In float64: pre-emphasis leaves energies near the floor beside a loud tone.
        windows = sliding_window_view(clip.astype(np.float64), self.window)[:: self.hop][: self.frames]
        windows = windows - windows.mean(axis=1, keepdims=True)
        before = np.concatenate([windows[:, :1], windows[:, :-1]], axis=1)
        transform = 1 << (self.window - 1).bit_length()
        spectrum = np.fft.rfft((windows - PRE_EMPHASIS * before) * _hann(self.window), transform)
        power = spectrum.real**2 + spectrum.imag**2
        energies: NDArray[np.float64] = np.log(
            np.maximum(power @ kaldi_filters(self.rate, transform, self.bands), FLOOR)
        )
        return energies

    def as_dict(self) -> dict[str, Any]:
        """The form of the Need."""
        return {"filter_bank": asdict(self)}


@lru_cache(maxsize=8)
def _hann(window: int) -> NDArray[np.float64]:
    """The symmetric Hann window: it ends with the 0 that it begins with."""
    weights = np.hanning(window)
    weights.setflags(write=False)
    return weights
