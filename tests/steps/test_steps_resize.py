"""Steps on the size of images, against Pillow and against Hugging Face's own image transforms."""

import io

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from sartor.errors import InputError
from sartor.steps import apply_steps, prepare, read_steps
from sartor.steps.resize import CenterCrop, Resize, ResizeShortest

RANDOM = np.random.default_rng(1)
sides = st.integers(1, 40)


@pytest.mark.parametrize("resample", ["nearest", "bilinear", "bicubic", "lanczos"])
def test_every_filter_is_pillows(resample: str) -> None:
    images = RANDOM.integers(0, 256, (2, 3, 19, 31), dtype=np.uint8)
    steps = read_steps([{"resize": {"size": [12, 40], "resample": resample}}])
    colour = Image.fromarray(images[1].transpose(1, 2, 0))
    expected = np.asarray(colour.resize((40, 12), Image.Resampling[resample.upper()])).transpose(2, 0, 1)
    np.testing.assert_array_equal(apply_steps(steps, images)[1], expected)


def test_the_long_form_of_bilinear_is_the_short_one() -> None:
    assert read_steps([{"resize": {"size": [3, 4]}}]) == read_steps([{"resize": [3, 4]}]) == (Resize(3, 4),)
    assert Resize(3, 4).as_dict() == {"resize": [3, 4]}


@given(sides, sides, sides)
def test_the_shorter_side_gets_the_size_as_in_transformers(height: int, width: int, size: int) -> None:
    from transformers.image_transforms import get_resize_output_image_size

    image = np.zeros((1, 1, height, width), dtype=np.uint8)
    result = ResizeShortest(size).apply(image)
    expected = get_resize_output_image_size(image[0], size, default_to_square=False, input_data_format="channels_first")
    assert result.shape[2:] == expected
    assert min(result.shape[2:]) == size


@given(sides, sides, sides, sides)
def test_the_middle_is_that_of_transformers_even_where_it_pads(height: int, width: int, tall: int, wide: int) -> None:
    from transformers.image_transforms import center_crop

    image = RANDOM.integers(1, 256, (2, 3, height, width), dtype=np.uint8)
    expected = center_crop(image[1], (tall, wide), input_data_format="channels_first")
    np.testing.assert_array_equal(CenterCrop(tall, wide).apply(image)[1], expected)


def _bytes(width: int, height: int) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(RANDOM.integers(0, 256, (height, width, 3), dtype=np.uint8)).save(buffer, "PNG")
    return buffer.getvalue()


def test_files_of_several_sizes_meet_after_shortest_side_and_crop() -> None:
    steps = read_steps(
        [
            {"decode_image": {"mode": "RGB"}},
            {"resize_shortest": {"size": 16, "resample": "bicubic"}},
            {"center_crop": [14, 14]},
            {"scale": 0.5},
        ]
    )
    files = [_bytes(40, 20), _bytes(17, 33)]
    batch = prepare(steps, files, (3, 14, 14))
    assert batch.shape == (2, 3, 14, 14)
    np.testing.assert_array_equal(batch[1:], prepare(steps, files[1]))
    with pytest.raises(InputError, match="images of several sizes"):
        prepare(steps[:2], files)


def test_one_image_without_decoding() -> None:
    steps = read_steps([{"resize_shortest": {"size": 8}}])
    assert prepare(steps, np.zeros((3, 4, 6))).shape == (1, 3, 8, 12)
    with pytest.raises(InputError, match="add a reshape step"):
        prepare(steps, np.zeros((2, 3, 4, 6, 1)))
