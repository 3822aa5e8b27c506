"""A fit of a network whose int8 files lose too much tries some with layers in f32."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from sartor import Need, fit
from sartor.bundle.read import read_evidence
from tests.compress.networks import CLASSES, rows, write_chain


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("SARTOR_HOME", str(tmp_path / "home"))
    write_chain(tmp_path, depth=8, outlier=500.0)
    labels = np.arange(1500) % CLASSES
    np.savez(tmp_path / "patterns.npz", inputs=rows(1500, seed=5), labels=labels)
    return tmp_path


def need() -> Need:
    return Need(
        task="image-classification",
        model="net.onnx",
        data="patterns.npz",
        train=False,
        require={"accuracy_drop": "<= 5 pt"},
        budget={"time": "4 min"},
    )


def kept(candidate: dict[str, Any]) -> list[str]:
    return [name for step in candidate["recipe"]["steps"] for name in step.get("keeps", ())]


def test_an_int8_file_that_loses_too_much_keeps_its_sensitive_layers(folder: Path) -> None:
    fit(need(), folder / "out", base=folder)
    found = list(read_evidence(folder / "out")["candidates"])
    whole = [c for c in found if "int8-static" in c["id"] and not kept(c) and c["quality"]]
    assert whole
    assert all(c["status"] == "rejected" for c in whole), "the fixture must break int8"
    partly = [c for c in found if kept(c)]
    # Where no int8 file is faster than f32 on this machine, there is nothing to gain.
    plain = min(c["latency"]["value"] for c in found if not c["recipe"]["steps"] and c["latency"])
    if min(c["latency"]["value"] for c in whole) < 0.6 * plain:
        assert partly
    for candidate in partly:
        assert "c3" in kept(candidate), "what reads the outlier"
        assert len(kept(candidate)) < 9
        assert candidate["latency"], candidate["why"]
        assert candidate["quality"]["value"] > max(c["quality"]["value"] for c in whole)


def test_run_again_it_builds_nothing_anew(folder: Path) -> None:
    first = fit(need(), folder / "out", base=folder)
    names = {c["id"] for c in read_evidence(folder / "out")["candidates"]}
    again = fit(need(), folder / "out", base=folder)
    assert again.resumed
    assert again.outcome == first.outcome
    assert {c["id"] for c in read_evidence(folder / "out")["candidates"]} == names
