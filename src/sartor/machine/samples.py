"""Samples: networks that were timed on this machine, and what was measured of them, in one SQLite file.

It survives a kill, grows with every calibration and every fit, and holds no weights and no names: of a network only
the numbers that its time depends on.
"""

from __future__ import annotations

import io
import sqlite3
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sartor.errors import OutputError

_LAYOUT = 3  # of the tables; those of an earlier one are made anew
_SCHEMA = f"""
PRAGMA user_version = {_LAYOUT};
CREATE TABLE IF NOT EXISTS network (
    id TEXT PRIMARY KEY, family TEXT NOT NULL, columns INTEGER NOT NULL, groups BLOB NOT NULL,
    activation_bytes REAL NOT NULL, file_bytes REAL NOT NULL, folded_bytes REAL NOT NULL,
    normalisation_bytes REAL NOT NULL, operators INTEGER NOT NULL, constants INTEGER NOT NULL
);
CREATE TABLE IF NOT EXISTS sample (
    network TEXT NOT NULL, runtime TEXT NOT NULL, version TEXT NOT NULL, arithmetic TEXT NOT NULL,
    threads INTEGER NOT NULL, seconds REAL, reference_seconds REAL, load_seconds REAL, size_bytes REAL,
    memory_bytes REAL,
    measured_at REAL NOT NULL, PRIMARY KEY (network, runtime, version, arithmetic, threads)
);
"""


@dataclass(frozen=True)
class Network:
    """What times, sizes and memory depend on.

    Attributes:
        groups: (groups, columns), as `plan/outline.py` describes them.
        activation_bytes: the peak of live activations.
        file_bytes: of the ONNX file.
        folded_bytes: of constants that only decide others, less those others.
        normalisation_bytes: of the constants of batch normalisations.
        operators, constants: how many it has.
    """

    groups: NDArray[np.float64]
    activation_bytes: float
    file_bytes: float
    folded_bytes: float
    normalisation_bytes: float
    operators: int
    constants: int


@dataclass(frozen=True)
class Sample:
    """What was measured of one network in one runtime, arithmetic and number of threads; None where it was not.

    Attributes:
        seconds: of a call.
        reference_seconds: what the reference network took beside it (`measure/reference.py`).
        load_seconds: to load the file and make the first call.
        size_bytes: of the files.
        memory_bytes: peak resident bytes of a fresh worker.
    """

    network: str
    runtime: str
    arithmetic: str
    threads: int
    seconds: float | None = None
    reference_seconds: float | None = None
    load_seconds: float | None = None
    size_bytes: float | None = None
    memory_bytes: float | None = None


class Samples:
    """The samples of one machine.

    Args:
        path: of the file; it is made where there is none.
        versions: runtime -> version; samples of other versions are kept and not given.

    Raises:
        OutputError: the file cannot be opened or is no such file.
    """

    def __init__(self, path: Path, versions: Mapping[str, str]) -> None:
        self.path = path
        self._versions = dict(versions)
        with self._told():
            path.parent.mkdir(parents=True, exist_ok=True)
            self._connection = sqlite3.connect(path, isolation_level=None, timeout=30.0)
            self._connection.execute("PRAGMA journal_mode=WAL")
            if self._connection.execute("PRAGMA user_version").fetchone()[0] < _LAYOUT:
                self._connection.executescript("DROP TABLE IF EXISTS network; DROP TABLE IF EXISTS sample;")
            self._connection.executescript(_SCHEMA)

    def keep(self, name: str, family: str, network: Network, samples: list[Sample]) -> None:
        """Store a network with its samples, all or nothing; what was known of the same measurement is replaced."""
        with self._told(), self._connection:
            self._connection.execute("BEGIN")
            values = (
                *(name, family, network.groups.shape[1], _packed(network.groups)),
                *(network.activation_bytes, network.file_bytes),
                *(network.folded_bytes, network.normalisation_bytes, network.operators, network.constants),
            )
            self._connection.execute("INSERT OR REPLACE INTO network VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", values)
            now = time.time()
            rows = [
                (
                    *(name, s.runtime, self._versions[s.runtime], s.arithmetic, s.threads),
                    *(s.seconds, s.reference_seconds, s.load_seconds, s.size_bytes, s.memory_bytes, now),
                )
                for s in samples
            ]
            self._connection.executemany("INSERT OR REPLACE INTO sample VALUES (?,?,?,?,?,?,?,?,?,?,?)", rows)

    def networks(self, columns: int) -> dict[str, Network]:
        """Every network by name; those described by other columns, as an earlier release did, are left out."""
        names = "id, groups, activation_bytes, file_bytes, folded_bytes, normalisation_bytes, operators, constants"
        query = f"SELECT {names} FROM network WHERE columns = ? ORDER BY rowid"
        with self._told():
            found = self._connection.execute(query, (columns,)).fetchall()
        return {name: Network(_unpacked(groups), *others) for name, groups, *others in found}

    def families(self) -> dict[str, str]:
        """Family of every network."""
        with self._told():
            return dict(self._connection.execute("SELECT id, family FROM network ORDER BY rowid").fetchall())

    def samples(self) -> Iterator[Sample]:
        """Every sample of the runtimes' present versions, in the order measured."""
        names = (
            "network, runtime, arithmetic, threads, seconds, reference_seconds, load_seconds, size_bytes, memory_bytes"
        )
        for runtime, version in self._versions.items():
            query = f"SELECT {names} FROM sample WHERE runtime = ? AND version = ? ORDER BY rowid"
            with self._told():
                rows = self._connection.execute(query, (runtime, version)).fetchall()
            yield from (Sample(*row) for row in rows)

    def forget(self) -> None:
        """Remove everything."""
        with self._told():
            self._connection.executescript("DELETE FROM sample; DELETE FROM network;")

    def close(self) -> None:
        """Close the file."""
        self._connection.close()

    def __enter__(self) -> Samples:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _told(self) -> _Told:
        return _Told(self.path)


@dataclass(frozen=True)
class _Told:
    """Turns what SQLite and the system say into one clear error."""

    path: Path

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: Any, error: BaseException | None, trace: Any) -> None:
        if isinstance(error, sqlite3.Error | OSError):
            raise OutputError(
                f"{self.path} cannot be used: {error}",
                "a folder that can be written, with room on its disk",
                "set SARTOR_HOME to another folder, or remove the file",
            ) from None


def _packed(groups: NDArray[np.float64]) -> bytes:
    buffer = io.BytesIO()
    np.savez_compressed(buffer, groups=groups)
    return buffer.getvalue()


def _unpacked(packed: bytes) -> NDArray[np.float64]:
    with np.load(io.BytesIO(packed), allow_pickle=False) as arrays:
        found: NDArray[np.float64] = arrays["groups"]
        return found
