"""Caches of the processor, as Linux describes them; nothing where it does not (containers, other systems)."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

_ROOT = Path("/sys/devices/system/cpu")
_FACTORS = {"": 1, "K": 2**10, "M": 2**20, "G": 2**30}
_SIZE = re.compile(r"(\d+)([KMG]?)")


@dataclass(frozen=True)
class Cache:
    """One level of cache for data.

    Attributes:
        level: 1 is the nearest to the core.
        size_bytes: of one instance.
        line_bytes: of a line; 0 where it is not said.
        instances: how many of them serve the logical processors that this process may use.
        shared_by: logical processors of the machine that share one, in the hypervisor's words where there is one.
    """

    level: int
    size_bytes: int
    line_bytes: int
    instances: int
    shared_by: int

    def reach(self, threads: int, cores: int) -> int:
        """Bytes that `threads` threads on as many of `cores` cores hold in this level together."""
        groups = -(-threads * self.instances // max(cores, 1))
        return self.size_bytes * min(max(groups, 1), self.instances)


def read_caches(processors: Iterable[int], root: Path = _ROOT) -> tuple[Cache, ...]:
    """The caches for data behind these logical processors, nearest first; empty where the system does not say.

    Read from `cpuN/cache/indexM` (Linux, Documentation/ABI/testing/sysfs-devices-system-cpu).
    """
    found: dict[int, set[tuple[int, int, frozenset[int]]]] = {}
    for number in processors:
        for folder in sorted((root / f"cpu{number}" / "cache").glob("index*")):
            level, size = _text(folder, "level"), parse_size(_text(folder, "size"))
            if not level.isdigit() or not size or _text(folder, "type") not in ("Data", "Unified"):
                continue
            shared = parse_processors(_text(folder, "shared_cpu_list")) or frozenset({number})
            line = _text(folder, "coherency_line_size")
            found.setdefault(int(level), set()).add((size, int(line) if line.isdigit() else 0, shared))
    return tuple(_cache(level, instances) for level, instances in sorted(found.items()))


def _cache(level: int, instances: set[tuple[int, int, frozenset[int]]]) -> Cache:
    size, line, shared = min(instances, key=lambda one: (one[0], one[1], len(one[2])))  # the smallest of unlike cores
    return Cache(level, size, line, len(instances), len(shared))


def parse_size(text: str) -> int:
    """Bytes of a size as sysfs writes it; 0 for anything else.

    >>> parse_size("32K"), parse_size("1M"), parse_size("")
    (32768, 1048576, 0)
    """
    match = _SIZE.fullmatch(text)
    return int(match[1]) * _FACTORS[match[2]] if match else 0


def parse_processors(text: str) -> frozenset[int]:
    """Numbers of a list as sysfs writes it; empty for anything else.

    >>> sorted(parse_processors("0-2,8"))
    [0, 1, 2, 8]
    """
    spans = [piece.split("-") for piece in text.split(",") if piece]
    if not all(len(span) <= 2 and all(end.isdigit() for end in span) for span in spans):
        return frozenset()
    return frozenset(number for span in spans for number in range(int(span[0]), int(span[-1]) + 1))


def _text(folder: Path, name: str) -> str:
    try:
        return (folder / name).read_text(encoding="utf-8", errors="replace").strip()
    except OSError:
        return ""
