"""Needs that run in seconds, and the command line as a user calls it."""

from __future__ import annotations

import json
import os
import signal
import sqlite3
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil

QUICK = """
task: tabular-classification
model: "zoo:mlp(width=16)"
data: {source: breast-cancer}
require: {accuracy: ">= 0.85", latency_p99: "<= 20 ms"}
budget: {time: 2 min}
"""


@dataclass(frozen=True)
class Ended:
    """A finished command: exit code, the object on stdout, and what stood on stderr."""

    code: int
    values: dict[str, Any]
    said: str


def write_need(folder: Path, text: str = QUICK) -> Path:
    path = folder / "need.yaml"
    path.write_text(text, encoding="utf-8")
    return path


def start(need: Path, output: Path, *more: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "sartor", "fit", str(need), "-o", str(output), "--json", *more]
    return subprocess.Popen(
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=need.parent,
        preexec_fn=_heed_interrupts,
    )


def _heed_interrupts() -> None:
    """A shell starts what it puts in the background with Ctrl-C ignored, and whoever runs these tests inherits that."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def end(process: subprocess.Popen[str], limit: float = 240) -> Ended:
    out, said = process.communicate(timeout=limit)
    return Ended(process.returncode, json.loads(out) if out.strip() else {}, said)


def run(need: Path, output: Path, *more: str) -> Ended:
    return end(start(need, output, *more))


def trials_done(output: Path) -> int:
    file = output / ".work" / "trials.sqlite"
    if not file.exists():
        return 0
    try:
        with sqlite3.connect(f"file:{file}?mode=ro", uri=True, timeout=5) as connection:
            return int(connection.execute("SELECT COUNT(*) FROM trial").fetchone()[0])
    except sqlite3.OperationalError:
        return 0


def wait_for_trials(process: subprocess.Popen[str], output: Path, count: int) -> int:
    """Wait until at least `count` trials are stored; gives how many there are."""
    deadline = time.monotonic() + 120
    while (done := trials_done(output)) < count:
        assert process.poll() is None, f"ended early: {process.communicate()[1]}"
        assert time.monotonic() < deadline, f"only {done} trials in two minutes"
        time.sleep(0.05)
    return done


def workers_of(process: subprocess.Popen[str]) -> list[psutil.Process]:
    return psutil.Process(process.pid).children(recursive=True)


def all_gone(processes: list[psutil.Process], within: float = 5.0) -> bool:
    _, alive = psutil.wait_procs(processes, timeout=within)
    return not [process for process in alive if process.is_running() and process.status() != psutil.STATUS_ZOMBIE]


def kill(process: subprocess.Popen[str]) -> None:
    os.kill(process.pid, signal.SIGKILL)
    process.communicate()
