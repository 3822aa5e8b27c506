"""Read a folder of image files: `folder/<class>/*.png`, or `folder/train/<class>/*.png` with splits."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from sartor.data.rows import Rows
from sartor.data.sources_arrays import SPLIT_WORDS
from sartor.errors import DataError, InputError
from sartor.steps.images import DecodeImage

_SUFFIXES = (".png", ".jpg", ".jpeg", ".bmp", ".webp")
_LAYOUT = "folder/<class>/image.png, or folder/train/<class>/image.png (also select, confirm)"


def read_image_folder(folder: Path, image_size: tuple[int, int] | None = None) -> Rows:
    """(n, c, h, w) uint8 and the names of the class folders; c is 1 if every file is grey, else 3.

    Args:
        folder: the folder with class folders, or with split folders that hold class folders.
        image_size: (height, width) that every image is brought to.

    Raises:
        DataError: no images, an image that cannot be read, or several sizes without `image_size`.
    """
    splits = _split_folders(folder)
    files = {split: _class_files(part, folder) for split, part in splits.items()}
    paths = [path for found in files.values() for path, _ in found]
    names = [name for found in files.values() for _, name in found]
    decode = DecodeImage(*_common_form(paths, image_size))
    return Rows(
        inputs=_decode(decode, paths),
        labels=np.array(names, dtype=np.str_),
        given={} if "" in files else _row_numbers([(split, len(found)) for split, found in files.items()]),
        input_steps=(decode.as_dict(),),
    )


def _folders(parent: Path) -> list[Path]:
    return sorted(path for path in parent.iterdir() if path.is_dir() and not path.name.startswith("."))


def _split_folders(folder: Path) -> dict[str, Path]:
    """Folder of each split; under the empty name when there are no splits.

    A class may be called `train` (beside bus and car), so all folders must be named after splits and
    hold folders themselves.
    """
    words = {word: split for split, every in SPLIT_WORDS.items() for word in every}
    inside = _folders(folder)
    found = {words[path.name.lower()]: path for path in inside if path.name.lower() in words}
    if "train" in found and len(found) == len(inside) and all(_folders(path) for path in inside):
        return found
    return {"": folder}


def _class_files(part: Path, folder: Path) -> list[tuple[Path, str]]:
    classes = _folders(part)
    if not classes:
        raise DataError(f"{part} has no class folders", _LAYOUT, "put the images of each class in a folder")
    return [(path, name.name) for name in classes for path in _images(name, folder)]


def _images(class_folder: Path, folder: Path) -> list[Path]:
    found = sorted(path for path in class_folder.iterdir() if path.suffix.lower() in _SUFFIXES)
    if not found:
        raise DataError(
            f"{class_folder.relative_to(folder)} in {folder} holds no images",
            f"{_LAYOUT}; {', '.join(_SUFFIXES)}",
            "remove the empty folder, or convert its files",
        )
    return found


def _common_form(paths: Sequence[Path], image_size: tuple[int, int] | None) -> tuple[str, tuple[int, int]]:
    """Mode and (height, width) of all files; reads their headers only."""
    from PIL import Image

    mode, sizes = "L", dict[tuple[int, int], Path]()
    for path in paths:
        try:
            with Image.open(path) as image:
                # Orientation 5 to 8 lies on its side and is turned upright when decoded.
                width, height = image.size[:: -1 if image.getexif().get(0x0112, 1) >= 5 else 1]
                mode = mode if image.mode in ("L", "1") else "RGB"
        except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as reason:
            raise DataError(f"{path} cannot be read: {reason}", "image files", "remove or mend it") from None
        sizes.setdefault((height, width), path)
    if image_size is None and len(sizes) > 1:
        (one, first), (two, second) = list(sizes.items())[:2]
        raise DataError(
            f"images of {len(sizes)} sizes: {first.name} is {one[0]} x {one[1]}, {second.name} {two[0]} x {two[1]}",
            "one size for all images",
            "add a resize: preprocess: [{resize: [224, 224]}]",
        )
    return mode, image_size or next(iter(sizes))


def _decode(decode: DecodeImage, paths: Sequence[Path]) -> NDArray[np.uint8]:
    height, width = decode.size or (0, 0)
    channels = 1 if decode.mode == "L" else 3
    rows = np.empty((len(paths), channels, height, width), dtype=np.uint8)
    for number, path in enumerate(paths):
        try:
            rows[number] = decode.apply([path])[0]
        except InputError as problem:
            raise DataError(problem.came, problem.allowed, problem.hint) from None
    return rows


def _row_numbers(counts: Sequence[tuple[str, int]]) -> dict[str, NDArray[np.int64]]:
    ends = np.cumsum([count for _, count in counts])
    return {
        split: np.arange(end - count, end, dtype=np.int64) for (split, count), end in zip(counts, ends, strict=True)
    }
