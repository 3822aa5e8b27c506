"""The end of a fit on the terminal: one table and one sentence."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from sartor.units import format_value

_COLOURS = {"met": "green", "not_met": "yellow", "infeasible": "red"}


def print_summary(console: Console, values: Mapping[str, Any]) -> None:
    """Print what `fit --json` holds, for people."""
    console.print(limits_table(values))
    if values.get("measured"):
        console.print(comparison_table(values))
    if values.get("noisy"):
        console.print("[yellow]The machine was noisy while the finalists were timed; the intervals say how much.[/]")
    verdict = str(values["verdict"])
    console.print(f"[bold {_COLOURS[verdict]}]{escape(str(values['sentence']))}[/]", soft_wrap=True)


def limits_table(values: Mapping[str, Any]) -> Table:
    """Verdict limit by limit."""
    table = Table(title=f"verdict: {str(values['verdict']).replace('_', ' ')}", title_justify="left")
    for heading in ("limit", "measured", "interval", "", "why"):
        table.add_column(heading)
    for limit in values["limits"]:
        bound = limit["bound"]
        asked = f"{limit['name']} {bound['op']} {format_value(bound['value'], bound['unit'])}"
        mark = "[green]met[/]" if limit["met"] else "[yellow]not met[/]"
        if limit["value"] is None:
            table.add_row(asked, "-", "-", mark, escape(limit["why"]))
            continue
        interval = _interval(limit["low"], limit["high"], bound["unit"])
        table.add_row(asked, format_value(limit["value"], bound["unit"]), interval, mark, escape(limit["why"]))
    return table


def _interval(low: float | None, high: float | None, unit: str) -> str:
    if low is not None and low == high:
        return "exact"
    return " to ".join("unbounded" if end is None else format_value(end, unit) for end in (low, high))


def comparison_table(values: Mapping[str, Any]) -> Table:
    """The chosen candidate beside candidate zero."""
    chosen, zero = values["measured"], values["baseline"]
    table = Table(title_justify="left")
    for heading in ("", "chosen", "uncompressed"):
        table.add_column(heading)
    table.add_row("candidate", chosen["id"], zero["id"])
    rows = (
        ("latency p50", "latency_p50_s", "s"),
        ("latency p99", "latency_p99_s", "s"),
        ("throughput", "throughput_per_s", "1/s"),
        ("quality", "quality", ""),
        ("size", "size_bytes", "B"),
        ("memory", "memory_bytes", "B"),
    )
    for name, key, unit in rows:
        table.add_row(name, format_value(chosen[key], unit), format_value(zero[key], unit))
        if name == "quality" and values.get("constant_predictor") is not None:
            # It speaks of the data and of neither candidate, so both are read against it.
            constant = format_value(values["constant_predictor"], "")
            table.add_row("quality of a constant answer", constant, constant)
    speedup = values["speedup"]
    low, high = (_times(speedup[end]) for end in ("low", "high"))
    resolution = speedup["resolution"]
    known = "unknown" if resolution is None or not math.isfinite(resolution) else f"{100 * resolution:.1f}%"
    table.add_row("speed-up", f"{speedup['value']:.2f}x [{low}, {high}]", f"resolution {known}")
    return table


def _times(end: float | None) -> str:
    return "unbounded" if end is None or not math.isfinite(end) else f"{end:.2f}"
