"""Clips of sound: folders of WAV files, and clips end to end in an .npz."""

from __future__ import annotations

import wave
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from sartor.data import Dataset, open_data
from sartor.errors import DataError
from sartor.need import DataSpec

AUDIO = "audio-classification"


def write_wav(path: Path, samples: int = 800, rate: int = 8000, channels: int = 1) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    number = sum(map(ord, str(path)))
    sound = np.round(20000 * np.sin(np.arange(samples) * (0.01 + 0.001 * (number % 37)))).astype("<i2")
    with wave.open(str(path), "wb") as file:
        file.setnchannels(channels)
        file.setsampwidth(2)
        file.setframerate(rate)
        file.writeframes(np.repeat(sound, channels).tobytes())


def write_classes(folder: Path, count: int = 2, **form: int) -> None:
    for name in ("yes", "no"):
        for number in range(count):
            write_wav(folder / name / f"{number}.wav", 800 + 10 * number, **form)


def flat(**changed: Any) -> dict[str, Any]:
    arrays = {
        "audio": np.arange(-500, 500, dtype=np.int16) * 32,
        "offset": np.array([0, 100, 400]),
        "length": np.array([100, 300, 600]),
        "digit": np.array([0, 1, 0], dtype=np.int8),
        "speaker": np.array(["ann", "bob", "ann"]),
        "sample_rate": np.int32(8000),
    }
    return {**arrays, **changed}


def opened(base: Path, rate: int | None = None, task: str = AUDIO, labelled: bool = True, **spec: Any) -> Dataset:
    spec.setdefault("source", ".")
    return open_data(DataSpec(**spec), task, base, audio_rate=rate, labelled=labelled)


def refused(base: Path, **spec: Any) -> str:
    with pytest.raises(DataError) as raised:
        opened(base, **spec)
    return str(raised.value)


def test_a_folder_of_wav_files(tmp_path: Path) -> None:
    write_classes(tmp_path)
    (tmp_path / "yes" / "notes.txt").write_text("no sound")
    data = opened(tmp_path)
    assert (data.classes, data.labels.tolist()) == (("no", "yes"), [0, 0, 1, 1])
    assert data.input_steps == ({"decode_audio": {"rate": 8000}},)
    assert [(len(clip), clip.dtype) for clip in data.inputs[:2]] == [(800, np.float32), (810, np.float32)]
    assert 0.5 < np.abs(data.inputs[0]).max() <= 1
    assert data.notes == ("1 files that are no WAV files were passed over: yes/notes.txt",)


def test_splits_of_wav_files_and_stereo(tmp_path: Path) -> None:
    for split in ("train", "val", "test"):
        write_classes(tmp_path / split, channels=2)
    data = opened(tmp_path)
    assert sorted(data.given) == ["confirm", "select", "train"]
    assert data.labels[data.given["confirm"]].tolist() == [0, 0, 1, 1]
    assert len(data.inputs[0]) == 800


def test_several_sample_rates(tmp_path: Path) -> None:
    write_classes(tmp_path)
    write_wav(tmp_path / "no" / "other.wav", 1600, 16000)
    message = refused(tmp_path)
    assert "2 sample rates: 8000 Hz (4), 16000 Hz (1)" in message
    assert "preprocess: [{decode_audio: {rate: 8000}}, ...]" in message
    data = opened(tmp_path, rate=4000)
    assert data.input_steps == ({"decode_audio": {"rate": 4000}},)
    assert [len(clip) for clip in data.inputs] == [400, 405, 400, 400, 405]


def test_splits_of_other_rates_are_no_surprise(tmp_path: Path) -> None:
    write_classes(tmp_path / "one")
    write_classes(tmp_path / "two", rate=16000)
    assert "confirm decodes as" in refused(tmp_path, source="one", confirm="two")
    assert len(opened(tmp_path, rate=8000, source="one", confirm="two").inputs) == 8


