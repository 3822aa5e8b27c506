"""The guide of a screen: what to time next, by what is believed once the others were timed."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping

from sartor.bundle.values import Variant
from sartor.fit.board import Board
from sartor.plan.belief import Belief
from sartor.plan.candidates import Candidate
from sartor.plan.order import Asked, answers_of, choose

FileOf = Callable[[Candidate, list[str]], Variant | None]
Judge = Callable[[str], bool]
"""Reads the answers of a candidate that was timed; whether its quality will almost certainly be proved."""


class Guide:
    """Goes through the candidates of one model; what it leaves out is rejected on the board, with the reason.

    Attributes:
        twins: each candidate with the ids of those whose speed its own stands for.
        asked: what decides whether a slow candidate can matter.

    Args:
        judge: asked of each compressed file once it was timed; None where its weights are not final.
    """

    def __init__(
        self, belief: Belief, twins: Mapping[Candidate, list[str]], asked: Asked, judge: Judge | None = None
    ) -> None:
        self.twins, self.asked = twins, asked
        self._belief, self._judge = belief, judge
        self._timed: dict[Candidate, float] = {}
        self._left_out: list[Candidate] = []
        self._verdicts: dict[str, bool] = {}

    def learn(self, candidate: Candidate, seconds: float) -> None:
        """A candidate was timed."""
        self._timed[candidate] = seconds
        if candidate in self._belief:
            self._belief = self._belief.after(candidate, seconds)

    def turns(self, board: Board, file_of: FileOf) -> Iterator[Variant]:
        """The files to time. What the calibration does not know comes last, in its order."""
        waiting = [one for one in self.twins if one in self._belief]
        while waiting := [one for one in waiting if _alive(board, self.twins[one])]:
            choice = choose(self._belief, waiting, self._timed, self.asked, self._sure())
            for one in [one for one in waiting if one.id in choice.dropped]:
                self._leave_out(board, one, choice.dropped[one.id])
                waiting.remove(one)
            if choice.candidate is None:
                break
            waiting.remove(choice.candidate)
            yield from self._file(choice.candidate, file_of)
            self._read(board, choice.candidate)
        for one in self.twins:
            if one not in self._belief and _alive(board, self.twins[one]):
                yield from self._file(one, file_of)

    def left_out(self, board: Board, file_of: FileOf) -> Iterator[Variant]:
        """The files of what was left out, once no prediction may decide."""
        for one in self._left_out:
            for name in self.twins[one]:
                board.update(name, status="planned", why="")
            yield from self._file(one, file_of)

    def _read(self, board: Board, candidate: Candidate) -> None:
        """Judge a compressed file once it is the fastest: of a slower one nothing is gained by knowing it now."""
        answers, ids = answers_of(candidate), [name for name in self.twins[candidate] if board[name].alive]
        if self._judge and answers and ids and answers not in self._verdicts and self._leads(candidate):
            self._verdicts[answers] = self._judge(ids[0])

    def _leads(self, candidate: Candidate) -> bool:
        """Whether it was timed, and was faster than the uncompressed model and than what is sure by now."""
        plain = (seconds for one, seconds in self._timed.items() if one.is_uncompressed)
        sure = self._sure()
        best = min([*plain, *([] if sure is None else [self._timed[sure]])], default=math.inf)
        return self._timed.get(candidate, math.inf) < best

    def _sure(self) -> Candidate | None:
        sure = [one for one in self._timed if one in self._belief and self._verdicts.get(answers_of(one))]
        return min(sure, key=self._timed.__getitem__, default=None)

    def _file(self, candidate: Candidate, file_of: FileOf) -> Iterator[Variant]:
        variant = file_of(candidate, self.twins[candidate])
        if variant is not None:
            yield variant

    def _leave_out(self, board: Board, candidate: Candidate, why: str) -> None:
        self._left_out.append(candidate)
        for name in self.twins[candidate]:
            board.reject(name, why)


def _alive(board: Board, ids: list[str]) -> bool:
    return any(board[name].alive for name in ids)
