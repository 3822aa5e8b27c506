"""Capture of files that others made: ONNX's own test data, ONNX Runtime's optimised models, exports from PyTorch."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import onnx
import pytest
from onnx import ModelProto, TensorProto, helper

from sartor.cost.capture import capture, free_sizes
from sartor.cost.graph import Graph
from sartor.cost.parameters import parameters
from sartor.cost.shapes import value_attributes
from sartor.cost.values import evaluate

from .files import graph, value, weight, write

if TYPE_CHECKING:
    from torch import nn

DATA = Path(onnx.__file__).parent / "backend/test/data"
Shape = tuple[int, ...]


def installed_models() -> list[Path]:
    """Every model among ONNX's test data."""
    return sorted(DATA.rglob("*.onnx"))


def real_shapes(path: Path) -> Iterator[tuple[int, Shape]]:
    """Number and shape of the outputs that lie beside a model and are tensors."""
    beside = [*path.parent.glob("test_data_set_0/output_*.pb"), *path.parent.glob(f"{path.stem}_output_*.pb")]
    kinds = onnx.load(path, load_external_data=False).graph.output
    for file in beside:
        number = int(file.stem.rpartition("_")[2])
        if kinds[number].type.HasField("tensor_type"):
            yield number, tuple(TensorProto.FromString(file.read_bytes()).dims)


def without_shapes(model: ModelProto, path: Path) -> Path:
    """The model, saying nothing of its outputs, so that all must be inferred."""
    for output in model.graph.output:
        if output.type.HasField("tensor_type"):
            output.type.tensor_type.ClearField("shape")
    del model.graph.value_info[:]
    path.write_bytes(model.SerializeToString())
    return path


def test_models_of_the_onnx_package_have_their_real_shapes(tmp_path: Path) -> None:
    paths = installed_models()
    agreed, unknown = 0, 0
    for path in paths:
        made = without_shapes(onnx.load(path, load_external_data=False), tmp_path / "model.onnx")
        outputs = capture(made).outputs
        for number, shape in real_shapes(path):
            assert outputs[number].shape in (shape, None), path
            agreed += outputs[number].shape == shape
            unknown += outputs[number].shape is None
    assert len(paths) > 100
    assert agreed >= 0.88 * (agreed + unknown)  # Expand, StringNormalizer and sequences depend on the caller's data


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")  # what the cases of the package themselves warn of
def test_all_operators_of_the_onnx_package_are_captured(tmp_path: Path) -> None:
    from onnx.backend.test.loader import load_model_tests

    cases = load_model_tests(kind="node")
    agreed, unknown = 0, 0
    for case in cases:
        assert case.model is not None
        assert case.data_sets is not None
        outputs = capture(without_shapes(case.model, tmp_path / "model.onnx")).outputs
        for tensor, given in zip(outputs, case.data_sets[0][1], strict=False):
            if isinstance(given, np.ndarray):
                assert tensor.shape in (given.shape, None), case.name
                agreed += tensor.shape == given.shape
                unknown += tensor.shape is None
    assert len(cases) > 1500
    assert agreed >= 0.81 * (agreed + unknown)  # the rest has its shape from the caller's data


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
def test_known_values_are_those_of_the_onnx_package() -> None:
    from onnx.backend.test.loader import load_model_tests

    checked = set()
    for case in load_model_tests(kind="node"):
        assert case.model is not None
        assert case.data_sets is not None
        made, (inputs, outputs) = case.model.graph, case.data_sets[0]
        numbers = [*inputs, *outputs]
        plain = all(isinstance(each, np.ndarray) and each.dtype.kind in "biuf" for each in numbers)
        if len(made.node) != 1 or not plain or "" in made.node[0].input:
            continue
        found = evaluate(made.node[0].op_type, inputs, value_attributes(made.node[0]), len(outputs))
        for ours, theirs in zip(found or [], outputs, strict=False):
            np.testing.assert_allclose(ours, theirs, rtol=1e-3, err_msg=case.name)
            assert ours.dtype == theirs.dtype, case.name
            checked.add(made.node[0].op_type)
    assert len(checked) > 40


