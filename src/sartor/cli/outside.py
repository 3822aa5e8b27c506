"""What `measure --loadgen` runs on the terminal: the work, both timers side by side, and the exit code."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from sartor.figures import without_infinities
from sartor.report.terminal import LiveTerminal, PlainTerminal
from sartor.units import format_value

_UNITS = {"throughput": "1/s"}  # everything else is a latency


def measure_outside(bundle: Path, data: str | None, base: Path, scenario: str, seconds: float, *, as_json: bool) -> int:
    """Run a bundle under MLPerf's load generator, print both timers, and give the exit code."""
    from sartor.fit.outside import judge_outside

    console = Console(stderr=True)
    terminal = LiveTerminal(console, seconds) if console.is_terminal else PlainTerminal(console)
    with terminal as watch:
        values = judge_outside(bundle, data, base, scenario, seconds, watch)
    console.print(_timers(values))
    for line in _lines(values):
        console.print(line, soft_wrap=True, highlight=False)
    if as_json:
        print(json.dumps(without_infinities(values), allow_nan=False))
    return 0 if values["passed"] else 3


def _timers(values: Mapping[str, Any]) -> Table:
    rows = "1 row" if values["batch"] == 1 else f"{values['batch']} rows"
    title = f"{values['scenario']}: {values['calls']:,} calls of {rows}, {values['inputs']}"
    table = Table(title=title, title_justify="left")
    for heading in ("", f"mlcommons-loadgen {values['loadgen']['version']}", "our timer", "difference"):
        table.add_column(heading)
    for name, ours in values["ours"].items():
        unit = _UNITS.get(name, "s")
        theirs = values["loadgen"][name]
        table.add_row(
            name, format_value(theirs, unit), format_value(ours, unit), f"{100 * values['differences'][name]:+.1f}%"
        )
    return table


def _lines(values: Mapping[str, Any]) -> list[str]:
    generator = values["loadgen"]
    compared = "a call on average" if values["scenario"] == "offline" else "the p90"
    apart = f"{compared} is {format_value(abs(values['apart_s']), 's')} apart"
    lines = [
        "[green]VALID[/]" if generator["valid"] else f"[yellow]INVALID[/]: {escape(generator['reason'])}",
        f"The timers agree: {apart}, within 2% + 50 µs."
        if values["agree"]
        else f"[yellow]Warning: the timers disagree: {apart}, more than 2% + 50 µs.[/]",
    ]
    for limit in values["limits"]:
        bound = limit["bound"]
        mark = "[green]met[/]" if limit["met"] else "[yellow]not met[/]"
        asked = f"{limit['name']} {bound['op']} {format_value(bound['value'], bound['unit'])}"
        lines.append(f"{asked}: {mark} by {format_value(limit['value'], bound['unit'])}, {limit['why']}")
    return [*lines, f"Stored: {escape(values['proof'])}"]
