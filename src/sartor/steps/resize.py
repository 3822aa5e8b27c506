"""Steps that change the size of images: resize, resize_shortest, center_crop. Pillow does the work."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from sartor.errors import InputError, nearest
from sartor.steps.base import Array
from sartor.steps.shapes import read_count, read_keys, read_sizes

RESAMPLES = ("nearest", "bilinear", "bicubic", "lanczos")
"""Pillow's filters; all but `nearest` smooth when an image shrinks."""


def resampling(name: str) -> Any:
    """Pillow's constant for one of RESAMPLES."""
    from PIL import Image

    return Image.Resampling[name.upper()]


def read_resample(given: Any, step: str) -> str:
    """The name of a filter.

    Raises:
        InputError: Pillow has no such filter.
    """
    if given not in RESAMPLES:
        raise InputError(f"{step}: resample {given!r}", ", ".join(RESAMPLES), nearest(str(given), RESAMPLES))
    return str(given)


def _check_images(batch: Array, step: str) -> None:
    if batch.ndim != 4:
        raise InputError(
            f"{step}: a batch of shape {batch.shape}",
            "(n, channels, height, width)",
            "add a reshape step, such as reshape: [1, 28, 28], before it",
        )


def _resized(batch: Array, height: int, width: int, resample: str) -> Array:
    """(n, c, h, w) -> (n, c, height, width); uint8 stays uint8, other numbers become float32."""
    planes = batch if batch.dtype == np.uint8 else batch.astype(np.float32)
    rows, channels, *size = batch.shape
    if size == [height, width]:
        return planes
    resized = np.empty((rows * channels, height, width), dtype=planes.dtype)
    for index, plane in enumerate(planes.reshape(-1, *size)):
        resized[index] = _resized_plane(plane, height, width, resample)
    return resized.reshape(rows, channels, height, width)


def _resized_plane(plane: Array, height: int, width: int, resample: str) -> Array:
    from PIL import Image

    image = Image.fromarray(np.ascontiguousarray(plane))
    return np.asarray(image.resize((width, height), resampling(resample)))


@dataclass(frozen=True)
class Resize:
    """To (height, width) with one of Pillow's filters (which smooth when an image shrinks)."""

    height: int
    width: int
    resample: str = "bilinear"

    @classmethod
    def read(cls, given: Any) -> Resize:
        """From `[height, width]`, or `{size: [height, width], resample: bicubic}`."""
        if not isinstance(given, dict):
            given = {"size": given}
        keys = read_keys(given, "resize", ("size",), ("resample",))
        height, width = read_sizes(keys["size"], "resize", 2)
        return cls(height, width, read_resample(keys.get("resample", "bilinear"), "resize"))

    def apply(self, batch: Array) -> Array:
        """(n, c, h, w) -> (n, c, height, width); uint8 stays uint8, other numbers become float32."""
        _check_images(batch, "resize")
        return _resized(batch, self.height, self.width, self.resample)

    def as_dict(self) -> dict[str, Any]:
        """The form of the Need; the short one for bilinear."""
        size = [self.height, self.width]
        return {"resize": size if self.resample == "bilinear" else {"size": size, "resample": self.resample}}


@dataclass(frozen=True)
class ResizeShortest:
    """The shorter side becomes `size`, the other follows (rounded down): the aspect stays."""

    size: int
    resample: str = "bilinear"

    @classmethod
    def read(cls, given: Any) -> ResizeShortest:
        """From `{size: 256, resample: bicubic}`; resample may be left out."""
        keys = read_keys(given, "resize_shortest", ("size",), ("resample",))
        size = read_count(keys["size"], "resize_shortest", "size")
        return cls(size, read_resample(keys.get("resample", "bilinear"), "resize_shortest"))

    def apply(self, batch: Array) -> Array:
        """(n, c, h, w) -> (n, c, size, longer) or (n, c, longer, size); uint8 stays uint8, others become float32."""
        _check_images(batch, "resize_shortest")
        height, width = batch.shape[2:]
        shorter = min(height, width)
        # Whole numbers, since a factor of size / shorter may round to one pixel less.
        return _resized(batch, self.size * height // shorter, self.size * width // shorter, self.resample)

    def as_dict(self) -> dict[str, Any]:
        """The form of the Need."""
        return {"resize_shortest": {"size": self.size, "resample": self.resample}}


@dataclass(frozen=True)
class CenterCrop:
    """The middle (height, width) of every image; a side that is too short is first padded with 0 on both ends."""

    height: int
    width: int

    @classmethod
    def read(cls, given: Any) -> CenterCrop:
        """From `[height, width]`."""
        height, width = read_sizes(given, "center_crop", 2)
        return cls(height, width)

    def apply(self, batch: Array) -> Array:
        """(n, c, h, w) -> (n, c, height, width) of the same type."""
        _check_images(batch, "center_crop")
        tall, wide = (
            _margins(have, want) for have, want in zip(batch.shape[2:], (self.height, self.width), strict=True)
        )
        padded = np.pad(batch, ((0, 0), (0, 0), tall, wide)) if any((*tall, *wide)) else batch
        top, left = (padded.shape[2] - self.height) // 2, (padded.shape[3] - self.width) // 2
        return padded[:, :, top : top + self.height, left : left + self.width]

    def as_dict(self) -> dict[str, Any]:
        """The form of the Need."""
        return {"center_crop": [self.height, self.width]}


def _margins(have: int, want: int) -> tuple[int, int]:
    """Zeros before and after; the odd one goes before, where Hugging Face's image processors put it."""
    missing = max(want - have, 0)
    return (missing + 1) // 2, missing // 2
