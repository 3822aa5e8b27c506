"""Every sentence a verdict can end with: says what to change, in both languages."""

from __future__ import annotations

import math
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sartor.bundle.values import LimitResult
from sartor.figures import Figure
from sartor.fit.feasible import Nearest, infeasible_sentence
from sartor.fit.keep import PROVISIONAL
from sartor.fit.relaxations import Relaxation
from sartor.fit.wording import met_sentence, not_met_sentence, relaxed_sentences, useless_sentence
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


def least(minimise: str) -> str:
    return met_sentence(CANDIDATE, Figure(0.9, "", 0.8, 1.1, "measured"), is_zero=False, minimise=minimise)


ACCURACY = unmet("accuracy", ">= 0.95", 0.94, 0.93, 0.95)
SIZE = unmet("size", "<= 1 MB", 2e6, 2e6, 2e6)
RATE = unmet("throughput", ">= 500 /s", 400.0, 312.4, 500.0)
UNTIMED = unmet("latency_p99", "<= 1 ms", 2e-3, 0.0, math.inf)
REQUIRE = {"accuracy": ">= 0.95", "size": "<= 1 MB", "throughput": ">= 500 /s", "latency_p99": "<= 1 ms"}

TOGETHER = infeasible_sentence(
    limit("size", "<= 1 kB"),
    None,
    Nearest(
        limit("size", "<= 1 kB"),
        Figure.exact(2e3, "B"),
        CANDIDATE.label,
        ((limit("memory", "<= 9 MB"), Figure.exact(41e6, "B")),),
    ),
    {"memory": "<= 9 MB"},
)
SENTENCES = [
    faster(2.5, 2.4, math.inf),
    least("size"),
    least("memory"),
    not_met_sentence([ACCURACY, SIZE], REQUIRE),
    not_met_sentence([ACCURACY, SIZE, RATE], REQUIRE),
    not_met_sentence([UNTIMED], REQUIRE),
    not_met_sentence([ACCURACY, UNTIMED], REQUIRE),
    not_met_sentence([UNTIMED, unmet("accuracy", ">= 0.95", 1.0, -math.inf, 1.0), SIZE, RATE], REQUIRE),
    faster(2.5, 2.4, 2.6),
    faster(1.0, 0.98, 1.02),
    met_sentence(CANDIDATE, Figure.exact(1.0, ""), is_zero=True),
    met_sentence(CANDIDATE, Figure.exact(1.0, ""), is_zero=True, untried=12),
    f"{faster(2.5, 2.4, 2.6)} {useless_sentence('accuracy', 0.37, 0.5)}",
    not_met_sentence([unmet("accuracy_drop", "<= 1 pt", 0.001, -0.01, 0.009)], {}, in_time=True),
    not_met_sentence([unmet("accuracy", ">= 0.95", 0.94, 0.93, 0.95)], {"accuracy": ">= 0.95"}),
    not_met_sentence([unmet("accuracy_drop", "<= 1 pt", 0.02, 0.01, 0.0345)], {"accuracy_drop": "<= 1 pt"}),
    not_met_sentence([unmet("accuracy", ">= 0.95", 1.0, float("-inf"), 1.0)], {}),
    not_met_sentence([LimitResult(limit("size", "<= 1 MB"), None, False, "")], {}),
    not_met_sentence([unmet("accuracy", ">= 0.5", 0.9, 0.8, 1.0)], {}),
    infeasible_sentence(limit("latency_p99", "<= 1 ns"), 1e-5, None, {}),
    infeasible_sentence(
        limit("size", "<= 1 kB"), None, Nearest(limit("size", "<= 1 kB"), Figure.exact(2e3, "B"), CANDIDATE.label), {}
    ),
    TOGETHER,
    PROVISIONAL,
]


def test_what_else_would_have_to_change_is_said_with_the_nearest() -> None:
    assert TOGETHER.endswith('With it, change `memory: "<= 9 MB"` to `memory: "<= 41.0 MB"`.')


@pytest.mark.parametrize("sentence", SENTENCES)
def test_every_sentence_has_its_chinese(sentence: str) -> None:
    translated = chinese(sentence)
    assert translated is not None
    assert "Met by" not in translated
    assert "Not met" not in translated
    assert not re.search(r" (to|and|the) ", translated)


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
    waits = unmet("accuracy", ">= 0.5", 0.9, 0.8, 1.0)
    assert "change `size`" in not_met_sentence([waits, SIZE], {})
    assert "`accuracy` to" not in not_met_sentence([waits, SIZE], {})


def test_more_time_is_advised_only_where_time_was_short() -> None:
    close = unmet("accuracy_drop", "<= 1 pt", 0.001, -0.01, 0.009)
    assert "more time" in not_met_sentence([close], {})
    enough = not_met_sentence([close], {}, in_time=True)
    assert "more time" not in enough
    assert "give more confirm rows" in enough


