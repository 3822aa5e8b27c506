"""Attention in one operator: the same answers, in fewer operators."""

from __future__ import annotations

import warnings
from collections import Counter
from pathlib import Path

import numpy as np
import onnx
import pytest

from sartor.compress.attention import fuse_attention
from sartor.compress.build import build
from sartor.compress.layer_times import layer_seconds
from sartor.compress.layers import layers
from sartor.compress.onnx_file import SMALLEST_WEIGHT, read_whole, write_whole
from sartor.model.values import ExportedModel, Signature, TensorSpec
from sartor.plan.recipe import CompressionStep, Recipe
from sartor.runtime import RUNTIMES, open_runtime
from sartor.runtime.base import Array, Settings
from sartor.runtime.kernels import kernel_seconds
from sartor.steps.prepared import Prepared

pytest.importorskip("torch")
import torch
from torch import Tensor, nn

WIDTH, WORDS, LAYERS, HEADS = 24, 50, 2, 3


class Block(nn.Module):
    """Two layers of attention with a mask, as PyTorch exports it."""

    def __init__(self) -> None:
        super().__init__()
        self.embedding = nn.Embedding(WORDS, WIDTH)
        self.products = nn.ModuleList(nn.Linear(WIDTH, WIDTH) for _ in range(4 * LAYERS))
        self.head = nn.Linear(WIDTH, 3)

    def forward(self, ids: Tensor, mask: Tensor) -> Tensor:
        """(rows, length), (rows, length) -> (rows, 3)."""
        x = self.embedding(ids)
        shown = mask.bool()[:, None, None, :].expand(-1, 1, ids.shape[1], -1)
        products = list(self.products)
        for first in range(0, 4 * LAYERS, 4):
            *read, out = products[first : first + 4]
            query, key, value = (one(x).unflatten(2, (HEADS, -1)).transpose(1, 2) for one in read)
            heard = nn.functional.scaled_dot_product_attention(query, key, value, attn_mask=shown)
            x = x + out(heard.transpose(1, 2).flatten(2))
        return torch.softmax(self.head(x.mean(1)), -1)


@pytest.fixture(scope="module")
def network(tmp_path_factory: pytest.TempPathFactory) -> ExportedModel:
    torch.manual_seed(0)
    example = torch.zeros((2, 7), dtype=torch.long), torch.ones((2, 7), dtype=torch.long)
    free = {0: torch.export.Dim("batch"), 1: torch.export.Dim("length")}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        exported = torch.onnx.export(
            Block().eval(),
            example,
            dynamo=True,
            verbose=False,
            dynamic_shapes=(free, free),
            input_names=["ids", "mask"],
            output_names=["scores"],
        )
    assert exported is not None
    path = tmp_path_factory.mktemp("attention") / "model.onnx"
    exported.save(path)
    inputs = tuple(TensorSpec(name, "int64", ("batch", "length")) for name in ("ids", "mask"))
    return ExportedModel(path, Signature(inputs, (TensorSpec("scores", "float32", ("batch", 3)),)), 0)


def rows(count: int, length: int) -> dict[str, Array]:
    rng = np.random.default_rng(length)
    mask = (np.arange(length) < rng.integers(1, length + 1, (count, 1))).astype(np.int64)
    return {"ids": rng.integers(0, WORDS, (count, length)), "mask": mask}


def operators(model: onnx.ModelProto) -> Counter[str]:
    return Counter(node.op_type for node in model.graph.node)


def test_the_answers_stay_and_most_operators_go(network: ExportedModel, tmp_path: Path) -> None:
    before = onnx.load(network.path)
    fused = fuse_attention(before)
    onnx.checker.check_model(fused)
    assert operators(fused)["MultiHeadAttention"] == LAYERS
    assert operators(before)["Softmax"] == 3
    assert operators(fused)["Softmax"] == 1, "that of the answers"
    assert operators(fused)["Transpose"] == operators(fused)["Reshape"] == 0, "keys and values go in as they are"
    sessions = [
        open_runtime("onnxruntime").load(path, Settings())
        for path in (network.path, write_whole(fused, tmp_path / "fused.onnx"))
    ]
    for count, length in ((1, 1), (1, 9), (3, 5)):
        expected, got = (session.run(rows(count, length))[0].copy() for session in sessions)
        np.testing.assert_allclose(got, expected, atol=1e-6)


def test_a_network_without_attention_is_left_as_it_is() -> None:
    node = onnx.helper.make_node("Softmax", ["x"], ["y"])
    sides = [onnx.helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, [1, 4]) for name in "xy"]
    model = onnx.helper.make_model(onnx.helper.make_graph([node], "one", sides[:1], sides[1:]))
    assert fuse_attention(model) is model


@pytest.mark.parametrize("step", [CompressionStep("int8-dynamic"), CompressionStep("int8-static")])
def test_files_in_8_bits_have_it_in_one(network: ExportedModel, step: CompressionStep, tmp_path: Path) -> None:
    given = Prepared(rows(20, 6))
    built = build(Recipe((step,)), network, "onnxruntime", given, tmp_path / "variant")
    assert operators(onnx.load(built.path))["MultiHeadAttention"] == LAYERS
    before, got = (
        open_runtime("onnxruntime").load(path, Settings()).run(given.arrays)[0].copy()
        for path in (network.path, built.path)
    )
    np.testing.assert_allclose(got, before, atol=0.05)


@pytest.mark.parametrize("step", [CompressionStep("none"), CompressionStep("int8-static")])
@pytest.mark.parametrize("runtime", list(RUNTIMES))
def test_the_profile_names_every_layer(
    runtime: str, step: CompressionStep, network: ExportedModel, tmp_path: Path
) -> None:
    """A bias is an operator of its own here, after which OpenVINO names the product that it fuses it into."""
    given = Prepared(rows(20, 6))
    built = build(Recipe((step,)), network, runtime, given, tmp_path / "variant")
    kernels = kernel_seconds(runtime, built.path, Settings(), [given.take(slice(0, 1)).arrays] * 5)
    products = [one for one in layers(read_whole(network.path)) if one.operator != "Gather"]
    named = np.isfinite(layer_seconds(products, kernels))
    assert len(products) == 4 * LAYERS + 1 - (WIDTH * 3 < SMALLEST_WEIGHT)
    assert named.all(), [kernel.names for kernel in kernels]


def test_what_is_fused_in_f32_is_a_candidate_with_one_operator_for_each_attention(
    network: ExportedModel, tmp_path: Path
) -> None:
    given = Prepared(rows(20, 6))
    built = build(Recipe((CompressionStep("fused"),)), network, "onnxruntime", given, tmp_path / "variant")
    assert operators(onnx.load(built.path))["MultiHeadAttention"] == LAYERS
    assert built.notes[0].endswith(f"{LAYERS} of which are attention")
