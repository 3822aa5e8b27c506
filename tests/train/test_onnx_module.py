"""A network of an ONNX file computes, trains and is written back as the file says."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
import torch
from numpy.typing import NDArray
from onnx import ModelProto, TensorProto, helper, numpy_helper
from torch import Tensor, nn

from sartor.errors import CandidateError
from sartor.model.export import export_torch
from sartor.model.outputs import named_tensors
from sartor.steps.prepared import SOLE, Prepared
from sartor.train.onnx_module import OnnxModule, unsupported_operators
from tests.compress.networks import rows as patterns
from tests.compress.networks import write_residual
from tests.train.onnx_files import file_of, normal, reference

FLOAT = TensorProto.FLOAT


class Chain(nn.Module):
    """Convolution, layer norm over channels, recurrence, linear layers."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(2, 6, 3, stride=2, padding=1)
        self.norm = nn.LayerNorm(6)
        self.units = nn.GRU(6, 5, batch_first=True)
        self.hidden = nn.Linear(5, 8)
        self.head = nn.Linear(8, 3)

    def forward(self, pictures: Tensor) -> Tensor:
        """(n, 2, h, w) -> (n, 3)."""
        tokens = self.norm(self.conv(pictures).flatten(2).transpose(1, 2))
        states, _ = self.units(tokens)
        scores: Tensor = self.head(nn.functional.gelu(self.hidden(states)).mean(1))
        return scores


@pytest.fixture(scope="module")
def chain(tmp_path_factory: pytest.TempPathFactory) -> tuple[Chain, ModelProto]:
    torch.manual_seed(0)
    module = Chain()
    for weight in module.norm.parameters():
        nn.init.normal_(weight)
    path = tmp_path_factory.mktemp("chain") / "chain.onnx"
    export_torch(module, Prepared({SOLE: normal(4, 2, 6, 6)}), path)
    return module, onnx.load(str(path))


def residual(folder: Path) -> ModelProto:
    return onnx.load(str(write_residual(folder).path))


def trained(module: nn.Module, rows: Tensor, labels: Tensor, steps: int = 8) -> list[float]:
    optimizer = torch.optim.Adam(module.parameters(), 1e-3)
    losses = []
    for _ in range(steps):
        scores = next(iter(named_tensors(module(rows), "net").values()))
        loss = nn.functional.cross_entropy(scores, labels)
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        losses.append(float(loss.detach()))
    return losses


def test_gradients_equal_those_of_the_source(chain: tuple[Chain, ModelProto]) -> None:
    source, model = chain
    module, rows = OnnxModule(model), torch.from_numpy(normal(5, 2, 6, 6, seed=4))
    expected, given = source(rows), module(rows)["output"]
    torch.testing.assert_close(given, expected, rtol=1e-5, atol=1e-6)
    expected.square().sum().backward()
    given.square().sum().backward()
    # The file orders and joins the weights of a recurrence in its own way: each gradient is found by its weight.
    torch.testing.assert_close(by_weight(module), by_weight(source), rtol=1e-4, atol=1e-6)


def by_weight(module: nn.Module) -> Tensor:
    """All gradients, in the order of their weights' values."""
    weights = torch.cat([weight.detach().flatten() for weight in module.parameters()])
    gradients = torch.cat([weight.grad.flatten() for weight in module.parameters() if weight.grad is not None])
    return gradients[weights.argsort()]


def test_training_lowers_the_loss_and_the_file_gives_what_was_trained(tmp_path: Path) -> None:
    model = residual(tmp_path)
    module, rows = OnnxModule(model), patterns(40)
    losses = trained(module, torch.from_numpy(rows), torch.arange(40) % 10)
    assert losses[-1] < 0.95 * losses[0]
    before = reference(model, {"x": rows})["y"]
    module.write_to(model)
    onnx.checker.check_model(model)
    after = reference(model, {"x": rows})["y"]
    with torch.no_grad():
        np.testing.assert_allclose(module(torch.from_numpy(rows))["y"].numpy(), after, rtol=1e-4, atol=1e-4)
    assert np.abs(after - before).max() > 0.01


def test_a_copy_with_channels_last_gives_the_same(tmp_path: Path) -> None:
    module, rows = OnnxModule(residual(tmp_path)), torch.from_numpy(patterns(4))
    last: Any = copy.deepcopy(module).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    assert last.weights["c2"].is_contiguous(memory_format=torch.channels_last)
    torch.testing.assert_close(
        last(rows.to(memory_format=torch.channels_last))["y"], module(rows)["y"], rtol=1e-4, atol=1e-4
    )