def test_every_broken_limit_has_its_line() -> None:
    met = LimitResult(limit("memory", "<= 1 GB"), Figure.exact(1e8, "B"), True, "")
    assert not_met_sentence([ACCURACY, met, SIZE], REQUIRE) == (
        "Not met: `accuracy >= 0.95`, `size <= 1 MB`. To have it met, "
        'change `accuracy: ">= 0.95"` to `accuracy: ">= 0.930"`, and `size: "<= 1 MB"` to `size: "<= 2.00 MB"`.'
    )
    three = not_met_sentence([ACCURACY, SIZE, RATE], REQUIRE)
    changes = re.findall(r'`(\w+): "[^"]+"` to `\1: "([^"]+)"`', three)
    assert [name for name, _ in changes] == ["accuracy", "size", "throughput"]
    for result, (name, line) in zip([ACCURACY, SIZE, RATE], changes, strict=True):
        assert result.figure is not None
        relaxed = limit(name, line)
        assert relaxed.allows(result.figure.high if relaxed.op == "<=" else result.figure.low)


def test_a_latency_without_a_bound_wants_time_not_rows() -> None:
    said = not_met_sentence([UNTIMED], REQUIRE)
    assert said.endswith(
        ". `latency_p99` needs more timed calls than the time allowed: give it more time with `budget: {time: ...}`."
    )
    both = not_met_sentence([UNTIMED, SIZE], REQUIRE)
    assert 'To have it met, change `size: "<= 1 MB"` to' in both
    assert both.endswith("`budget: {time: ...}`.")
    assert "rows" not in both


@pytest.mark.parametrize(
    "nothing",
    [
        unmet("accuracy", ">= 0.95", 0.5, 0.0, 1.0),
        unmet("accuracy_drop", "<= 1 pt", 0.5, -1.0, 1.0),
        unmet("accuracy_drop", "<= 1%", 0.5, -math.inf, math.inf),
    ],
)
def test_a_bound_that_no_need_may_ask_for_is_no_line(nothing: LimitResult) -> None:
    said = not_met_sentence([nothing], {})
    assert "change" not in said
    assert "give more confirm rows" in said


@given(
    st.sampled_from(["accuracy", "accuracy_drop", "latency_p99", "size"]),
    st.floats(0.001, 0.99),
)
def test_every_line_would_be_met(name: str, bound: float) -> None:
    strict = {"accuracy": ">= 0.999", "accuracy_drop": "<= 0.01 pt", "latency_p99": "<= 1 ns", "size": "<= 1 B"}[name]
    bound = round(bound * 1e7) if name == "size" else bound
    said = not_met_sentence([unmet(name, strict, bound, bound, bound)], {name: strict})
    line = said.split(" to `")[1].split('"')[1]
    assert limit(name, line).allows(bound)


def test_what_is_least_is_said_before_its_speed() -> None:
    assert least("size").endswith(
        ": the smallest size of all that meet every limit; 0.90x [0.80, 1.10] the speed of the uncompressed model."
    )
    assert "the smallest memory of all" in least("memory")
    assert "as fast" in least("latency")
    assert "as fast" in least("throughput")
    zero = met_sentence(CANDIDATE, Figure.exact(1.0, ""), is_zero=True, minimise="size")
    assert "the model as it is" in zero


def test_what_could_be_asked_instead_is_told_in_both_languages() -> None:
    accuracy, size = Limit("accuracy", ">=", 0.98, ""), Limit("size", "<=", 1e3, "B")
    label = "net, int8 static (minmax), openvino, 1 thread, fixed shape"
    said = relaxed_sentences(
        [
            Relaxation(label, ((accuracy, 0.9312),), 1.0),
            Relaxation(label, ((accuracy, 0.95), (size, 2345.0)), 2.0),
            Relaxation(label, ((accuracy, 0.0),), 3.0),
        ],
        {"accuracy": ">= 0.98", "size": "<= 1 kB"},
    )
    assert said == (
        'With all else as asked, `accuracy: ">= 0.98"` to `accuracy: ">= 0.931"` would do: '
        f'{label}. Nearest to all limits: `accuracy: ">= 0.98"` to `accuracy: ">= 0.950"`, '
        f'and `size: "<= 1 kB"` to `size: "<= 2.35 kB"`: {label}.'
    )
    translated = chinese(said)
    assert translated is not None
    assert "其余要求不变时" in translated
    assert "与全部要求最接近" in translated
    assert (
        relaxed_sentences(
            [Relaxation(label, ((accuracy, 0.9312),), 1.0)],
            {},
            "To have it met, change " + ('`accuracy` to `accuracy: ">= 0.931"`.'),
        )
        == ""
    )
