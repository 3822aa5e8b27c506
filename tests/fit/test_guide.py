"""The guide of a screen: which files are built, and which answers are read, once some were timed."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest

from sartor.bundle.values import Variant
from sartor.fit.board import Board
from sartor.fit.guide import Guide
from sartor.plan.candidates import Candidate
from sartor.plan.order import Asked
from sartor.plan.recipe import CompressionStep, Recipe
from tests.plan.test_plan_order import ONE, QUANTIZED, TWO, belief, candidate

DYNAMIC = Recipe((CompressionStep("int8-dynamic"),))
SLOWER = candidate(threads=2, recipe=DYNAMIC)
MEANS = {ONE: 4.0, TWO: 2.0, QUANTIZED: 0.5, SLOWER: 0.9}


class Screen:
    """A screen whose times are what is believed, or others, and that says what was built and read."""

    def __init__(
        self, sure: bool, means: Mapping[Candidate, float] = MEANS, took: Mapping[Candidate, float] | None = None
    ) -> None:
        self.sure, self.means, self.took = sure, means, {**means, **(took or {})}
        self.built: list[str] = []
        self.read: list[str] = []
        self.board = Board()
        self.board.add(list(means), [])

    def run(self, *, judged: bool = True) -> None:
        twins = {one: [one.id] for one in self.means}
        guide = Guide(belief(dict(self.means)), twins, Asked(speed_only=True), self.judge if judged else None)
        for variant in guide.turns(self.board, self.file_of):
            guide.learn(variant.candidate, self.took[variant.candidate])

    def file_of(self, one: Candidate, ids: list[str]) -> Variant:
        self.built.append(one.id)
        return Variant(one, Path("net.onnx"), 1)

    def judge(self, candidate_id: str) -> bool:
        self.read.append(candidate_id)
        return self.sure


def test_once_one_is_sure_what_is_slower_is_not_built() -> None:
    screen = Screen(sure=True)
    screen.run()
    assert screen.built == [TWO.id, QUANTIZED.id]
    assert screen.read == [QUANTIZED.id], "the model as it is needs no judge"
    assert "almost sure to be proved" in screen.board[SLOWER.id].why


@pytest.mark.parametrize("judged", [True, False])
def test_until_one_is_sure_every_file_has_its_turn(judged: bool) -> None:
    screen = Screen(sure=False)
    screen.run(judged=judged)
    assert screen.built == [TWO.id, QUANTIZED.id, SLOWER.id]
    assert screen.read == ([QUANTIZED.id, SLOWER.id] if judged else [])


def test_answers_of_a_file_that_is_slower_than_the_model_as_it_is_are_not_read() -> None:
    screen = Screen(sure=True, took={QUANTIZED: 2.1})
    screen.run()
    assert screen.built == [TWO.id, QUANTIZED.id, SLOWER.id]
    assert screen.read == [SLOWER.id]


def test_answers_of_a_file_that_is_slower_than_one_that_is_sure_are_not_read() -> None:
    screen = Screen(sure=True, means={**MEANS, SLOWER: 0.51}, took={SLOWER: 0.6})
    screen.run()
    assert screen.built == [TWO.id, QUANTIZED.id, SLOWER.id]
    assert screen.read == [QUANTIZED.id]
