"""Resize and Upsample, one axis after the other. Imports torch: import this file inside functions only.

Source: ONNX operator Resize. Each number of an axis is a weighted sum of some of its numbers before: one where the
nearest is taken, two between neighbours (linear), four along a curve (cubic).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from sartor.train.onnx_module.operators_base import Inputs, Node, Run

Numbers = NDArray[np.float64]


def _ratio(top: float, bottom: float) -> float:
    return top / bottom if bottom else 0.0


_ROUNDING: Mapping[str, Callable[[Numbers], Numbers]] = {
    "round_prefer_floor": lambda places: np.ceil(places - 0.5),
    "round_prefer_ceil": lambda places: np.floor(places + 0.5),
    "floor": np.floor,
    "ceil": np.ceil,
}
_PLACES: Mapping[str, Callable[[Numbers, int, int, float], Numbers]] = {
    "half_pixel": lambda out, before, after, scale: (out + 0.5) / scale - 0.5,
    "pytorch_half_pixel": lambda out, before, after, scale: (out + 0.5) / scale - 0.5 if after > 1 else out * 0,
    "align_corners": lambda out, before, after, scale: out * _ratio(before - 1, scale * before - 1),
    "asymmetric": lambda out, before, after, scale: out / scale,
    "half_pixel_symmetric": lambda out, before, after, scale: (
        before / 2 * (1 - after / (scale * before)) + (out + 0.5) / scale - 0.5
    ),
}
_NOT_YET: Mapping[str, int | str] = {"antialias": 0, "exclude_outside": 0, "keep_aspect_ratio_policy": "stretch"}


def _resize(node: Node) -> Run:
    old = node.kind == "Upsample" or node.version < 11  # then without a choice of how places are found
    mode, rounding = node.get("mode", "nearest"), "floor" if old else node.get("nearest_mode", "round_prefer_floor")
    places = "asymmetric" if old else node.get("coordinate_transformation_mode", "half_pixel")
    node.refuse_unless(mode in ("nearest", "linear", "cubic"), f"mode {mode}")
    node.refuse_unless(places in _PLACES, f"coordinate_transformation_mode {places}")
    for name, usual in _NOT_YET.items():
        node.refuse_unless(node.get(name, usual) == usual, f"{name} {node.get(name)}")
    curve = node.get("cubic_coeff_a", -0.75)

    def run(*inputs: Tensor) -> Tensor:
        x = inputs[0]
        axes = node.get("axes") or range(x.ndim)
        for axis, (after, scale) in zip(axes, _targets(node, inputs, axes, 1 if old else 2), strict=True):
            before = x.shape[axis]
            if after == before and scale == 1.0:
                continue
            at = _PLACES[places](np.arange(after, dtype=np.float64), before, after, scale)
            x = _combined(x, axis, *_taps(at, mode, rounding, curve))
        return x

    return run


def _targets(node: Node, inputs: Inputs, axes: Sequence[int], first: int) -> list[tuple[int, float]]:
    """Length and scale of each axis."""
    x = inputs[0]
    assert x is not None
    given = inputs[first] if len(inputs) > first else None
    if "scales" in node.attributes or (given is not None and given.numel()):
        scales = node.attributes["scales"] if given is None else given.tolist()
        return [(int(np.floor(x.shape[axis] * scale)), scale) for axis, scale in zip(axes, scales, strict=True)]
    sizes = inputs[first + 1]
    assert sizes is not None
    return [(size, size / x.shape[axis]) for axis, size in zip(axes, sizes.tolist(), strict=True)]


def _taps(at: Numbers, mode: str, rounding: str, curve: float) -> tuple[Numbers, Numbers]:
    """Which numbers are taken, with which weight: two arrays (taps, after).

    Cubic weights: Keys 1981, "Cubic convolution interpolation for digital image processing", eq. 15, with any `a`.
    """
    if mode == "nearest":
        return _ROUNDING[rounding](at)[None], np.ones((1, len(at)))
    low: Numbers = np.floor(at)
    part = at - low
    if mode == "linear":
        return np.stack([low, low + 1.0]), np.stack([1.0 - part, part])
    taps: Numbers = low + np.arange(-1.0, 3.0)[:, None]
    distance: Numbers = np.abs(taps - at)
    near = ((curve + 2) * distance - (curve + 3)) * distance**2 + 1
    far = curve * (((distance - 5) * distance + 8) * distance - 4)
    weights: Numbers = np.where(distance <= 1, near, far)
    return taps, weights


def _combined(x: Tensor, axis: int, taps: Numbers, weights: Numbers) -> Tensor:
    # Beyond the ends the outermost number goes on.
    places = torch.from_numpy(np.clip(taps, 0, x.shape[axis] - 1).astype(np.int64)).to(x.device)
    if len(places) == 1:
        return x.index_select(axis, places[0])
    shape = [-1 if each == axis % x.ndim else 1 for each in range(x.ndim)]
    factors = torch.from_numpy(weights.astype(np.float32)).to(x.device)
    parts = [x.index_select(axis, place) * by.reshape(shape) for place, by in zip(places, factors, strict=True)]
    return torch.stack(parts).sum(0).to(x.dtype)


RESIZE: Mapping[str, Callable[[Node], Run]] = {"Resize": _resize, "Upsample": _resize}
