"""The output folder: whose it is, whether it can be resumed, and that only one fit works in it."""

from __future__ import annotations

import contextlib
import fcntl
import shutil
import sqlite3
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from sartor.errors import OutputError
from sartor.fit.trials import Trials
from sartor.need import Need

WORK = ".work"
_OURS = ("bundle.json", "evidence.json", "need.yaml", "report.html", "variants", "proofs", WORK)


@dataclass(frozen=True)
class Folder:
    """An output folder that this process holds.

    Attributes:
        path: the folder, which becomes the bundle.
        work: the working state inside it.
        trials: what is already known.
        resumed: whether an earlier run of this Need left something.
        new: whether no earlier run left anything at all.
        made: whether the folder itself was not there before.
        lock: held open while the fit runs.
    """

    path: Path
    work: Path
    trials: Trials
    resumed: bool
    new: bool
    made: bool
    lock: IO[str]

    def release(self) -> None:
        """Let a corrected Need have the folder, unless it was taken before or holds a bundle by now."""
        if self.new and not (self.path / "bundle.json").exists():
            self.trials.set_fact("need", None)

    def close(self) -> None:
        """Let go of the folder; prepared rows of the data set do not stay behind, nor a folder without a trial."""
        empty = self.new and self.trials.run == 0 and self.trials.fact("result") is None
        self.trials.close()
        shutil.rmtree(self.work if empty else self.work / "data", ignore_errors=True)
        if empty and self.made:
            with contextlib.suppress(OSError):
                self.path.rmdir()
        self.lock.close()


def open_folder(
    path: Path, need: Need, *, fresh: bool, check: Callable[[Trials], None] = lambda trials: None
) -> Folder:
    """Take hold of the output folder.

    Args:
        fresh: forget what an earlier run left, also one of another Need. How often the confirm split
            was opened is never forgotten.
        check: asked before anything is forgotten; it raises to refuse.

    Raises:
        OutputError: foreign files, another Need, another fit at work, no permission, disk full.
    """
    work = path / WORK
    with contextlib.ExitStack() as held:
        try:
            _refuse_foreign(path)
            made = not path.exists()
            work.mkdir(parents=True, exist_ok=True)
            lock = held.enter_context(_lock(work / "lock", path))
            new = not (work / "trials.sqlite").exists()
            trials = held.enter_context(contextlib.closing(Trials(work / "trials.sqlite")))
            check(trials)
            resumed = _claim(path, work, trials, need, fresh)
        except OSError as error:
            raise cannot_write(path, error) from None
        except sqlite3.OperationalError as error:
            raise cannot_write(path, OSError(str(error))) from None
        except sqlite3.DatabaseError as error:
            raise OutputError(
                f"`{work / 'trials.sqlite'}` is damaged: {error}",
                "the file as `sartor fit` left it",
                f"remove `{work}`",
            ) from None
        held.pop_all()  # the Folder closes them
    return Folder(path, work, trials, resumed, new, made, lock)


def cannot_write(path: Path, error: OSError) -> OutputError:
    """The one error for whatever the file system refuses."""
    return OutputError(
        f"cannot write to `{path}`: {error.strerror or error}", "a folder with room that you may write to"
    )


def _refuse_foreign(path: Path) -> None:
    if path.exists() and not path.is_dir():
        raise OutputError(f"`{path}` is a file", "a folder", "give another -o")
    if not path.exists() or (path / WORK / "trials.sqlite").exists():
        return
    found = sorted(entry.name for entry in path.iterdir() if entry.name != WORK)
    if found:
        shown = ", ".join(found[:3]) + (", ..." if len(found) > 3 else "")
        raise OutputError(
            f"`{path}` holds other files ({shown})",
            "a new or empty folder, or one of an earlier fit",
            "give another -o",
        )


def _lock(file: Path, path: Path) -> IO[str]:
    lock = file.open("w")
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        lock.close()
        raise OutputError(
            f"another fit is at work in `{path}`", "one fit a folder", "wait for it, or give another -o"
        ) from None
    return lock


def _claim(path: Path, work: Path, trials: Trials, need: Need, fresh: bool) -> bool:
    known = trials.fact("need")
    if fresh:
        _wipe(path, work, trials)
        known = None
    if known is not None and known != need.identity():
        raise OutputError(
            f"`{path}` belongs to another Need",
            "the Need it was made for (its need.yaml), apart from the budget",
            "give another -o, or --fresh to replace what is there",
        )
    trials.set_fact("need", need.identity())
    return known is not None


def _wipe(path: Path, work: Path, trials: Trials) -> None:
    trials.forget_trials()
    for name in _OURS:
        if name != WORK:
            _remove(path / name)
    for entry in work.iterdir():
        if not entry.name.startswith(("trials.sqlite", "lock")):
            _remove(entry)


def _remove(entry: Path) -> None:
    if entry.is_dir():
        shutil.rmtree(entry)
    else:
        with contextlib.suppress(FileNotFoundError):
            entry.unlink()
