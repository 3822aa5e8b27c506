"""Mel scales, and the triangular filters that stand on them.

Letters: f frequencies of a transform, b bands.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Literal

import numpy as np
from numpy.typing import NDArray

Scale = Literal["htk", "slaney"]
KALDI_LOWEST = 20.0
"""Hz; where Kaldi's lowest band begins (`--low-freq`)."""
# Slaney's scale (Auditory Toolbox, Interval Research report 1998-010): in a line up to 1000 Hz, which is 15 mel there,
# and by logarithms above, where 27 mel are a factor of 6.4.
_LINEAR_HERTZ, _LINEAR_MEL = 1000.0, 15.0
_STEP = np.log(6.4) / 27


@lru_cache(maxsize=8)
def mel_filters(rate: int, transform: int, bands: int, scale: Scale = "htk") -> NDArray[np.float32]:
    """(transform // 2 + 1, bands): the weight of each frequency of a transform of `transform` samples in each band.

    `bands` triangles stand with their feet on the tops of their neighbours, evenly spaced in mel from 0 to rate / 2;
    their sides are straight in Hz.

    - `htk`: m(f) = 2595 log10(1 + f / 700) (O'Shaughnessy 1987; S. Young et al., The HTK Book, section 5.4), height 1.
      These are the filters of torchaudio's `melscale_fbanks(norm=None, mel_scale="htk")`.
    - `slaney`: m(f) = 3 f / 200 up to 1000 Hz, 15 + 27 ln(f / 1000) / ln(6.4) above, area 1 (height 2 / width), from
      M. Slaney's Auditory Toolbox (1998). These are the filters of `librosa.filters.mel`.
    """
    frequencies = np.arange(transform // 2 + 1) * rate / transform
    if scale == "htk":
        return _kept(_triangles(frequencies, _from_htk(np.linspace(0, _htk(rate / 2), bands + 2))))
    corners = _from_slaney(np.linspace(0, _slaney(rate / 2), bands + 2))
    return _kept(_triangles(frequencies, corners) * 2 / (corners[2:] - corners[:-2]))


@lru_cache(maxsize=8)
def kaldi_filters(rate: int, transform: int, bands: int) -> NDArray[np.float32]:
    """(transform // 2 + 1, bands): the weights of Kaldi's bands, from 20 Hz to rate / 2.

    m(f) = 1127 ln(1 + f / 700); triangles of height 1 whose sides are straight in mel (Kaldi,
    `feat/mel-computations.cc`). Narrow bands may hold no frequency of the transform: they stay empty, as there.
    """
    mels = _kaldi(np.arange(transform // 2 + 1) * rate / transform)
    lowest, highest = _kaldi(np.array([KALDI_LOWEST, rate / 2]))
    return _kept(_triangles(mels, np.linspace(lowest, highest, bands + 2)))


def _triangles(points: NDArray[np.float64], corners: NDArray[np.float64]) -> NDArray[np.float64]:
    """(f,), (b + 2,) -> (f, b): how high the triangle over three corners in a row is at each point."""
    widths = np.diff(corners)
    rising = (points[:, np.newaxis] - corners[:-2]) / widths[:-1]
    falling = (corners[2:] - points[:, np.newaxis]) / widths[1:]
    heights: NDArray[np.float64] = np.maximum(0, np.minimum(rising, falling))
    return heights


def _kept(filters: NDArray[np.float64]) -> NDArray[np.float32]:
    """As they are cached: nobody may write into them."""
    kept = filters.astype(np.float32)
    kept.setflags(write=False)
    return kept


def _htk(hertz: float) -> float:
    return float(2595 * np.log10(1 + hertz / 700))


def _from_htk(mels: NDArray[np.float64]) -> NDArray[np.float64]:
    hertz: NDArray[np.float64] = 700 * (10 ** (mels / 2595) - 1)
    return hertz


def _slaney(hertz: float) -> float:
    if hertz < _LINEAR_HERTZ:
        return hertz * _LINEAR_MEL / _LINEAR_HERTZ
    return float(_LINEAR_MEL + np.log(hertz / _LINEAR_HERTZ) / _STEP)


def _from_slaney(mels: NDArray[np.float64]) -> NDArray[np.float64]:
    above = _LINEAR_HERTZ * np.exp(_STEP * (mels - _LINEAR_MEL))
    return np.where(mels < _LINEAR_MEL, mels * _LINEAR_HERTZ / _LINEAR_MEL, above)


def _kaldi(hertz: NDArray[np.float64]) -> NDArray[np.float64]:
    mels: NDArray[np.float64] = 1127 * np.log(1 + hertz / 700)
    return mels
