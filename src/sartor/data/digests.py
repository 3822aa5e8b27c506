"""Hashes of rows, whatever they are: numbers, texts, clips of sound, or records of them."""

from __future__ import annotations

import hashlib
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sartor.data.rows import Array


def row_digests(inputs: Array) -> NDArray[np.bytes_]:
    """(n,) hashes of the bytes of each row; hex, since numpy would cut zero bytes at the end."""
    rows = np.ascontiguousarray(inputs)
    return np.array([hashlib.blake2b(_bytes(row), digest_size=16).hexdigest() for row in rows], dtype="S32")


def rows_hash(inputs: Array, labels: Array, rows: NDArray[np.int64]) -> str:
    """blake2b over the bytes of each row, then over the labels, in order."""
    digest = hashlib.blake2b(digest_size=16)
    for row in rows.tolist():
        content = _bytes(inputs[row])
        digest.update(_led(content) if inputs.dtype == object else content)
    digest.update(labels[rows].tobytes())
    return digest.hexdigest()


def _bytes(row: Any) -> bytes:
    if isinstance(row, str):
        return row.encode("utf-8", "surrogatepass")
    if isinstance(row, np.void) and row.dtype.names is not None:
        return b"".join(_led(_bytes(row[name])) for name in row.dtype.names)
    return bytes(row.tobytes())


def _led(content: bytes) -> bytes:
    """Led by its length, so that what varies in it stays apart from what comes next."""
    return len(content).to_bytes(8, "little") + content
