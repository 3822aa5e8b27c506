"""How much of ONNX and of ONNX Runtime has a formula, and that files are counted alike before and after fusing."""

from __future__ import annotations

from importlib.metadata import version
from pathlib import Path

import pytest

from sartor.cost.capture import capture
from sartor.cost.count import count
from sartor.cost.formulas import FAMILIES, FORMULAS, family_of
from sartor.cost.graph import Body
from tests.cost.files import graph as file_graph
from tests.cost.files import value, weight, write
from tests.cost.operators import flop, graph, operator, products_of

# Control flow counts its bodies; text and pictures have no length that a file tells; training is no part of a model.
WITHOUT = {
    "": {
        *("If", "Loop", "Scan", "SequenceMap", "ImageDecoder"),
        *("RegexFullMatch", "StringConcat", "StringNormalizer", "StringSplit", "TfIdfVectorizer"),
    },
    "ai.onnx.ml": set(),
    "ai.onnx.preview": set(),
    "ai.onnx.preview.training": {"Adagrad", "Adam", "Gradient", "Momentum"},
}
# Whole decoding loops, text, engines of vendors, caches whose filling only the data know, and what no optimiser of
# ONNX Runtime puts into a file of its own accord.
WITHOUT_MICROSOFT = {
    *("BeamSearch", "GreedySearch", "Sampling", "WhisperBeamSearch", "EPContext", "Snpe", "Tokenizer", "SampleOp"),
    *("PackedAttention", "PackedMultiHeadAttention", "PagedAttention", "SparseAttention", "SparsePagedAttention"),
    *("DynamicSparseAttention", "SparseAttentionIndexer", "PackedSparseAttentionIndexer", "LongformerAttention"),
    *("QOrderedAttention", "QOrderedLongformerAttention", "QOrderedLayerNormalization", "QEmbedLayerNormalization"),
    *("AttnLSTM", "DecoderAttention", "WordConvEmbedding", "GatedRelativePositionBias", "GemmaRotaryEmbedding"),
    *("MRotaryEmbedding", "LinearAttentionGate", "EngramGate", "HyperConnectionPostMix", "HyperConnectionPreMix"),
    *("VarlenCausalConvWithState", "VarlenNGramHashMapping", "NGramHashMapping", "NGramRepeatBlock", "MurmurHash3"),
    *("BifurcationDetector", "DynamicTimeWarping", "SparseToDenseMatMul", "BitmaskDropout", "BitmaskBiasDropout"),
    *("QuantizeBFP", "DequantizeBFP"),
    # New in ONNX Runtime 1.32.
    *("ConvStateReplay", "GatedDeltaNetStateReplay", "GatherPacked", "HyperConnectionLowRankMix", "Mamba2Verify"),
    *("MatMulNBitsQLoRA", "MatMulPacked", "MoEGroupRouter", "MoEPacked", "PackedSparseAttentionIndexerMerge"),
    *("RMSNormRotary", "RouterGateUpProj", "SpeculativePrefixCommit", "SwiGLU"),
}
CHECKED = (1, 32)
"""The newest release of ONNX Runtime whose operators were looked through; a newer one may have others."""


def test_every_operator_of_onnx_has_a_formula_or_is_listed_here() -> None:
    from onnx import defs

    without: dict[str, set[str]] = {domain: set() for domain in WITHOUT}
    for schema in defs.get_all_schemas():
        if (schema.domain, schema.name) not in FORMULAS:
            without.setdefault(schema.domain, set()).add(schema.name)

    assert without == WITHOUT


def test_every_operator_of_onnx_runtime_has_a_formula_or_is_listed_here() -> None:
    state = pytest.importorskip("onnxruntime.capi.onnxruntime_pybind11_state")
    ours = {"com.microsoft", "com.microsoft.nchwc", "com.ms.internal.nhwc"}
    known = {(schema.domain, schema.name) for schema in state.get_all_operator_schema() if schema.domain in ours}
    if tuple(map(int, version("onnxruntime").split(".")[:2])) > CHECKED:
        pytest.skip(f"ONNX Runtime is newer than {CHECKED}, and its new operators were not looked through")

    assert {name for domain, name in known if (domain, name) not in FORMULAS} <= WITHOUT_MICROSOFT


