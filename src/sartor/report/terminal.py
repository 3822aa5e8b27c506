"""The terminal while a fit runs: the phase, what was tried last, the best so far, the time left."""

from __future__ import annotations

import time
from collections import deque
from types import TracebackType
from typing import Any

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn
from rich.text import Text

from sartor.units import format_value

_LINES = 6  # of what was tried last


class LiveTerminal:
    """Watches a fit on a terminal. Use it as a context manager.

    Args:
        console: where to draw; stdout stays free for `--json`.
        budget: seconds of the time budget, for the time left.
    """

    def __init__(self, console: Console, budget: float) -> None:
        self._console = console
        self._budget = budget
        self._started = time.monotonic()
        self._recent: deque[str] = deque(maxlen=_LINES)
        self._best = ""
        self._training = ""
        self._progress = Progress(
            SpinnerColumn(),
            TextColumn("{task.description}"),
            BarColumn(bar_width=24),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            console=console,
        )
        self._task = self._progress.add_task("start", total=None)
        self._live = Live(get_renderable=self._draw, console=console, refresh_per_second=8, transient=True)

    def __enter__(self) -> LiveTerminal:
        self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._live.stop()

    def _draw(self) -> RenderableType:
        left = max(0.0, self._budget - (time.monotonic() - self._started))
        rows: list[RenderableType] = [self._progress]
        if self._training:
            rows.append(Text.from_markup(f"  [cyan]{escape(self._training)}[/]"))
        rows.extend(Text("  " + line, style="dim", overflow="ellipsis", no_wrap=True) for line in self._recent)
        if self._best:
            rows.append(Text.from_markup(f"  [green]best so far[/]  {escape(self._best)}"))
        rows.append(Text(f"  at most {format_value(left, 's')} left", style="dim"))
        return Group(*rows)

    def phase(self, title: str, steps: int | None = None) -> None:
        """A new phase: the one before becomes a line that stays."""
        task = self._progress.tasks[0]
        if task.description != "start":
            self._console.print(f"[green]✓[/] {escape(task.description)} [dim]{task.elapsed or 0:.1f} s[/]")
        self._training = ""
        self._progress.reset(self._task, description=title)
        task.total = steps  # `reset` takes None for "as before"

    def tried(self, what: str, outcome: str) -> None:
        """One step of the phase is done."""
        self._recent.append(f"{what}: {outcome}")
        self._progress.advance(self._task)

    def training(self, model: str, progress: dict[str, Any]) -> None:
        """Training goes on."""
        self._training = training_line(model, progress)

    def best(self, text: str) -> None:
        """A new best so far."""
        self._best = text

    def note(self, text: str) -> None:
        """Something the user should know; stays on the screen."""
        self._console.print(f"[dim]· {escape(text)}[/]")


class PlainTerminal:
    """Watches a fit where there is no terminal: one line an event, training every few seconds."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._started = time.monotonic()
        self._last_training = 0.0

    def __enter__(self) -> PlainTerminal:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Nothing is held."""

    def _say(self, text: str) -> None:
        seconds = time.monotonic() - self._started
        self._console.print(f"{seconds:7.1f} s  {text}", markup=False, highlight=False, soft_wrap=True)

    def phase(self, title: str, steps: int | None = None) -> None:
        """A new phase."""
        self._say(f"{title}" + (f" ({steps} steps)" if steps else ""))

    def tried(self, what: str, outcome: str) -> None:
        """One step of the phase is done."""
        self._say(f"  {what}: {outcome}")

    def training(self, model: str, progress: dict[str, Any]) -> None:
        """Training goes on; said every two seconds."""
        if time.monotonic() - self._last_training > 2.0:
            self._last_training = time.monotonic()
            self._say("  " + training_line(model, progress))

    def best(self, text: str) -> None:
        """A new best so far."""
        self._say(f"  best so far: {text}")

    def note(self, text: str) -> None:
        """Something the user should know."""
        self._say(f"  {text}")


def training_line(model: str, progress: dict[str, Any]) -> str:
    """One line on a training: epoch, loss, validation, time left."""
    validation = progress.get("validation")
    shown = f", validation {validation:.4f}" if validation is not None else ""
    seconds = float(progress["seconds_left"])
    left = f", {format_value(seconds, 's')} left" if seconds >= 0.1 else ""  # not known yet, or nearly done
    return f"{model}: epoch {progress['epoch']}/{progress['epochs']}, loss {progress['loss']:.4f}{shown}{left}"
