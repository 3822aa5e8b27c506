"""Exported files equal their source, for any number of rows, any length, and whatever the module returns."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest

from sartor.errors import ModelError, UserCodeError
from sartor.model.agreement import check_batches, compare
from sartor.model.export import export_torch
from sartor.model.zoo import build
from sartor.runtime.base import Array, outputs_agree
from sartor.steps.prepared import Prepared

from .preparing import numbers, sentences

pytest.importorskip("torch")
import torch


def trained_a_little(name: str, *shape: int) -> torch.nn.Module:
    """A module whose batch norms have seen data, so that folding them matters."""
    torch.manual_seed(0)
    module = build(name, numbers(*shape), 4).train()
    module(2 + 3 * torch.randn(16, *shape))
    return module


def test_the_file_equals_the_module_at_any_batch(tmp_path: Path) -> None:
    module = trained_a_little("cnn", 2, 8, 8)
    module.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    exported = export_torch(module, numbers(2, 8, 8), tmp_path / "deep" / "cnn.onnx")
    session = onnxruntime.InferenceSession(exported.path, providers=["CPUExecutionProvider"])
    for rows in (1, 2, 3, 17):
        inputs = np.random.default_rng(rows).standard_normal((rows, 2, 8, 8), dtype=np.float32)
        with torch.no_grad():
            expected = module.eval()(torch.from_numpy(inputs)).numpy()
        assert outputs_agree(expected, session.run(None, {"input": inputs})[0]) <= 1
    assert exported.signature.inputs[0].shape == ("batch", 2, 8, 8)
    assert exported.signature.outputs[0].name == "output"


def test_the_file_is_one_clean_file_with_folded_norms(tmp_path: Path) -> None:
    module = trained_a_little("cnn", 1, 8, 8)
    export_torch(module, numbers(1, 8, 8), tmp_path / "cnn.onnx")
    assert [path.name for path in tmp_path.iterdir()] == ["cnn.onnx"]
    graph = onnx.load(tmp_path / "cnn.onnx").graph
    assert "BatchNormalization" not in {node.op_type for node in graph.node}
    assert b"test_model_export" not in (tmp_path / "cnn.onnx").read_bytes()
    assert module.training  # the module itself is left as it was


def test_parameters_are_those_of_the_module(tmp_path: Path) -> None:
    module = build("mlp", numbers(6), 2, width=8)
    counted = sum(weight.numel() for weight in module.parameters())
    assert export_torch(module, numbers(6), tmp_path / "mlp.onnx").parameters == counted


class Embedded(torch.nn.Module):
    """Texts of any length -> two outputs, as a dictionary without `logits`."""

    def __init__(self) -> None:
        super().__init__()
        self.table = torch.nn.Embedding(50, 3)

    def forward(self, input_ids: torch.Tensor, attention_mask: torch.Tensor) -> dict[str, torch.Tensor]:
        found = self.table(input_ids) * attention_mask.unsqueeze(-1)
        return {"each": found, "sum": found.sum(1)}


def test_integers_stay_integers_and_lengths_are_free(tmp_path: Path) -> None:
    exported = export_torch(Embedded(), sentences(), tmp_path / "texts.onnx")
    assert [(spec.name, spec.dtype, spec.shape) for spec in exported.signature.inputs] == [
        ("input_ids", "int64", ("batch", "length")),
        ("attention_mask", "int64", ("batch", "length")),
    ]
    assert [(spec.name, spec.shape) for spec in exported.signature.outputs] == [
        ("each", ("batch", "length", 3)),
        ("sum", ("batch", 3)),
    ]


class Returning(torch.nn.Module):
    """Returns what it is told to make of its rows."""

    def __init__(self, kind: str) -> None:
        super().__init__()
        self.kind = kind

    def forward(self, rows: torch.Tensor) -> object:
        made: dict[str, object] = {
            "dictionary": {"loss": None, "logits": rows * 2, "hidden": rows},
            "tuple": (rows, rows * 3),
            "one": [rows],
            "text": "rows",
        }
        return made[self.kind]


@pytest.mark.parametrize(
    ("kind", "names"), [("dictionary", ["output"]), ("tuple", ["output_0", "output_1"]), ("one", ["output"])]
)
def test_outputs_are_named_and_logits_stand_for_all(kind: str, names: list[str], tmp_path: Path) -> None:
    exported = export_torch(Returning(kind), numbers(3), tmp_path / "net.onnx")
    assert [spec.name for spec in exported.signature.outputs] == names


class Noise(torch.nn.Module):
    """Random: no file can equal it."""

    def forward(self, rows: torch.Tensor) -> torch.Tensor:
        return rows + torch.rand_like(rows)


class Crash(torch.nn.Module):
    def forward(self, rows: torch.Tensor) -> torch.Tensor:
        raise ValueError("not today")


class Summed(torch.nn.Module):
    def forward(self, rows: torch.Tensor) -> torch.Tensor:
        return rows.sum(0)


class Branching(torch.nn.Module):
    """A branch that the trace cannot see: the number of rows is taken out of the graph."""

    def forward(self, rows: torch.Tensor) -> torch.Tensor:
        return rows * (2.0 if torch.compiler.is_compiling() else 1.0)


@pytest.mark.parametrize(
    ("module", "error", "says"),
    [
        (Crash(), UserCodeError, "not today"),
        (Returning("text"), ModelError, "returned str"),
        (Summed(), ModelError, "first dimension"),
        (Noise(), ModelError, r"different `output` for the same rows: it is random"),
        (Branching(), ModelError, r"differs from the module by .* in `output`"),
    ],
)
def test_modules_that_cannot_be_used_are_explained_and_nothing_is_left(
    module: torch.nn.Module, error: type[Exception], says: str, tmp_path: Path
) -> None:
    with pytest.raises(error, match=says):
        export_torch(module, numbers(3), tmp_path / "net.onnx")
    assert list(tmp_path.iterdir()) == []


def test_made_up_integers_are_numbers_that_stand_in_their_column() -> None:
    real = sentences()
    for batch in check_batches(real):
        tokens = batch.arrays["input_ids"]
        allowed = real.arrays["input_ids"][:, : tokens.shape[1]]
        assert all(np.isin(tokens[:, place], allowed[:, place]).all() for place in range(tokens.shape[1]))
    assert len({batch.longest for batch in check_batches(real)}) > 1


def test_the_largest_difference_and_its_output_are_named(tmp_path: Path) -> None:
    exported = export_torch(Returning("tuple"), numbers(3), tmp_path / "net.onnx")

    def otherwise(batch: Prepared) -> dict[str, Array]:
        rows = batch.arrays["input"]
        return {"output_0": rows, "output_1": rows * 3 + 0.25}

    batches = [Prepared({"input": np.ones((2, 3), np.float32)})]
    with pytest.raises(ModelError, match=r"by 0\.25 in `output_1`"):
        compare(exported.path, batches, otherwise)


def test_a_second_recurrent_network_in_one_process_keeps_its_lengths_free(tmp_path: Path) -> None:
    from sartor.model.zoo.gru import TextRecurrence

    for name in ("first", "second"):
        exported = export_torch(TextRecurrence(50, 2, 8, 1), sentences(), tmp_path / f"{name}.onnx")
        assert [spec.shape for spec in exported.signature.inputs] == [("batch", "length")] * 2
