"""Figures: saved and read back, and shown with their interval."""

from __future__ import annotations

import json
import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sartor.bundle.values import LimitResult
from sartor.figures import Figure, without_infinities
from sartor.need.limit import parse_limit
from tests.strategies import figures


@given(figures())
def test_a_figure_survives_json(figure: Figure) -> None:
    assert Figure.from_dict(json.loads(json.dumps(figure.as_dict()))) == figure


@given(figures(), st.booleans(), st.booleans())
def test_an_open_end_is_null_in_json_and_open_again_when_read(figure: Figure, below: bool, above: bool) -> None:
    low, high = -math.inf if below else figure.low, math.inf if above else figure.high
    half_open = Figure(figure.value, figure.unit, low, high, figure.source)
    saved = json.loads(json.dumps(half_open.as_dict(), allow_nan=False))
    assert (saved["low"] is None, saved["high"] is None) == (below, above)
    assert Figure.from_dict(saved) == half_open


def test_a_limit_with_an_open_bound_is_valid_json() -> None:
    limit = parse_limit("latency_p99", "<= 1 ms", "image-classification")
    result = LimitResult(limit, Figure(1e-3, "s", 0.0, math.inf, "measured"), False, "").as_dict()
    assert (result["low"], result["high"]) == (0.0, None)
    json.dumps(result, allow_nan=False)


@pytest.mark.parametrize(
    ("values", "written"),
    [
        ({"a": {"b": (math.inf, 1, "inf")}, "c": -math.inf}, '{"a": {"b": [null, 1, "inf"]}, "c": null}'),
        ([math.nan, True, None, 0.5], "[null, true, null, 0.5]"),
    ],
)
def test_json_has_no_infinities(values: Any, written: str) -> None:
    assert json.dumps(without_infinities(values), allow_nan=False) == written


def test_an_exact_figure_has_no_interval() -> None:
    size = Figure.exact(60_000, "B")
    assert (size.low, size.high, size.source) == (60_000, 60_000, "exact")
    assert str(size) == "60 kB"


def test_a_measured_figure_shows_its_interval() -> None:
    assert str(Figure(0.002, "s", 0.0018, 0.0025, "measured")) == "2 ms [1.8 ms, 2.5 ms]"


def test_an_open_interval_is_shown_as_such() -> None:
    assert str(Figure(1.0, "", 0.5, float("inf"), "measured")) == "1 [0.5, unbounded]"


@pytest.mark.parametrize("wrong", [{}, {"value": 1.0}, {**Figure.exact(1, "s").as_dict(), "extra": 1}])
def test_what_is_no_figure_is_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(TypeError):
        Figure.from_dict(wrong)
