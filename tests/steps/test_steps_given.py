"""Whole pipelines: the rows of a data set (`prepare_rows`), and what a user has (`prepare_for`)."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from sartor.errors import InputError
from sartor.steps import InputSpec, Prepared, Step, for_model, prepare_for, prepare_rows, read_steps
from sartor.steps.prepared import SOLE
from tests.steps.making import wav_bytes, write_tokenizer

RANDOM = np.random.default_rng(3)
TEXT_SPECS = (InputSpec("input_ids", "int64", ("tokens",)), InputSpec("attention_mask", "int64", ("tokens",)))
TWO = (InputSpec("user", "int64", ()), InputSpec("features", "float32", (3,)))
AUDIO = [
    {"decode_audio": {"rate": 8000}},
    {"fit_length": {"samples": 600}},
    {"log_mel": {"rate": 8000, "window": 256, "hop": 80, "bands": 24}},
]
PICTURE = InputSpec("sound", "float32", (1, 24, 5))


@pytest.fixture(scope="module")
def tokenise(tmp_path_factory: pytest.TempPathFactory) -> tuple[Step, ...]:
    folder = tmp_path_factory.mktemp("tokenizer")
    write_tokenizer(folder / "tokenizer.json")
    return read_steps([{"tokenise": {"file": "tokenizer.json", "max_length": 8}}], folder)


def _clips(*lengths: int) -> NDArray[Any]:
    held = np.empty(len(lengths), dtype=object)
    for number, length in enumerate(lengths):
        held[number] = RANDOM.uniform(-1, 1, length).astype(np.float32)
    return held


def test_rows_of_numbers_are_one_array_however_many_there_are() -> None:
    images = RANDOM.integers(0, 256, (600, 3, 6, 6), dtype=np.uint8)
    steps = read_steps([{"resize": {"size": [4, 4], "resample": "bicubic"}}, {"scale": 0.5}])
    prepared = prepare_rows(steps, images)
    assert list(prepared.arrays) == [SOLE]
    assert prepared.lengths is None
    one_by_one = np.concatenate([prepare_rows(steps, images[row : row + 1]).arrays[SOLE] for row in range(600)])
    np.testing.assert_array_equal(prepared.arrays[SOLE], one_by_one)
    assert prepare_rows((), images).arrays[SOLE].dtype == np.float32


def test_clips_with_or_without_their_decoding_give_the_same_pictures() -> None:
    clips, steps = _clips(500, 900), read_steps(AUDIO)
    decoded = prepare_rows(steps, clips).arrays[SOLE]
    assert decoded.shape == (2, 1, 24, 5)
    np.testing.assert_array_equal(prepare_rows(steps[1:], clips).arrays[SOLE], decoded)
    with pytest.raises(InputError, match="clips of 500 to 900 samples"):
        prepare_rows(steps[:1], clips)


def test_records_give_an_array_for_each_field_and_take_no_steps() -> None:
    records = np.zeros(4, dtype=[("user", np.int64), ("features", np.float32, (3,))])
    records["user"] = [1, 2, 3, 4]
    prepared = prepare_rows((), records)
    assert prepared.row_shapes == {"user": (), "features": (3,)}
    assert prepared.arrays["user"].flags["C_CONTIGUOUS"]
    np.testing.assert_array_equal(prepare_for((), records, TWO).arrays["user"], [1, 2, 3, 4])
    with pytest.raises(InputError, match=r"steps on rows with several inputs \(user, features\)"):
        prepare_rows(read_steps([{"scale": 2}]), records)


def test_one_sentence_or_many(tokenise: tuple[Step, ...]) -> None:
    one = prepare_for(tokenise, "good film", TEXT_SPECS)
    np.testing.assert_array_equal(one.arrays["input_ids"], [[2, 4, 6, 3]])
    for many in (["good", "a bad film"], ("good", "a bad film"), np.array(["good", "a bad film"])):
        prepared = prepare_for(tokenise, many, TEXT_SPECS)
        np.testing.assert_array_equal(prepared.lengths, [3, 5])
        assert prepared.row_shapes == {"input_ids": (5,), "attention_mask": (5,)}


def test_a_model_may_take_fewer_inputs_of_its_own_type_and_length(tokenise: tuple[Step, ...]) -> None:
    prepared = prepare_for(tokenise, ["good", "bad film"], [InputSpec("input_ids", "int32", (6,))])
    np.testing.assert_array_equal(prepared.arrays["input_ids"], [[2, 4, 3, 0, 0, 0], [2, 5, 6, 3, 0, 0]])
    assert prepared.arrays["input_ids"].dtype == np.int32
    assert prepared.lengths is None
    with pytest.raises(InputError, match=r"got shape \(4,\)"):
        prepare_for(tokenise, ["good", "bad film"], [InputSpec("input_ids", "int32", (3,))])


def test_token_ids_may_come_in_place_of_sentences(tokenise: tuple[Step, ...]) -> None:
    ids = {"input_ids": [2, 4, 3], "attention_mask": [1, 1, 1]}
    expected = prepare_for(tokenise, "good", TEXT_SPECS)
    prepared = prepare_for(tokenise, ids, TEXT_SPECS)
    for name in ids:
        np.testing.assert_array_equal(prepared.arrays[name], expected.arrays[name])


def test_a_sound_may_be_path_bytes_or_samples(tmp_path: Path) -> None:
    samples = RANDOM.integers(-9000, 9000, 700, dtype=np.int16)
    file = tmp_path / "one.wav"
    file.write_bytes(wav_bytes(samples))
    steps, floats = read_steps(AUDIO), samples.astype(np.float32) / 2**15
    expected = prepare_for(steps, file, [PICTURE]).arrays["sound"]
    assert expected.shape == (1, 1, 24, 5)
    for form in (str(file), file.read_bytes(), samples, floats, floats.tolist(), [file], [floats], floats[np.newaxis]):
        np.testing.assert_allclose(prepare_for(steps, form, [PICTURE]).arrays["sound"], expected, atol=1e-5)
    for many in ([file, floats[:500]], _clips(300, 700), [[0.5, 0.1], [0.5]]):
        assert prepare_for(steps, many, [PICTURE]).row_shapes == {"sound": (1, 24, 5)}
    assert prepare_for(steps[1:], _clips(300, 700), [PICTURE]).row_shapes == {"sound": (1, 24, 5)}
    assert prepare_for(steps[2:], floats[:600], [PICTURE]).row_shapes == {"sound": (1, 24, 5)}


def test_wav_files_of_several_rates_end_at_one() -> None:
    tone = [(np.sin(np.arange(rate) * 2 * np.pi * 300 / rate) * 9000).astype(np.int16) for rate in (8000, 16000)]
    files = [wav_bytes(tone[0], 8000), wav_bytes(tone[1], 16000)]
    spec = InputSpec("x", "float32", (8000,))
    steps = read_steps([{"decode_audio": {"rate": 8000}}, {"fit_length": {"samples": 8000}}])
    low, high = prepare_for(steps, files, [spec]).arrays["x"]
    np.testing.assert_allclose(low[200:-200], high[200:-200], atol=0.01)


def test_images_and_numbers_go_to_the_sole_input() -> None:
    image = Image.fromarray(RANDOM.integers(0, 256, (6, 6, 3), dtype=np.uint8))
    spec = InputSpec("pixels", "float32", (3, 6, 6))
    assert prepare_for(read_steps([{"decode_image": {}}]), image, [spec]).row_shapes == {"pixels": (3, 6, 6)}
    row, table = [1.0, 2.0, 3.0], InputSpec("row", "float64", (3,))
    steps = read_steps([{"scale": 2}])
    for form in (row, [row], {"row": row}, np.array(row, dtype=np.float32)):
        array = prepare_for(steps, form, [table]).arrays["row"]
        np.testing.assert_array_equal(array, [[2, 4, 6]])
        assert array.dtype == np.float64


def test_several_inputs_by_name_one_row_or_many() -> None:
    one = prepare_for((), {"features": [1, 2, 3], "user": 7}, TWO)
    assert {name: array.shape for name, array in one.arrays.items()} == {"user": (1,), "features": (1, 3)}
    many = prepare_for((), {"features": np.ones((5, 3)), "user": np.arange(5)}, TWO)
    assert list(many.arrays) == ["user", "features"]
    assert many.arrays["features"].dtype == np.float32


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ({"usr": 1, "features": [1, 2, 3]}, "did you mean `user`"),
        ({"user": 1}, "nothing for the input `features`"),
        ({"user": 1, "features": [1, 2]}, "for `features`"),
        ({"user": [1, 2], "features": [1, 2, 3]}, "2 of `user`, 1 of `features`"),
        ({"user": 0.5, "features": [1, 2, 3]}, "fractions"),
        ({"user": 1e30, "features": [1, 2, 3]}, "out of range"),
        ({"user": "me", "features": [1, 2, 3]}, "numbers"),
        ([[1, 2, 3]], "a list for a model that takes user, features"),
        ({}, "nothing for the input `user`"),
    ],
)
def test_wrong_named_inputs_are_explained(value: Any, message: str) -> None:
    with pytest.raises(InputError) as raised:
        prepare_for((), value, TWO)
    assert message in str(raised.value)


@pytest.mark.parametrize(
    ("specs", "value", "message"),
    [
        ([], "a sentence", "for texts let it be tokenise"),
        ([], np.array(["a sentence"]), "for texts let it be tokenise"),
        ([], np.array(["a sentence"], dtype=object), "for texts let it be tokenise"),
        (AUDIO, "missing.wav", "missing.wav cannot be read"),
        (AUDIO, b"RIFFxxxx", "a WAV file"),
        (AUDIO, [], "for a sound"),
        (AUDIO, 3, "for a sound"),
        (AUDIO, [[[0.1, 0.2]]], "average the channels"),
        (AUDIO[1:], "one.wav", "begin with decode_audio"),
        (AUDIO[:2], [0.1] * 600, "got shape (600,)"),
        (AUDIO[:1], _clips(3, 4), "clips of 3 to 4 samples"),
    ],
)
def test_wrong_values_are_explained(specs: Any, value: Any, message: str) -> None:
    with pytest.raises(InputError) as raised:
        prepare_for(read_steps(specs), value, [PICTURE])
    assert message in str(raised.value)


def test_wrong_sentences_are_explained(tokenise: tuple[Step, ...]) -> None:
    for value, message in ((3, "a int for a sentence"), ([1, 2], "a int in row 1"), (np.ones(3), "for a sentence")):
        with pytest.raises(InputError, match=message):
            prepare_for(tokenise, value, TEXT_SPECS)
    with pytest.raises(InputError, match="`token_type_ids`"):
        prepare_for(tokenise, "good", [*TEXT_SPECS, InputSpec("token_type_ids", "int64", ("tokens",))])


def test_a_sole_array_cannot_feed_two_inputs() -> None:
    with pytest.raises(InputError, match="one array without a name"):
        for_model(Prepared({SOLE: np.zeros((2, 3))}), TWO)
