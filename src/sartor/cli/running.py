"""What `fit`, `demo` and `measure` run on the terminal: the work, its end in print, and the exit code."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from rich.console import Console

from sartor.bundle.values import EXIT_CODES
from sartor.figures import Figure, without_infinities
from sartor.fit.watch import Watch
from sartor.need import Need
from sartor.report.summary import limits_table, print_summary
from sartor.report.terminal import LiveTerminal, PlainTerminal

_PIPED_WIDTH = 110  # characters: what is piped has no edge


@contextlib.contextmanager
def _watching(console: Console, need: Need) -> Iterator[Watch]:
    terminal = LiveTerminal(console, need.budget.time) if console.is_terminal else PlainTerminal(console)
    with terminal as watch:
        yield watch


def fit_need(need: Need, output: Path, base: Path, *, fresh: bool, as_json: bool, exhaustive: bool = False) -> int:
    """Run a fit, print its end, and give its exit code."""
    from sartor.fit.fit import fit

    console = Console(stderr=True)
    with _watching(console, need) as watch:
        result = fit(need, output, base=base, fresh=fresh, exhaustive=exhaustive, watch=watch)
    if result.resumed:
        console.print(f"[dim]Resumed: {_resumed(result.values)}. `--fresh` starts again.[/]")
    print_summary(console, result.values)
    _print_next(console, output, result.outcome)
    if as_json:
        print_json(result.values)
    return EXIT_CODES[result.outcome]


def wide_console(*, stderr: bool = False) -> Console:
    """A console whose tables are not cut where they are piped."""
    console = Console(stderr=stderr)
    if not console.is_terminal:
        console.width = max(console.width, _PIPED_WIDTH)
    return console


def print_json(values: dict[str, Any]) -> None:
    """One object on stdout; what is infinite becomes null."""
    print(json.dumps(without_infinities(values), allow_nan=False))


def _resumed(values: dict[str, Any]) -> str:
    trials = values["trials"]
    if values.get("already_answered"):
        return "this Need was already answered here, nothing had to be done"
    return f"{trials['reused']} of {trials['total']} trials were reused"


def _print_next(console: Console, output: Path, outcome: str) -> None:
    if outcome == "infeasible" or not (output / "bundle.json").exists():
        console.print(f"Report: {output / 'report.html'}", soft_wrap=True)
        return
    state = "" if outcome == "met" else " (the best so far, marked as not met)"
    console.print(f"Bundle{state}: {output}   report: {output / 'report.html'}", soft_wrap=True)
    console.print(f"Try it:  sartor predict {output} DATA -o predictions.csv", soft_wrap=True)


def dry_run_need(need: Need, base: Path, *, as_json: bool) -> int:
    """Show what a fit would do."""
    from sartor.data.report import lines
    from sartor.fit.preview import preview

    values = preview(need, base)
    if as_json:
        print_json(values)
        return 0
    console = Console()
    for line in (*lines(values["data"]), *values["notes"]):
        console.print(f"Data: {line}", soft_wrap=True, markup=False, highlight=False)
    console.print(f"Splits: {values['splits']['how']}", soft_wrap=True)
    for name, rows in values["splits"]["rows"].items():
        console.print(f"  {name:10} {rows:>8} rows")
    for said in values["provable"]:
        console.print(f"Provable: {said}", soft_wrap=True)
    console.print(f"Limits: {', '.join(values['limits']) or 'none'}", soft_wrap=True)
    console.print(f"Candidates: {len(values['candidates'])} ({values['models']})", soft_wrap=True)
    for refusal in values["refusals"]:
        console.print(f"  not: {refusal['what']}: {refusal['why']}", soft_wrap=True, markup=False)
    console.print(values["time"], soft_wrap=True)
    return 0


def measure_bundle(bundle: Path, data: str | None, base: Path, *, as_json: bool) -> int:
    """Prove a bundle again, print its limits, and give the exit code."""
    from sartor.fit.reprove import reprove

    console = Console(stderr=True)
    terminal = LiveTerminal(console, 60.0) if console.is_terminal else PlainTerminal(console)
    with terminal as watch:
        values = reprove(bundle, data, base, watch)
    console.print(limits_table(values))
    for name, figure in values["measured"].items():
        console.print(f"  {name:12} {Figure.from_dict(figure)}", highlight=False)
    console.print(f"  speed-up     {Figure.from_dict(values['speedup'])} of the uncompressed model", highlight=False)
    console.print(f"Proof: {values['proof']}", soft_wrap=True)
    if as_json:
        print_json(values)
    return 0 if values["verdict"] == "met" else 3
