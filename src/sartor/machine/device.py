"""What computes here: the processor that this process may use. Reading is kept apart from parsing."""

from __future__ import annotations

import hashlib
import os
import platform
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path
from typing import Any

# Name used here -> the flag in /proc/cpuinfo. Only what changes which kernels a runtime picks.
_X86_FLAGS = {
    "avx2": "avx2",
    "avx512f": "avx512f",
    "avx_vnni": "avx_vnni",
    "avx512_vnni": "avx512_vnni",
    "avx512_bf16": "avx512_bf16",
    "amx_int8": "amx_int8",
    "amx_bf16": "amx_bf16",
}
_ARM_FLAGS = {"neon": "asimd", "dotprod": "asimddp", "i8mm": "i8mm", "bf16": "bf16", "sve": "sve"}
_X86_CLASSES = (
    ("amx_int8", "x86-amx"),
    ("avx512_vnni", "x86-avx512-vnni"),
    ("avx512f", "x86-avx512"),
    ("avx_vnni", "x86-avx2-vnni"),
    ("avx2", "x86-avx2"),
)
_ARM_CLASSES = (("sve", "arm-sve"), ("i8mm", "arm-i8mm"), ("neon", "arm-neon"))
# MIDR implementer and part of servers that people rent; other ARM machines are named by their numbers.
_ARM_NAMES = {
    ("0x41", "0xd0c"): "ARM Neoverse-N1",
    ("0x41", "0xd40"): "ARM Neoverse-V1",
    ("0x41", "0xd49"): "ARM Neoverse-N2",
    ("0x41", "0xd4f"): "ARM Neoverse-V2",
}
_UNLIMITED = 1 << 60  # cgroup v1 writes "no limit" as a number near 2**63


@dataclass(frozen=True)
class Processor:
    """What a text like /proc/cpuinfo says of the processor.

    Attributes:
        name: model name as the maker writes it.
        isa: the instruction sets that matter for inference, in a fixed order.
        core_of: physical core (package, core) of each logical processor number, where the text says so.
    """

    name: str
    isa: tuple[str, ...]
    core_of: tuple[tuple[int, tuple[str, str]], ...]


@dataclass(frozen=True)
class Machine:
    """The machine as far as this process may use it.

    Attributes:
        cpu: model name of the processor.
        architecture: `x86_64`, `aarch64`, ...
        cores: physical cores that this process may use (affinity and cgroup quota taken into account).
        isa: instruction sets that matter for inference.
        memory_bytes: memory that this process may use, in bytes.
        os: name and release of the operating system.
        python: version of the interpreter.
    """

    cpu: str
    architecture: str
    cores: int
    isa: tuple[str, ...]
    memory_bytes: int
    os: str
    python: str

    @property
    def isa_class(self) -> str:
        """One word for what integer and reduced-precision results depend on, such as `x86-avx512-vnni`."""
        x86 = self.architecture in ("x86_64", "amd64", "AMD64", "i686", "i386")
        arm = self.architecture.lower().startswith(("arm", "aarch64"))
        table = _X86_CLASSES if x86 else _ARM_CLASSES if arm else ()
        plain = "x86" if x86 else "arm" if arm else self.architecture
        return next((word for flag, word in table if flag in self.isa), plain)

    @property
    def exact_int8(self) -> bool:
        """Whether products of 8-bit numbers are summed without saturating at 16 bits.

        Older x86 multiplies u8 x s8 pairwise into s16 (`vpmaddubsw`), which overflows for large weights;
        VNNI and AMX sum in 32 bits, and ARM widens first.
        """
        if not self.isa_class.startswith("x86"):
            return True
        return any(flag in self.isa for flag in ("avx512_vnni", "avx_vnni", "amx_int8"))

    def fingerprint(self) -> str:
        """Twelve hexadecimal digits, equal wherever measured figures may be compared.

        Release numbers of the system and of Python are left out: they change without changing the hardware.
        """
        parts = (self.cpu, self.architecture, str(self.cores), *self.isa, self.os.split(" ")[0])
        return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:12]

    def as_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return {**asdict(self), "isa": list(self.isa)}

    @classmethod
    def from_dict(cls, saved: dict[str, Any]) -> Machine:
        """The inverse of `as_dict`."""
        return cls(**{**saved, "isa": tuple(saved["isa"])})


def parse_cpuinfo(text: str) -> Processor:
    """Read the text of /proc/cpuinfo of an x86 or ARM Linux.

    >>> parse_cpuinfo("processor: 0\\nmodel name: Some CPU\\nflags: sse2 avx2").isa
    ('avx2',)
    """
    blocks = [_fields(block) for block in text.split("\n\n") if block.strip()]
    merged: dict[str, str] = {}
    for block in blocks:
        merged = {**block, **merged}  # the first processor speaks for all
    flags = set(merged.get("flags", merged.get("Features", "")).split())
    table = _X86_FLAGS if "flags" in merged else _ARM_FLAGS
    isa = tuple(name for name, flag in table.items() if flag in flags)
    return Processor(_name(merged), isa, _topology(blocks))


