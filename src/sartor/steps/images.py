"""Decode the images that a user has. Pillow does the work, loaded when needed."""

from __future__ import annotations

import io
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from sartor.errors import InputError, nearest
from sartor.steps.base import Array
from sartor.steps.resize import Resize, resampling
from sartor.steps.shapes import read_sizes

if TYPE_CHECKING:
    from PIL.Image import Image

CHANNELS = {"L": 1, "RGB": 3}
_FORMS = "an image file, its bytes, a Pillow image, or an array (n, channels, height, width) of 0 to 255"


def _open(item: Any) -> Image:
    """A loaded, upright Pillow image.

    Raises:
        InputError: not an image, unreadable, or more than 8 bits per channel.
    """
    from PIL import Image, ImageOps

    name = "the image" if isinstance(item, bytes) else f"image {item}"
    try:
        image = item if isinstance(item, Image.Image) else Image.open(_readable(item))
        image.load()
        # A photograph may be stored lying on its side with a note to turn it.
        upright = ImageOps.exif_transpose(image)
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as reason:
        raise InputError(f"{name} cannot be read: {reason}", _FORMS, "check the path and the file") from None
    if upright.mode[0] in "IF":
        raise InputError(f"{name} has pixel format {upright.mode}", "8 bits per channel", "convert it first")
    return upright


def _readable(item: Any) -> Path | io.BytesIO:
    if isinstance(item, (bytes, bytearray)):
        return io.BytesIO(item)
    if isinstance(item, (str, Path)):
        return Path(item)
    raise InputError(f"a {type(item).__name__} for an image", _FORMS)


def is_image(value: Any) -> bool:
    """Whether `value` is one image that still has to be decoded: a path, bytes, or a Pillow image."""
    # Compared by name so that asking does not load Pillow.
    modules = {base.__module__ for base in type(value).__mro__}
    return isinstance(value, (str, Path, bytes, bytearray)) or "PIL.Image" in modules


@dataclass(frozen=True)
class DecodeImage:
    """What a user has -> (n, c, h, w) uint8; `mode` is `RGB` or `L` (grey), `size` is (h, w) or as it is."""

    mode: str = "RGB"
    size: tuple[int, int] | None = None

    @classmethod
    def read(cls, given: Any) -> DecodeImage:
        """From `{mode: RGB, size: [28, 28]}`; both may be left out."""
        given = {} if given is None else given
        if not isinstance(given, dict) or set(given) - {"mode", "size"}:
            raise InputError(f"decode_image: {given!r}", "the keys mode and size", "decode_image: {mode: RGB}")
        mode, size = given.get("mode", "RGB"), given.get("size")
        if mode not in CHANNELS:
            raise InputError(f"decode_image: mode {mode!r}", "RGB or L (grey)", nearest(str(mode), CHANNELS))
        if size is None:
            return cls(mode)
        height, width = read_sizes(size, "decode_image size", 2)
        return cls(mode, (height, width))

    def apply(self, batch: Any) -> Array:
        """Images, or an array already decoded -> (n, c, h, w) uint8; grey ones may come as (n, h, w).

        Raises:
            InputError: an image that cannot be read, images of several sizes without `size`, or an
                array that is no batch of images with values 0 to 255.
        """
        if isinstance(batch, np.ndarray):
            return self._from_array(batch)
        rows = [self._decode(item) for item in batch]
        shapes = sorted({row.shape[1:] for row in rows})
        if len(shapes) != 1:
            came = " and ".join(f"{h} x {w}" for h, w in shapes[:2]) if shapes else "no images"
            raise InputError(came, "images of one size", "add `size: [height, width]` to decode_image")
        return np.stack(rows)

    def _decode(self, item: Any) -> Array:
        image = _open(item).convert(self.mode)
        if self.size is not None:
            image = image.resize((self.size[1], self.size[0]), resampling("bilinear"))
        pixels = np.asarray(image, dtype=np.uint8)
        return pixels[np.newaxis] if self.mode == "L" else np.ascontiguousarray(pixels.transpose(2, 0, 1))

    def _from_array(self, batch: Array) -> Array:
        channels = CHANNELS[self.mode]
        if self.mode == "L" and batch.ndim == 3:
            batch = batch[:, np.newaxis]  # grey pictures are usually stored without a dimension for their channel
        if batch.ndim != 4 or batch.shape[1] != channels:
            raise InputError(
                f"an array of shape {batch.shape}",
                f"(n, {channels}, height, width)",
                "put the channels before height and width",
            )
        pixels = _as_bytes(batch)
        return pixels if self.size is None else Resize(*self.size).apply(pixels)

    def as_dict(self) -> dict[str, Any]:
        """The form of the Need."""
        size = {} if self.size is None else {"size": list(self.size)}
        return {"decode_image": {"mode": self.mode, **size}}


def _as_bytes(batch: Array) -> Array:
    if batch.dtype == np.uint8:
        return batch
    pixels = batch.astype(np.uint8) if batch.size and _within_bytes(batch) else None
    if pixels is None or not np.array_equal(pixels, batch):
        raise InputError(
            f"image values of type {batch.dtype} that are not whole numbers from 0 to 255",
            "pixels from 0 to 255",
            "give the image as it was decoded: the steps do the scaling",
        )
    return pixels


def _within_bytes(batch: Array) -> bool:
    return bool(np.isfinite(batch).all() and batch.min() >= 0 and batch.max() <= 255)
