"""Every sentence a verdict can end with: says what to change, in both languages."""

from __future__ import annotations

import pytest

from sartor.bundle.values import LimitResult
from sartor.figures import Figure
from sartor.fit.feasible import Nearest, infeasible_sentence
from sartor.fit.keep import PROVISIONAL
from sartor.fit.wording import met_sentence, not_met_sentence
from sartor.need.limit import Limit, parse_limit
from sartor.plan.candidates import Candidate
from sartor.plan.recipe import CompressionStep, Recipe
from sartor.report.sentences import chinese
from sartor.runtime.base import Settings
from sartor.units import parse

CANDIDATE = Candidate(
    "cnn", Recipe((CompressionStep("int8-static", (("calibration", "mixed"),)),)), "openvino", Settings()
)
TASK = "image-classification"


def limit(name: str, text: str) -> Limit:
    return parse_limit(name, text, TASK)


def unmet(name: str, text: str, value: float, low: float, high: float) -> LimitResult:
    parsed = limit(name, text)
    return LimitResult(parsed, Figure(value, parsed.unit, low, high, "measured"), False, "")


def faster(value: float, low: float, high: float) -> str:
    return met_sentence(CANDIDATE, Figure(value, "", low, high, "measured"), is_zero=False)


SENTENCES = [
    faster(2.5, 2.4, 2.6),
    faster(1.0, 0.98, 1.02),
    met_sentence(CANDIDATE, Figure.exact(1.0, ""), is_zero=True),
    not_met_sentence([unmet("accuracy", ">= 0.95", 0.94, 0.93, 0.95)], {"accuracy": ">= 0.95"}),
    not_met_sentence([unmet("accuracy_drop", "<= 1 pt", 0.02, 0.01, 0.0345)], {"accuracy_drop": "<= 1 pt"}),
    not_met_sentence([unmet("accuracy", ">= 0.95", 1.0, float("-inf"), 1.0)], {}),
    not_met_sentence([LimitResult(limit("size", "<= 1 MB"), None, False, "")], {}),
    not_met_sentence([unmet("accuracy", ">= 0.5", 0.9, 0.8, 1.0)], {}),
    infeasible_sentence(limit("latency_p99", "<= 1 ns"), 1e-5, None),
    infeasible_sentence(
        limit("size", "<= 1 kB"), None, Nearest(limit("size", "<= 1 kB"), Figure.exact(2e3, "B"), CANDIDATE.label)
    ),
    PROVISIONAL,
]


@pytest.mark.parametrize("sentence", SENTENCES)
def test_every_sentence_has_its_chinese(sentence: str) -> None:
    translated = chinese(sentence)
    assert translated is not None
    assert "Met by" not in translated
    assert "Not met" not in translated


@pytest.mark.parametrize(
    ("name", "asked", "value", "low", "high"),
    [
        ("accuracy", ">= 0.95", 0.94, 0.9312, 0.95),
        ("accuracy_drop", "<= 1 pt", 0.02, 0.01, 0.0345),
        ("accuracy_drop", "<= 1%", 0.02, 0.01, 0.0345),
        ("latency_p99", "<= 1 ms", 2e-3, 1e-3, 3.217e-3),
        ("throughput", ">= 500 /s", 400.0, 312.4, 500.0),
        ("size", "<= 1 MB", 2.3e6, 2.3e6, 2.3e6),
    ],
)
def test_the_line_to_write_instead_would_be_met_by_what_was_seen(
    name: str, asked: str, value: float, low: float, high: float
) -> None:
    result = unmet(name, asked, value, low, high)
    sentence = not_met_sentence([result], {name: asked})
    assert f'change `{name}: "{asked}"` to `{name}: "' in sentence
    instead = sentence.split(" to `")[1].split('"')[1]
    relaxed = limit(name, instead)
    bound = high if relaxed.op == "<=" else low
    assert relaxed.allows(bound)
    assert relaxed.value == pytest.approx(bound, rel=0.02)
    assert parse(instead.split(" ", 1)[1]).unit == relaxed.unit


def test_the_line_to_change_is_of_a_limit_that_is_broken_not_of_one_that_waits() -> None:
    waits, broken = unmet("accuracy", ">= 0.5", 0.9, 0.8, 1.0), unmet("size", "<= 1 MB", 2e6, 2e6, 2e6)
    assert "change `size`" in not_met_sentence([waits, broken], {})
