"""Sound: WAV files of every kind, resampling, one length, log-mel against the formula written out."""

import io
import struct
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy.io import wavfile

from sartor.errors import InputError
from sartor.steps import apply_steps, read_steps
from sartor.steps.audio import DecodeAudio, FitLength, NormaliseRows, as_clips
from sartor.steps.mel import mel_filters
from sartor.steps.spectrogram import FLOOR, LogMel
from sartor.steps.wav import read_wav
from tests.steps.making import wav_bytes

RANDOM = np.random.default_rng(2)
TONE = (20000 * np.sin(np.arange(4000) * 2 * np.pi * 440 / 8000)).astype(np.int16)
WAV = wav_bytes(TONE)


def _written(samples: NDArray[Any], rate: int = 8000) -> bytes:
    buffer = io.BytesIO()
    wavfile.write(buffer, rate, samples)
    return buffer.getvalue()


def _riff(*chunks: tuple[bytes, bytes]) -> bytes:
    body = b"".join(name + struct.pack("<I", len(part)) + part + b"\0" * (len(part) % 2) for name, part in chunks)
    return b"RIFF" + struct.pack("<I", 4 + len(body)) + b"WAVE" + body


def _format(tag: int, channels: int, rate: int, bits: int) -> bytes:
    frame = channels * bits // 8
    return struct.pack("<HHIIHH", tag, channels, rate, rate * frame, frame, bits)


@pytest.mark.parametrize("dtype", [np.uint8, np.int16, np.int32, np.float32, np.float64])
def test_every_sample_type_comes_back_between_minus_1_and_1(dtype: Any) -> None:
    wanted = RANDOM.uniform(-1, 1, 200)
    if np.dtype(dtype).kind == "f":
        samples = wanted.astype(dtype)
    else:
        middle, scale = (128, 127) if dtype == np.uint8 else (0, np.iinfo(dtype).max)
        samples = (wanted * scale + middle).astype(dtype)
    sound = read_wav(_written(samples, 11025))
    assert sound.rate == 11025
    assert sound.samples.dtype == np.float32
    np.testing.assert_allclose(sound.samples, wanted, atol=0.02 if dtype == np.uint8 else 1e-4)


def test_24_bits_and_the_extensible_form() -> None:
    numbers = [0, 1 << 22, -(1 << 23), -1]
    body = b"".join(number.to_bytes(3, "little", signed=True) for number in numbers)
    extensible = _format(0xFFFE, 1, 8000, 24) + struct.pack("<HHIH", 22, 24, 0, 1) + b"\0" * 14
    for form in (_format(1, 1, 8000, 24), extensible):
        sound = read_wav(_riff((b"LIST", b"odd"), (b"fmt ", form), (b"data", body)))
        np.testing.assert_allclose(sound.samples, [0, 0.5, -1, -(2.0**-23)])


def test_channels_are_averaged_and_a_streamed_size_is_read_to_the_end() -> None:
    both = np.stack([TONE, np.zeros_like(TONE)], axis=1)
    np.testing.assert_allclose(read_wav(wav_bytes(both)).samples, TONE / 2**16, atol=1e-6)
    streamed = WAV.replace(b"data" + struct.pack("<I", 8000), b"data" + b"\xff" * 4)
    assert streamed != WAV
    np.testing.assert_array_equal(read_wav(streamed).samples, read_wav(WAV).samples)


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "does not begin with RIFF"),
        (b"ID3 some other format", "does not begin with RIFF"),
        (WAV[:3000], "it breaks off: 2956 of 8000 bytes"),
        (WAV[:36], "it holds no samples"),
        (_riff((b"data", b"1234")), "samples before their format"),
        (_riff((b"fmt ", b"1234")), "its format is cut off"),
        (_riff((b"fmt ", _format(7, 1, 8000, 8)), (b"data", b"1234")), r"its encoding \(7\) with 8 bits"),
        (_riff((b"fmt ", _format(1, 0, 8000, 16)), (b"data", b"1234")), "0 channels"),
        (_riff((b"fmt ", _format(1, 1, 2**29, 16)), (b"data", b"1234")), "536870912 Hz"),
        (_riff((b"fmt ", _format(1, 1, 8000, 16)), (b"data", b"")), "it holds no samples"),
        (_written(np.array([0, np.nan], dtype=np.float32)), "NaN or infinity"),
    ],
)
def test_a_damaged_file_is_named_with_the_reason(tmp_path: Path, content: bytes, reason: str) -> None:
    file = tmp_path / "broken.wav"
    file.write_bytes(content)
    with pytest.raises(InputError, match=rf"broken\.wav cannot be read: .*{reason}"):
        DecodeAudio(8000).apply([file])
    with pytest.raises(InputError, match=reason):
        read_wav(content)