def test_tensors_inside_are_given_by_name(tmp_path: Path) -> None:
    module, rows = OnnxModule(residual(tmp_path), ["mean", "y"]), torch.from_numpy(patterns(3))
    given = module(x=rows)
    assert list(given) == ["mean", "y"]
    assert given["mean"].shape == (3, 96, 1, 1)
    only = OnnxModule(residual(tmp_path), ["mean"])
    assert "fc" in module.weights
    assert "fc" not in only.weights
    torch.testing.assert_close(only(rows)["mean"], given["mean"])
    with pytest.raises(CandidateError, match="no tensor `means`"):
        OnnxModule(residual(tmp_path), ["means"])


def test_inputs_that_do_not_fit_are_told(tmp_path: Path) -> None:
    module, rows = OnnxModule(residual(tmp_path)), torch.from_numpy(patterns(1))
    for positional, named in (((), {}), ((rows, rows), {}), ((), {"pixels": rows})):
        with pytest.raises(TypeError, match="the network takes x"):
            module(*positional, **named)


def test_weights_of_16_bits_are_trained_in_32_and_stored_in_16(tmp_path: Path) -> None:
    model = residual(tmp_path)
    casts = []
    for tensor in model.graph.initializer:
        name, half = tensor.name, numpy_helper.to_array(tensor).astype(np.float16)
        tensor.CopyFrom(numpy_helper.from_array(half, f"{name}.half"))
        casts.append(helper.make_node("Cast", [f"{name}.half"], [name], to=FLOAT))
    nodes = [*casts, *model.graph.node]
    del model.graph.node[:]
    model.graph.node.extend(nodes)
    module, rows = OnnxModule(model), patterns(40)
    assert {weight.dtype for weight in module.parameters()} == {torch.float32}
    trained(module, torch.from_numpy(rows), torch.arange(40) % 10, steps=2)
    module.write_to(model)
    assert {tensor.data_type for tensor in model.graph.initializer} == {TensorProto.FLOAT16}
    with torch.no_grad():
        given = module(torch.from_numpy(rows))["y"].numpy()
    np.testing.assert_allclose(given, reference(model, {"x": rows})["y"], rtol=1e-2, atol=1e-2)


def test_a_weight_that_its_type_cannot_hold_is_told() -> None:
    stored = {"half": normal(4, 3).astype(np.float16)}
    nodes = [helper.make_node("Cast", ["half"], ["w"], to=FLOAT), helper.make_node("MatMul", ["x", "w"], ["y"])]
    model = file_of(nodes, stored, {"x": normal(2, 4)}, {"y": FLOAT})
    module = OnnxModule(model)
    with torch.no_grad():
        module.weights["half"].fill_(1e5)
    with pytest.raises(CandidateError, match="weight `half` holds numbers that float16 cannot"):
        module.write_to(model)


def test_weights_are_told_from_masks_and_settings() -> None:
    stored: dict[str, NDArray[Any]] = {
        "table": normal(7, 4),
        "turned": normal(4, 4, seed=1),
        "bias": normal(4, seed=2),
        "half": np.array(0.5, np.float32),
        "unseen": np.triu(np.full((3, 3), -1e9, np.float32), 1),
        "kept": np.array([[1], [0], [1]], np.float32),
        "frequencies": np.array([[1.0, 0.1, 0.01, 0.001]], np.float32),
        "axes": np.array([1]),
    }
    make = helper.make_node
    nodes = [
        make("Gather", ["table", "ids"], ["rows"]),
        make("Transpose", ["turned"], ["weight"], perm=[1, 0]),
        make("MatMul", ["rows", "weight"], ["product"]),
        make("Add", ["product", "bias"], ["sum"]),
        make("Mul", ["sum", "half"], ["scaled"]),
        make("Mul", ["scaled", "kept"], ["masked"]),
        make("MatMul", ["masked", "columns"], ["scores"]),
        make("Transpose", ["rows"], ["columns"], perm=[0, 2, 1]),
        make("Add", ["scores", "unseen"], ["attended"]),
        make("Shape", ["ids"], ["shape"]),
        make("Cast", ["shape"], ["positions"], to=FLOAT),
        make("Unsqueeze", ["positions", "axes"], ["column"]),
        make("MatMul", ["column", "frequencies"], ["angles"]),
    ]
    nodes.insert(6, nodes.pop(7))
    rows = {"ids": np.array([[0, 3, 6], [1, 1, 2]])}
    model = file_of(nodes, stored, rows, {"attended": FLOAT, "angles": FLOAT})
    module = OnnxModule(model)
    assert set(module.weights) == {"table", "turned", "bias"}
    for name, expected in reference(model, rows).items():
        given = module(torch.from_numpy(rows["ids"]))[name].detach().numpy()
        np.testing.assert_allclose(given, expected, rtol=1e-5, atol=1e-6)


