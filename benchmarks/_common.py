"""What every benchmark prints: where and when it ran, and one JSON line at the end."""

from __future__ import annotations

import argparse
import json
import platform
import subprocess
import time
from importlib.metadata import version
from pathlib import Path
from typing import Any

from sartor.machine.device import this_machine

ROOT = Path(__file__).parent.parent
PACKAGES = ("sartor", "numpy", "onnx", "onnxruntime", "openvino", "nncf", "torch")


def arguments(description: str | None) -> argparse.ArgumentParser:
    """A parser with what all benchmarks take."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--folder", type=Path, help="keep the bundles here (default: a temporary folder)")
    return parser


def header() -> dict[str, Any]:
    """Date, commit, machine and versions."""
    commit = subprocess.run(
        ["git", "describe", "--always", "--dirty"], cwd=ROOT, capture_output=True, text=True, check=False
    ).stdout.strip()
    machine = this_machine()
    return {
        "date": time.strftime("%Y-%m-%d"),
        "commit": commit,
        "machine": f"{machine.cpu}, {machine.cores} cores, {machine.isa_class}",
        "python": platform.python_version(),
        **{name: version(name) for name in PACKAGES},
    }


def finish(name: str, result: dict[str, Any], holds: bool) -> int:
    """Print the JSON line; exit code 0 when the figure holds, 1 when it does not."""
    print(json.dumps({"benchmark": name, "holds": holds, **result, **header()}))
    return 0 if holds else 1
