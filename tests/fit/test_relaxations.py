"""What would have to be asked instead: one limit at a time, and several together."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from sartor.fit.relaxations import Reached, relaxations
from sartor.need import Limit

ACCURACY = Limit("accuracy", ">=", 0.9, "")
LATENCY = Limit("latency_p99", "<=", 0.001, "s")
SIZE = Limit("size", "<=", 1e6, "B")
LIMITS = (ACCURACY, LATENCY, SIZE)


def reached(label: str, accuracy: float, latency: float, size: float) -> Reached:
    return Reached(label, {"accuracy": accuracy, "latency_p99": latency, "size": size})


def test_each_limit_alone_names_the_candidate_that_meets_the_others() -> None:
    found = relaxations(
        LIMITS,
        [reached("good", 0.95, 0.002, 5e5), reached("slower", 0.99, 0.004, 5e5), reached("fast", 0.85, 0.0009, 5e5)],
    )
    assert [(one.label, [limit.name for limit, _ in one.changes]) for one in found] == [
        ("fast", ["accuracy"]),
        ("good", ["latency_p99"]),
    ]
    assert dict(found[1].changes)[LATENCY] == 0.002


def test_where_none_misses_one_alone_the_nearest_to_all_is_told() -> None:
    found = relaxations(LIMITS, [reached("far", 0.5, 0.01, 5e5), reached("near", 0.89, 0.0011, 5e5)])
    assert [one.label for one in found] == ["near"]
    assert {limit.name for limit, _ in found[0].changes} == {"accuracy", "latency_p99"}


def test_what_was_not_measured_says_nothing() -> None:
    assert relaxations(LIMITS, [Reached("half", {"accuracy": 0.5})]) == ()


@given(st.lists(st.tuples(st.floats(0.5, 0.999), st.floats(1e-4, 0.1), st.floats(1e4, 1e8)), max_size=6))
def test_with_the_changes_a_candidate_meets_everything(values: list[tuple[float, float, float]]) -> None:
    candidates = [reached(str(number), *each) for number, each in enumerate(values)]
    for one in relaxations(LIMITS, candidates):
        bounds = next(each.bounds for each in candidates if each.label == one.label)
        changed = {limit.name: value for limit, value in one.changes}
        assert one.excess > 0
        for limit in LIMITS:
            relaxed = Limit(limit.name, limit.op, changed.get(limit.name, limit.value), limit.unit)
            assert relaxed.allows(bounds[limit.name])