def optimised(path: Path, to: Path) -> Path:
    """The model as ONNX Runtime runs it."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.optimized_model_filepath = str(to)
    options.intra_op_num_threads = 1
    options.log_severity_level = 3
    onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    return to


def unknown_shapes(captured: Graph) -> list[str]:
    return [operator.type for operator, _ in captured.walk() if not operator.shapes_known]


@pytest.mark.parametrize("name", ["squeezenet", "shufflenet"])
def test_convolutions_that_the_runtime_laid_out_anew_keep_their_shapes(name: str, tmp_path: Path) -> None:
    path = DATA / f"light/light_{name}.onnx"
    captured = capture(optimised(path, tmp_path / "optimised.onnx"))
    assert {operator.domain for operator in captured.operators} > {"com.microsoft.nchwc"}
    assert unknown_shapes(captured) == []
    assert captured.outputs[0].shape == capture(path).outputs[0].shape


def write_block(path: Path) -> Path:
    """A product, a bias, a Gelu and a normalisation with a skip: what the runtime fuses in every Transformer."""
    rng = np.random.default_rng(0)
    names = {"w": (16, 16), "b": (16,), "s": (16,), "o": (16,)}
    weights = [weight(name, rng.normal(size=shape).astype(np.float32)) for name, shape in names.items()]
    nodes = [
        helper.make_node("MatMul", ["x", "w"], ["h0"]),
        helper.make_node("Add", ["h0", "b"], ["h1"]),
        helper.make_node("Gelu", ["h1"], ["h2"]),
        helper.make_node("Add", ["h2", "x"], ["h3"]),
        helper.make_node("LayerNormalization", ["h3", "s", "o"], ["y"]),
    ]
    made = graph(nodes, [value("x", ["batch", "length", 16])], [value("y", ["batch", "length", 16])], weights)
    return write(path, made)


@pytest.mark.filterwarnings("ignore:.*:DeprecationWarning")
def test_fused_and_quantized_operators_keep_their_shapes(tmp_path: Path) -> None:
    from onnxruntime.quantization import quantize_dynamic

    path = write_block(tmp_path / "block.onnx")
    quantize_dynamic(path, tmp_path / "int8.onnx")
    for file in (path, tmp_path / "int8.onnx"):
        captured = capture(optimised(file, tmp_path / "optimised.onnx"), {"length": 7, "batch": 2})
        assert "com.microsoft" in {operator.domain for operator in captured.operators}
        assert unknown_shapes(captured) == []
        assert captured.outputs[0].shape == (2, 7, 16)
        assert parameters(captured) == 16 * 16 + 3 * 16


def recurrent() -> tuple[nn.Module, Any]:
    import torch
    from torch import nn

    class Last(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.lstm = nn.LSTM(6, 5, batch_first=True)
            self.head = nn.Linear(5, 1)

        def forward(self, x: torch.Tensor) -> Any:
            return self.head(self.lstm(x)[0][:, -1])

    return Last(), torch.zeros(2, 7, 6)


def gpt2() -> tuple[nn.Module, Any]:
    import torch
    from transformers import GPT2Config, GPT2LMHeadModel

    config = GPT2Config(vocab_size=50, n_positions=16, n_embd=16, n_layer=1, n_head=2, use_cache=False)
    return GPT2LMHeadModel(config), torch.zeros(2, 8, dtype=torch.long)


def llama() -> tuple[nn.Module, Any]:
    import torch
    from transformers import LlamaConfig, LlamaForCausalLM

    sizes = {"vocab_size": 50, "hidden_size": 16, "intermediate_size": 24, "num_hidden_layers": 1}
    heads = {"num_attention_heads": 2, "num_key_value_heads": 1}
    config = LlamaConfig(**sizes, **heads, tie_word_embeddings=True, use_cache=False)
    return LlamaForCausalLM(config), torch.zeros(2, 8, dtype=torch.long)


def bert() -> tuple[nn.Module, Any]:
    import torch
    from transformers import BertConfig, BertForSequenceClassification

    sizes = {"vocab_size": 50, "hidden_size": 16, "intermediate_size": 24, "num_hidden_layers": 1}
    config = BertConfig(**sizes, num_attention_heads=2, max_position_embeddings=20)
    return BertForSequenceClassification(config), torch.zeros(2, 8, dtype=torch.long)


def vit() -> tuple[nn.Module, Any]:
    import torch
    from transformers import ViTConfig, ViTForImageClassification

    sizes = {"hidden_size": 16, "intermediate_size": 24, "num_hidden_layers": 1, "num_attention_heads": 2}
    config = ViTConfig(**sizes, image_size=16, patch_size=8, num_labels=3)
    return ViTForImageClassification(config), torch.zeros(2, 3, 16, 16)


@pytest.mark.filterwarnings("ignore")  # PyTorch's exporter warns of itself
@pytest.mark.parametrize(
    "build",
    [
        recurrent,
        gpt2,
        *(pytest.param(build, marks=pytest.mark.slow) for build in (llama, bert, vit)),
    ],
)
def test_parameters_are_the_frameworks_own_count(build: Callable[[], tuple[nn.Module, Any]], tmp_path: Path) -> None:
    """Tied embeddings once, masks and positions not at all; numbers are random, for exporters merge equal weights.

    The batch is free, as in every file that Sartor exports; texts are free in their length as well.
    """
    import torch

    torch.set_num_threads(1)
    model, example = build()
    model.eval()
    for parameter in model.parameters():
        torch.nn.init.normal_(parameter)
    # Rotary positions of a fixed length would be tables in the file.
    free = dict.fromkeys(range(2 if example.dtype == torch.long else 1), torch.export.Dim.DYNAMIC)
    exported = torch.onnx.export(model, (example,), dynamo=True, verbose=False, dynamic_shapes=(free,))
    path = tmp_path / "model.onnx"
    assert exported is not None
    exported.save(path)
    names = {size for shape in free_sizes(path).values() for size in shape or () if isinstance(size, str)}
    captured = capture(path, dict.fromkeys(names, 8))
    assert parameters(captured) == sum(parameter.numel() for parameter in model.parameters())
    assert captured.notes == ()
