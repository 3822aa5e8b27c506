"""Memory alive over a schedule, and the roofline."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sartor.cost.costs import Cost
from sartor.cost.graph import Body, Graph, Operator, Tensor
from sartor.cost.memory import activation_peak, activation_timeline
from sartor.cost.roofline import Bound, MemoryLevel, Roofs, bound_by


def numbers(name: str, count: int) -> Tensor:
    """So many bytes."""
    return Tensor(name, "int8", (count,))


def step(type_: str, inputs: list[Tensor], *outputs: Tensor, bodies: tuple[Body, ...] = ()) -> Operator:
    return Operator(type_, type_, "", tuple(inputs), outputs, bodies=bodies)


def chain(sizes: list[int], types: list[str] | None = None) -> Graph:
    """A straight line of operators through tensors of these sizes."""
    tensors = [numbers(f"t{place}", size) for place, size in enumerate(sizes)]
    kinds = types or ["Relu"] * (len(sizes) - 1)
    steps = [step(kind, [one], two) for kind, (one, two) in zip(kinds, pairwise(tensors), strict=True)]
    return Graph("chain", (tensors[0],), (tensors[-1],), tuple(steps), ())


def test_a_tensor_lives_until_its_last_reader_and_inputs_throughout() -> None:
    graph = chain([1, 10, 100, 1000, 10])

    assert activation_timeline(graph) == (1 + 10, 1 + 10 + 100, 1 + 100 + 1000, 1 + 1000 + 10)
    assert activation_peak(graph) == 1 + 100 + 1000


def test_a_skip_connection_stays_alive() -> None:
    x, a, b, c = numbers("x", 1), numbers("a", 10), numbers("b", 100), numbers("c", 10)
    steps = (step("Relu", [x], a), step("Conv", [a], b), step("Conv", [b], c), step("Add", [c, a], numbers("y", 10)))
    graph = Graph("skip", (x,), (steps[-1].outputs[0],), steps, ())

    assert activation_timeline(graph) == (11, 111, 121, 31)


def test_outputs_live_to_the_end() -> None:
    x, early, late = numbers("x", 1), numbers("early", 50), numbers("late", 10)
    steps = (step("Relu", [x], early), step("Relu", [x], late))

    assert activation_timeline(Graph("two", (x,), (early, late), steps, ())) == (51, 61)
    assert activation_timeline(Graph("one", (x,), (late,), steps, ())) == (51, 11)


def test_views_share_the_memory_of_what_they_view() -> None:
    x, a, view, y = numbers("x", 1), numbers("a", 100), numbers("view", 100), numbers("y", 10)
    steps = (step("Relu", [x], a), step("Reshape", [a], view), step("Conv", [view], y))

    assert activation_timeline(Graph("view", (x,), (y,), steps, ())) == (101, 101, 111)


def test_weights_are_no_activations() -> None:
    x, weight, y = numbers("x", 1), numbers("w", 1000), numbers("y", 10)
    turned = numbers("turned", 1000)
    steps = (step("Reshape", [weight], turned), step("MatMul", [x, turned], y))

    assert activation_peak(Graph("weights", (x,), (y,), steps, (weight,))) == 11


def test_bodies_add_what_they_hold_and_keep_alive_what_they_take() -> None:
    x, outer, y = numbers("x", 1), numbers("outer", 10), numbers("y", 5)
    small = Graph("small", (), (), (step("Relu", [outer], numbers("inner", 20)),), ())
    large = Graph("large", (), (), (step("Relu", [outer], numbers("inner", 70)),), ())
    steps = (
        step("Relu", [x], outer),
        step("Relu", [x], numbers("other", 2)),
        step("If", [x], y, bodies=(Body(small, 1), Body(large, 1))),
    )

    assert activation_timeline(Graph("if", (x,), (y,), steps, ())) == (11, 13, 1 + 10 + 5 + 70)


def test_a_graph_without_operators_holds_its_inputs() -> None:
    assert activation_peak(Graph("none", (numbers("x", 7),), (), (), ())) == 7


@given(st.lists(st.integers(0, 1000), min_size=2, max_size=12))
def test_the_peak_of_a_chain_is_its_largest_neighbours(sizes: list[int]) -> None:
    neighbours = [one + two for one, two in pairwise(sizes[1:])]

    # An input lives throughout; the first operator has it and its own output.
    assert activation_peak(chain(sizes)) == sizes[0] + max([sizes[1], *neighbours])


@given(st.lists(st.integers(1, 1000), min_size=2, max_size=12), st.data())
def test_a_view_never_takes_memory(sizes: list[int], data: st.DataObject) -> None:
    kinds = [data.draw(st.sampled_from(["Relu", "Reshape"])) for _ in sizes[1:]]
    equal = [sizes[0]] * len(sizes)

    assert activation_peak(chain(equal, kinds)) <= activation_peak(chain(equal))


# ---- roofline ----

ROOFS = Roofs(
    "a machine",
    {"float32": 1e11, "int8": 4e11},
    (MemoryLevel("L2", 1e11, 1e6), MemoryLevel("DRAM", 1e10, 1e9)),
    call_seconds=1e-6,
)


@pytest.mark.parametrize(
    ("cost", "working_set", "expected"),
    [
        (Cost({"float32": 1e9}, 1e6, 1e6, operators=1), 2e6, Bound(1e-6 + 1e-2, "compute")),
        (Cost({"int8": 1e9}, 1e6, 1e6, operators=1), 2e6, Bound(1e-6 + 2.5e-3, "compute")),
        (Cost({"float32": 1e6, "int8": 4e6}, operators=0), 0, Bound(2e-5, "compute")),
        (Cost({"float32": 1e6}, 1e8, 1e8, operators=1), 2e8, Bound(1e-6 + 2e-2, "memory:DRAM")),
        (Cost({"float32": 1e3}, 5e5, 5e5, operators=1), 1e6, Bound(1e-6 + 1e-5, "memory:L2")),
        (Cost({"float32": 1e6}, 1e9, 1e9, operators=1), 2e12, Bound(1e-6 + 2e-1, "memory:DRAM")),
        (Cost({"float32": 10.0}, 40, 40, operators=3), 80, Bound(3e-6 + 80 / 1e11, "overhead")),
    ],
)
def test_the_highest_of_the_roofs_binds(cost: Cost, working_set: float, expected: Bound) -> None:
    bound = bound_by(cost, ROOFS, working_set)

    assert bound.which == expected.which
    assert bound.seconds == pytest.approx(expected.seconds)


def test_at_the_ridge_both_roofs_meet() -> None:
    level = ROOFS.levels[1]
    ridge = ROOFS.ridge("int8", level)

    assert ROOFS.attainable(ridge, "int8", level) == pytest.approx(ROOFS.rate("int8"))
    assert ROOFS.attainable(ridge / 2, "int8", level) == pytest.approx(ROOFS.rate("int8") / 2)


def test_a_type_without_its_own_roof_is_computed_as_float32() -> None:
    assert ROOFS.rate("int64") == ROOFS.rate("float32")


@pytest.mark.parametrize(
    ("rates", "levels"),
    [
        ({"int8": 1.0}, (MemoryLevel("DRAM", 1.0, 1.0),)),
        ({"float32": 0.0}, (MemoryLevel("DRAM", 1.0, 1.0),)),
        ({"float32": 1.0}, (MemoryLevel("DRAM", 0.0, 1.0),)),
        ({"float32": 1.0}, ()),
    ],
)
def test_roofs_that_bound_nothing_are_refused(rates: dict[str, float], levels: tuple[MemoryLevel, ...]) -> None:
    with pytest.raises(ValueError, match="roofs of none"):
        Roofs("none", rates, levels)


@given(st.floats(1, 1e12), st.floats(1, 1e12), st.floats(0, 1e10))
def test_more_work_never_takes_less_time(flop: float, moved: float, working_set: float) -> None:
    one = Cost({"float32": flop}, moved, operators=1)

    assert bound_by(one * 2, ROOFS, working_set).seconds >= bound_by(one, ROOFS, working_set).seconds
