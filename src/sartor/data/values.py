"""The values of the data room: a Dataset and its Splits."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

Kind = Literal["classification", "regression"]
SPLIT_NAMES = ("train", "calibrate", "select", "confirm")


@dataclass(frozen=True)
class Dataset:
    """Rows with their labels, checked and complete.

    Attributes:
        inputs: (n, ...) float32 or uint8 (images are (n, channels, height, width) after decoding); or (n,)
            objects: texts (str), or clips of sound (float32 arrays (samples,)); or (n,) records (a structured
            array) with one field for each input of the model.
        labels: (n,) int64 class numbers, or float64 targets for regression; zeros when there are none.
        classes: class names in the order of the class numbers; empty for regression and without labels.
        groups: (n,) int64 group numbers; rows of one group stay in one split. None when ungrouped.
        given: row numbers of the splits the source brought with it (a subset of SPLIT_NAMES).
        input_steps: declared steps that turned what the user has (an image file) into `inputs`, as
            plain dictionaries for the bundle.
        source: what the Need said.
        labelled: whether `labels` means anything.
        notes: what a reader should know about how the rows were read, such as files that were left out.
    """

    inputs: NDArray[Any]
    labels: NDArray[Any]
    classes: tuple[str, ...]
    kind: Kind
    source: str
    groups: NDArray[np.int64] | None = None
    given: Mapping[str, NDArray[np.int64]] = field(default_factory=dict)
    input_steps: tuple[dict[str, Any], ...] = ()
    labelled: bool = True
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Splits:
    """Row numbers of each split, disjoint, in a random order; `dropped` left confirm as they also stand elsewhere."""

    train: NDArray[np.int64]
    calibrate: NDArray[np.int64]
    select: NDArray[np.int64]
    confirm: NDArray[np.int64]
    dropped: NDArray[np.int64]
    hashes: Mapping[str, str]  # split name -> hash of its rows and labels, in the source's order
    how: str  # one sentence: given, or made by which rule
