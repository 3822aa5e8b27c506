"""What operators compute and move: by hand, by what must be equal, and against torch's own counter."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sartor.cost.capture import capture
from sartor.cost.costs import Cost, total
from sartor.cost.count import count, operator_cost
from sartor.cost.formulas import FAMILIES, FORMULAS, family_of
from sartor.cost.graph import Body, Graph, Operator, Tensor
from tests.cost.files import graph as file_graph
from tests.cost.files import value, weight, write

Shape = tuple[int, ...]
small = st.integers(1, 6)
MICROSOFT = "com.microsoft"


def tensor(shape: Shape | None, dtype: str = "float32", name: str = "") -> Tensor:
    return Tensor(name or f"{dtype}{shape}", dtype, shape)


def operator(
    type_: str,
    inputs: Sequence[Shape | Tensor | None],
    *outputs: Shape | Tensor,
    domain: str = "",
    weights: Sequence[int] = (),
    bodies: tuple[Body, ...] = (),
    **attributes: Any,
) -> Operator:
    """An operator whose tensors are given as shapes of float32 numbers, each under a name of its own."""

    def named(each: Shape | Tensor, name: str) -> Tensor:
        return each if isinstance(each, Tensor) else tensor(each, name=name)

    given_inputs = tuple(None if each is None else named(each, f"in{n}") for n, each in enumerate(inputs))
    made = tuple(named(each, f"out{n}") for n, each in enumerate(outputs))
    return Operator(type_.lower(), type_, domain, given_inputs, made, frozenset(weights), attributes, bodies)


def graph(*operators: Operator) -> Graph:
    return Graph("net", (), (), operators, ())


def flop(*args: Any, **kwargs: Any) -> float:
    return operator_cost(operator(*args, **kwargs)).total_flop


def convolution(batch: int, channels: int, out: int, groups: int, size: int, kernel: int) -> Operator:
    """Without padding, stride one."""
    places = size - kernel + 1
    shapes = [(batch, channels, size, size), (out, channels // groups, kernel, kernel)]
    return operator("Conv", shapes, (batch, out, places, places), group=groups)


# ---- by hand: (operator, FLOP by type), each from the definition of the operator ----

int8 = partial(tensor, dtype="int8")
uint8 = partial(tensor, dtype="uint8")
int64 = partial(tensor, dtype="int64")
scalar = tensor((), name="scale")
zero = tensor((), "uint8", "zero")

BY_HAND: list[tuple[Operator, dict[str, float]]] = [
    # The first convolution of ResNet-50: 118 013 952 multiplications, torchvision and fvcore count 118.0 MMac.
    (operator("Conv", [(1, 3, 224, 224), (64, 3, 7, 7)], (1, 64, 112, 112)), {"float32": 2 * 118_013_952}),
    (operator("Conv", [(1, 8, 5, 5), (8, 1, 3, 3), (8,)], (1, 8, 5, 5), group=8), {"float32": 200 * (18 + 1)}),
    (
        operator(
            "FusedConv",
            [(1, 2, 4, 4), (2, 2, 1, 1), (2,), (1, 2, 4, 4)],
            (1, 2, 4, 4),
            domain=MICROSOFT,
            activation="Relu",
        ),
        {"float32": 32 * (4 + 1 + 1 + 1)},
    ),
    (
        operator("Conv", [(1, 16, 8, 8), (16, 16, 3, 3)], (1, 16, 8, 8), domain="com.microsoft.nchwc"),
        {"float32": 2 * 1024 * 144},
    ),
    (operator("MatMul", [(2, 3, 4), (4, 5)], (2, 3, 5)), {"float32": 2 * 30 * 4}),
    (operator("MatMul", [(4,), (4,)], ()), {"float32": 8}),
    (operator("Gemm", [(4, 3), (4, 5), (5,)], (3, 5), transA=1), {"float32": 2 * 15 * 4 + 15}),
    (operator("MatMulInteger", [uint8((3, 4)), int8((4, 5))], tensor((3, 5), "int32")), {"int8": 2 * 15 * 4}),
    (
        operator(
            "QLinearConv",
            [uint8((1, 2, 4, 4)), scalar, zero, int8((3, 2, 1, 1)), scalar, zero, scalar, zero, tensor((3,), "int32")],
            uint8((1, 3, 4, 4)),
        ),
        {"int8": 48 * (4 + 1), "float32": 48 * 5},
    ),
    (
        operator("DynamicQuantizeMatMul", [(3, 4), int8((4, 5)), (5,)], (3, 5), domain=MICROSOFT),
        {"int8": 2 * 15 * 4, "float32": 7 * 12 + 15},
    ),
    (
        operator("MatMulNBits", [(3, 64), uint8((8, 2, 16)), (16,)], (3, 8), domain=MICROSOFT, K=64, N=8, bits=4),
        {"float32": 2 * 24 * 64},
    ),
    (operator("Einsum", [(2, 3), (3, 4), (4, 5)], (2, 5), equation="ij,jk,kl->il"), {"float32": 120 * 3}),
    (operator("Add", [(2, 3), (3,)], (2, 3)), {"float32": 6}),
    (operator("Where", [tensor((4,), "bool"), (4,), ()], (4,)), {"float32": 4}),
    (operator("Sum", [(4,), (4,), (4,)], (4,)), {"float32": 8}),
    (operator("Sigmoid", [tensor((5,), "float16")], tensor((5,), "float16")), {"float16": 20}),
    (operator("Softmax", [(2, 10)], (2, 10)), {"float32": 100}),
    (operator("LayerNormalization", [(2, 4, 8), (8,), (8,)], (2, 4, 8), axis=-1), {"float32": 64 * 7 + 8 * 5}),
    (operator("RMSNormalization", [(2, 8), (8,)], (2, 8)), {"float32": 16 * 4 + 2 * 4}),
    (
        operator("SkipLayerNormalization", [(1, 2, 8), (1, 2, 8), (8,), (8,), (8,)], (1, 2, 8), domain=MICROSOFT),
        {"float32": 16 * 9 + 2 * 5},
    ),
    (
        operator("BatchNormalization", [(2, 3, 4), (3,), (3,), (3,), (3,)], (2, 3, 4)),
        {"float32": 2 * 24 + 5 * 3},
    ),
    (operator("MaxPool", [(1, 2, 4, 4)], (1, 2, 2, 2), kernel_shape=(2, 2)), {"float32": 32}),
    (operator("GlobalAveragePool", [(1, 2, 4, 4)], (1, 2, 1, 1)), {"float32": 32}),
    (operator("ReduceMean", [(2, 8)], (2, 1)), {"float32": 16}),
    (operator("ReduceSum", [(2, 8)], (2, 1)), {"float32": 14}),
    # Q K^T and P V: 2 * 2 * 3 heads * 4 * 4 pairs * (8 + 8), scale and softmax 6 per pair.
    (operator("Attention", [(1, 3, 4, 8)] * 3, (1, 3, 4, 8)), {"float32": 48 * (2 * 16 + 6)}),
    (operator("Attention", [(1, 3, 4, 8)] * 3, (1, 3, 4, 8), is_causal=1), {"float32": 30 * (2 * 16 + 6)}),
    # Grouped queries, one token after a cache of 9: heads of the queries count, all 10 keys are seen.
    (
        operator(
            "GroupQueryAttention",
            [(1, 1, 32), (1, 1, 16), (1, 1, 16), (1, 2, 9, 8), (1, 2, 9, 8)],
            (1, 1, 32),
            (1, 2, 10, 8),
            (1, 2, 10, 8),
            domain=MICROSOFT,
            num_heads=4,
            kv_num_heads=2,
        ),
        {"float32": 4 * 10 * (2 * 16 + 6)},
    ),
    # Two directions, three steps, batch of two: 2 (W + R) per step and row, and 25 + 8 per hidden number and direction.
    (
        operator("LSTM", [(3, 2, 5), (2, 16, 5), (2, 16, 4), (2, 32)], (3, 2, 2, 4), hidden_size=4),
        {"float32": 2 * 6 * (160 + 128) + 6 * 2 * 4 * (4 + 12 + 2 + 4 + 8)},
    ),
    # One direction, three steps, batch of two; 17 = 3 sums, 2 sigmoids of 4, a tanh, 5 to combine.
    (
        operator("GRU", [(3, 2, 5), (1, 12, 5), (1, 12, 4)], (3, 1, 2, 4), hidden_size=4),
        {"float32": 2 * 6 * (60 + 48) + 6 * 4 * 17},
    ),
    # Projection with its bias, then 2 rows * 2 heads * 16 pairs of width 4.
    (
        operator("Attention", [(2, 4, 8), (8, 24), (24,)], (2, 4, 8), domain=MICROSOFT, num_heads=2),
        {"float32": 2 * 8 * 8 * 24 + 8 * 24 + 64 * (16 + 6)},
    ),
    (
        operator("MultiHeadAttention", [(1, 4, 8), (1, 6, 8), (1, 6, 8)], (1, 4, 8), domain=MICROSOFT, num_heads=2),
        {"float32": 2 * 24 * (16 + 6)},
    ),
    (
        operator(
            "QAttention", [uint8((2, 4, 8)), int8((8, 24)), (24,), (), ()], (2, 4, 8), domain=MICROSOFT, num_heads=2
        ),
        {"int8": 2 * 8 * 8 * 24, "float32": 2 * 8 * 24 + 64 * (16 + 6)},
    ),
    (operator("RotaryEmbedding", [(1, 2, 4, 8), (16, 4), (16, 4), int64((1, 4))], (1, 2, 4, 8)), {"float32": 192}),
    # Five tokens, two heads with a state of 4 x 4: 2 to update, 2 to read.
    (
        operator("LinearAttention", [(1, 5, 8)] * 3, (1, 5, 8), q_num_heads=2, kv_num_heads=2, update_rule="linear"),
        {"float32": 5 * 2 * 16 * 4},
    ),
    # Two of six experts for each of four tokens, 8 -> 16 -> 8.
    (
        operator("MoE", [(4, 8), (4, 6), (6, 16, 8), None, (6, 8, 16)], (4, 8), domain=MICROSOFT, k=2),
        {"float32": 8 * (2 * 2 * 128 + 7 * 16)},
    ),
    (
        operator("DeformConv", [(1, 2, 4, 4), (3, 2, 1, 1), (1, 2, 4, 4)], (1, 3, 4, 4)),
        {"float32": 2 * 48 * 2 + 32 * 7},
    ),
    (operator("GridSample", [(1, 2, 4, 4), (1, 3, 3, 2)], (1, 2, 3, 3), mode="linear"), {"float32": 18 * 7 + 18 * 3}),
    (operator("DFT", [(1, 16, 1)], (1, 16, 2)), {"float32": 2.5 * 16 * 4}),
    (
        operator("GatherBlockQuantized", [uint8((100, 16)), int64((3,)), (100, 2)], (3, 32), domain=MICROSOFT),
        {"float32": 2 * 96},
    ),
    # Four support vectors of two numbers: 3 for each number, exp and factor, the coefficient.
    (
        operator(
            "SVMRegressor",
            [(3, 2)],
            (3, 1),
            domain="ai.onnx.ml",
            support_vectors=(0.0,) * 8,
            coefficients=(0.0,) * 4,
            kernel_type="RBF",
        ),
        {"float32": 3 * (24 + 4 * 2 + 4 * 2)},
    ),
    (
        operator(
            "TreeEnsemble",
            [(5, 2)],
            (5, 1),
            domain="ai.onnx.ml",
            tree_roots=(0,),
            nodes_truenodeids=(1, 0),
            nodes_falsenodeids=(0, 1),
            nodes_trueleafs=(0, 1),
            nodes_falseleafs=(1, 1),
        ),
        {"float32": 5 * (2 + 1)},
    ),
    (operator("Resize", [(1, 2, 4, 4), None, None, int64((4,))], (1, 2, 8, 8), mode="linear"), {"float32": 128 * 7}),
    (operator("Resize", [(1, 2, 4, 4), None, (4,)], (1, 2, 8, 8), mode="nearest"), {}),
    (operator("TopK", [(2, 100), int64((1,))], (2, 8), int64((2, 8)), axis=-1), {"float32": 200 * 3}),
    (operator("QuantizeLinear", [(10,), scalar, zero], uint8((10,))), {"float32": 50}),
    (operator("DequantizeLinear", [uint8((10,)), scalar, zero], (10,)), {"float32": 20}),
    (operator("Transpose", [(4, 5)], (5, 4)), {}),
    (operator("LinearRegressor", [(7, 3)], (7, 1), domain="ai.onnx.ml", coefficients=(1.0,) * 3), {"float32": 42}),
]


@pytest.mark.parametrize(
    ("made", "expected"), BY_HAND, ids=lambda each: each.type if isinstance(each, Operator) else ""
)
def test_flop_by_hand(made: Operator, expected: dict[str, float]) -> None:
    cost = operator_cost(made)

    assert cost.flop == expected
    assert not cost.unknown


def test_every_operator_reads_its_inputs_and_writes_its_outputs_once() -> None:
    cost = operator_cost(operator("Gemm", [(2, 3), (3, 5), (5,)], (2, 5), weights=(1, 2)))

    assert cost.read_bytes == 4 * (6 + 15 + 5)
    assert cost.weight_bytes == 4 * (15 + 5)
    assert cost.written_bytes == 4 * 10


def test_a_tensor_given_twice_is_read_once() -> None:
    same = tensor((8,))

    assert operator_cost(operator("Mul", [same, same], (8,))).read_bytes == 32


def test_gather_reads_the_rows_it_takes() -> None:
    cost = operator_cost(operator("Gather", [(1000, 16), int64((1, 3))], (1, 3, 16), weights=(0,)))

    assert (cost.read_bytes, cost.weight_bytes) == (3 * 16 * 4 + 3 * 8, 3 * 16 * 4)
    assert cost.written_bytes == 3 * 16 * 4
    assert cost.total_flop == 0


def test_experts_that_no_token_chose_are_not_read() -> None:
    experts = [(1, 8), (1, 64), (64, 16, 8), None, (64, 8, 16)]
    cost = operator_cost(operator("MoE", experts, (1, 8), domain=MICROSOFT, weights=(2, 4), k=2))

    assert cost.weight_bytes == 2 * (16 * 8 + 8 * 16) * 4


def test_packed_weights_are_read_packed() -> None:
    cost = operator_cost(operator("DequantizeLinear", [tensor((64,), "int4"), scalar], (64,), weights=(0,)))

    assert cost.weight_bytes == 32


@pytest.mark.parametrize("type_", ["Reshape", "Squeeze", "Identity", "Shape"])
def test_views_move_nothing_whatever_their_shape(type_: str) -> None:
    cost = operator_cost(operator(type_, [tensor((4, 5)), int64((2,))], tensor(None, name="out")))

    assert cost == Cost(operators=1)


def test_what_is_not_known_is_listed_and_never_zero_in_silence() -> None:
    shapeless = operator("MatMul", [tensor(None, name="a"), (3, 4)], tensor(None, name="out"))
    foreign = operator("Wavelet", [(3,)], (3,), domain="my.ops")
    misshapen = operator("Conv", [(1, 3, 4, 4), tensor((), name="w")], (1, 3, 4, 4), group="no")
    cost = count(graph(shapeless, shapeless, foreign, operator("Relu", [(3,)], (3,)), misshapen))

    assert cost.unknown["MatMul"] == 2
    assert cost.unknown["my.ops.Wavelet"] == 1
    assert cost.operators == 5
    assert cost.flop["float32"] >= 3


def test_an_omitted_output_is_not_written() -> None:
    norm = operator("LayerNormalization", [(2, 8), (8,)], (2, 8), Tensor("", "undefined", None))

    assert operator_cost(norm).written_bytes == 64


def test_loops_multiply_and_an_if_takes_its_dearest_branch() -> None:
    cheap, dear = graph(operator("Relu", [(4,)], (4,))), graph(operator("Sigmoid", [(4,)], (4,)))
    loop = operator("Loop", [], bodies=(Body(cheap, 7),))
    decided = operator("If", [], bodies=(Body(dear, 0), Body(cheap, 1)))
    undecided = operator("If", [], bodies=(Body(cheap, 1, bounded=True), Body(dear, 1, bounded=True)))

    assert operator_cost(loop) == count(cheap) * 7 + Cost(operators=1)
    assert operator_cost(decided) == count(cheap) + Cost(operators=1)
    assert operator_cost(undecided) == count(dear) + Cost(operators=1)


def test_only_the_pairs_of_a_causal_window_count() -> None:
    whole = flop("Attention", [(1, 1, 64, 8)] * 3, (1, 1, 64, 8), is_causal=1)
    window = flop("Attention", [(1, 1, 64, 8)] * 3, (1, 1, 64, 8), is_causal=1, left_window_size=3)

    assert whole / window == (64 * 65 / 2) / (64 * 4 - 6)


# ---- what must be equal ----


@st.composite
def operators(draw: st.DrawFn) -> Operator:
    rows, inner, columns = draw(small), draw(small), draw(small)
    return draw(
        st.sampled_from(
            [
                operator("MatMul", [(rows, inner), (inner, columns)], (rows, columns), weights=(1,)),
                operator("MatMul", [uint8((rows, inner)), int8((inner, columns))], tensor((rows, columns), "int32")),
                operator("Softmax", [(rows, inner)], (rows, inner)),
                operator("Gather", [(rows, inner), int64((columns,))], (columns, inner), weights=(0,)),
                operator("Wavelet", [(rows,)], (rows,), domain="my.ops"),
                convolution(rows, inner, columns, 1, 6, 3),
                operator("Loop", [], bodies=(Body(graph(operator("Relu", [(rows,)], (rows,))), columns),)),
            ]
        )
    )


@given(st.lists(operators(), max_size=4), st.lists(operators(), max_size=4))
@settings(deadline=None, max_examples=40)
def test_costs_add(first: list[Operator], then: list[Operator]) -> None:
    assert count(graph(*first)) + count(graph(*then)) == count(graph(*first, *then))


@given(batch=small, groups=small, inside=small, outside=small, kernel=st.integers(1, 3))
def test_a_grouped_convolution_is_the_sum_of_its_groups(
    batch: int, groups: int, inside: int, outside: int, kernel: int
) -> None:
    whole = operator_cost(convolution(batch, groups * inside, groups * outside, groups, 6, kernel))
    one = operator_cost(convolution(batch, inside, outside, 1, 6, kernel))

    assert whole.flop == (one * groups).flop
    assert whole.moved_bytes == (one * groups).moved_bytes


@given(batch=small, channels=small, out=small, kernel=st.integers(1, 3))
def test_a_transposed_convolution_computes_what_its_adjoint_does(
    batch: int, channels: int, out: int, kernel: int
) -> None:
    forward = convolution(batch, channels, out, 1, 6, kernel)
    (image, filters), (result,) = forward.inputs, forward.outputs
    assert image is not None
    back = operator("ConvTranspose", [result, filters], image)

    assert operator_cost(back).flop == operator_cost(forward).flop


@given(batch=small, rows=small, inner=small, columns=small)
def test_einsum_is_a_matrix_product_where_it_is_one(batch: int, rows: int, inner: int, columns: int) -> None:
    shapes = [(batch, rows, inner), (batch, inner, columns)]
    product = operator_cost(operator("MatMul", shapes, (batch, rows, columns)))

    for equation in ("bij,bjk->bik", "...ij,...jk->...ik", "bij,bjk"):
        einsum = operator("Einsum", shapes, (batch, rows, columns), equation=equation)
        if equation != "bij,bjk":  # without an arrow b is summed over as well, and FLOP are the same
            assert operator_cost(einsum) == product
        assert operator_cost(einsum).flop == product.flop


def layers_of(batch: int) -> list[Operator]:
    """One of each family, its numbers proportional to the batch."""
    return [
        operator("Conv", [(batch, 4, 6, 6), (8, 4, 3, 3), (8,)], (batch, 8, 4, 4)),
        operator("MatMul", [(batch, 3, 4), (4, 5)], (batch, 3, 5)),
        operator("Attention", [(batch, 2, 5, 4)] * 3, (batch, 2, 5, 4)),
        operator("LSTM", [(3, batch, 5), (1, 16, 5), (1, 16, 4)], (3, 1, batch, 4), hidden_size=4),
        operator("LayerNormalization", [(batch, 4, 8), (8,), (8,)], (batch, 4, 8)),
        operator("Gelu", [(batch, 8)], (batch, 8)),
        operator("AveragePool", [(batch, 2, 4, 4)], (batch, 2, 2, 2), kernel_shape=(2, 2)),
        operator("Resize", [(batch, 2, 4, 4)], (batch, 2, 8, 8), mode="cubic"),
        operator("ReduceMean", [(batch, 8)], (batch, 1)),
        operator("TopK", [(batch, 100)], (batch, 8)),
    ]


@given(st.integers(1, 64))
def test_flop_grow_with_the_batch(batch: int) -> None:
    for one, many in zip(layers_of(1), layers_of(batch), strict=True):
        assert operator_cost(many).total_flop == pytest.approx(batch * operator_cost(one).total_flop)


# ---- how much of ONNX has a formula ----

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
}


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

    assert {name for domain, name in known if (domain, name) not in FORMULAS} == WITHOUT_MICROSOFT


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


# ---- against torch.utils.flop_counter, which counts matrix products, convolutions and attention and nothing else ----

COUNTED_BY_TORCH = {"matrix product", "convolution"}  # attention is exported as its products


def products_of(captured: Graph) -> float:
    """FLOP of the families that torch counts, by torch's convention: without biases and fused activations."""
    return total(_without_bias(each) * times for each, times in captured.walk() if times).total_flop


