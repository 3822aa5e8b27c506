"""Which layers to leave in f32: the integer programme against every subset."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sartor.plan.mixed import MixedLayer, cheapest_kept, converted, error_left, expected_seconds


@st.composite
def chains(draw: st.DrawFn) -> list[MixedLayer]:
    count = draw(st.integers(1, 7))
    found = []
    for number in range(count):
        after = draw(st.sampled_from([None, number - 1])) if number else None
        found.append(
            MixedLayer(
                f"layer {number}",
                weight_error=draw(st.floats(0.001, 1.0)),
                input_error=draw(st.floats(0.0, 1.0)),
                seconds=draw(st.floats(-0.2, 1.0)),
                after=after,
                followed=draw(st.booleans()),
                elements_in=draw(st.integers(1, 1000)),
                elements_out=draw(st.integers(1, 1000)),
            )
        )
    return found


@settings(max_examples=60, deadline=None)
@given(chains(), st.floats(0.05, 0.95), st.sampled_from([0.0, 1e-4, 1e-3]), st.booleans())
def test_no_subset_is_cheaper(layers: list[MixedLayer], share: float, conversion: float, rounds_outputs: bool) -> None:
    allowed = share * sum(one.error for one in layers)

    def fits(subset: np.ndarray) -> bool:
        return error_left(layers, subset, rounds_outputs=rounds_outputs) <= allowed + 1e-5

    kept = cheapest_kept(layers, allowed, conversion, rounds_outputs=rounds_outputs)
    assert fits(kept)
    price = 0.02 * max(abs(one.seconds) + conversion * (one.elements_in + one.elements_out) for one in layers)
    subsets = (np.array(bits, dtype=bool) for bits in product([False, True], repeat=len(layers)))
    best = min(expected_seconds(layers, subset, conversion) for subset in subsets if fits(subset))
    # Within what each kept layer is charged beside its time, so that of equals the fewest are kept.
    assert expected_seconds(layers, kept, conversion) <= best + price * len(layers) + 1e-9


def test_what_a_layer_in_8_bits_gives_is_rounded_whoever_reads_it() -> None:
    """b's input makes the error: where layers round what they give, a must be kept as well."""
    layers = [MixedLayer("a", 0.01, 0.01, 1.0, None, True), MixedLayer("b", 0.01, 1.0, 1.0, 0, False)]
    assert cheapest_kept(layers, 0.1).tolist() == [False, True]
    assert cheapest_kept(layers, 0.1, rounds_outputs=True).tolist() == [True, True]
    assert error_left(layers, np.array([False, True]), rounds_outputs=True) == pytest.approx(0.02 + 1.0)
    assert error_left(layers, np.array([True, True]), rounds_outputs=True) == pytest.approx(0.0)


def test_nothing_is_kept_for_an_error_that_is_allowed() -> None:
    layers = [MixedLayer("a", 0.5, 0.0, -1.0), MixedLayer("b", 0.5, 0.0, 1.0)]
    assert not cheapest_kept(layers, 1.0).any()


def test_of_two_ways_the_faster_is_taken() -> None:
    layers = [MixedLayer("slow", 1.0, 0.0, 3.0), MixedLayer("fast", 1.0, 0.0, 1.0)]
    assert cheapest_kept(layers, 1.0).tolist() == [False, True]


def test_a_layer_between_two_kept_ones_is_kept_where_converting_costs_more() -> None:
    """a and c must stay in f32; b is as fast in 8 bits by 1 s, but then two more tensors are converted."""
    layers = [
        MixedLayer("a", 1.0, 0.0, 1.0, None, True, 100, 100),
        MixedLayer("b", 0.001, 0.0, 1.0, 0, True, 100, 100),
        MixedLayer("c", 1.0, 0.0, 1.0, 1, False, 100, 100),
    ]
    assert cheapest_kept(layers, 0.01, conversion=0.0).tolist() == [True, False, True]
    assert cheapest_kept(layers, 0.01, conversion=0.1).tolist() == [True, True, True]


def test_what_is_converted_is_counted_where_forms_meet() -> None:
    layers = [
        MixedLayer("a", 1.0, 0.0, 0.0, None, True, 10, 20),
        MixedLayer("b", 1.0, 0.0, 0.0, 0, True, 20, 30),
        MixedLayer("c", 1.0, 0.0, 0.0, 1, False, 30, 40),
    ]
    assert converted(layers, np.array([False, True, False])) == 20 + 30
    assert converted(layers, np.array([True, True, True])) == 10 + 40
    assert converted(layers, np.array([False, False, False])) == 0
    assert expected_seconds(layers, np.array([True, False, False]), 2.0) == pytest.approx(2.0 * (10 + 20))