def _fields(block: str) -> dict[str, str]:
    pairs = (line.split(":", 1) for line in block.splitlines() if ":" in line)
    return {key.strip(): value.strip() for key, value in pairs}


def _name(fields: dict[str, str]) -> str:
    if "model name" in fields:
        return fields["model name"]
    numbers = (fields.get("CPU implementer", ""), fields.get("CPU part", ""))
    if not any(numbers):
        return fields.get("Hardware", "")
    return _ARM_NAMES.get(numbers, f"ARM implementer {numbers[0]} part {numbers[1]}")


def _topology(blocks: list[dict[str, str]]) -> tuple[tuple[int, tuple[str, str]], ...]:
    return tuple(
        (int(block["processor"]), (block.get("physical id", "0"), block["core id"]))
        for block in blocks
        if block.get("processor", "").isdigit() and "core id" in block
    )


def usable_cores(processor: Processor, allowed: frozenset[int], quota: float | None) -> int:
    """Physical cores behind the `allowed` logical processors, at most the cgroup's `quota` (in CPUs).

    A logical processor of unknown core counts as a core of its own. A quota below one core still gives 1.
    """
    known = dict(processor.core_of)
    cores = len({known.get(number, ("", str(number))) for number in allowed})
    if quota is not None:
        cores = min(cores, int(quota))
    return max(cores, 1)


def parse_cpu_quota(text: str) -> float | None:
    """CPUs allowed by a cgroup v2 `cpu.max` or by `quota period` of cgroup v1; None when unlimited.

    >>> parse_cpu_quota("150000 100000"), parse_cpu_quota("max 100000"), parse_cpu_quota("-1 100000")
    (1.5, None, None)
    """
    words = text.split()
    if len(words) != 2 or not words[0].isdigit() or not words[1].isdigit() or int(words[1]) == 0:
        return None
    return int(words[0]) / int(words[1])


@cache
def this_machine() -> Machine:
    """The machine that this process runs on: /proc and cgroup files on Linux, else `platform` and psutil."""
    import psutil

    processor = parse_cpuinfo(_read(Path("/proc/cpuinfo")))
    architecture = platform.machine()
    is_arm = architecture.lower().startswith(("arm", "aarch64"))
    isa = processor.isa or (("neon",) if is_arm else ())  # every 64-bit ARM has NEON; elsewhere claim nothing
    return Machine(
        cpu=processor.name or platform.processor() or architecture,
        architecture=architecture,
        cores=usable_cores(processor, _allowed(), _cpu_quota()) if processor.core_of else _plain_core_count(),
        isa=isa,
        memory_bytes=min([int(psutil.virtual_memory().total), *_memory_limits()]),
        os=f"{platform.system()} {platform.release()}",
        python=platform.python_version(),
    )


def _plain_core_count() -> int:
    """Where no topology is known: what psutil counts as physical, within affinity and quota."""
    import psutil

    physical = psutil.cpu_count(logical=False) or os.cpu_count() or 1
    return usable_cores(Processor("", (), ()), frozenset(sorted(_allowed())[:physical]), _cpu_quota())


def _allowed() -> frozenset[int]:
    if hasattr(os, "sched_getaffinity"):
        return frozenset(os.sched_getaffinity(0))
    return frozenset(range(os.cpu_count() or 1))


def _cpu_quota() -> float | None:
    v1 = Path("/sys/fs/cgroup/cpu")
    texts = [
        *(_read(folder / "cpu.max") for folder in _cgroup_folders()),
        f"{_read(v1 / 'cpu.cfs_quota_us').strip()} {_read(v1 / 'cpu.cfs_period_us').strip()}",
    ]
    quotas = [quota for quota in map(parse_cpu_quota, texts) if quota is not None]
    return min(quotas, default=None)


def _memory_limits() -> list[int]:
    v1 = Path("/sys/fs/cgroup/memory/memory.limit_in_bytes")
    texts = [*(_read(folder / "memory.max") for folder in _cgroup_folders()), _read(v1)]
    return [int(text) for text in map(str.strip, texts) if text.isdigit() and 0 < int(text) < _UNLIMITED]


def _cgroup_folders() -> list[Path]:
    """The cgroup v2 folder of this process and its parents: the tightest limit of them all binds."""
    root = Path("/sys/fs/cgroup")
    own = next((line[3:] for line in _read(Path("/proc/self/cgroup")).splitlines() if line.startswith("0::")), "/")
    folder = root / own.strip("/")
    return [folder, *(parent for parent in folder.parents if parent.is_relative_to(root))]


def _read(path: Path) -> str:
    """The text of a file of the system, or nothing where the system has no such file."""
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
