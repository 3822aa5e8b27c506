"""Figures: saved and read back, and shown with their interval."""

from __future__ import annotations

import json

import pytest
from hypothesis import given

from sartor.figures import Figure
from tests.strategies import figures


@given(figures())
def test_a_figure_survives_json(figure: Figure) -> None:
    assert Figure.from_dict(json.loads(json.dumps(figure.as_dict()))) == figure


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
