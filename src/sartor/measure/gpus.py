"""Graphics processors, as NVIDIA's management tool describes them. Their arithmetic is not measured."""

from __future__ import annotations

import csv
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass

from sartor.figures import Figure
from sartor.machine.measured import Gpu

_FIELDS = ("name", "memory.total", "power.limit", "driver_version", "compute_cap")
_MIB = 2.0**20
_TIME_LIMIT = 20.0  # seconds; with persistence mode off, the first question wakes the driver


@dataclass(frozen=True)
class GpusFound:
    """The graphics processors, and what is to say of them."""

    gpus: tuple[Gpu, ...]
    notes: tuple[str, ...] = ()


def find_gpus(tool: str = "nvidia-smi") -> GpusFound:
    """Ask the tool that comes with NVIDIA's driver; without it there are none. Never fails."""
    command = [tool, f"--query-gpu={','.join(_FIELDS)}", "--format=csv,noheader,nounits"]
    try:
        ended = subprocess.run(command, capture_output=True, text=True, timeout=_TIME_LIMIT, check=False)
    except FileNotFoundError:
        return GpusFound(())
    except (OSError, subprocess.TimeoutExpired) as error:
        return GpusFound((), (f"GPUs: {tool} could not be asked: {error}",))
    if ended.returncode != 0:
        said = (ended.stdout.strip() or ended.stderr.strip()).split("\n")[-1]
        return GpusFound((), (f"GPUs: {tool} ended with {ended.returncode}: {said}",))
    return GpusFound(parse_gpus(ended.stdout))


def parse_gpus(text: str) -> tuple[Gpu, ...]:
    """Read a table of `name, MiB of memory, W of power limit, driver, compute capability`, one GPU a line.

    A field in brackets, such as `[N/A]` or `[Not Supported]`, is unknown; lines of another form are left out.
    """
    rows = csv.reader(text.splitlines(), skipinitialspace=True)
    return tuple(_gpu(row) for row in rows if len(row) == len(_FIELDS))


def _gpu(row: Sequence[str]) -> Gpu:
    name, memory, power, driver, capability = ("" if field.startswith("[") else field.strip() for field in row)
    return Gpu(name, _figure(memory, _MIB, "B"), _figure(power, 1.0, "W"), driver, capability)


def _figure(text: str, factor: float, unit: str) -> Figure | None:
    try:
        return Figure.exact(float(text) * factor, unit)
    except ValueError:
        return None
