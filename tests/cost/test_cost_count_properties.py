"""What must be equal whatever the sizes: sums, groups, adjoints, batches."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sartor.cost.count import count, operator_cost
from sartor.cost.graph import Body, Operator
from tests.cost.operators import convolution, graph, int8, int64, operator, tensor, uint8

small = st.integers(1, 6)


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
