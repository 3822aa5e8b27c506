"""The end of a fit on the terminal."""

from __future__ import annotations

import io
import math
import re
from typing import Any

import pytest
from rich.console import Console

from sartor.report.summary import print_summary
from tests.report.evidence import infeasible, met


def values(**changed: Any) -> dict[str, Any]:
    figures = {
        "latency_p50_s": 1e-3,
        "latency_p99_s": 2e-3,
        "throughput_per_s": 1e3,
        "quality": 0.98,
        "size_bytes": 51_315,
        "memory_bytes": 60_000_000,
    }
    return {
        **infeasible(),
        "verdict": "met",
        "sentence": "Met.",
        "limits": met()["limits"],
        "measured": {"id": "cnn.int8", **figures},
        "baseline": {"id": "cnn.f32", **figures},
        "speedup": {"value": 1.5, "low": 1.4, "high": 1.6, "resolution": 0.02},
        "constant_predictor": 0.1028,
        **changed,
    }


def printed(shown: dict[str, Any]) -> list[str]:
    console = Console(file=io.StringIO(), width=200)
    print_summary(console, shown)
    assert isinstance(console.file, io.StringIO)
    return [re.sub(r"[\s│]+", " ", line).strip() for line in console.file.getvalue().splitlines()]


def test_a_constant_answer_stands_beside_neither_candidate_but_below_the_quality() -> None:
    lines = printed(values())
    assert lines[lines.index("quality 0.98 0.98") + 1] == "quality of a constant answer 0.1028 0.1028"
    assert not any("constant" in line for line in printed(values(constant_predictor=None)))


@pytest.mark.parametrize("open_end", [None, math.inf])
def test_open_ends_are_said(open_end: float | None) -> None:
    shown = values(speedup={"value": 1.5, "low": 1.4, "high": open_end, "resolution": open_end})
    shown["limits"][1]["high"] = open_end
    lines = printed(shown)
    assert any("51 µs to unbounded" in line for line in lines)
    assert "speed-up 1.50x [1.40, unbounded] resolution unknown" in lines


def test_a_limit_open_on_both_sides_is_not_called_exact() -> None:
    shown = values()
    shown["limits"][0] |= {"low": None, "high": None}
    assert any("unbounded to unbounded" in line for line in printed(shown))
    assert sum("exact" in line for line in printed(shown)) == 1


def test_an_infeasible_need_has_no_comparison() -> None:
    lines = printed(infeasible())
    assert not any("speed-up" in line for line in lines)
    assert "accuracy >= 0.95 - - not met measured over fresh launches" in lines
