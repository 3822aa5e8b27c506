"""Steps that compute: normalise, standardise, scale. All of them end in float32.

A list of values belongs to axis 1: the features of (n, f), the channels of (n, c, h, w).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from sartor.errors import InputError
from sartor.steps.base import Array

Values = float | tuple[float, ...]


def _along_axis_1(values: Values, batch: Array, step: str) -> Array:
    """`values` as float32, shaped to broadcast over axis 1 of `batch`."""
    if isinstance(values, float):
        return np.asarray(values, dtype=np.float32)
    if batch.ndim < 2 or batch.shape[1] != len(values):
        raise InputError(
            f"{step}: {len(values)} values for rows of shape {batch.shape[1:]}",
            "one value, or one per channel (first dimension of a row)",
            "give as many values as the rows have channels or features",
        )
    return np.asarray(values, dtype=np.float32).reshape(1, -1, *(1,) * (batch.ndim - 2))


def _centred(batch: Array, mean: Values, std: Values, step: str) -> Array:
    centred: Array = batch.astype(np.float32) - _along_axis_1(mean, batch, step)
    centred /= _along_axis_1(std, batch, step)
    return centred


def _plain(values: Values) -> float | list[float]:
    return values if isinstance(values, float) else list(values)


def _read_values(given: Any, step: str, key: str) -> Values:
    """A finite number or a list of them.

    Raises:
        InputError: anything else.
    """
    items = given if isinstance(given, (list, tuple)) else [given]
    numbers = [float(item) for item in items if isinstance(item, (int, float)) and not isinstance(item, bool)]
    if not items or len(numbers) != len(items) or not all(map(math.isfinite, numbers)):
        raise InputError(f"{step}: {key} is {given!r}", "a finite number, or a list with one per channel")
    return tuple(numbers) if isinstance(given, (list, tuple)) else numbers[0]


def _read_mean_std(given: Any, step: str) -> tuple[Values, Values]:
    if not isinstance(given, dict) or set(given) != {"mean", "std"}:
        raise InputError(f"{step}: {given!r}", "the keys mean and std", f"{step}: {{mean: 127, std: 128}}")
    mean, std = _read_values(given["mean"], step, "mean"), _read_values(given["std"], step, "std")
    if min(std if isinstance(std, tuple) else (std,)) <= 0:
        raise InputError(f"{step}: std is {given['std']!r}", "numbers above 0", "use 1 where nothing varies")
    return mean, std


@dataclass(frozen=True)
class Normalise:
    """(x - mean) / std with declared values, one for all or one per channel."""

    mean: Values
    std: Values

    @classmethod
    def read(cls, given: Any) -> Normalise:
        """From `{mean: 127, std: 128}`."""
        return cls(*_read_mean_std(given, "normalise"))

    def apply(self, batch: Array) -> Array:
        """(n, ...) of any number type -> (n, ...) float32."""
        return _centred(batch, self.mean, self.std, "normalise")

    def as_dict(self) -> dict[str, Any]:
        """The form of the Need."""
        return {"normalise": {"mean": _plain(self.mean), "std": _plain(self.std)}}


@dataclass(frozen=True)
class Standardise:
    """(x - mean) / std with values fitted on train; without values it waits for `fit_steps`."""

    mean: Values | None = None
    std: Values | None = None

    @classmethod
    def read(cls, given: Any) -> Standardise:
        """From `{mean: [...], std: [...]}`, or from `train` (or nothing): fit it on train."""
        if given in (None, "train", {}):
            return cls()
        return cls(*_read_mean_std(given, "standardise"))

    @property
    def fitted(self) -> bool:
        """Whether the values are known."""
        return self.mean is not None and self.std is not None

    def apply(self, batch: Array) -> Array:
        """(n, ...) of any number type -> (n, ...) float32."""
        if self.mean is None or self.std is None:
            raise InputError(
                "standardise without values",
                "a step fitted on train, or mean and std",
                "call fit_steps(steps, train_inputs) first",
            )
        return _centred(batch, self.mean, self.std, "standardise")

    def as_dict(self) -> dict[str, Any]:
        """The form of the Need."""
        if self.mean is None or self.std is None:
            return {"standardise": "train"}
        return {"standardise": {"mean": _plain(self.mean), "std": _plain(self.std)}}


@dataclass(frozen=True)
class Scale:
    """x * factor."""

    factor: float

    @classmethod
    def read(cls, given: Any) -> Scale:
        """From a number."""
        factor = _read_values(given, "scale", "factor")
        if isinstance(factor, tuple):
            raise InputError(f"scale: {given!r}", "one number", "use normalise for values per channel")
        return cls(factor)

    def apply(self, batch: Array) -> Array:
        """(n, ...) of any number type -> (n, ...) float32."""
        scaled: Array = batch.astype(np.float32) * np.float32(self.factor)
        return scaled

    def as_dict(self) -> dict[str, Any]:
        """The form of the Need."""
        return {"scale": self.factor}


def fit_standardise(inputs: Array) -> Standardise:
    """Mean and standard deviation of the train rows.

    Per feature for (n, f), per channel for (n, c, h, w), one for all otherwise. Where nothing varies
    the deviation becomes 1, so that a constant feature becomes 0 and not NaN.

    Raises:
        InputError: no rows.
    """
    if inputs.shape[0] == 0:
        raise InputError("standardise: no rows to fit on", "at least one train row")
    if inputs.ndim not in (2, 4):
        mean, std = float(inputs.mean(dtype=np.float64)), float(inputs.std(dtype=np.float64))
        return Standardise(mean, std if std > 0 else 1.0)
    axes = (0,) if inputs.ndim == 2 else (0, 2, 3)
    means, stds = inputs.mean(axis=axes, dtype=np.float64), inputs.std(axis=axes, dtype=np.float64)
    # A constant column can come out as 1e-17 instead of 0 through rounding of its mean.
    constant = inputs.max(axis=axes) == inputs.min(axis=axes)
    return Standardise(tuple(means.tolist()), tuple(np.where(constant, 1.0, stds).tolist()))