def test_broken_files_are_left_out_and_listed(tmp_path: Path) -> None:
    write_classes(tmp_path, 50)
    (tmp_path / "no" / "7.wav").write_bytes(b"RIFF?")
    data = opened(tmp_path)
    assert (len(data.inputs), len(data.labels), np.bincount(data.labels).tolist()) == (99, 99, [49, 50])
    assert "1 of 100 WAV files cannot be read and were left out: no/7.wav (" in data.notes[0]
    (tmp_path / "no" / "8.wav").write_bytes((tmp_path / "no" / "9.wav").read_bytes()[:300])
    message = refused(tmp_path)
    assert "2 of 100 WAV files cannot be read: no/7.wav" in message
    assert "at most 1 of 100" in message


def test_sound_without_labels(tmp_path: Path) -> None:
    write_wav(tmp_path / "a.wav")
    write_wav(tmp_path / "deep" / "er" / "b.wav")
    for task in (AUDIO, "feature-extraction"):
        data = opened(tmp_path, task=task, labelled=False)
        assert (len(data.inputs), data.labelled, data.given) == (2, False, {})
    assert "a.wav in" in refused(tmp_path)


def test_clips_end_to_end(tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", **flat())
    data = opened(tmp_path, source="a.npz", label="digit", group="speaker")
    assert [len(clip) for clip in data.inputs] == [100, 300, 600]
    np.testing.assert_allclose(data.inputs[1], np.arange(-400, -100) * 32 / 32768, rtol=1e-6)
    assert data.groups is not None
    assert (data.labels.tolist(), data.groups.tolist()) == ([0, 1, 0], [0, 1, 0])
    assert [len(clip) for clip in opened(tmp_path, 4000, source="a.npz", label="digit").inputs] == [50, 150, 300]
    assert not opened(tmp_path, source="a.npz", labelled=False).labelled
    np.savez(tmp_path / "b.npz", **flat(sample_rate=np.array([8000, 8000, 16000])))
    assert "8000 Hz (2), 16000 Hz (1)" in refused(tmp_path, source="b.npz", label="digit")


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"length": np.array([100, 300, 601])}, "1 clips outside the 1,000 samples or empty, first clip 2"),
        ({"length": np.array([100, 0, 600])}, "first clip 1 (offset 100, length 0)"),
        ({"offset": np.array([0, 100])}, "offset of shape (2,), length of shape (3,)"),
        ({"audio": np.zeros(1000, dtype=np.int64)}, "sound of type int64"),
        ({"audio": np.full(1000, np.nan, dtype=np.float32)}, "NaN or infinity in the inputs of 3 of 3"),
        ({"sample_rate": np.float64(8000.5)}, "no whole numbers above 0"),
        ({"digit": np.array([0, 1])}, "3 inputs, 2 labels"),
    ],
)
def test_wrong_clips_end_to_end(tmp_path: Path, changed: dict[str, Any], message: str) -> None:
    np.savez(tmp_path / "a.npz", **flat(**changed))
    assert message in refused(tmp_path, source="a.npz", label="digit")


def test_sound_for_another_task(tmp_path: Path) -> None:
    write_classes(tmp_path)
    assert "clips of sound for the task `image-classification`" in refused(tmp_path, task="image-classification")


def test_clips_of_a_callable(tmp_path: Path) -> None:
    (tmp_path / "mine_sounds.py").write_text(
        "import numpy as np\n\ndef load():\n    return [np.zeros(5), np.ones(7)], [0, 1]\n\n"
        "def empty():\n    return [np.zeros(5), np.ones(0)], [0, 1]\n",
        encoding="utf-8",
    )
    data = opened(tmp_path, 8000, source="mine_sounds:load")
    assert ([len(clip) for clip in data.inputs], data.inputs[0].dtype) == ([5, 7], np.float32)
    assert data.input_steps == ({"decode_audio": {"rate": 8000}},)
    assert "sample rate is not known" in refused(tmp_path, source="mine_sounds:load")
    assert "a clip of shape (0,)" in refused(tmp_path, source="mine_sounds:empty", rate=8000)
