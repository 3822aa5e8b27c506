"""Steps: what they compute, and that their plain form reads back to the same step."""

import io
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from sartor.errors import InputError
from sartor.steps import Step, apply_steps, fit_standardise, fit_steps, prepare, read_steps
from sartor.steps.base import Array
from sartor.steps.text import INPUTS

RANDOM = np.random.default_rng(0)
finite = st.floats(-1e6, 1e6, allow_nan=False)
positive = st.floats(1e-6, 1e6)
sizes = st.integers(1, 512)
mean_std = st.one_of(
    st.fixed_dictionaries({"mean": finite, "std": positive}),
    st.integers(1, 4).flatmap(
        lambda n: st.fixed_dictionaries(
            {
                "mean": st.lists(finite, min_size=n, max_size=n),
                "std": st.lists(positive, min_size=n, max_size=n),
            }
        )
    ),
)
resamples = st.sampled_from(["nearest", "bilinear", "bicubic", "lanczos"])
names = st.text("abcdefgh0123_", min_size=1, max_size=8)
specs = st.one_of(
    st.fixed_dictionaries({"resize": st.lists(sizes, min_size=2, max_size=2)}),
    st.fixed_dictionaries({"normalise": mean_std}),
    st.fixed_dictionaries({"standardise": st.one_of(mean_std, st.just("train"))}),
    st.fixed_dictionaries({"scale": finite}),
    st.fixed_dictionaries({"reshape": st.lists(sizes, min_size=1, max_size=4)}),
    st.fixed_dictionaries(
        {
            "decode_image": st.fixed_dictionaries(
                {"mode": st.sampled_from(["RGB", "L"])},
                optional={"size": st.lists(sizes, min_size=2, max_size=2)},
            )
        }
    ),
    st.fixed_dictionaries(
        {
            "resize": st.fixed_dictionaries(
                {
                    "size": st.lists(sizes, min_size=2, max_size=2),
                    "resample": st.sampled_from(["nearest", "bicubic", "lanczos"]),
                }
            )
        }
    ),
    st.fixed_dictionaries({"resize_shortest": st.fixed_dictionaries({"size": sizes, "resample": resamples})}),
    st.fixed_dictionaries({"center_crop": st.lists(sizes, min_size=2, max_size=2)}),
    st.fixed_dictionaries({"decode_audio": st.fixed_dictionaries({"rate": sizes})}),
    st.fixed_dictionaries({"fit_length": st.fixed_dictionaries({"samples": sizes})}),
    st.just({"normalise_rows": {}}),
    st.sampled_from([{"log_mel": {"rate": rate, "window": 256, "hop": 80, "bands": 24}} for rate in (8000, 16000)]),
    st.fixed_dictionaries(
        {"floor": st.floats(1e-12, 1e-7), "below_peak": positive},
        optional={"scale": st.just("slaney"), "centred": st.just(True), "log": st.just("log10")},
    ).map(lambda unusual: {"log_mel": {"rate": 8000, "window": 256, "hop": 80, "bands": 24, **unusual}}),
    st.fixed_dictionaries(dict.fromkeys(("window", "hop", "bands", "frames"), sizes)).map(
        lambda given: {"filter_bank": {"rate": 16000, **given, "window": given["window"] + 1}}
    ),
    st.fixed_dictionaries(
        {
            "tokenise": st.fixed_dictionaries(
                {
                    "file": st.lists(names, min_size=1, max_size=3).map("/".join),
                    "max_length": sizes,
                    "pad_id": st.integers(0, 9),
                    "inputs": st.lists(st.sampled_from(INPUTS), min_size=1, unique=True),
                },
                optional={"pad_to": sizes},
            )
        }
    ),
)


def applied(step: Step, batch: Array) -> Array:
    """What a step gives that is no `tokenise`."""
    result = step.apply(batch)
    assert isinstance(result, np.ndarray)
    return result


@given(st.lists(specs, max_size=5))
def test_plain_form_round_trips_through_json(given_specs: list[dict[str, Any]]) -> None:
    steps = read_steps(given_specs)
    saved = json.loads(json.dumps([step.as_dict() for step in steps]))
    assert read_steps(saved) == steps
    assert saved == given_specs


