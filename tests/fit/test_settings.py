"""Which settings of a finalist are timed again."""

from __future__ import annotations

from sartor.figures import Figure
from sartor.fit.board import Board
from sartor.fit.settings import close_settings
from sartor.plan.candidates import Candidate
from sartor.plan.recipe import Recipe
from sartor.runtime.base import Settings, ShapePolicy


def board_of(**times: tuple[float | None, float | None]) -> Board:
    """Settings by name, `t2_fixed`, with the seconds that the screen saw and those that were predicted."""
    board = Board()
    for name, (seconds, predicted) in times.items():
        threads, shape = name.split("_")
        policy: ShapePolicy = "fixed" if shape == "fixed" else "dynamic"
        candidate = Candidate("m", Recipe(), "onnxruntime", Settings("f32", int(threads[1:]), policy))
        board.add((candidate,), ())
        foretold = None if predicted is None else Figure(predicted, "s", predicted, predicted, "calibrated")
        board.update(candidate.id, seconds=seconds, predicted=foretold)
    return board


def close(board: Board) -> set[str]:
    first = next(standing for standing in board.all() if standing.seconds is not None)
    return {f"t{s.candidate.settings.threads}_{s.candidate.settings.shape}" for s in close_settings(board, first)}


def test_what_the_screen_saw_close_to_the_best_is_timed_again() -> None:
    board = board_of(t1_fixed=(1.0, None), t1_dynamic=(1.5, None), t2_fixed=(1.7, None))
    assert close(board) == {"t1_fixed", "t1_dynamic"}


def test_another_shape_with_the_same_threads_is_timed_though_the_screen_left_it_out() -> None:
    assert close(board_of(t1_fixed=(1.0, 1.0), t1_dynamic=(None, 1.1))) == {"t1_fixed", "t1_dynamic"}


def test_what_was_foretold_to_be_faster_is_timed_though_a_loud_minute_spoke_against_it() -> None:
    board = board_of(t1_fixed=(3.5, 2.4), t2_fixed=(None, 1.8), t4_fixed=(None, 2.5))
    assert close(board) == {"t1_fixed", "t2_fixed"}


def test_without_predictions_nothing_is_foretold() -> None:
    assert close(board_of(t1_fixed=(1.0, None), t2_fixed=(None, 0.5), t2_dynamic=(None, None))) == {"t1_fixed"}
