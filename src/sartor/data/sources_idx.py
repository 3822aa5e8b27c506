"""Read a folder of idx files, the form of MNIST and its relatives.

Format: http://yann.lecun.com/exdb/mnist - two zero bytes, element type (8 is unsigned byte), number of
dimensions, each size as a big-endian 32-bit number, then the bytes.
"""

from __future__ import annotations

import gzip
import struct
import zlib
from math import prod
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from sartor.data.rows import Rows, join
from sartor.errors import DataError

_PREFIXES = {"train": "train", "t10k": "confirm"}  # of a file -> split
_UNSIGNED_BYTE = 8


def is_idx_folder(folder: Path) -> bool:
    """Whether the folder holds `train-images-idx3-ubyte`, plain or compressed."""
    return _find(folder, "train-images") is not None


def read_idx_folder(folder: Path) -> Rows:
    """Images (n, 1, h, w) uint8 with class numbers; train and, where it is there, confirm are given.

    Raises:
        DataError: a file is missing, cut off, or not of this format.
    """
    parts: list[tuple[str, Rows]] = [
        (split, _read_part(folder, prefix))
        for prefix, split in _PREFIXES.items()
        if _find(folder, f"{prefix}-images") is not None
    ]
    return join(parts)


def _find(folder: Path, stem: str) -> Path | None:
    return next((path for path in sorted(folder.glob(f"{stem}*")) if "ubyte" in path.name), None)


def _read_part(folder: Path, prefix: str) -> Rows:
    images, labels = _find(folder, f"{prefix}-images"), _find(folder, f"{prefix}-labels")
    if images is None or labels is None:
        raise DataError(f"{folder} has no {prefix}-labels-idx1-ubyte", "a labels file beside each images file")
    pixels, classes = _read(images), _read(labels)
    if pixels.ndim != 3 or classes.ndim != 1:
        raise DataError(
            f"{images.name} has {pixels.ndim} dimensions, {labels.name} {classes.ndim}",
            "images with 3 dimensions, labels with 1",
        )
    return Rows(pixels[:, np.newaxis], classes)


def _read(path: Path) -> NDArray[np.uint8]:
    try:
        content = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
    except (OSError, EOFError, zlib.error) as reason:
        raise DataError(f"{path.name} cannot be read: {reason}", "an idx file", "fetch it again") from None
    shape = _shape(content)
    start = 4 + 4 * len(shape)
    if not shape or len(content) - start != prod(shape):
        raise DataError(
            f"{path.name}: {len(content)} bytes do not hold {' x '.join(map(str, shape)) or 'an idx header'}",
            "an idx file of unsigned bytes",
            "fetch it again; it may be cut off",
        )
    return np.frombuffer(content, dtype=np.uint8, offset=start).reshape(shape)


def _shape(content: bytes) -> tuple[int, ...]:
    """The sizes in the header; empty if this is no idx file of unsigned bytes."""
    if len(content) < 4 or content[:2] != b"\0\0" or content[2] != _UNSIGNED_BYTE:
        return ()
    dimensions = content[3]
    if len(content) < 4 + 4 * dimensions:
        return ()
    return struct.unpack(f">{dimensions}I", content[4 : 4 + 4 * dimensions])
