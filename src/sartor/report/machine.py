"""A machine's profile on the terminal."""

from __future__ import annotations

import math
import time
from collections.abc import Iterable

from rich import box
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from sartor.figures import Figure
from sartor.machine.measured import Operation
from sartor.machine.profile import Profile
from sartor.units import format_value

_BAR = 14  # characters of the fastest rate
_OPERATIONS: tuple[Operation, ...] = ("read", "copy")


def print_profile(console: Console, profile: Profile) -> None:
    """Print what `probe --json` holds, for people."""
    for line in _headlines(profile):
        console.print(line, soft_wrap=True)
    for table in (memory_table(profile), levels_table(profile), matrix_table(profile), overhead_table(profile)):
        table.box = box.ROUNDED if console.is_terminal else box.ASCII
        console.print(table)
    for line in (f"Kernels: {_kernels(profile)}", _noise(profile)):
        console.print(line, soft_wrap=True, markup=False, highlight=False)
    for gpu in profile.gpus:
        parts = [gpu.name, gpu.memory, gpu.power_limit, f"driver {gpu.driver}", f"compute {gpu.capability}"]
        console.print(f"GPU: {', '.join(str(part) for part in parts if part)}", soft_wrap=True, markup=False)
    for note in profile.notes:
        console.print(f"[dim]· {escape(note)}[/]", soft_wrap=True)


def age(profile: Profile, now: float | None = None) -> str:
    """How long ago a profile was measured: `3 days`, `12 minutes`.

    A clock that was set back gives `0 seconds`.
    """
    seconds = max(0.0, (time.time() if now is None else now) - profile.measured_at)
    steps = ((86400.0, "day"), (3600.0, "hour"), (60.0, "minute"), (1.0, "second"))
    size, word = next((step for step in steps if seconds >= step[0]), steps[-1])
    count = int(seconds / size)
    return f"{count} {word}{'' if count == 1 else 's'}"


def _headlines(profile: Profile) -> Iterable[str]:
    machine = profile.machine
    cores = f"{machine.cores} core{'' if machine.cores == 1 else 's'}"
    yield f"[bold]{escape(machine.cpu)}[/]: {cores}, {format_value(machine.memory_bytes, 'B')} of memory"
    yield f"Instruction sets: {' '.join(machine.isa) or 'none known'} ({machine.isa_class})"
    caches = [
        f"L{one.level} {one.instances} x {one.size_bytes / 2**10:,.0f} KiB, shared by {one.shared_by}"
        for one in profile.caches
    ]
    yield f"Caches: {'; '.join(caches) or 'unknown, this system does not describe them'}"


def memory_table(profile: Profile) -> Table:
    """The curve of bandwidth over the working set of each thread."""
    counts = sorted({one.threads for one in profile.bandwidth})
    columns: list[tuple[Operation, int]] = [(what, count) for count in counts for what in _OPERATIONS]
    rates = {(one.operation, one.threads, one.working_set_bytes // one.threads): one.rate for one in profile.bandwidth}
    best = max((rate.value for (what, _, _), rate in rates.items() if what == "read"), default=1.0)
    table = Table(title="memory, by working set of each thread", title_justify="left")
    table.add_column("each", justify="right")
    for what, count in columns:
        table.add_column(f"{what} x{count}", justify="right")
    table.add_column("all reading")
    for size in sorted({size for _, _, size in rates}):
        cells = [_short(rates.get((what, count, size))) for what, count in columns]
        table.add_row(_size(size), *cells, _bar(rates.get(("read", counts[-1], size)), best))
    return table


def levels_table(profile: Profile) -> Table:
    """The levels of memory that a computation sees."""
    table = _table("levels of memory", ("threads", "level", "holds", "read", "within"))
    for count in sorted({one.threads for one in profile.bandwidth}):
        for level in profile.levels(count):
            holds = format_value(level.capacity_bytes, "B")
            table.add_row(str(count), level.name, holds, _short(level.rate), _within(level.rate))
    return table


def matrix_table(profile: Profile) -> Table:
    """The best matrix-product rates."""
    table = _table("matrix products", ("runtime", "in", "threads", "rate", "within", "best shape"))
    for one in profile.matrix:
        shape = "x".join(map(str, one.shape))
        table.add_row(one.runtime, one.precision, str(one.threads), _short(one.rate), _within(one.rate), shape)
    return table


def overhead_table(profile: Profile) -> Table:
    """What a runtime costs before it computes."""
    table = _table("overheads", ("runtime", "of", "takes", "within"))
    for call in profile.calls:
        threads = f"{call.threads} thread{'' if call.threads == 1 else 's'}"
        for what, figure in (("a call", call.seconds), ("one more operator", call.per_operator)):
            table.add_row(call.runtime, f"{what}, {threads}", _short(figure), _within(figure))
    for start in profile.starts:
        table.add_row(
            start.runtime, "a fresh process to its first answer", _short(start.seconds), _within(start.seconds)
        )
    return table


def _table(title: str, headings: Iterable[str]) -> Table:
    table = Table(title=title, title_justify="left")
    for heading in headings:
        table.add_column(heading)
    return table


def _kernels(profile: Profile) -> str:
    """What ran the products, once for each runtime and precision."""
    named = {f"{one.runtime} {one.precision}": one.kernel for one in profile.matrix if one.kernel}
    return "; ".join(f"{who}: {kernel}" for who, kernel in named.items())


def _noise(profile: Profile) -> str:
    noise = profile.noise
    resolution = format_value(noise.resolution, "%")
    steady = f"identical workers differ by up to {resolution}" if noise.resolution < 10 else "too few twins to tell"
    return f"Noise: {steady}; {format_value(noise.loud.value, '%')} of moments were loud"


def _size(size: int) -> str:
    """Working sets are powers of two, and read as such."""
    return f"{size >> 20} MiB" if size >= 1 << 20 else f"{size >> 10} KiB"


def _short(figure: Figure | None) -> str:
    return "-" if figure is None else format_value(figure.value, figure.unit)


def _within(figure: Figure) -> str:
    """How far off the figure may be, 95% each side; its bounds lie as far above as below, as factors."""
    factor = figure.high / figure.value
    if not math.isfinite(factor):
        return "one launch"
    return f"{100 * (factor - 1):.2g}%" if factor < 2 else f"{factor:.2g}x"


def _bar(figure: Figure | None, best: float) -> str:
    return "" if figure is None else "█" * max(1, round(_BAR * figure.value / best))
