"""Of several models the most accurate teaches those that are faster and not good enough."""

from __future__ import annotations

from pathlib import Path

import pytest

from sartor import Need, fit
from sartor.bundle.read import read_evidence

pytest.importorskip("torch")
pytestmark = pytest.mark.slow  # a minute

NEED = Need(
    task="image-classification",
    model=["zoo:mlp(width=12)", "zoo:mlp(width=1024)"],
    data="digits",
    require={"accuracy_drop": "<= 3 pt"},
    budget={"time": "2 min"},
)


def test_a_small_model_learns_the_answers_of_the_most_accurate_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SARTOR_HOME", str(tmp_path / "home"))
    fit(NEED, tmp_path / "out", base=tmp_path)
    evidence = read_evidence(tmp_path / "out")
    taught = [
        one
        for one in evidence["candidates"]
        if one["recipe"]["steps"][:1] and one["recipe"]["steps"][0]["settings"].get("on") == "answers of mlp-width1024"
    ]
    assert {one["model"] for one in taught} == {"mlp-width12"}
    read = [one for one in taught if one["quality"]]
    assert read
    as_it_was = next(
        one["quality"]["value"]
        for one in evidence["candidates"]
        if one["model"] == "mlp-width12" and not one["recipe"]["steps"] and one["quality"]
    )
    assert max(one["quality"]["value"] for one in read) > as_it_was
    (recovery,) = [one for one in evidence["recoveries"] if one["model"] == "mlp-width12"]
    assert recovery["steps"] == taught[0]["recipe"]["steps"][:1]