def test_importing_steps_loads_no_image_or_learning_library() -> None:
    heavy = "('PIL', 'sklearn', 'scipy', 'torch', 'pydantic', 'tokenizers')"
    code = f"import sys, sartor.steps; print([name for name in {heavy} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_normalise_by_one_value_and_per_channel() -> None:
    images = RANDOM.integers(0, 256, (2, 3, 4, 5), dtype=np.uint8)
    (one,) = read_steps([{"normalise": {"mean": 127, "std": 128}}])
    assert applied(one, images).dtype == np.float32
    np.testing.assert_allclose(applied(one, images), (images.astype(float) - 127) / 128, rtol=1e-6)
    (three,) = read_steps([{"normalise": {"mean": [1, 2, 3], "std": [4, 5, 6]}}])
    np.testing.assert_allclose(applied(three, images)[:, 2], (images[:, 2].astype(float) - 3) / 6, rtol=1e-6)


def test_fitted_standardise_gives_mean_0_and_deviation_1_and_survives_constants() -> None:
    table = RANDOM.normal(5, 3, (200, 3)).astype(np.float32)
    table[:, 1] = 0.1
    step = fit_standardise(table)
    result = step.apply(table)
    np.testing.assert_allclose(result.mean(axis=0), 0, atol=1e-5)
    np.testing.assert_allclose(result.std(axis=0), [1, 0, 1], atol=1e-5)
    assert read_steps([step.as_dict()]) == (step,)


@pytest.mark.parametrize(("shape", "values"), [((9, 4), 4), ((9, 3, 2, 2), 3), ((9, 5, 6), None)])
def test_standardise_fits_features_channels_or_everything(shape: tuple[int, ...], values: int | None) -> None:
    mean = fit_standardise(RANDOM.normal(size=shape)).mean
    assert (len(mean) if isinstance(mean, tuple) else None) == values


def test_standardise_without_values_is_fitted_after_the_steps_before_it() -> None:
    steps = read_steps([{"scale": 0.5}, {"standardise": "train"}])
    train = np.array([[0.0], [4.0]])
    with pytest.raises(InputError, match="fitted on train"):
        apply_steps(steps, train)
    fitted = fit_steps(steps, train)
    assert fitted[1].as_dict() == {"standardise": {"mean": [1.0], "std": [1.0]}}
    np.testing.assert_allclose(apply_steps(fitted, train), [[-1], [1]])


def test_standardise_after_log_mel_has_one_mean_for_the_whole_picture() -> None:
    steps = read_steps(
        [{"log_mel": {"rate": 8000, "window": 256, "hop": 80, "bands": 24}}, {"standardise": "train"}, {"scale": 2}]
    )
    clips = RANDOM.normal(size=(6, 1000)).astype(np.float32)
    fitted = fit_steps(steps, clips)
    pictures = apply_steps(fitted, clips)
    assert pictures.mean() == pytest.approx(0, abs=1e-4)
    assert pictures.std() == pytest.approx(2, rel=1e-4)
    assert len(fitted[1].as_dict()["standardise"]["mean"]) == 1


@pytest.mark.parametrize("size", [(7, 9), (28, 20), (64, 64)])
def test_resize_equals_pillow_on_byte_images(size: tuple[int, int]) -> None:
    images = RANDOM.integers(0, 256, (2, 3, 28, 20), dtype=np.uint8)
    (step,) = read_steps([{"resize": list(size)}])
    colour = Image.fromarray(images[1].transpose(1, 2, 0))
    expected = np.asarray(colour.resize((size[1], size[0]), Image.Resampling.BILINEAR)).transpose(2, 0, 1)
    result = applied(step, images)
    assert result.dtype == np.uint8
    np.testing.assert_array_equal(result[1], expected)
    np.testing.assert_allclose(applied(step, images.astype(np.float64))[1], expected, atol=1)


def test_token_ids_stay_whole_and_everything_else_becomes_float32() -> None:
    assert apply_steps((), np.ones((2, 3), dtype=np.int64)).dtype == np.int64
    assert apply_steps((), np.ones((2, 3), dtype=np.uint8)).dtype == np.float32
    assert apply_steps((), np.ones((2, 3))).dtype == np.float32


def _png(image: Image.Image) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, "PNG")
    return buffer.getvalue()


