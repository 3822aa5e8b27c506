"""Confirm's tests are used: what select is in two minds about is tried where nothing is lost by it."""

from __future__ import annotations

from pathlib import Path

import pytest

from sartor.bundle.read import read_evidence
from tests.fit.helpers import run, write_need

pytest.importorskip("torch", reason="the fit trains a zoo model")
pytest.importorskip("sklearn", reason="the digits come with scikit-learn")

NEED = """
task: image-classification
model: "zoo:mlp(width=64)"
data: {source: digits}
require: {accuracy_drop: "<= 1 pt"}
minimise: size
budget: {time: 2 min}
"""


@pytest.mark.slow
def test_files_that_may_as_well_be_proved_as_not_are_tried_before_the_model_as_it_is(tmp_path: Path) -> None:
    """359 rows prove a point only of what loses nothing, so that select, as small, is sure of no compressed file."""
    ended = run(write_need(tmp_path, NEED), tmp_path / "out")
    assert ended.code == 0, ended.said
    evidence = read_evidence(tmp_path / "out")
    compressed = [one for one in evidence["candidates"] if one["recipe"]["steps"]]
    doubted = "select says that confirm would probably not prove its quality"
    assert all(one["why"] == doubted for one in compressed if one["status"] in ("passed", "finalist"))
    tried = [one for one in evidence["candidates"] if one["status"] in ("finalist", "chosen")]
    assert 1 <= sum(bool(one["recipe"]["steps"]) for one in tried) <= 2
    assert evidence["quality_split"] == "confirm"
    assert evidence["limits"][0]["met"]
