"""A fit of a network whose int8 files lose too much tries some with layers in f32."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from sartor import Need, fit
from sartor.bundle.read import read_evidence
from tests.compress.networks import CLASSES, rows, write_chain

pytestmark = pytest.mark.slow  # two minutes; the decisions alone: tests/fit/test_mixed.py

NEED = Need(
    task="image-classification",
    model="net.onnx",
    data="patterns.npz",
    train=False,
    require={"accuracy_drop": "<= 5 pt"},
    budget={"time": "2 min"},
)


@pytest.fixture(scope="module")
def fitted(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A folder in which the need was fitted once, on a machine of which nothing is known."""
    folder = tmp_path_factory.mktemp("mixed")
    write_chain(folder, depth=8, outlier=500.0)
    np.savez(folder / "patterns.npz", inputs=rows(1500, seed=5), labels=np.arange(1500) % CLASSES)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SARTOR_HOME", str(folder / "home"))
        fit(NEED, folder / "out", base=folder)
        yield folder


def kept(candidate: dict[str, Any]) -> list[str]:
    return [name for step in candidate["recipe"]["steps"] for name in step.get("keeps", ())]


def test_an_int8_file_that_loses_too_much_keeps_its_sensitive_layers(fitted: Path) -> None:
    found = list(read_evidence(fitted / "out")["candidates"])
    whole = [c for c in found if "int8-static" in c["id"] and not kept(c) and c["quality"]]
    assert whole
    assert all(c["status"] == "rejected" for c in whole), "the fixture must break int8"
    partly = [c for c in found if kept(c)]
    # Where int8 is hardly faster than f32 on this machine, there is nothing to gain.
    plain = min(c["latency"]["value"] for c in found if not c["recipe"]["steps"] and c["latency"])
    if min(c["latency"]["value"] for c in whole) < 0.6 * plain:
        # In bf16 the whole network may be as fast as int8 with one layer in f32, and as exact; that is said.
        said = [r["why"] for r in read_evidence(fitted / "out")["refusals"] if "layers in f32: " in r["what"]]
        assert partly or any("no faster than what will probably be proved" in why for why in said)
    for candidate in partly:
        assert "c3" in kept(candidate), "what reads the outlier"
        assert len(kept(candidate)) < 9
        assert candidate["latency"], candidate["why"]
        if candidate["quality"] is None:
            assert "slower in a quick launch than " in candidate["why"]
        else:
            assert candidate["quality"]["value"] > max(c["quality"]["value"] for c in whole)


def test_run_again_it_answers_the_same(fitted: Path) -> None:
    before = read_evidence(fitted / "out")["candidates"]
    again = fit(NEED, fitted / "out", base=fitted)
    assert again.resumed
    assert {c["id"] for c in read_evidence(fitted / "out")["candidates"]} >= {c["id"] for c in before if kept(c)}
