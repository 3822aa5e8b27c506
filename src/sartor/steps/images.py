"""Decode the images that a user has. Pillow does the work, loaded when needed."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from sartor.errors import InputError, nearest
from sartor.steps.base import Array
from sartor.steps.resize import CenterCrop, Resize, ResizeShortest, read_resample
from sartor.steps.shapes import read_keys, read_sizes

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
    """What a user has -> (n, c, h, w) uint8.

    Attributes:
        mode: `RGB` or `L` (grey).
        size: (h, w) that every image is brought to, or as it is.
        resample: Pillow's filter for that.
        cover: whether an image keeps its aspect and what stands over is cut off on both ends; else it is stretched.
    """

    mode: str = "RGB"
    size: tuple[int, int] | None = None
    resample: str = "bilinear"
    cover: bool = False

    @classmethod
    def read(cls, given: Any) -> DecodeImage:
        """From `{mode: RGB, size: [28, 28], resample: bicubic, cover: true}`; each may be left out.

        Raises:
            InputError: another key, an unknown mode or filter, or `cover` with a size that is no square.
        """
        keys = read_keys({} if given is None else given, "decode_image", (), ("mode", "size", "resample", "cover"))
        mode, size, cover = keys.get("mode", "RGB"), keys.get("size"), bool(keys.get("cover", False))
        if mode not in CHANNELS:
            raise InputError(f"decode_image: mode {mode!r}", "RGB or L (grey)", nearest(str(mode), CHANNELS))
        resample = read_resample(keys.get("resample", "bilinear"), "decode_image")
        if size is None:
            return cls(mode, None, resample)
        height, width = read_sizes(size, "decode_image size", 2)
        if cover and height != width:
            raise InputError(f"decode_image: cover with the size {height} x {width}", "a square", "leave out `cover`")
        return cls(mode, (height, width), resample, cover)

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
        pixels = np.asarray(_open(item).convert(self.mode), dtype=np.uint8)
        planes = pixels[np.newaxis] if self.mode == "L" else np.ascontiguousarray(pixels.transpose(2, 0, 1))
        row: Array = self._framed(planes[np.newaxis])[0]
        return row

    def _framed(self, batch: Array) -> Array:
        """(n, c, any, any) -> (n, c, *size)."""
        if self.size is None:
            return batch
        if not self.cover:
            return Resize(*self.size, self.resample).apply(batch)
        return CenterCrop(*self.size).apply(ResizeShortest(self.size[0], self.resample).apply(batch))

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
        return self._framed(pixels)

    def as_dict(self) -> dict[str, Any]:
        """The form of the Need."""
        given: dict[str, Any] = {"mode": self.mode}
        if self.size is not None:
            given["size"] = list(self.size)
        if self.resample != "bilinear":
            given["resample"] = self.resample
        return {"decode_image": given | ({"cover": True} if self.cover else {})}


def framing(steps: Sequence[Mapping[str, Any]]) -> DecodeImage | None:
    """How image files of several sizes are brought to one by the first steps that say so; None where none does.

    A resize says it alone, and so does the size of `decode_image`. `resize_shortest` leaves one side free, and only
    with the `center_crop` after it do all images have one size; of the longer side no more is kept than of the
    shorter, which is all the crop needs.

    >>> framing([{"resize_shortest": {"size": 256}}, {"center_crop": [224, 224]}]).size
    (256, 256)
    """
    shortest: ResizeShortest | None = None
    for spec in steps:
        if "decode_image" in spec and (asked := DecodeImage.read(spec["decode_image"])).size:
            return asked
        if "resize" in spec:
            resize = Resize.read(spec["resize"])
            return DecodeImage(size=(resize.height, resize.width), resample=resize.resample)
        if "resize_shortest" in spec:
            shortest = ResizeShortest.read(spec["resize_shortest"])
        if "center_crop" in spec and shortest is not None:
            crop = CenterCrop.read(spec["center_crop"])
            side = shortest.size
            return DecodeImage("RGB", (side, side), shortest.resample, cover=True) if _fits_in(crop, side) else None
    return None


def declared_mode(steps: Sequence[Mapping[str, Any]]) -> str | None:
    """The mode that the first `decode_image` asks for; None where none does."""
    given = (spec["decode_image"] for spec in steps if "decode_image" in spec)
    return next((DecodeImage.read(settings).mode for settings in given if "mode" in (settings or {})), None)


def _fits_in(crop: CenterCrop, side: int) -> bool:
    """Whether a crop needs nothing beyond a square of this side."""
    return max(crop.height, crop.width) <= side


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
