"""Clips of sound as a data set holds them: float32, mono, from -1 to 1, all at one rate."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sartor.data.rows import Array
from sartor.errors import DataError
from sartor.steps.audio import DecodeAudio, resampled
from sartor.steps.wav import Sound


def at_one_rate(sounds: Sequence[Sound], wanted: int | None, source: str) -> tuple[Array, tuple[dict[str, Any], ...]]:
    """(n,) clips, all at one rate, and the declared step that gives the like of a WAV file.

    Raises:
        DataError: several rates, and none is wanted.
    """
    rates, counts = np.unique([sound.rate for sound in sounds], return_counts=True)
    if wanted is None and len(rates) > 1:
        listed = ", ".join(f"{rate} Hz ({count:,})" for rate, count in zip(rates, counts, strict=True))
        raise DataError(
            f"{source}: clips of {len(rates)} sample rates: {listed}",
            "one rate for all clips",
            f"have them resampled: preprocess: [{{decode_audio: {{rate: {rates[counts.argmax()]}}}}}, ...]",
        )
    rate = wanted or int(rates[0])
    clips = as_objects([resampled(sound.samples, sound.rate, rate) for sound in sounds])
    return clips, (DecodeAudio(rate).as_dict(),)


def rate_of(input_steps: Sequence[dict[str, Any]]) -> int | None:
    """The rate that the declared steps decode sound at; None if the rows are no sound."""
    return next((int(step["decode_audio"]["rate"]) for step in input_steps if "decode_audio" in step), None)


def as_objects(items: Sequence[Any]) -> NDArray[np.object_]:
    """(n,) objects; numpy would make a matrix of clips that happen to be of one length."""
    rows = np.empty(len(items), dtype=object)
    for number, item in enumerate(items):
        rows[number] = item
    return rows
