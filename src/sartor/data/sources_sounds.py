"""Read clips of sound: WAV files out of a folder or an archive, or one flat array in an .npz.

The flat form of an .npz: `audio` (all clips end to end), `offset` and `length` (n,) in samples, `sample_rate` (one
number, or one a clip), and labels and groups (n,) under names of their own.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from sartor.data.left_out import Broken, left_out
from sartor.data.reading import Reading
from sartor.data.rows import Array, Rows
from sartor.data.sound import at_one_rate
from sartor.data.trees import SOUNDS, File, Tree, place
from sartor.errors import DataError, InputError
from sartor.steps.wav import Sound, full_scale, read_wav

_BESIDE = ("offset", "length", "sample_rate")


def read_sounds(tree: Tree, reading: Reading) -> Rows:
    """(n,) clips of the WAV files, and the names of their class folders.

    Raises:
        DataError: no WAV files, too many that cannot be read, or several sample rates without `audio_rate`.
    """
    placed = place(tree, SOUNDS, "WAV files", reading.labelled)
    read = [_read(file) for file in placed.files]
    broken = [item for item in read if isinstance(item, Broken)]
    notes = placed.notes + left_out(broken, len(read), "WAV files")
    kept = [number for number, item in enumerate(read) if isinstance(item, Sound)]
    clips, steps = at_one_rate([item for item in read if isinstance(item, Sound)], reading.audio_rate, tree.source)
    return Rows(
        inputs=clips,
        labels=np.array([placed.labels[number] for number in kept], dtype=np.str_) if reading.labelled else None,
        given=placed.given(kept),
        input_steps=steps,
        notes=notes,
    )


def _read(file: File) -> Sound | Broken:
    try:
        return read_wav(file.content)
    except InputError as problem:
        return Broken(file.name, problem.came.partition("cannot be read: ")[2] or problem.came)


def is_flat(arrays: Mapping[str, Array], name: str) -> bool:
    """Whether these arrays are clips end to end, with where each begins."""
    return name in arrays and arrays[name].ndim == 1 and all(beside in arrays for beside in _BESIDE)


def flat_sounds(arrays: Mapping[str, Array], name: str, source: str) -> list[Sound]:
    """The clips of the flat form.

    Raises:
        DataError: offsets and lengths that do not fit the samples, or samples that are no sound.
    """
    samples, offsets, lengths = arrays[name], arrays["offset"], arrays["length"]
    rates = arrays["sample_rate"].reshape(-1)
    _check_flat(samples, offsets, lengths, rates, source)
    rates = np.broadcast_to(rates, offsets.shape)
    ends = offsets.astype(np.int64) + lengths
    return [
        Sound(full_scale(samples[start:end]), int(rate))
        for start, end, rate in zip(offsets.tolist(), ends.tolist(), rates.tolist(), strict=True)
    ]


def _check_flat(samples: Array, offsets: Array, lengths: Array, rates: Array, source: str) -> None:
    if samples.dtype.kind != "f" and samples.dtype not in (np.uint8, np.int16, np.int32):
        raise DataError(f"{source}: sound of type {samples.dtype}", "int16, int32, uint8, or floats from -1 to 1")
    shapes = {"offset": offsets.shape, "length": lengths.shape}
    if offsets.ndim != 1 or offsets.shape != lengths.shape or rates.shape not in ((1,), offsets.shape):
        came = ", ".join(f"{name} of shape {shape}" for name, shape in shapes.items())
        raise DataError(f"{source}: {came}, {rates.size} sample rates", "one entry per clip in each; one rate will do")
    if any(array.dtype.kind not in "iu" for array in (offsets, lengths, rates)) or (rates < 1).any():
        raise DataError(f"{source}: offset, length or sample_rate are no whole numbers above 0", "samples and hertz")
    outside: NDArray[np.bool_] = (offsets < 0) | (lengths < 1) | (offsets.astype(np.int64) + lengths > len(samples))
    if outside.any():
        row = int(np.flatnonzero(outside)[0])
        raise DataError(
            f"{source}: {int(outside.sum())} clips outside the {len(samples):,} samples or empty, first clip {row}"
            f" (offset {offsets[row]}, length {lengths[row]})",
            "offset + length within the samples, length at least 1",
            "leave these clips out",
        )
