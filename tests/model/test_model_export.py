"""Exported files equal their source, for any number of rows."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest

from sartor.errors import ModelError, UserCodeError
from sartor.model.export import export_torch
from sartor.model.zoo import build
from sartor.runtime.base import outputs_agree

pytest.importorskip("torch")
import torch


def trained_a_little(name: str, shape: tuple[int, ...]) -> torch.nn.Module:
    """A module whose batch norms have seen data, so that folding them matters."""
    torch.manual_seed(0)
    module = build(name, shape, 4).train()
    module(2 + 3 * torch.randn(16, *shape))
    return module


def test_the_file_equals_the_module_at_any_batch(tmp_path: Path) -> None:
    module = trained_a_little("cnn", (2, 8, 8))
    module.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    exported = export_torch(module, (2, 8, 8), tmp_path / "deep" / "cnn.onnx")
    session = onnxruntime.InferenceSession(exported.path, providers=["CPUExecutionProvider"])
    for rows in (1, 2, 3, 17):
        inputs = np.random.default_rng(rows).standard_normal((rows, 2, 8, 8), dtype=np.float32)
        with torch.no_grad():
            expected = module.eval()(torch.from_numpy(inputs)).numpy()
        assert outputs_agree(expected, session.run(None, {"input": inputs})[0]) <= 1
    assert exported.signature.inputs[0].shape == ("batch", 2, 8, 8)
    assert exported.signature.outputs[0].name == "output"


def test_the_file_is_one_clean_file_with_folded_norms(tmp_path: Path) -> None:
    module = trained_a_little("cnn", (1, 8, 8))
    export_torch(module, (1, 8, 8), tmp_path / "cnn.onnx")
    assert [path.name for path in tmp_path.iterdir()] == ["cnn.onnx"]
    graph = onnx.load(tmp_path / "cnn.onnx").graph
    assert "BatchNormalization" not in {node.op_type for node in graph.node}
    assert b"test_model_export" not in (tmp_path / "cnn.onnx").read_bytes()
    assert module.training  # the module itself is left as it was


def test_parameters_are_those_of_the_module(tmp_path: Path) -> None:
    module = build("mlp", (6,), 2, width=8)
    counted = sum(weight.numel() for weight in module.parameters())
    assert export_torch(module, (6,), tmp_path / "mlp.onnx").parameters == counted


class Noise(torch.nn.Module):
    """Random: no file can equal it."""

    def forward(self, rows: torch.Tensor) -> torch.Tensor:
        return rows + torch.rand_like(rows)


class Crash(torch.nn.Module):
    def forward(self, rows: torch.Tensor) -> torch.Tensor:
        raise ValueError("not today")


class Pair(torch.nn.Module):
    def forward(self, rows: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        return rows, rows


class Summed(torch.nn.Module):
    def forward(self, rows: torch.Tensor) -> torch.Tensor:
        return rows.sum(0)


def test_a_file_that_differs_is_not_published(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"differs from the module by .* in `output`"):
        export_torch(Noise(), (3,), tmp_path / "noise.onnx")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("module", "error", "says"),
    [
        (Crash(), UserCodeError, "not today"),
        (Pair(), ModelError, "returned tuple"),
        (Summed(), ModelError, "first dimension"),
    ],
)
def test_modules_that_cannot_be_used_are_explained(
    module: torch.nn.Module, error: type[Exception], says: str, tmp_path: Path
) -> None:
    with pytest.raises(error, match=says):
        export_torch(module, (3,), tmp_path / "net.onnx")