def test_an_image_may_be_path_bytes_image_or_array(tmp_path: Path) -> None:
    pixels = RANDOM.integers(0, 256, (6, 4, 3), dtype=np.uint8)
    image = Image.fromarray(pixels)
    image.save(tmp_path / "a.png")
    steps = read_steps([{"decode_image": {"mode": "RGB"}}, {"scale": 0.5}])
    expected = pixels.transpose(2, 0, 1)[np.newaxis] * np.float32(0.5)
    forms = [
        tmp_path / "a.png",
        str(tmp_path / "a.png"),
        _png(image),
        image,
        pixels,
        pixels.transpose(2, 0, 1),
    ]
    for form in forms:
        np.testing.assert_array_equal(prepare(steps, form, (3, 6, 4)), expected)
    assert prepare(steps, [image, tmp_path / "a.png"]).shape == (2, 3, 6, 4)
    assert prepare(steps, np.stack([pixels, pixels])).shape == (2, 3, 6, 4)


def test_decoding_to_grey_with_a_size() -> None:
    image = Image.fromarray(RANDOM.integers(0, 256, (9, 5, 3), dtype=np.uint8))
    steps = read_steps([{"decode_image": {"mode": "L", "size": [4, 6]}}])
    expected = np.asarray(image.convert("L").resize((6, 4), Image.Resampling.BILINEAR))
    np.testing.assert_array_equal(prepare(steps, image)[0, 0], expected)
    assert prepare(steps, np.zeros((8, 8), dtype=np.int64)).shape == (1, 1, 4, 6)


def test_grey_arrays_may_come_without_their_channel() -> None:
    steps = read_steps([{"decode_image": {"mode": "L"}}])
    pictures = RANDOM.integers(0, 256, (3, 4, 6), dtype=np.uint8)
    assert np.array_equal(apply_steps(steps, pictures), pictures[:, np.newaxis])
    assert np.array_equal(prepare(steps, pictures[0], (1, 4, 6)), pictures[:1, np.newaxis])


def test_a_photograph_is_turned_upright() -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    buffer = io.BytesIO()
    Image.new("RGB", (8, 4)).save(buffer, "JPEG", exif=exif)
    assert prepare(read_steps([{"decode_image": {}}]), buffer.getvalue()).shape == (1, 3, 8, 4)


def test_images_of_several_sizes_fit_after_a_resize() -> None:
    images = [Image.new("RGB", (5, 6)), Image.new("RGB", (9, 9))]
    steps = read_steps([{"decode_image": {}}, {"resize": [4, 4]}])
    assert prepare(steps, images, (3, 4, 4)).shape == (2, 3, 4, 4)
    with pytest.raises(InputError, match="several sizes"):
        prepare(steps[:1], images)


@pytest.mark.parametrize(
    ("value", "row_shape", "shape"),
    [
        ([1, 2, 3], (3,), (1, 3)),
        ([[1, 2, 3]], (3,), (1, 3)),
        ([[1, 2, 3], [4, 5, 6]], (3,), (2, 3)),
        ([1, 2, 3], (1,), None),
        ([1, 2, 3], None, (1, 3)),
        ([[1, 2, 3], [4, 5, 6]], None, (2, 3)),
        (np.zeros((1, 8, 8)), (1, 8, 8), (1, 1, 8, 8)),
        (np.zeros((4, 1, 8, 8)), (1, 8, 8), (4, 1, 8, 8)),
        (np.zeros((3, 7)), ("tokens",), (3, 7)),
        (5.0, (1,), (1, 1)),
    ],
)
def test_one_row_or_many(value: Any, row_shape: Any, shape: tuple[int, ...] | None) -> None:
    if shape is None:
        with pytest.raises(InputError, match=r"got shape \(3,\)[^$]*expected rows of shape \(1\)"):
            prepare((), value, row_shape)
    else:
        assert prepare((), value, row_shape).shape == shape


def test_the_models_shape_decides_through_a_reshape() -> None:
    steps = read_steps([{"reshape": [1, 4, 4]}])
    assert prepare(steps, list(range(16)), (1, 4, 4)).shape == (1, 1, 4, 4)
    assert prepare(steps, np.zeros((5, 16)), (1, 4, 4)).shape == (5, 1, 4, 4)
    assert prepare(steps, np.zeros((4, 4)), (1, 4, 4)).shape == (1, 1, 4, 4)


def test_token_ids_from_lists() -> None:
    assert prepare((), [[1, 2]], ("tokens",), np.int64).dtype == np.int64
    with pytest.raises(InputError, match="fractions"):
        prepare((), [[1.5, 2]], dtype=np.int64)