@given(st.integers(0, 60), st.binary(max_size=8), st.integers(0, 8100))
@example(22, b"\0\0", 8044)
def test_damage_anywhere_is_an_input_error_or_a_sound(position: int, damage: bytes, kept: int) -> None:
    content = (WAV[:position] + damage + WAV[position + len(damage) :])[:kept]
    try:
        with np.errstate(all="ignore"), warnings.catch_warnings():
            warnings.simplefilter("error")
            sound = read_wav(content)
    except InputError:
        return
    assert sound.samples.ndim == 1
    assert np.isfinite(sound.samples).all()


@given(st.sampled_from([4000, 8000, 11025, 16000, 44100]), st.integers(1, 3000))
def test_resampling_gives_the_length_and_keeps_the_pitch(rate: int, samples: int) -> None:
    clip = np.sin(np.arange(samples) * 2 * np.pi * 300 / rate)
    (result,) = DecodeAudio(8000).apply([_written((clip * 32000).astype(np.int16), rate)])
    assert len(result) == -(-samples * 8000 // rate)
    expected = np.sin(np.arange(len(result)) * 2 * np.pi * 300 / 8000)
    inside = slice(200, max(200, len(result) - 200))  # the filter needs neighbours on both sides
    np.testing.assert_allclose(result[inside] * 32768 / 32000, expected[inside], atol=0.02)


def test_samples_count_as_being_at_the_rate_already() -> None:
    clip = RANDOM.uniform(-1, 1, 50).astype(np.float32)
    held = DecodeAudio(8000).apply([clip, clip[:9], TONE, list(clip)])
    assert held.shape == (4,)
    np.testing.assert_array_equal(held[0], clip)
    np.testing.assert_allclose(held[2], TONE / 2**15, atol=1e-6)
    again = DecodeAudio(8000).apply(held)
    assert all(np.array_equal(one, two) for one, two in zip(held, again, strict=True))


@pytest.mark.parametrize(
    ("clip", "message"),
    [
        (np.zeros((2, 9)), "average the channels"),
        (np.zeros(0), r"a clip of shape \(0,\)"),
        ([1.0, np.inf], "NaN or infinity"),
        ([1, 2, 3], "floats from -1 to 1"),
        (None, "a clip of type object"),
    ],
)
def test_samples_that_are_no_clip_are_refused(clip: Any, message: str) -> None:
    with pytest.raises(InputError, match=message):
        DecodeAudio(8000).apply([clip])


@given(st.lists(st.integers(1, 30), min_size=1, max_size=5), st.integers(1, 20))
def test_fit_length_cuts_the_end_or_adds_silence(lengths: list[int], samples: int) -> None:
    clips = DecodeAudio(8000).apply([np.arange(1.0, length + 1) for length in lengths])
    fitted = FitLength(samples).apply(clips)
    assert fitted.shape == (len(lengths), samples)
    assert fitted.dtype == np.float32
    expected = np.arange(1, samples + 1)
    for row, length in zip(fitted, lengths, strict=True):
        np.testing.assert_array_equal(row, np.where(expected <= length, expected, 0))
    np.testing.assert_array_equal(FitLength(samples).apply(np.stack([clips[0]])), fitted[:1])


def test_fit_length_in_seconds() -> None:
    assert read_steps([{"fit_length": {"seconds": 0.5, "rate": 16000}}]) == (FitLength(8000),)


def test_clips_of_several_lengths_need_a_step_that_fits_them() -> None:
    clips = DecodeAudio(8000).apply([TONE, TONE[:100]])
    with pytest.raises(InputError, match="clips of 100 to 4000 samples"):
        apply_steps((), clips)
    assert apply_steps((), clips[:1]).shape == (1, 4000)


@pytest.mark.parametrize("masked", [True, False])
def test_normalised_rows_are_those_of_wav2vec2(masked: bool) -> None:
    from transformers import Wav2Vec2FeatureExtractor

    clips = [RANDOM.uniform(-0.2, 0.9, length).astype(np.float32) for length in (400, 250)]
    theirs = Wav2Vec2FeatureExtractor(sampling_rate=8000, do_normalize=True, return_attention_mask=masked)
    expected = theirs(clips, sampling_rate=8000, padding="max_length", max_length=500)["input_values"]
    level: dict[str, Any] = {"normalise_rows": {}}
    fit = {"fit_length": {"samples": 500}}
    # With a mask their extractor leaves the silence at the end out of mean and variance, without one it does not.
    steps = read_steps([{"decode_audio": {"rate": 8000}}, *([level, fit] if masked else [fit, level])])
    np.testing.assert_allclose(apply_steps(steps, as_clips(clips)), np.stack(expected), atol=1e-5)


def test_normalised_rows_of_any_shape() -> None:
    pictures = RANDOM.normal(7, 3, (4, 2, 5, 6))
    result = NormaliseRows().apply(pictures)
    np.testing.assert_allclose(result.mean(axis=(1, 2, 3)), 0, atol=1e-5)
    np.testing.assert_allclose(result.var(axis=(1, 2, 3)), 1, atol=1e-4)
    assert np.all(NormaliseRows().apply(np.ones((1, 3))) == 0)
    with pytest.raises(InputError, match=r"rows: \(n, ...\)"):
        NormaliseRows().apply(np.ones(3))


def _slow_log_mel(clip: NDArray[Any], step: LogMel) -> NDArray[np.float64]:
    """The formula of `LogMel`, sum by sum."""
    mels = np.linspace(0, 2595 * np.log10(1 + step.rate / 2 / 700), step.bands + 2)
    corners = [700 * (10 ** (mel / 2595) - 1) for mel in mels]
    picture = np.zeros((step.bands, step.frames(len(clip))))
    time = np.arange(step.window)
    hann = np.sin(np.pi * time / step.window) ** 2
    for frame in range(picture.shape[1]):
        part = clip[frame * step.hop : frame * step.hop + step.window] * hann
        for k in range(step.window // 2 + 1):
            power = abs(np.sum(part * np.exp(-2j * np.pi * k * time / step.window))) ** 2
            hertz = k * step.rate / step.window
            for band, (low, top, high) in enumerate(zip(corners, corners[1:], corners[2:], strict=False)):
                if low < hertz < high:
                    rise, fall = (hertz - low) / (top - low), (high - hertz) / (high - top)
                    picture[band, frame] += power * min(rise, fall)
    return np.log(np.maximum(picture, FLOOR))


def test_log_mel_is_its_formula() -> None:
    step = LogMel(rate=4000, window=64, hop=24, bands=9)
    clips = RANDOM.normal(0, 0.3, (2, 200)).astype(np.float32)
    result = step.apply(clips)
    assert result.shape == (2, 1, 9, 1 + (200 - 64) // 24)
    assert result.dtype == np.float32
    for picture, clip in zip(result, clips, strict=True):
        np.testing.assert_allclose(picture[0], _slow_log_mel(clip, step), atol=1e-3)


def test_the_filters_are_those_of_transformers() -> None:
    from transformers.audio_utils import mel_filter_bank

    theirs = mel_filter_bank(129, 40, 0.0, 4000.0, 8000, norm=None, mel_scale="htk")
    np.testing.assert_allclose(mel_filters(8000, 256, 40), theirs, atol=1e-6)


def test_log_mel_does_not_depend_on_how_rows_are_divided(monkeypatch: pytest.MonkeyPatch) -> None:
    step = LogMel(8000, 256, 80, 40)
    clips = RANDOM.normal(0, 0.3, (7, 4000)).astype(np.float32)
    whole = step.apply(clips)
    monkeypatch.setattr("sartor.steps.spectrogram._VALUES_A_PART", 3 * 256 * step.frames(4000))
    np.testing.assert_allclose(step.apply(clips), whole, atol=1e-5)


def test_log_mel_of_silence_is_finite_and_a_tone_is_in_one_band() -> None:
    step = LogMel(8000, 256, 80, 40)
    assert np.all(step.apply(np.zeros((1, 256))) == np.float32(np.log(FLOOR)))
    band = int(step.apply(TONE[np.newaxis] / 2**15)[0, 0].mean(axis=1).argmax())
    assert abs(int(mel_filters(8000, 256, 40)[:, band].argmax()) * 8000 / 256 - 440) <= 8000 / 256


def test_log_mel_wants_clips_of_one_length() -> None:
    step = LogMel(8000, 256, 80, 40)
    for batch in (np.zeros((2, 255)), np.zeros((2, 1, 300)), DecodeAudio(8000).apply([TONE])):
        with pytest.raises(InputError, match="fit_length"):
            step.apply(batch)
