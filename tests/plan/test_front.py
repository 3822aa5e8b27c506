"""The files kept beside the chosen one."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from sartor.plan.front import Point, front

amounts = st.floats(0.01, 100.0)
points = st.lists(st.tuples(amounts, amounts, st.floats(0, 1)), max_size=20).map(
    lambda rows: [Point(str(number), *row) for number, row in enumerate(rows)]
)


def as_good(one: Point, other: Point) -> bool:
    return (
        one.seconds <= 1.05 * other.seconds
        and one.size_bytes <= 1.05 * other.size_bytes
        and one.loss <= other.loss + 0.1
    )


@given(points)
def test_whatever_is_left_out_is_replaced_by_one_that_is_kept(all_of_them: list[Point]) -> None:
    kept = front(all_of_them)
    assert all(any(as_good(one, other) for one in kept) for other in all_of_them)
    assert len({point.name for point in kept}) == len(kept)


@given(points)
def test_a_faster_one_that_is_kept_never_replaces_a_slower_one(all_of_them: list[Point]) -> None:
    kept = front(all_of_them)
    assert [point.seconds for point in kept] == sorted(point.seconds for point in kept)
    assert not any(as_good(one, other) for place, one in enumerate(kept) for other in kept[place + 1 :])


@given(points)
def test_the_fastest_is_kept(all_of_them: list[Point]) -> None:
    if all_of_them:
        assert front(all_of_them)[0].seconds == min(point.seconds for point in all_of_them)
    else:
        assert front([]) == []
