"""Trials: what happened to each candidate at each stage, in one SQLite file that survives a kill."""

from __future__ import annotations

import hashlib
import json
import sqlite3
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from sartor.errors import CandidateError

Status = Literal["done", "failed"]
_SCHEMA = """
CREATE TABLE IF NOT EXISTS trial (
    key TEXT PRIMARY KEY, stage TEXT NOT NULL, candidate TEXT NOT NULL, status TEXT NOT NULL,
    reason TEXT NOT NULL, result TEXT NOT NULL, seconds REAL NOT NULL, finished REAL NOT NULL
);
CREATE TABLE IF NOT EXISTS opening (
    split TEXT NOT NULL, opening TEXT NOT NULL, need TEXT NOT NULL, opened REAL NOT NULL,
    PRIMARY KEY (split, opening)
);
CREATE TABLE IF NOT EXISTS fact (name TEXT PRIMARY KEY, value TEXT NOT NULL);
"""


@dataclass(frozen=True)
class Trial:
    """One candidate at one stage: `result` when done, `reason` when failed."""

    key: str
    stage: str
    candidate: str
    status: Status
    reason: str
    result: dict[str, Any]
    seconds: float
    reused: bool

    def error(self, candidate: str = "") -> CandidateError:
        """The error that made the trial fail."""
        reason, _, detail = self.reason.partition(": ")
        return CandidateError(reason, detail, candidate)


def trial_key(stage: str, parts: Mapping[str, Any]) -> str:
    """Hash of everything that the result of a stage depends on."""
    canonical = json.dumps({"stage": stage, **parts}, sort_keys=True, default=str)
    return hashlib.blake2b(canonical.encode(), digest_size=16).hexdigest()


class Trials:
    """The trials of one output folder. Every write is committed before the next stage starts."""

    def __init__(self, path: Path) -> None:
        self._connection = sqlite3.connect(path, isolation_level=None, timeout=30.0)
        self._connection.execute("PRAGMA journal_mode=WAL")
        self._connection.execute("PRAGMA synchronous=FULL")
        self._connection.executescript(_SCHEMA)
        self._seen: set[str] = set()
        self.budget: dict[str, float] = {"time": 0.0, "memory": 0.0}
        self.reused = 0
        self.run = 0

    def once(
        self,
        stage: str,
        candidate: str,
        parts: Mapping[str, Any],
        work: Callable[[], dict[str, Any]],
        still_good: Callable[[dict[str, Any]], bool] = lambda result: True,
    ) -> Trial:
        """The stored trial of this key, or the work done now and stored.

        A `CandidateError` of the work becomes a failed trial. A worker that died is tried once more,
        since something outside may have killed it. A stored trial whose files are gone is done again,
        and so is one that failed for want of time or memory once there is more of it.
        """
        key = trial_key(stage, {"candidate": candidate, **parts})
        stored = self.find(key)
        if stored is not None and self._still_holds(stored, still_good):
            self.count_reuse(key)
            return stored
        start = time.monotonic()
        status, reason, result = _attempt(work)
        if status == "failed":
            result = {"budget": dict(self.budget)}
        trial = Trial(key, stage, candidate, status, reason, result, time.monotonic() - start, False)
        self._store(trial)
        self.run += 1
        return trial

    def _still_holds(self, stored: Trial, still_good: Callable[[dict[str, Any]], bool]) -> bool:
        if stored.status == "done":
            return still_good(stored.result)
        short_of = {"memory": "memory", "hang": "time"}.get(stored.reason.partition(":")[0])
        before = stored.result.get("budget", {}).get(short_of)
        return before is None or self.budget[short_of or ""] <= before

    def count_reuse(self, key: str) -> None:
        """Count a trial that an earlier run left; looking again at one of this run is no reuse."""
        self.reused += key not in self._seen
        self._seen.add(key)

    def store(
        self,
        stage: str,
        candidate: str,
        parts: Mapping[str, Any],
        status: Status,
        reason: str,
        result: dict[str, Any],
        seconds: float,
    ) -> Trial:
        """Record a trial whose work was done elsewhere, such as one of many in a shared worker."""
        key = trial_key(stage, {"candidate": candidate, **parts})
        trial = Trial(key, stage, candidate, status, reason, result, seconds, False)
        self._store(trial)
        self.run += 1
        return trial

    def find(self, key: str) -> Trial | None:
        """The trial with this key, or None."""
        columns = "key, stage, candidate, status, reason, result, seconds"
        row = self._connection.execute(f"SELECT {columns} FROM trial WHERE key = ?", (key,)).fetchone()
        if row is None:
            return None
        return Trial(row[0], row[1], row[2], row[3], row[4], json.loads(row[5]), row[6], True)

    def _store(self, trial: Trial) -> None:
        self._seen.add(trial.key)
        values = (
            trial.key,
            trial.stage,
            trial.candidate,
            trial.status,
            trial.reason,
            json.dumps(trial.result),
            trial.seconds,
            time.time(),
        )
        self._connection.execute("INSERT OR REPLACE INTO trial VALUES (?, ?, ?, ?, ?, ?, ?, ?)", values)

    def open_confirm(self, split: str, opening: str, need: str) -> int:
        """Record that the confirm split is opened; gives how many other openings came before.

        The same finalists opening it again, as in a resumed run, are the same opening.
        """
        values = (split, opening, need, time.time())
        self._connection.execute("INSERT OR IGNORE INTO opening VALUES (?, ?, ?, ?)", values)
        query = """SELECT COUNT(*) FROM opening WHERE split = ? AND opened <
                   (SELECT opened FROM opening WHERE split = ? AND opening = ?)"""
        return int(self._connection.execute(query, (split, split, opening)).fetchone()[0])

    def openings_of_others(self, split: str, need: str) -> int:
        """How many times other Needs have opened this confirm split."""
        query = "SELECT COUNT(*) FROM opening WHERE split = ? AND need != ?"
        return int(self._connection.execute(query, (split, need)).fetchone()[0])

    def fact(self, name: str) -> Any:
        """A stored fact about the folder, or None."""
        row = self._connection.execute("SELECT value FROM fact WHERE name = ?", (name,)).fetchone()
        return json.loads(row[0]) if row else None

    def set_fact(self, name: str, value: Any) -> None:
        """Store a fact about the folder."""
        self._connection.execute("INSERT OR REPLACE INTO fact VALUES (?, ?)", (name, json.dumps(value)))

    def forget_trials(self) -> None:
        """Remove all trials and facts; openings of the confirm split stay, for they cannot be undone."""
        self._connection.executescript("DELETE FROM trial; DELETE FROM fact;")

    def close(self) -> None:
        """Close the file."""
        self._connection.close()


def _attempt(work: Callable[[], dict[str, Any]]) -> tuple[Status, str, dict[str, Any]]:
    for attempt in (1, 2):
        try:
            return "done", "", work()
        except CandidateError as error:
            if error.reason != "crash" or attempt == 2:
                return "failed", str(error), {}
    raise AssertionError("unreachable")
