"""Networks to learn from: the same on every machine, valid, and with the same answers in every runtime."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest

from sartor.cost.capture import capture
from sartor.cost.count import count
from sartor.machine.samples import Network
from sartor.measure.calibration_networks import Drawn, draw
from sartor.plan.outline import describe
from sartor.runtime import RUNTIMES, open_runtime
from sartor.runtime.base import Settings, outputs_agree


def written(drawn: Drawn, folder: Path) -> Path:
    path = folder / f"{drawn.number}.onnx"
    onnx.save(drawn.model, path)
    return path


def rows(drawn: Drawn) -> np.ndarray:
    random, shape = np.random.default_rng(0), (drawn.batch, *drawn.shape)
    if drawn.vocabulary:
        return random.integers(0, drawn.vocabulary, shape)
    return random.normal(size=shape).astype(np.float32)


def test_a_number_stands_for_one_network() -> None:
    first, again, other = draw(7), draw(7), draw(8)
    assert first.model.SerializeToString() == again.model.SerializeToString()
    assert first.model.SerializeToString() != other.model.SerializeToString()


@pytest.mark.parametrize("number", range(0, 51, 4))
def test_runtimes_give_the_same_answers(number: int, tmp_path: Path) -> None:
    drawn = draw(number)
    path = written(drawn, tmp_path)
    onnx.checker.check_model(drawn.model)
    answers = [
        np.array(open_runtime(name).load(path, Settings(shape="fixed", batch=drawn.batch)).run({"x": rows(drawn)})[0])
        for name in RUNTIMES
    ]
    assert outputs_agree(answers[0], answers[1], relative=0.02) <= 1, drawn.family


def test_some_have_several_rows_a_call_and_all_families_do() -> None:
    drawn = [draw(number) for number in range(300)]
    several = [one for one in drawn if one.batch > 1]
    assert 0.1 < len(several) / len(drawn) < 0.4
    assert max(one.batch for one in drawn) <= 16
    assert len({one.family for one in several}) >= 12


def test_deep_ones_have_more_of_the_same(tmp_path: Path) -> None:
    def described(*, deep: bool) -> list[Network]:
        found = []
        for number in range(0, 40, 3):
            path = written(draw(number, deep=deep), tmp_path)
            found.append(describe(capture(path, {"batch": 1}), path.stat().st_size))
        return found

    usual, deep = described(deep=False), described(deep=True)
    assert sum(len(one.groups) for one in deep) > 3 * sum(len(one.groups) for one in usual)
    assert max(one.file_bytes for one in deep) < 250e6
    assert draw(3, deep=True).name != draw(3).name


def test_shapes_are_followed_and_nothing_is_uncounted(tmp_path: Path) -> None:
    for number in range(51):
        graph = capture(written(draw(number), tmp_path), {"batch": 1})
        cost = count(graph)
        assert not cost.unknown, number
        assert not graph.notes, (number, graph.notes)
        assert cost.total_flop < 1e10, number