def test_families_do_not_overlap() -> None:
    assert sum(len(table) for table in FAMILIES.values()) == len(FORMULAS)
    assert family_of(operator("Loop", [], bodies=(Body(graph(), 1),))) == "control flow"
    assert family_of(operator("Wavelet", [])) == "unknown"


def test_trees_ask_as_often_as_their_deepest_leaf_lies() -> None:
    # A root with a leaf on one side and, on the other, a node with two leaves; and a tree that is one leaf.
    trees = {
        "nodes_treeids": (0, 0, 0, 0, 0, 1),
        "nodes_nodeids": (0, 1, 2, 3, 4, 0),
        "nodes_truenodeids": (1, 0, 3, 0, 0, 0),
        "nodes_falsenodeids": (2, 0, 4, 0, 0, 0),
        "nodes_modes": ("BRANCH_LEQ", "LEAF", "BRANCH_LEQ", "LEAF", "LEAF", "LEAF"),
    }

    assert flop("TreeEnsembleRegressor", [(10, 4)], (10, 1), domain="ai.onnx.ml", **trees) == 10 * (2 + 1 + 0 + 1)


def optimised(path: Path, to: Path) -> Path:
    """The file that ONNX Runtime makes of another."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.optimized_model_filepath, options.log_severity_level = str(to), 3
    onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    return to


def write_convolutions(path: Path) -> Path:
    """Two convolutions with activations, a pool and a linear layer."""
    import numpy as np
    from onnx import helper

    weights = [weight("w1", np.ones((32, 16, 3, 3), np.float32)), weight("b1", np.ones(32, np.float32))]
    weights += [weight("w2", np.ones((32, 1, 3, 3), np.float32)), weight("w3", np.ones((32, 10), np.float32))]
    nodes = [
        helper.make_node("Conv", ["x", "w1", "b1"], ["a"], pads=[1] * 4),
        helper.make_node("Relu", ["a"], ["b"]),
        helper.make_node("Conv", ["b", "w2"], ["c"], pads=[1] * 4, group=32),
        helper.make_node("GlobalAveragePool", ["c"], ["d"]),
        helper.make_node("Flatten", ["d"], ["e"]),
        helper.make_node("MatMul", ["e", "w3"], ["y"]),
    ]
    return write(path, file_graph(nodes, [value("x", (1, 16, 12, 12))], [value("y", (1, 10))], weights))


def test_what_onnx_runtime_fuses_computes_as_much_as_before(tmp_path: Path) -> None:
    path = write_convolutions(tmp_path / "net.onnx")
    before, after = capture(path), capture(optimised(path, tmp_path / "optimised.onnx"))

    assert any(each.domain for each in after.operators)
    assert products_of(after) == products_of(before) == 2 * 144 * 32 * (144 + 9) + 2 * 320
    # A Relu of 144 places in 32 channels is now in the convolution, and is still counted.
    assert count(after).flop == count(before).flop
    assert not count(after).unknown


def test_products_of_a_quantized_file_are_counted_as_int8(tmp_path: Path) -> None:
    from onnxruntime.quantization import quantize_dynamic

    path, quantized = write_convolutions(tmp_path / "net.onnx"), tmp_path / "int8.onnx"
    quantize_dynamic(path, quantized)
    cost = count(capture(optimised(quantized, tmp_path / "optimised.onnx")))

    assert cost.flop["int8"] >= 2 * 144 * 32 * (144 + 9) + 2 * 320
    assert cost.weight_bytes < count(capture(path)).weight_bytes / 2
    assert not cost.unknown