def quantized() -> ModelProto:
    stored: dict[str, NDArray[Any]] = {
        "w": 2 * normal(4, 3),
        "scale": np.array(0.05, np.float32),
        "zero": np.array(3, np.uint8),
        "w_scale": np.array([0.02, 0.01, 0.03], np.float32),
        "w_zero": np.zeros(3, np.int8),
    }
    make = helper.make_node
    nodes = [
        make("QuantizeLinear", ["x", "scale", "zero"], ["q"]),
        make("DequantizeLinear", ["q", "scale", "zero"], ["d"]),
        make("QuantizeLinear", ["w", "w_scale", "w_zero"], ["wq"], axis=1),
        make("DequantizeLinear", ["wq", "w_scale", "w_zero"], ["wd"], axis=1),
        make("MatMul", ["d", "wd"], ["y"]),
    ]
    return file_of(nodes, stored, {"x": normal(6, 4)}, {"y": FLOAT, "q": TensorProto.UINT8})


def test_gradients_pass_straight_through_rounding_and_end_beyond_the_range() -> None:
    model, rows = quantized(), normal(6, 4, seed=5)
    module = OnnxModule(model)
    given, expected = module(torch.from_numpy(rows)), reference(model, {"x": rows})
    np.testing.assert_array_equal(given["q"].numpy(force=True), expected["q"])
    np.testing.assert_allclose(given["y"].numpy(force=True), expected["y"], rtol=1e-5, atol=1e-6)
    given["y"].sum().backward()
    weight = module.weights["w"]
    dequantized = (expected["q"].astype(np.float32) - 3) * np.float32(0.05)
    inside = np.abs(weight.detach().numpy() / np.array([0.02, 0.01, 0.03], np.float32)) < 127
    assert 0 < inside.sum() < inside.size
    assert weight.grad is not None
    straight = np.where(inside, dequantized.sum(0)[:, None], 0)
    np.testing.assert_allclose(weight.grad.numpy(), straight, rtol=1e-4, atol=1e-5)


def test_what_is_not_supported_is_told_in_a_sentence() -> None:
    make = helper.make_node
    nodes = [
        make("MaxPool", ["x"], ["y", "where"], kernel_shape=[2, 2]),
        make("Hardmax", ["y"], ["z"]),
        make("Relu", ["y"], ["fine"]),
    ]
    rows = {"x": normal(1, 2, 4, 4)}
    model = file_of(nodes, {}, rows, {"z": FLOAT, "where": TensorProto.INT64, "fine": FLOAT})
    assert unsupported_operators(model) == (
        "MaxPool: the positions of the largest numbers as a second output",
        "Hardmax: the operator has no counterpart here",
    )
    assert unsupported_operators(model, ["fine"]) == ()
    with pytest.raises(CandidateError, match="Hardmax"):
        OnnxModule(model)
    own = file_of([make("Relu", ["x"], ["y"], domain="mine")], {}, rows, {"y": FLOAT})
    assert unsupported_operators(own) == ("mine.Relu: the operator has no counterpart here",)
    lone = file_of(
        [make("QuantizeLinear", ["x", "s"], ["q"]), make("Mul", ["q", "q"], ["y"])],
        {"s": np.array(1, np.float32)},
        rows,
        {"y": TensorProto.UINT8},
    )
    assert unsupported_operators(lone) == ("Mul: computes with the whole numbers that QuantizeLinear gives",)


def test_a_file_that_is_another_is_not_written_to(tmp_path: Path) -> None:
    model = residual(tmp_path)
    module = OnnxModule(model)
    model.graph.initializer.remove(next(each for each in model.graph.initializer if each.name == "fb"))
    with pytest.raises(CandidateError, match="no tensor `fb`"):
        module.write_to(model)
