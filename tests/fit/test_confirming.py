"""Which candidates fail for one reason, so that a second test of confirm is lost on them."""

from __future__ import annotations

import pytest

from sartor.fit.board import Standing
from sartor.fit.confirming import akin
from sartor.plan.candidates import Candidate
from sartor.plan.recipe import CompressionStep, Recipe
from sartor.runtime.base import Settings

CUT, LESS = (CompressionStep("prune", (("time", share), ("for", "onnxruntime int8-dynamic"))) for share in (0.5, 0.8))
ENTROPY, MINMAX = (CompressionStep("int8-static", (("calibration", name),)) for name in ("entropy", "minmax"))
DYNAMIC = CompressionStep("int8-dynamic")


def standing(*steps: CompressionStep, runtime: str = "onnxruntime", model: str = "net", threads: int = 1) -> Standing:
    return Standing(Candidate(model, Recipe(steps), runtime, Settings(threads=threads)))


@pytest.mark.parametrize(
    ("one", "other", "expected"),
    [
        (standing(ENTROPY), standing(MINMAX), True),
        (standing(ENTROPY), standing(ENTROPY, threads=2), True),
        (standing(ENTROPY), standing(DYNAMIC), False),
        (standing(ENTROPY), standing(ENTROPY, runtime="openvino"), False),
        (standing(ENTROPY), standing(ENTROPY, model="other"), False),
        (standing(), standing(threads=2), False),
        (standing(CUT, DYNAMIC), standing(CUT), True),
        (standing(CUT, DYNAMIC), standing(LESS, DYNAMIC), False),
        (standing(CUT, DYNAMIC), standing(DYNAMIC), False),
    ],
)
def test_what_fails_for_the_same_reason(one: Standing, other: Standing, expected: bool) -> None:
    assert akin(one, other) == akin(other, one) == expected
