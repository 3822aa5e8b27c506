"""What operators compute and move: by hand, each from the definition of the operator."""

from __future__ import annotations

import pytest

from sartor.cost.costs import Cost
from sartor.cost.count import count, operator_cost, operator_flop
from sartor.cost.graph import Body, Operator, Tensor
from tests.cost.operators import MICROSOFT, flop, graph, int8, int64, operator, tensor, uint8

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
    assert operator_flop(made) == sum(expected.values())


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
