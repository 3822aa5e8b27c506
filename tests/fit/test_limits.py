"""Which limits are implied, and which are refused because no finite sample could prove them."""

from __future__ import annotations

import pytest

from sartor.errors import UnprovableError
from sartor.fit.limits import provable
from sartor.need.limit import parse_limit

CLASSES, NUMBERS = "tabular-classification", "tabular-regression"


@pytest.mark.parametrize(
    ("name", "text", "task"),
    [
        ("accuracy", ">= 1", CLASSES),
        ("f1", ">= 1", CLASSES),
        ("auc", ">= 100%", CLASSES),
        ("accuracy_drop", "<= 0 pt", CLASSES),
        ("f1_drop", "<= 0 pt", CLASSES),
        ("auc_drop", "<= 0%", CLASSES),
        ("rmse_drop", "<= 0%", NUMBERS),
        ("own.metrics:recall_drop", "<= 0", CLASSES),
    ],
)
def test_perfection_is_refused_whatever_the_rows(name: str, text: str, task: str) -> None:
    with pytest.raises(UnprovableError) as refused:
        provable([parse_limit(name, text, task)], 0.95, 0, 10**9)
    assert refused.value.exit_code == 2
    assert refused.value.came.startswith(name)
    assert "no finite sample" in refused.value.hint


@pytest.mark.parametrize(
    ("name", "text", "task"),
    [
        ("f1", ">= 0.999", CLASSES),
        ("auc_drop", "<= 0.1 pt", CLASSES),
        ("rmse", "<= 1", NUMBERS),
        ("own.metrics:cost", ">= 1", CLASSES),  # its range is not known
        ("latency_p99", "<= 1 ns", CLASSES),
    ],
)
def test_what_some_result_could_prove_is_let_through(name: str, text: str, task: str) -> None:
    assert provable([parse_limit(name, text, task)], 0.95, 0, 500) == []


@pytest.mark.parametrize(("name", "text"), [("accuracy", ">= 0.999"), ("accuracy_drop", "<= 0.1 pt")])
def test_too_few_rows_are_refused_with_the_number_that_would_do(name: str, text: str) -> None:
    limit = parse_limit(name, text, CLASSES)
    with pytest.raises(UnprovableError) as refused:
        provable([limit], 0.95, 0, 100)
    needed = int(refused.value.allowed.split()[2])
    assert provable([limit], 0.95, 0, needed)
