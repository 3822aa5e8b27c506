"""Workers that crash, hang, eat memory or print: each is one failed trial with its reason."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from sartor.errors import CandidateError, DataError, OutputError
from sartor.measure.process import Child, resident_bytes


@pytest.fixture(autouse=True)
def _importable(monkeypatch: pytest.MonkeyPatch) -> None:
    here = str(Path(__file__).parent)
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(filter(None, [here, os.environ.get("PYTHONPATH", "")])))


@pytest.fixture
def child() -> Iterator[Child]:
    with Child("misbehaving") as child:
        yield child


def test_an_answer_comes_back_with_progress_before_it_whatever_libraries_print(child: Child) -> None:
    progress: list[dict[str, object]] = []
    assert child.ask({"do": "echo", "say": "hello"}, 20, progress.append) == {"said": "hello"}
    assert progress == [{"half": True}]


def test_a_hanging_worker_is_killed_at_its_time_limit(child: Child) -> None:
    child.ask({"do": "echo", "say": "ready"}, 20)
    start = time.monotonic()
    with pytest.raises(CandidateError, match="no answer within 1 s") as caught:
        child.ask({"do": "hang"}, 1.0)
    assert caught.value.reason == "hang"
    assert time.monotonic() - start < 3
    assert not child.alive


def test_a_crash_names_the_signal(child: Child) -> None:
    with pytest.raises(CandidateError, match="SIGSEGV") as caught:
        child.ask({"do": "crash"}, 20)
    assert caught.value.reason == "crash"
    with pytest.raises(CandidateError):
        child.ask({"do": "echo", "say": "anyone?"}, 20)


@pytest.mark.parametrize("how", ["eat", "gulp"])
def test_a_worker_that_eats_memory_is_stopped_at_the_limit(how: str) -> None:
    limit = resident_bytes() + 400e6
    with Child("misbehaving", memory_limit=limit) as child:
        with pytest.raises(CandidateError) as caught:
            child.ask({"do": how}, 30)
        assert caught.value.reason == "memory"
        assert resident_bytes() < limit


@pytest.mark.parametrize(
    ("what", "kind", "said"),
    [
        ("bug", CandidateError, "KeyError"),
        ("candidate", CandidateError, "no such operator"),
        ("input", DataError, "a bad row"),
        ("disk", OutputError, "no room left"),
    ],
)
def test_errors_keep_their_kind_across_the_process(child: Child, what: str, kind: type[Exception], said: str) -> None:
    with pytest.raises(kind, match=said):
        child.ask({"do": "raise", "what": what}, 20)
    assert child.ask({"do": "echo", "say": "still here"}, 20) == {"said": "still here"}


@pytest.mark.skipif(sys.platform != "linux", reason="the parent's death is signalled on Linux")
def test_a_worker_dies_with_a_parent_that_is_killed() -> None:
    program = (
        "from sartor.measure.process import Child; c = Child('misbehaving');"
        "c.ask({'do': 'echo', 'say': ''}, 20); print(c.pid, flush=True); c.ask({'do': 'hang'}, 60)"
    )
    with subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        pid = int(parent.stdout.readline())
        parent.kill()
        parent.wait()
        deadline = time.monotonic() + 5
        while psutil.pid_exists(pid) and psutil.Process(pid).status() != psutil.STATUS_ZOMBIE:
            assert time.monotonic() < deadline, "the worker outlived its parent"
            time.sleep(0.02)