def _without_bias(each: Operator) -> Cost:
    if family_of(each) not in COUNTED_BY_TORCH or not operator_cost(each).flop:
        return Cost()
    read = each.inputs[:2] if each.type in {"Conv", "FusedConv", "Gemm", "ConvTranspose"} else each.inputs
    attributes = {name: set_ for name, set_ in each.attributes.items() if name != "activation"}
    return operator_cost(Operator(each.name, each.type, each.domain, read, each.outputs, attributes=attributes))


def image() -> dict[str, Any]:
    import torch

    return {"pixel_values": torch.rand(2, 3, 64, 64)}


def words() -> dict[str, Any]:
    import torch

    return {"input_ids": torch.randint(1, 90, (2, 24))}


def sound() -> dict[str, Any]:
    import torch

    return {"input_values": torch.rand(2, 3200)}


Made = tuple[str, dict[str, Any], Callable[[], dict[str, Any]]]

TEXT = {"vocab_size": 100, "hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4}
SMALL_TEXT = {**TEXT, "intermediate_size": 64, "max_position_embeddings": 64}
ARCHITECTURES: dict[str, Made] = {
    "ResNet": ("ResNet", {"embedding_size": 8, "hidden_sizes": [8, 16], "depths": [1, 2]}, image),
    "MobileNetV2": ("MobileNetV2", {"depth_multiplier": 0.35}, image),
    "ConvNext": ("ConvNext", {"hidden_sizes": [8, 16], "depths": [1, 2], "num_stages": 2}, image),
    "ViT": ("ViT", {**TEXT, "intermediate_size": 64, "image_size": 64, "patch_size": 16}, image),
    "Swin": (
        "Swin",
        {"image_size": 64, "embed_dim": 8, "depths": [1, 2], "num_heads": [2, 4], "window_size": 4},
        image,
    ),
    "Segformer": (
        "Segformer",
        {"depths": [1, 1, 1, 1], "hidden_sizes": [8, 16, 24, 32], "decoder_hidden_size": 16},
        image,
    ),
    "Bert": ("Bert", SMALL_TEXT, words),
    "DistilBert": (
        "DistilBert",
        {"vocab_size": 100, "dim": 32, "hidden_dim": 64, "n_layers": 2, "n_heads": 4, "max_position_embeddings": 64},
        words,
    ),
    "GPT2": (
        "GPT2",
        {"vocab_size": 100, "n_embd": 32, "n_layer": 2, "n_head": 4, "n_positions": 64, "use_cache": False},
        words,
    ),
    "T5Encoder": (
        "T5",
        {"vocab_size": 100, "d_model": 32, "d_kv": 8, "d_ff": 64, "num_layers": 2, "num_heads": 4},
        words,
    ),
    "Wav2Vec2": (
        "Wav2Vec2",
        {
            **{**TEXT, "intermediate_size": 64, "conv_dim": [8, 8, 8], "conv_stride": [5, 2, 2]},
            **{"conv_kernel": [10, 3, 3], "num_feat_extract_layers": 3},
            **{"num_conv_pos_embeddings": 8, "num_conv_pos_embedding_groups": 4},
        },
        sound,
    ),
    "Electra": ("Electra", {**SMALL_TEXT, "embedding_size": 16}, words),
}
FAST = ("ConvNext", "DistilBert")


def built(name: str) -> tuple[Any, dict[str, Any]]:
    """A network with random weights and an example of its inputs."""
    transformers = pytest.importorskip("transformers")
    import torch

    torch.set_num_threads(1)
    torch.manual_seed(0)
    prefix, settings_, example = ARCHITECTURES[name]
    config = getattr(transformers, f"{prefix}Config")(**settings_)
    model = getattr(transformers, "T5EncoderModel" if name == "T5Encoder" else f"{prefix}Model")
    return model(config).eval(), example()


def torch_flop(network: Any, inputs: dict[str, Any]) -> int:
    import torch
    from torch.nn.attention import SDPBackend, sdpa_kernel
    from torch.utils.flop_counter import FlopCounterMode

    counter = FlopCounterMode(display=False)
    # Of the fused attention for CPUs torch's counter knows nothing; of the products that it stands for it does.
    with counter, torch.no_grad(), sdpa_kernel(SDPBackend.MATH):
        network(**inputs)
    return int(counter.get_total_flops())


def exported(network: Any, inputs: dict[str, Any], path: Path) -> Path:
    """As `sartor.model.export` traces a module, with fixed sizes and without its checks."""
    import torch

    from sartor.model.export import exporter_errors, save_program
    from sartor.model.tracing import Positional

    def outputs(named: dict[str, Any]) -> tuple[Any, ...]:  # all of them, for torch counts all of them
        return tuple(each for each in network(**named).values() if isinstance(each, torch.Tensor))

    module = Positional(network, list(inputs), outputs).eval()
    with exporter_errors(type(network).__name__), torch.no_grad():
        program = torch.onnx.export(
            module, tuple(inputs.values()), input_names=list(inputs), opset_version=20, dynamo=True, verbose=False
        )
    assert program is not None
    save_program(program, path, False)
    return path


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=() if name in FAST else pytest.mark.slow) for name in ARCHITECTURES]
)
def test_flop_agree_with_the_counter_of_torch(name: str, tmp_path: Path) -> None:
    pytest.importorskip("torch")
    network, inputs = built(name)
    captured = capture(exported(network, inputs, tmp_path / "net.onnx"))

    assert products_of(captured) == pytest.approx(torch_flop(network, inputs), rel=0.01)
    assert not count(captured).unknown
