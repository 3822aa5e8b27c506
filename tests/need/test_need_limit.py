"""Limits: read from text, applied to values."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sartor.errors import NeedError
from sartor.need import Limit
from sartor.need.limit import parse_limit
from tests.strategies import requirements

CLASSIFY, REGRESS = "tabular-classification", "tabular-regression"


@pytest.mark.parametrize(
    ("name", "text", "task", "limit"),
    [
        ("latency_p99", "<= 5 ms", CLASSIFY, Limit("latency_p99", "<=", 0.005, "s")),
        ("throughput", ">=1,500/s", CLASSIFY, Limit("throughput", ">=", 1500.0, "1/s")),
        ("size", "<= 2 MiB", CLASSIFY, Limit("size", "<=", 2 * 2.0**20, "B")),
        ("memory", " <=  2 MB ", CLASSIFY, Limit("memory", "<=", 2e6, "B")),
        ("accuracy", ">= 0.95", CLASSIFY, Limit("accuracy", ">=", 0.95, "")),
        ("accuracy", ">= 95%", CLASSIFY, Limit("accuracy", ">=", 0.95, "")),
        ("f1_drop", "<= 1 pt", CLASSIFY, Limit("f1_drop", "<=", 0.01, "pt")),
        ("auc_drop", "<= 1%", CLASSIFY, Limit("auc_drop", "<=", 0.01, "%")),
        ("accuracy_drop", "<= 0", CLASSIFY, Limit("accuracy_drop", "<=", 0.0, "")),
        ("rmse", "<= 3.5", REGRESS, Limit("rmse", "<=", 3.5, "")),
        ("rmse_drop", "<= 2%", REGRESS, Limit("rmse_drop", "<=", 0.02, "%")),
        ("mine.metrics:cost", "<= 12", CLASSIFY, Limit("mine.metrics:cost", "<=", 12.0, "")),
        ("mine.metrics:cost", ">= -2", REGRESS, Limit("mine.metrics:cost", ">=", -2.0, "")),
    ],
)
def test_what_limits_say(name: str, text: str, task: str, limit: Limit) -> None:
    assert parse_limit(name, text, task) == limit


@pytest.mark.parametrize(
    ("name", "text", "allowed"),
    [
        ("latency_p99", ">= 5 ms", "takes `<=`"),  # wrong operator
        ("latency_p99", "= 5 ms", "an operator and a number"),
        ("latency_p99", "< 5 ms", "an operator and a number"),
        ("latency_p99", "5 ms", "an operator and a number"),
        ("latency_p99", "<= 5 MB", "<= 5 ms"),  # wrong unit
        ("latency_p99", "<= 5", "<= 5 ms"),
        ("latency_p99", "<= 5%", "<= 5 ms"),
        ("latency_p99", "<= 0 ms", "above zero"),
        ("latency_p99", "<= -5 ms", "above zero"),
        ("latency_p99", "<= 5 furlongs", "<= 5 ms"),
        ("latency_p99", "<= 1e999 s", "<= 5 ms"),
        ("size", "<= 1 ms", "<= 1 MB"),
        ("throughput", "<= 500 /s", "takes `>=`"),
        ("throughput", ">= 500", ">= 500 /s"),
        ("accuracy", "<= 0.95", "takes `>=`"),
        ("accuracy", ">= 95", "0.95 or 95%"),
        ("accuracy", ">= 0", "0.95 or 95%"),
        ("accuracy", ">= 5 pt", "a plain number or a percentage"),
        ("accuracy", ">= 5 ms", "a plain number or a percentage"),
        ("accuracy", ">= high", ">= 0.95"),
        ("accuracy_drop", ">= 1 pt", "a drop takes `<=`"),
        ("accuracy_drop", "<= 1 ms", "(absolute)"),
        ("accuracy_drop", "<= -1 pt", "a drop from 0"),
        ("accuracy_drop", "<= 100 pt", "a drop from 0"),
        ("mine.metrics:cost", ">= 5 ms", "a plain number"),
    ],
)
def test_what_is_no_limit_is_refused(name: str, text: str, allowed: str) -> None:
    with pytest.raises(NeedError) as caught:
        parse_limit(name, text, CLASSIFY)
    assert allowed in caught.value.allowed
    assert f"`{name}: {text}`" in caught.value.came


@pytest.mark.parametrize("text", ["<= 5%", "<= -1", "<= 0", ">= 1", "<= 1 pt"])
def test_an_error_in_units_of_the_target_is_a_plain_number(text: str) -> None:
    with pytest.raises(NeedError):
        parse_limit("rmse", text, REGRESS)
    with pytest.raises(NeedError):
        parse_limit("rmse_drop", "<= -5%", REGRESS)


@pytest.mark.parametrize(
    ("name", "near"), [("acuracy", "accuracy"), ("latency_p95", "latency_p9"), ("throughputs", "throughput")]
)
def test_an_unknown_limit_names_the_nearest(name: str, near: str) -> None:
    with pytest.raises(NeedError) as caught:
        parse_limit(name, ">= 1", CLASSIFY)
    assert near in caught.value.hint
    assert "package.module:function" in caught.value.allowed


def test_a_metric_of_another_kind_of_task_names_those_that_fit() -> None:
    with pytest.raises(NeedError, match="accuracy, f1, auc"):
        parse_limit("rmse", "<= 1", CLASSIFY)
    with pytest.raises(NeedError, match="for this task: rmse"):
        parse_limit("accuracy", ">= 0.9", REGRESS)


@given(requirements())
def test_what_a_limit_shows_reads_back_nearly(require: dict[str, str]) -> None:
    for name, text in require.items():
        limit = parse_limit(name, text, CLASSIFY)
        shown = str(limit).removeprefix(f"{name} ")
        assert parse_limit(name, shown, CLASSIFY).value == pytest.approx(limit.value, rel=0.0051)


@given(st.sampled_from(["<=", ">="]), st.floats(-1e9, 1e9), st.floats(-1e9, 1e9))
def test_a_bound_is_within_itself(op: str, bound: float, value: float) -> None:
    limit = Limit("x:y", "<=" if op == "<=" else ">=", bound, "")
    assert limit.allows(bound)
    assert limit.allows(value) == (value <= bound if op == "<=" else value >= bound)


def test_what_kind_a_limit_is() -> None:
    drop, size = parse_limit("f1_drop", "<= 1%", CLASSIFY), parse_limit("size", "<= 1 MB", CLASSIFY)
    assert (drop.is_quality, drop.is_drop, drop.relative, drop.metric) == (True, True, True, "f1")
    assert (size.is_quality, size.is_drop, size.relative) == (False, False, False)
