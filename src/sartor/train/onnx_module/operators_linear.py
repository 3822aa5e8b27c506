"""Products of matrices. Imports torch: import this file inside functions only."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import torch
from torch import Tensor
from torch.nn import functional

from sartor.train.onnx_module.operators_base import Node, Run, always

LINEAR_KIND = "sartor.Linear"  # a MatMul and the Add of its bias, which one kernel computes


def _gemm(node: Node) -> Run:
    alpha, beta = node.get("alpha", 1.0), node.get("beta", 1.0)
    turned, weight_turned = node.get("transA", 0), node.get("transB", 0)

    def run(a: Tensor, b: Tensor, c: Tensor | None = None) -> Tensor:
        a, b = (a.T if turned else a), (b if weight_turned else b.T)
        if alpha == 1.0 and (c is None or (beta == 1.0 and c.ndim == 1 and c.shape[0] == b.shape[0])):
            return functional.linear(a, b, c)
        product: Tensor = alpha * functional.linear(a, b)
        return product if c is None else product + beta * c

    return run


def _fused_matmul(node: Node) -> Run:
    alpha = node.get("alpha", 1.0)
    first, second = node.get("transA", 0), node.get("transB", 0)
    node.refuse_unless(not node.get("transBatchA", 0) and not node.get("transBatchB", 0), "transBatchA or transBatchB")

    def run(a: Tensor, b: Tensor) -> Tensor:
        product: Tensor = alpha * torch.matmul(a.mT if first else a, b.mT if second else b)
        return product

    return run


def linear(x: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    """(..., k), (k, n), (n) -> (..., n): what a MatMul and the Add of its bias give together."""
    return functional.linear(x, weight.T, bias)


def _einsum(node: Node) -> Run:
    equation = node.get("equation")
    return lambda *tensors: torch.einsum(equation, *tensors)


LINEAR: Mapping[str, Callable[[Node], Run]] = {
    "MatMul": always(torch.matmul),
    "Gemm": _gemm,
    "FusedMatMul": _fused_matmul,
    "Einsum": _einsum,
    LINEAR_KIND: always(linear),
}
