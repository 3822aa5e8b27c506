"""Read image files, out of a folder or an archive, in class folders or without labels."""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from sartor.data.left_out import Broken, left_out
from sartor.data.reading import Reading
from sartor.data.rows import Rows
from sartor.data.trees import IMAGES, File, Tree, place
from sartor.errors import DataError, InputError
from sartor.steps.images import DecodeImage


def read_images(tree: Tree, reading: Reading) -> Rows:
    """(n, c, h, w) uint8 and the names of the class folders; c is what was asked for, else 1 if every file is grey.

    Raises:
        DataError: no images, too many that cannot be read, or several sizes without a framing.
    """
    placed = place(tree, IMAGES, "images", reading.labelled)
    forms = {number: form for number, file in enumerate(placed.files) if not isinstance(form := _form(file), Broken)}
    decode = _decoder(placed.files, forms, reading)
    pixels, kept, broken = _decode(decode, placed.files)
    return Rows(
        inputs=pixels,
        labels=np.array([placed.labels[number] for number in kept], dtype=np.str_) if reading.labelled else None,
        given=placed.given(kept),
        input_steps=(decode.as_dict(),),
        notes=placed.notes + left_out(broken, len(placed.files), "images"),
    )


ImageSize = tuple[int, int]  # height, width
_Form = tuple[str, ImageSize]  # Pillow's mode, (height, width)


def _form(file: File) -> _Form | Broken:
    """Read from the header only."""
    from PIL import Image

    try:
        with Image.open(io.BytesIO(file.content) if isinstance(file.content, bytes) else file.content) as image:
            # Orientation 5 to 8 lies on its side and is turned upright when decoded.
            width, height = image.size[:: -1 if image.getexif().get(0x0112, 1) >= 5 else 1]
            return image.mode, (height, width)
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as reason:
        return Broken(file.name, _told(reason))


def _decoder(files: Sequence[File], forms: dict[int, _Form], reading: Reading) -> DecodeImage:
    """What brings all files to one mode and size."""
    sizes: dict[ImageSize, File] = {}
    for number, (_, size) in forms.items():
        sizes.setdefault(size, files[number])
    framing = reading.framing
    if framing is None and len(sizes) > 1:
        (one, first), (two, second) = list(sizes.items())[:2]
        raise DataError(
            f"images of {len(sizes)} sizes: {first.name} is {one[0]} x {one[1]}, {second.name} {two[0]} x {two[1]}",
            "one size for all images",
            "add a resize: preprocess: [{resize: [224, 224]}], or a resize_shortest and a center_crop",
        )
    grey = all(mode in ("L", "1") for mode, _ in forms.values())
    mode = reading.image_mode or ("L" if grey else "RGB")
    return replace(framing, mode=mode) if framing else DecodeImage(mode, next(iter(sizes), (1, 1)))


def _decode(decode: DecodeImage, files: Sequence[File]) -> tuple[NDArray[np.uint8], list[int], list[Broken]]:
    """Pixels of the files that can be read, their numbers, and the others."""
    height, width = decode.size or (0, 0)
    pixels = np.empty((len(files), 1 if decode.mode == "L" else 3, height, width), dtype=np.uint8)
    kept, broken = list[int](), list[Broken]()
    for number, file in enumerate(files):
        try:
            pixels[len(kept)] = decode.apply([file.read()])[0]
        except (InputError, OSError) as problem:
            broken.append(Broken(file.name, _told(problem)))
            continue
        kept.append(number)
    return pixels[: len(kept)], kept, broken


def _told(problem: Exception) -> str:
    """The reason alone: the name of the file stands before it."""
    said = problem.came if isinstance(problem, InputError) else str(problem)
    reason = said.partition("cannot be read: ")[2] or said
    return "no image file" if reason.startswith("cannot identify image file") else reason
