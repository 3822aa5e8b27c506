"""Nothing lost: the real command is killed, interrupted, starved, and run again."""

from __future__ import annotations

import signal
import threading
import time
from pathlib import Path

import psutil
import pytest

from sartor.bundle.bundle import Bundle
from sartor.bundle.read import read_evidence
from tests.fit.helpers import (
    QUICK,
    all_gone,
    end,
    kill,
    run,
    start,
    trials_done,
    wait_for_trials,
    workers_of,
    write_need,
)

pytest.importorskip("torch", reason="these fits train a zoo model")


def test_a_killed_run_goes_on_without_redoing_what_is_done(tmp_path: Path) -> None:
    need, output = write_need(tmp_path), tmp_path / "out"
    process = start(need, output)
    wait_for_trials(process, output, 20)
    workers = workers_of(process)
    kill(process)
    done = trials_done(output)
    assert all_gone(workers), "workers outlived the killed fit"
    ended = run(need, output)
    assert ended.code == 0, ended.said
    assert ended.values["trials"]["reused"] >= done
    assert f"{ended.values['trials']['reused']} of" in ended.said
    assert Bundle.load(output).predict([0.0] * 30)
    again = run(need, output)
    assert again.code == 0
    assert "already answered" in again.said
    assert again.values["chosen"] == ended.values["chosen"]


def test_ctrl_c_leaves_no_mess_and_the_best_so_far_is_a_bundle(tmp_path: Path) -> None:
    need, output = write_need(tmp_path), tmp_path / "out"
    process = start(need, output)
    while not (output / "bundle.json").exists():
        assert process.poll() is None
        time.sleep(0.05)
    workers = workers_of(process)
    process.send_signal(signal.SIGINT)
    ended = end(process, 20)
    assert ended.code == 130
    assert "Traceback" not in ended.said
    assert "goes on from here" in ended.said
    assert all_gone(workers)
    bundle = Bundle.load(output)
    assert bundle.manifest.provisional
    assert set(read_evidence(output)["front"]) <= set(bundle.manifest.variants)
    assert bundle.predict([0.0] * 30)[0]["label"] in ("malignant", "benign")
    assert run(need, output).code == 0
    assert not Bundle.load(output).manifest.provisional


@pytest.mark.slow
def test_a_killed_worker_is_not_the_end_of_the_run(tmp_path: Path) -> None:
    need, output = write_need(tmp_path), tmp_path / "out"
    process = start(need, output)
    killed = 0
    for count in (3, 12):
        wait_for_trials(process, output, count)
        for worker in workers_of(process):
            worker.kill()
            killed += 1
    ended = end(process)
    assert killed > 0
    assert ended.code == 0, ended.said


def test_two_fits_in_one_folder_do_not_meet(tmp_path: Path) -> None:
    need, output = write_need(tmp_path), tmp_path / "out"
    first = start(need, output)
    wait_for_trials(first, output, 1)
    second = run(need, output)
    kill(first)
    assert second.code == 2
    assert second.values["error"]["kind"] == "output"
    assert "another fit" in second.values["error"]["came"]


@pytest.mark.slow
def test_the_memory_budget_holds_for_all_processes_together(tmp_path: Path) -> None:
    need = write_need(tmp_path, QUICK.replace("time: 2 min", "time: 2 min, memory: 1200 MB"))
    process = start(need, tmp_path / "out")
    peak = _watch_memory(process.pid)
    ended = end(process)
    assert ended.code == 0, ended.said
    assert 50e6 < max(peak) <= 1200e6


def test_too_little_memory_is_a_failed_trial_with_its_reason(tmp_path: Path) -> None:
    need = write_need(tmp_path, QUICK.replace("time: 2 min", "time: 2 min, memory: 280 MB"))
    process = start(need, tmp_path / "out")
    peak = _watch_memory(process.pid)
    ended = end(process)
    assert ended.code in (2, 3), ended.said
    assert "memory" in ended.said
    assert max(peak) <= 1.1 * 280e6
    assert "Traceback" not in ended.said


def _watch_memory(pid: int) -> list[int]:
    seen = [0]

    def watch() -> None:
        root = psutil.Process(pid)
        while root.is_running() and root.status() != psutil.STATUS_ZOMBIE:
            total = 0
            try:
                for process in [root, *root.children(recursive=True)]:
                    total += process.memory_info().rss
            except psutil.Error:
                continue
            seen.append(total)
            time.sleep(0.02)

    threading.Thread(target=watch, daemon=True).start()
    return seen


def test_the_time_budget_is_kept(tmp_path: Path) -> None:
    need = write_need(tmp_path, QUICK.replace("2 min", "24 s").replace('"zoo:mlp(width=16)"', "[zoo:mlp, zoo:resnet]"))
    begin = time.monotonic()
    ended = run(need, tmp_path / "out")
    assert ended.code in (0, 3)
    assert ended.values["elapsed_s"] < 24 * 1.1 + 5  # or one trial
    assert time.monotonic() - begin < 24 * 1.1 + 12  # with the start of the interpreter and reading the data
    assert (tmp_path / "out" / "bundle.json").exists()
