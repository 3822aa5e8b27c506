"""The examples as a user runs them: a copy of the folder with its data beside it, and the real command line."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest
import yaml

from tests.fit.helpers import Ended, end, start

ROOT = Path(__file__).resolve().parents[2]
EXAMPLES = ROOT / "examples"
DATA = Path(os.environ.get("SARTOR_DATA", ROOT.parent / "shared" / "data"))
NAMES = ("breast-cancer", "cifar10", "minilm-sst2", "pneumonia", "spoken-digits", "table")


@dataclass(frozen=True)
class Example:
    """A copy of one folder of `examples/`."""

    folder: Path

    def fit(self, need: str = "need.yaml", budget: str = "", limit: float = 240) -> Ended:
        """`sartor fit` on one of its Needs, with another budget if given; at most `limit` seconds."""
        file = self.folder / need
        if budget:
            values = yaml.safe_load(file.read_text(encoding="utf-8"))
            file.write_text(yaml.safe_dump({**values, "budget": {"time": budget}}), encoding="utf-8")
        return end(start(file, self.folder / "out"), limit)

    def run(self, script: str) -> subprocess.CompletedProcess[str]:
        """One of its scripts."""
        command = [sys.executable, script]
        return subprocess.run(command, cwd=self.folder, capture_output=True, text=True, check=False)


def copied(name: str, to: Path, *data: str) -> Example:
    """An example beside links to its data; the test is skipped where these are not there."""
    missing = [file for file in data if not (DATA / file).exists()]
    if missing:
        pytest.skip(f"{', '.join(missing)} not in {DATA}; name the folder in SARTOR_DATA")
    folder = to / name
    shutil.copytree(EXAMPLES / name, folder, ignore=shutil.ignore_patterns("data", "out", "__pycache__"))
    (folder / "data").mkdir()
    for file in data:
        (folder / "data" / Path(file).name).symlink_to(DATA / file)
    return Example(folder)
