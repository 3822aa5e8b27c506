"""Steps that only change the shape of a row."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import prod
from typing import Any

from sartor.errors import InputError, nearest
from sartor.steps.base import Array


def read_sizes(given: Any, step: str, count: int | None = None) -> tuple[int, ...]:
    """A list of positive whole numbers, `count` of them unless None.

    Raises:
        InputError: anything else.
    """
    fits = isinstance(given, (list, tuple)) and len(given) > 0 and count in (None, len(given))
    if not fits or not all(type(size) is int and size > 0 for size in given):
        wanted = "positive whole numbers" if count is None else f"{count} positive whole numbers"
        example = "[1, 28, 28]" if count is None else "[224, 224] (height, width)"
        raise InputError(f"{step}: {given!r}", f"a list of {wanted}", f"such as {step}: {example}")
    return tuple(given)


def read_count(given: Any, step: str, key: str) -> int:
    """One positive whole number.

    Raises:
        InputError: anything else.
    """
    if type(given) is not int or given <= 0:
        raise InputError(f"{step}: {key} is {given!r}", "a positive whole number")
    return given


def read_keys(given: Any, step: str, required: Sequence[str], optional: Sequence[str] = ()) -> Mapping[str, Any]:
    """The settings of a step, which must have exactly the keys that it knows.

    Raises:
        InputError: no mapping, a key missing, or an unknown key (the nearest is in the hint).
    """
    known = (*required, *optional)
    if not isinstance(given, Mapping):
        raise InputError(f"{step}: {given!r}", f"the keys {', '.join(known)}")
    unknown = next((key for key in given if key not in known), None)
    if unknown is not None:
        raise InputError(f"{step}: unknown key `{unknown}`", ", ".join(known), nearest(str(unknown), known))
    missing = next((key for key in required if key not in given), None)
    if missing is not None:
        raise InputError(f"{step} without `{missing}`", f"the keys {', '.join(required)}", f"add `{missing}`")
    return given


@dataclass(frozen=True)
class Reshape:
    """Give every row the shape `row`."""

    row: tuple[int, ...]

    @classmethod
    def read(cls, given: Any) -> Reshape:
        """From a list such as `[1, 28, 28]`."""
        return cls(read_sizes(given, "reshape"))

    def apply(self, batch: Array) -> Array:
        """(n, ...) -> (n, *row)."""
        if prod(batch.shape[1:]) != prod(self.row):
            raise InputError(
                f"reshape: rows of shape {batch.shape[1:]}, {prod(batch.shape[1:])} values",
                f"{prod(self.row)} values for {self.row}",
                "give rows of that many values, or change the reshape step",
            )
        return batch.reshape(batch.shape[0], *self.row)

    def as_dict(self) -> dict[str, Any]:
        """The form of the Need."""
        return {"reshape": list(self.row)}
