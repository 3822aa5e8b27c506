"""Shape policies: to which length a batch is brought before a call.

Rows of one shape are left alone. Rows that differ in length (sentences) are cut to the longest of their batch
(`dynamic`), or padded to the next of a few lengths, for each of which the runtime compiles once (`buckets`), or
all have one length anyway (`fixed`).
"""

from __future__ import annotations

import numpy as np

from sartor.runtime.base import Array, Settings
from sartor.steps.prepared import Prepared

BUCKETS = (8, 16, 24, 32, 48, 64, 96, 128, 192, 256, 384, 512)
"""Each is at most twice the one before, and beyond 32 at most half more: a third of the work is padding at worst,
a sixth on average."""


def bucket_of(length: int) -> int:
    """The smallest bucket that holds `length`; beyond the largest, the next multiple of 128.

    >>> bucket_of(25), bucket_of(600)
    (32, 640)
    """
    return next((bucket for bucket in BUCKETS if bucket >= length), -(-length // 128) * 128)


def shaped(batch: Prepared, settings: Settings) -> dict[str, Array]:
    """The arrays of one call, contiguous, in the shape that a session with these settings takes."""
    if batch.lengths is not None:
        length = settings.length or batch.longest
        batch = batch.of_length(bucket_of(length) if settings.shape == "buckets" else length)
    return {name: np.ascontiguousarray(array) for name, array in batch.arrays.items()}
