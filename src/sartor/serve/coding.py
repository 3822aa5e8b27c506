"""Compressed bodies: gzip, and deflate in the zlib format."""

from __future__ import annotations

import zlib

from sartor.errors import InputError, TooLargeError

_WINDOW = {"gzip": 16 + zlib.MAX_WBITS, "deflate": zlib.MAX_WBITS}
CODINGS = tuple(_WINDOW)
_LEVEL = 1  # arrays of floats hardly shrink: the level costs time and gains little
_WORTHWHILE = 1024  # bytes


def decompress(body: bytes, coding: str, limit: int) -> bytes:
    """A body as it was before `coding`, which is one of `CODINGS`.

    Raises:
        TooLargeError: it would have more than `limit` bytes; no more than that are made.
        InputError: it is not compressed so, or not whole.
    """
    unpacker = zlib.decompressobj(_WINDOW[coding])
    try:
        found = unpacker.decompress(body, limit + 1)
    except zlib.error:
        raise InputError(f"a body that is not {coding}", f"what Content-Encoding: {coding} says") from None
    if len(found) > limit:
        raise TooLargeError(limit)
    if not unpacker.eof or unpacker.unused_data:
        raise InputError(f"a {coding} body that is cut off or goes on after its end", "one whole body")
    return found


def compress(body: bytes, coding: str) -> bytes:
    """The inverse of `decompress`."""
    packer = zlib.compressobj(_LEVEL, wbits=_WINDOW[coding])
    return packer.compress(body) + packer.flush()


def chosen(accepted: str, size: int) -> str | None:
    """The coding for an answer of `size` bytes, out of an Accept-Encoding header; None leaves it as it is.

    >>> chosen("gzip;q=0, deflate;q=0.5", 10_000)
    'deflate'
    """
    if size < _WORTHWHILE:
        return None
    for entry in accepted.lower().split(","):
        coding, _, weight = entry.partition(";")
        if coding.strip() in CODINGS and weight.replace(" ", "").rstrip(".0") != "q=":
            return coding.strip()
    return None
