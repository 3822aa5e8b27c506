"""Operators that pick or place numbers. Imports torch: import this file inside functions only."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from sartor.train.onnx_module.operators_base import Node, Run, always, number

_REDUCTIONS = {"add": "sum", "mul": "prod", "max": "amax", "min": "amin"}


def _gather(node: Node) -> Run:
    axis = node.get("axis", 0)
    if 1 in node.constants and node.constants[1].ndim == 0:
        place = int(node.constants[1].item())
        return lambda x, _: x.select(axis, place)
    # An embedding has a backward of its own, which is much faster than that of indexing.
    trusted = 1 in node.constants and bool((node.constants[1] >= 0).all())

    def run(x: Tensor, indices: Tensor) -> Tensor:
        places = indices.long() if trusted else _from_start(indices.long(), x.shape[axis])
        if axis == 0 and x.ndim == 2 and x.dtype.is_floating_point:
            return functional.embedding(places, x)
        taken = x.index_select(axis, places.reshape(-1))
        first = axis % x.ndim
        return taken.reshape(*x.shape[:first], *places.shape, *x.shape[first + 1 :])

    return run


def _from_start(indices: Tensor, size: int) -> Tensor:
    return torch.where(indices < 0, indices + size, indices)


def _gather_elements(node: Node) -> Run:
    axis = node.get("axis", 0)
    return lambda x, indices: torch.gather(x, axis, _from_start(indices.long(), x.shape[axis]))


def _gather_nd(node: Node) -> Run:
    shared = node.get("batch_dims", 0)

    def run(x: Tensor, indices: Tensor) -> Tensor:
        rows, depth = x.shape[:shared], indices.shape[-1]
        flat = x.reshape(-1, *x.shape[shared:]) if shared else x.unsqueeze(0)
        places = indices.long().reshape(flat.shape[0], -1, depth)
        row = torch.arange(flat.shape[0], device=x.device).unsqueeze(1)
        taken = flat[(row, *places.unbind(-1))]
        return taken.reshape(*rows, *indices.shape[shared:-1], *x.shape[shared + depth :])

    return run


def _scatter_elements(node: Node) -> Run:
    axis, reduction = node.get("axis", 0), node.get("reduction", "none")

    def run(x: Tensor, indices: Tensor, updates: Tensor) -> Tensor:
        places = _from_start(indices.long(), x.shape[axis])
        if reduction == "none":
            return x.scatter(axis, places, updates)
        return x.scatter_reduce(axis, places, updates, _REDUCTIONS[reduction])

    return run


def _scatter_nd(node: Node) -> Run:
    reduction = node.get("reduction", "none")

    def run(x: Tensor, indices: Tensor, updates: Tensor) -> Tensor:
        depth = indices.shape[-1]
        sizes = x.shape[:depth]
        steps = torch.tensor([math.prod(sizes[axis + 1 :]) for axis in range(depth)], device=x.device)
        bounds = torch.tensor(sizes, device=x.device)
        places = (_from_start(indices.long(), bounds) * steps).sum(-1).reshape(-1)  # type: ignore[arg-type]
        flat = x.reshape(math.prod(sizes), -1)
        values = updates.reshape(places.shape[0], -1)
        if reduction == "none":
            return flat.index_put((places,), values).reshape(x.shape)
        columns = places.unsqueeze(1).expand(values.shape)
        return flat.scatter_reduce(0, columns, values, _REDUCTIONS[reduction]).reshape(x.shape)

    return run


def _best(node: Node) -> Run:
    axis = node.get("axis", -1)
    largest = bool(node.get("largest", 1))
    count_of = number(node, 1, node.get("k", 1))

    # A stable sort, since ONNX lets the first of equal numbers win and topk of torch does not say which.
    def run(*inputs: Any) -> tuple[Tensor, Tensor]:
        values, places = torch.sort(inputs[0], dim=axis, descending=largest, stable=True)
        count = int(count_of(inputs))
        return values.narrow(axis, 0, count), places.narrow(axis, 0, count)

    return run


def _extreme(function: Callable[..., Tensor]) -> Callable[[Node], Run]:
    def build(node: Node) -> Run:
        axis, keep, last = node.get("axis", 0), bool(node.get("keepdims", 1)), bool(node.get("select_last_index", 0))

        def run(x: Tensor) -> Tensor:
            if last:
                mirrored: Tensor = x.shape[axis] - 1 - function(x.flip(axis), axis, keep)
                return mirrored
            return function(x, axis, keep)

        return run

    return build


def _one_hot(node: Node) -> Run:
    axis = node.get("axis", -1)

    def run(indices: Tensor, depth: Tensor, values: Tensor) -> Tensor:
        size = int(depth.reshape(-1)[0].item())
        whole = indices.long()
        hot = _from_start(whole, size).unsqueeze(-1) == torch.arange(size, device=indices.device)
        return torch.where(hot, values[1], values[0]).movedim(-1, axis)

    return run


def _nonzero(x: Tensor) -> Tensor:
    return torch.nonzero(x).T


def _cumulative_sum(node: Node) -> Run:
    exclusive, backwards = node.get("exclusive", 0), node.get("reverse", 0)
    axis_of = number(node, 1, 0)

    def run(*inputs: Any) -> Tensor:
        x, axis = inputs[0], int(axis_of(inputs))
        x = x.flip(axis) if backwards else x
        total = torch.cumsum(x, axis).to(x.dtype)
        total = total - x if exclusive else total
        return total.flip(axis) if backwards else total

    return run


def _features(x: Tensor, places: Tensor) -> Tensor:
    taken = x.index_select(-1, places.reshape(-1))
    return taken.reshape(1, -1) if x.ndim == 1 else taken


INDEXING: Mapping[str, Callable[[Node], Run]] = {
    "Gather": _gather,
    "GatherElements": _gather_elements,
    "GatherND": _gather_nd,
    "ScatterElements": _scatter_elements,
    "Scatter": _scatter_elements,
    "ScatterND": _scatter_nd,
    "TopK": _best,
    "ArgMax": _extreme(torch.argmax),
    "ArgMin": _extreme(torch.argmin),
    "OneHot": _one_hot,
    "NonZero": always(_nonzero),
    "CumSum": _cumulative_sum,
    "ArrayFeatureExtractor": always(_features),
}