@pytest.mark.parametrize(
    ("specs", "message"),
    [
        ([{"resise": [2, 2]}], "did you mean `resize`"),
        ([{"resize": [2]}], "2 positive whole numbers"),
        ([{"resize": [2, -1]}], "2 positive whole numbers"),
        ([{"resize": {"size": [2, 2], "resample": "cubic"}}], "did you mean `bicubic`"),
        ([{"resize": {"sise": [2, 2]}}], "did you mean `size`"),
        ([{"resize_shortest": {"resample": "bicubic"}}], "resize_shortest without `size`"),
        ([{"resize_shortest": 256}], "the keys size, resample"),
        ([{"center_crop": 224}], "2 positive whole numbers"),
        ([{"decode_audio": {"rate": 0}}], "rate is 0"),
        ([{"fit_length": {"samples": 0.5}}], "a positive whole number"),
        ([{"fit_length": {"seconds": "long", "rate": 8000}}], "seconds is 'long'"),
        ([{"fit_length": {"seconds": 0, "rate": 8000}}], "at least one sample"),
        ([{"normalise_rows": {"mean": 0}}], "no settings"),
        ([{"log_mel": {"rate": 8000, "window": 256, "hop": 80}}], "log_mel without `bands`"),
        ([{"log_mel": {"rate": 8000, "window": 256, "hop": 80, "bands": 128}}], "take fewer bands"),
        ([{"log_mel": {"rate": 8000, "window": 256, "hop": 80, "bands": 10**9}}], "take fewer bands"),
        ([{"tokenise": {"file": "t.json"}}], "tokenise without `max_length`"),
        ([{"tokenise": {"file": 3, "max_length": 8}}], "the path of a tokenizer.json"),
        ([{"tokenise": {"file": "t.json", "max_length": 8, "pad_id": -1}}], "pad_id is -1"),
        ([{"tokenise": {"file": "t.json", "max_length": 8, "inputs": ["input_id"]}}], "did you mean `input_ids`"),
        ([{"reshape": "x"}], "list of positive whole numbers"),
        ([{"scale": "big"}], "scale: factor is 'big'"),
        ([{"normalise": {"mean": 1}}], "the keys mean and std"),
        ([{"normalise": {"mean": 1, "std": 0}}], "numbers above 0"),
        ([{"normalise": {"mean": float("nan"), "std": 1}}], "a finite number"),
        ([{"decode_image": {"mode": "CMYK"}}], "RGB or L"),
        ([{"decode_image": {"size": [4, 6], "cover": True}}], "a square"),
        ([{"decode_image": {"resample": "blurry"}}], "bilinear, bicubic"),
        ([{"decode_image": {"colour": "RGB"}}], "mode, size, resample, cover"),
        ([{"resize": [2, 2], "scale": 1}], "one name with its settings"),
        (["resize"], "one name with its settings"),
    ],
)
def test_a_wrong_step_says_what_is_allowed(specs: Any, message: str) -> None:
    with pytest.raises(InputError) as raised:
        read_steps(specs)
    assert message in str(raised.value)


@pytest.mark.parametrize(
    ("specs", "value", "message"),
    [
        ([{"normalise": {"mean": [1, 2], "std": 1}}], np.zeros((1, 3)), "2 values for rows of shape (3,)"),
        ([{"reshape": [5]}], np.zeros((2, 4)), "5 values for (5,)"),
        ([{"resize": [2, 2]}], np.zeros((1, 1, 1, 1, 1)), "(n, channels, height, width)"),
        ([], "missing.png", "begin with decode_image"),
        ([{"decode_image": {}}], "missing.png", "missing.png cannot be read"),
        ([{"decode_image": {}}], b"not an image", "the image cannot be read"),
        ([{"decode_image": {}}], np.full((3, 2, 2), 0.5), "pixels from 0 to 255"),
        ([{"decode_image": {}}], np.zeros((2, 2, 2, 2)), "(n, 3, height, width)"),
        ([{"decode_image": {}}], Image.new("I", (2, 2)), "8 bits per channel"),
        ([], [[1, 2], [3]], "rows of one shape"),
        ([], [["a", "b"]], "numbers"),
        ([], [], "at least one row"),
        ([], [1.0, float("nan")], "NaN or infinity"),
    ],
)
def test_a_wrong_value_says_what_came(specs: Any, value: Any, message: str) -> None:
    with pytest.raises(InputError) as raised:
        prepare(read_steps(specs), value)
    assert message in str(raised.value)
