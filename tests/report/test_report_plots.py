"""The pictures: every candidate is in them, and plotly takes them."""

from __future__ import annotations

import math
from typing import Any

import pytest

from sartor.report.curves import losses, validations
from sartor.report.interval import interval_bar
from sartor.report.limit_lines import limit_lines
from sartor.report.texts import Language
from sartor.report.trade_off import trade_off
from tests.report.drawn import with_colours
from tests.report.evidence import candidate, figure, met, provisional


def _drawn(picture: dict[str, Any]) -> set[str]:
    return {name for trace in picture["data"] for ids in trace.get("customdata", ()) for name in ids.split("\n")}


def test_every_candidate_with_a_latency_is_drawn_once() -> None:
    evidence = met()
    picture = trade_off(evidence, "en")
    assert picture is not None
    assert _drawn(picture) == {c["id"] for c in evidence["candidates"] if c["latency"]}
    assert sum(len(trace["x"]) for trace in picture["data"] if "customdata" in trace) == 4


def test_candidates_without_quality_stand_in_their_own_area() -> None:
    picture = trade_off(met(), "en")
    assert picture is not None
    below = [t for t in picture["data"] if t.get("yaxis") == "y2" and "customdata" in t]
    assert {name for trace in below for name in trace["customdata"]} == {
        "cnn.f32.onnxruntime.f32.t1.fixed",
        "cnn.f32.onnxruntime.f32.t2.fixed",
    }


def test_points_at_one_place_name_each_other() -> None:
    evidence = met()
    twin = {**evidence["candidates"][2], "id": "twin"}
    evidence["candidates"].append(twin)
    picture = trade_off(evidence, "en")
    assert picture is not None
    assert {"twin", evidence["candidates"][2]["id"]} <= _drawn(picture)
    assert any("+ 1 at this point" in text for trace in picture["data"] for text in trace.get("text", ()))


def test_limits_are_lines() -> None:
    lines = {line["label"]: (line["axis"], line["at"]) for line in limit_lines(met(), "en")}
    assert lines == {"accuracy ≥ 0.95": ("y", 0.95), "latency p99 ≤ 300 µs": ("x", 3e-4)}


def test_without_any_quality_no_limit_on_it_is_drawn() -> None:
    evidence = met()
    for one in evidence["candidates"]:
        one["quality"] = None
    picture = trade_off(evidence, "en")
    assert picture is not None
    assert [label["text"] for label in picture["layout"]["annotations"]] == ["latency p99 ≤ 300 µs"]


def test_a_drop_is_a_line_under_the_baseline() -> None:
    evidence = met()
    evidence["candidates"][0]["quality"] = figure(0.98, 0.97, 0.99, "")
    evidence["limits"] = [{"name": "accuracy_drop", "bound": {"op": "<=", "value": 0.02, "unit": "pt"}}]
    (line,) = limit_lines(evidence, "zh")
    assert line["at"] == pytest.approx(0.96)
    assert line["label"] == "准确率下降 ≤ 2 pt"


@pytest.mark.parametrize("language", ["en", "zh"])
@pytest.mark.parametrize("draw", [trade_off, losses, validations])
def test_plotly_takes_every_picture(draw: Any, language: Language) -> None:
    from plotly.graph_objects import Figure

    picture = draw(met(), language)
    Figure(with_colours(picture))


def test_nothing_to_draw_is_no_picture() -> None:
    assert trade_off({"candidates": [candidate("cnn", "", 1, "failed")]}, "en") is None
    assert losses({}, "en") is None
    assert validations({"training": {}}, "en") is None


def test_outside_words_cannot_be_markup_in_a_hover() -> None:
    evidence = provisional()
    evidence["candidates"][1] |= {"model": '<a href="x">m</a>', "why": "<img src=x>"}
    picture = trade_off(evidence, "en")
    assert picture is not None
    said = [text for trace in picture["data"] for text in trace.get("text", ())]
    assert not any("<a" in text or "<img" in text for text in said)


@pytest.mark.parametrize(
    ("low", "high", "logarithmic"), [(2.0, 4.0, False), (900.0, 1100.0, True), (1.5, math.inf, False)]
)
def test_interval_bar(low: float, high: float, logarithmic: bool) -> None:
    limit = {"bound": {"op": "<=", "value": 3.0, "unit": "s"}, "value": 2.0 if low < 100 else 1000.0}
    bar = interval_bar({**limit, "low": low, "high": high, "met": False})
    assert ("log" in bar) == logarithmic
    assert "nan" not in bar
    assert "inf" not in bar.replace("interval", "")


def test_differences_are_read_from_zero() -> None:
    limit = {"bound": {"op": "<=", "value": 0.01, "unit": "pt"}, "value": 0.003, "low": 0.0001, "high": 0.006}
    assert "log" not in interval_bar({**limit, "met": True})


def test_no_bar_without_a_value() -> None:
    assert interval_bar({"bound": {"op": "<=", "value": 3.0, "unit": "s"}, "value": None}) == ""
