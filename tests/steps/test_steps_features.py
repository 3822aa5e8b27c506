"""Pictures of sound: filter_bank and log_mel against the extractors of transformers and Kaldi's formula written out."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from sartor.errors import InputError
from sartor.steps import apply_steps, read_steps
from sartor.steps.audio import as_clips
from sartor.steps.filter_bank import FLOOR, FilterBank
from sartor.steps.mel import kaldi_filters, mel_filters
from sartor.steps.spectrogram import LogMel
from tests.steps.making import sounds

pytest.importorskip("torch")
transformers = pytest.importorskip("transformers")

RATE = 16_000
BANK = {"rate": RATE, "window": 400, "hop": 160, "bands": 24, "frames": 60}
WHISPER = {"scale": "slaney", "centred": True, "floor": 1e-10, "log": "log10", "below_peak": 8.0}


def largest_difference(got: NDArray[Any], wanted: NDArray[Any]) -> float:
    assert got.shape == wanted.shape
    assert got.dtype == np.float32
    return float(np.abs(got - wanted).max())


@pytest.mark.filterwarnings("ignore:At least one mel filter has all zero values")  # at 128 bands, as in the original
@pytest.mark.parametrize(("bands", "frames"), [(24, 60), (128, 90)])
def test_the_filter_bank_is_that_of_audio_spectrogram_transformers(bands: int, frames: int) -> None:
    clips = [clip for seconds in (0.2, 0.615, 1.3) for clip in sounds(RATE, seconds)]  # 18, 60 and 128 frames
    theirs = transformers.ASTFeatureExtractor(num_mel_bins=bands, max_length=frames)
    wanted = theirs(clips, sampling_rate=RATE, return_tensors="np")["input_values"]
    bank = {"filter_bank": {**BANK, "bands": bands, "frames": frames}}
    steps = read_steps([bank, {"normalise": {"mean": theirs.mean, "std": 2 * theirs.std}}])
    assert largest_difference(apply_steps(steps, as_clips(clips)), wanted) < 1e-5


@pytest.mark.parametrize(("bands", "window", "hop"), [(80, 400, 160), (20, 200, 150)])
def test_log_mel_is_that_of_whisper(bands: int, window: int, hop: int) -> None:
    clips = [clip for seconds in (0.2, 1.0, 1.3) for clip in sounds(RATE, seconds)]
    theirs = transformers.WhisperFeatureExtractor(feature_size=bands, n_fft=window, hop_length=hop, chunk_length=1)
    wanted = theirs(clips, sampling_rate=RATE, return_tensors="np")["input_features"]
    picture = {"rate": RATE, "window": window, "hop": hop, "bands": bands, **WHISPER}
    fit: dict[str, Any] = {"fit_length": {"samples": RATE}}
    level = {"normalise": {"mean": -4, "std": 4}}
    steps = read_steps([fit, {"log_mel": picture}, {"reshape": [bands, RATE // hop]}, level])
    assert largest_difference(apply_steps(steps, as_clips(clips)), wanted) < 1e-4


@pytest.mark.parametrize(("rate", "transform", "bands"), [(16_000, 400, 80), (16_000, 400, 128), (8_000, 256, 40)])
def test_the_filters_of_slaney_are_those_of_transformers(rate: int, transform: int, bands: int) -> None:
    from transformers.audio_utils import mel_filter_bank

    theirs = mel_filter_bank(transform // 2 + 1, bands, 0.0, rate / 2, rate, norm="slaney", mel_scale="slaney")
    np.testing.assert_allclose(mel_filters(rate, transform, bands, "slaney"), theirs, atol=1e-7)


def test_kaldi_filters_stand_evenly_in_mel() -> None:
    filters = kaldi_filters(RATE, 512, 40)
    hertz = np.arange(257) * RATE / 512
    inside = (hertz > 100) & (hertz < 7400)
    # Between the first top and the last one, two neighbours share every frequency.
    np.testing.assert_allclose(filters[inside].sum(axis=1), 1, atol=1e-5)
    assert not filters[hertz < 20].any()
    assert not filters[-1].any()


def _slow_energies(clip: NDArray[Any], step: FilterBank) -> NDArray[np.float64]:
    """The formula of `FilterBank`, frame by frame."""
    lowest, highest = 1127 * np.log(1 + np.array([20, step.rate / 2]) / 700)
    corners = np.linspace(lowest, highest, step.bands + 2)
    picture = np.zeros((step.frames, step.bands))
    hann = np.sin(np.pi * np.arange(step.window) / (step.window - 1)) ** 2
    for frame in range(min(step.frames, 1 + (len(clip) - step.window) // step.hop)):
        part = clip[frame * step.hop :][: step.window].astype(np.float64)
        part = part - part.mean()
        part = np.array([now - 0.97 * part[max(0, t - 1)] for t, now in enumerate(part)]) * hann
        for band, (low, top, high) in enumerate(zip(corners, corners[1:], corners[2:], strict=False)):
            energy = 0.0
            for k in range(33):
                mel = 1127 * np.log(1 + k * step.rate / 64 / 700)
                turned = np.exp(-2j * np.pi * k * np.arange(step.window) / 64)
                weight = max(0.0, min((mel - low) / (top - low), (high - mel) / (high - top)))
                energy += weight * abs(np.sum(part * turned)) ** 2
            picture[frame, band] = np.log(max(energy, FLOOR))
    return picture


def test_the_filter_bank_is_its_formula() -> None:
    step = FilterBank(rate=4000, window=50, hop=24, bands=6, frames=6)
    (clip, *_) = sounds(4000, 0.04)
    got = step.apply(clip[np.newaxis])
    assert got.shape == (1, 6, 6)
    assert not got[0, -1].any()  # the clip ends before
    np.testing.assert_allclose(got[0], _slow_energies(clip, step), atol=1e-5)


@given(st.lists(st.integers(1, 3000), min_size=1, max_size=4))
def test_clips_of_any_length_get_the_frames_that_they_hold(lengths: list[int]) -> None:
    step = FilterBank.read({**BANK, "frames": 12})
    clips = [np.zeros(length, dtype=np.float32) for length in lengths]
    got = step.apply(as_clips(clips))
    for picture, length in zip(got, lengths, strict=True):
        held = min(12, max(0, 1 + (length - 400) // 160))
        assert (picture[:held] == np.float32(np.log(FLOOR))).all()
        assert not picture[held:].any()


def test_centred_windows_count_by_the_hop() -> None:
    step = LogMel.read({"rate": 8000, "window": 256, "hop": 80, "bands": 20, "centred": True})
    assert step.apply(np.zeros((2, 800), dtype=np.float32)).shape == (2, 1, 20, 10)
    with pytest.raises(InputError, match="at least 256 samples"):
        step.apply(np.zeros((2, 255)))


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"log_mel": {"scale": "slany"}}, "scale is 'slany'.*did you mean `slaney`"),
        ({"log_mel": {"log": "log2"}}, "ln or log10"),
        ({"log_mel": {"centred": 1}}, "centred is 1.*true or false"),
        ({"log_mel": {"floor": 0}}, "floor is 0"),
        ({"log_mel": {"below_peak": "8"}}, "a number above 0"),
        ({"filter_bank": {"frames": 0}}, "frames is 0"),
        ({"filter_bank": {"rate": 40}}, "at more than 40 Hz"),
        ({"filter_bank": {"window": 1}}, "windows of 1 samples"),
        ({"filter_bank": {"mels": 3}}, "unknown key `mels`"),
    ],
)
def test_settings_that_mean_nothing_are_refused(settings: dict[str, Any], message: str) -> None:
    ((name, wrong),) = settings.items()
    usual = BANK if name == "filter_bank" else {"rate": 8000, "window": 256, "hop": 80, "bands": 20}
    with pytest.raises(InputError, match=f"(?s){message}"):
        read_steps([{name: {**usual, **wrong}}])


def test_the_filter_bank_wants_clips() -> None:
    with pytest.raises(InputError, match=r"clips: \(n, samples\)"):
        FilterBank.read(BANK).apply(np.zeros((2, 1, 900)))
