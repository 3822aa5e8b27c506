"""A whole fit tries smaller networks, says what each lost, and may choose one."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn.datasets import load_digits

from sartor import Bundle, Need, fit
from sartor.bundle.read import read_evidence
from sartor.report.page import write_page

pytest.importorskip("torch")
pytestmark = pytest.mark.slow  # minutes; the steps alone: tests/fit/test_job_reshaping.py

NEED = Need(
    task="image-classification",
    model="zoo:resnet(width=16)",
    data="digits.npz",
    train={"epochs": 4},
    require={"accuracy": ">= 0.85"},
    budget={"time": "4 min"},
)


@pytest.fixture(scope="module")
def fitted(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A folder in which the need was fitted once, on a machine of which nothing is known."""
    folder = tmp_path_factory.mktemp("shrink")
    loaded = load_digits()
    pictures = np.repeat(np.repeat(loaded.images[:, None] / 16, 3, 2), 3, 3).astype(np.float32)
    np.savez(folder / "digits.npz", inputs=pictures, labels=loaded.target)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SARTOR_HOME", str(folder / "home"))
        fit(NEED, folder / "out", base=folder)
        yield folder


def cut(evidence: dict[str, Any]) -> list[dict[str, Any]]:
    return [
        c for c in evidence["candidates"] if c["recipe"]["steps"][:1] and "time" in c["recipe"]["steps"][0]["settings"]
    ]


def test_networks_of_several_sizes_are_timed_and_read(fitted: Path) -> None:
    read = [c for c in cut(read_evidence(fitted / "out")) if c["quality"] and c["latency"]]
    assert {c["recipe"]["steps"][0]["name"] for c in read} & {"prune", "low-rank"}
    assert all(0 < c["recipe"]["steps"][0]["settings"]["time"] < 1 for c in read)


def test_a_network_with_half_the_time_is_chosen_over_the_whole_one(fitted: Path) -> None:
    evidence = read_evidence(fitted / "out")
    chosen = next(c for c in evidence["candidates"] if c["id"] == evidence["chosen"])
    assert evidence["verdict"] == "met"
    assert chosen in cut(evidence)


def test_its_bundle_predicts_and_its_report_tells_of_the_sizes(fitted: Path) -> None:
    bundle = Bundle.load(fitted / "out")
    rows = np.load(fitted / "digits.npz")
    predicted = bundle.predict(rows["inputs"][:200])
    assert np.mean([one["label"] == str(label) for one, label in zip(predicted, rows["labels"], strict=False)]) > 0.8
    page = fitted / "page.html"
    write_page(read_evidence(fitted / "out"), fitted / "out", page)
    assert "Smaller networks" in page.read_text()
