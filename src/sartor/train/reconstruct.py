"""Weights of a narrowed network that give, layer by layer, what the whole network gave. Imports torch.

Import this file inside functions only. Layer after layer, from what the narrowed network gives to it by now, the
weights are solved for whose outputs are nearest to those of the whole network: the reconstruction of He, Zhang and Sun
2017, "Channel pruning for accelerating very deep neural networks", arXiv 1707.06168, section 3.1, without labels or
gradients. A network whose batch normalisations were folded would else have activations of another size after each cut,
and learn slowly or not at all.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from sartor.errors import CandidateError
from sartor.train.feeding import Tensors
from sartor.train.onnx_module import OnnxModule
from sartor.train.onnx_module.plan import Step

_FEWEST, _PER_FEATURE = 4096, 6  # samples of a layer
_SPREAD, _FEWEST_ROWS = 4, 64  # samples that those of a layer are taken from, and the rows that these are of
_RIDGE = 1e-3  # of the mean square of a feature: what hardly ever happens leaves its weight as it was
_LARGEST = 2**26  # numbers of patches at a time


@dataclass(frozen=True)
class Rebuilt:
    """One layer.

    Attributes:
        transposed: whether its weight is (outputs, inputs), as convolutions and some Gemm store it.
        groups: of a convolution; 0 for a product.
        kept: (channels,), whether each channel that the whole network's layer gives is still there.
    """

    transposed: bool
    groups: int
    kept: Tensor


def reconstruct(whole: OnnxModule, narrowed: OnnxModule, layers: Mapping[str, Rebuilt], tensors: Tensors) -> None:
    """Change the weights of a narrowed network, in place.

    Args:
        whole: the network before it was cut.
        narrowed: the same network with fewer channels; names of tensors are the same.
        layers: by the name of their weight, which nothing else reads; others stay as they are.
        tensors: rows, by the names of the inputs.

    Raises:
        CandidateError: `failed`, an activation is not finite.
    """
    targets: dict[str, tuple[Tensor, Tensor]] = {}

    def remember(step: Step, given: Sequence[Any]) -> Any:
        values = step.run(*given)
        layer = _layer_of(step, layers)
        if layer is not None:
            columns = _columns(values, layers[layer])
            features = given[1].numel() // given[1].shape[0]
            places = _places(columns.shape[0], len(given[0]), features, len(targets))
            targets[layer] = places, columns[places][:, layers[layer].kept]
        return values

    def solve(step: Step, given: Sequence[Any]) -> Any:
        layer = _layer_of(step, layers)
        if layer is not None and layer in narrowed.weights:
            own_bias = len(step.inputs) > 2 and step.inputs[2] in narrowed.weights
            _solve(step, given, layers[layer], *targets.pop(layer), own_bias=own_bias)
        return step.run(*given)

    with torch.inference_mode():
        whole.walk(remember, (), dict(tensors))
    with torch.no_grad():
        narrowed.walk(solve, (), dict(tensors))


def _layer_of(step: Step, layers: Mapping[str, Rebuilt]) -> str | None:
    name = step.inputs[1] if len(step.inputs) > 1 else ""
    return name if name in layers else None


def _columns(values: Tensor, layer: Rebuilt) -> Tensor:
    """(rows, channels, ...) of a convolution or (..., channels) of a product -> (samples, channels)."""
    last = values.movedim(1, -1) if layer.groups else values
    return last.reshape(-1, last.shape[-1])


def _places(samples: int, rows: int, features: int, seed: int) -> Tensor:
    """Some samples, the same ones of both networks; where a row has many, of some of the rows."""
    wanted = min(samples, max(_FEWEST, _PER_FEATURE * features))
    among = min(samples, max(_SPREAD * wanted, _FEWEST_ROWS * (samples // rows)))
    return torch.randperm(among, generator=torch.Generator().manual_seed(seed))[:wanted].sort().values


def _solve(step: Step, given: Sequence[Any], layer: Rebuilt, places: Tensor, target: Tensor, *, own_bias: bool) -> None:
    """Least squares with a ridge towards the weights as they are, for each group of channels."""
    weight, bias = given[1], given[2] if len(given) > 2 else None
    if bias is not None and not own_bias:
        target = target - bias
    groups = max(layer.groups, 1)
    features = _features(step, given, layer, places)  # (samples, groups, features)
    if not bool(torch.isfinite(features).all()):
        raise CandidateError("failed", f"activations that `{step.inputs[1]}` reads are not finite")
    matrix = weight.double() if layer.transposed else weight.double().T
    matrix = matrix.reshape(groups, -1, features.shape[2]).mT  # (groups, features, outputs)
    wanted = target.reshape(len(target), groups, -1).movedim(0, 1)  # (groups, samples, outputs)
    features = features.movedim(0, 1)
    centre, middle = features.mean(1, keepdim=True), wanted.mean(1, keepdim=True)
    if not own_bias:
        centre, middle = torch.zeros_like(centre), torch.zeros_like(middle)
    features, wanted = features - centre, wanted - middle
    # Sums of products take most of the time; the ridge is far above what f32 rounds off of them.
    square = (features.mT @ features).double() / features.shape[1]
    ridge = _RIDGE * square.diagonal(dim1=1, dim2=2).mean(1)[:, None, None].clamp_min(1e-12)
    square = square + ridge * torch.eye(square.shape[1], dtype=square.dtype)
    found = torch.linalg.solve(square, (features.mT @ wanted).double() / features.shape[1] + ridge * matrix)
    stored = found.mT.reshape(-1, found.shape[1])  # (outputs, features)
    weight.copy_((stored if layer.transposed else stored.T).reshape(weight.shape))
    if bias is not None and own_bias:
        bias.copy_((middle.double() - centre.double() @ found).reshape(bias.shape))


def _features(step: Step, given: Sequence[Any], layer: Rebuilt, places: Tensor) -> Tensor:
    """(samples, groups, features) that a layer's outputs are made of at some places."""
    rows, weight = given[0], given[1]
    if not layer.groups:
        products: Tensor = rows.reshape(-1, 1, rows.shape[-1])[places]
        return products
    # A convolution by unit kernels gives what the kernel sees, whatever its strides and its padding are. Without groups
    # each channel is a row of its own: a convolution of all channels would multiply mostly by zeros.
    channels, size = weight.shape[1], weight[0, 0].numel()
    alone = layer.groups == 1
    kernels = torch.eye(size).reshape(size, 1, *weight.shape[2:])
    if not alone:
        count = channels * size
        kernels = torch.eye(count).reshape(count, *weight.shape[1:]).repeat(layer.groups, *[1] * (weight.ndim - 1))
    few = max(1, min(_FEWEST_ROWS, _LARGEST // (channels * size * layer.groups * rows[0, 0].numel())))
    found, first = [], 0
    for start in range(0, len(rows), few):
        some = rows[start : start + few]
        seen = step.run(some.reshape(-1, 1, *some.shape[2:]) if alone else some, kernels)
        seen = _columns(seen.reshape(len(some), -1, *seen.shape[2:]), layer)
        mine = places[(places >= first) & (places < first + len(seen))] - first
        found.append(seen[mine].reshape(-1, layer.groups, channels * size))
        first += len(seen)
        if first > places[-1]:
            break
    return torch.cat(found)
