"""An Inspection on the terminal: totals, the operators that matter, what binds, what would change it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from rich import box
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from sartor.figures import Figure
from sartor.plan.inspection import Inspection, Row, bounds, groups
from sartor.report.inspect_words import (
    PROSPECT_COLUMNS,
    amount,
    bound_name,
    change_how,
    change_sentence,
    fact_name,
    input_words,
    intensity_words,
    interval_words,
    place,
    prospect_cells,
    unknown_words,
)
from sartor.report.words import text
from sartor.units import format_value

_NAME = 34  # characters of an operator's place; its end says more than its beginning
_HEADINGS = {"time": "of time", "flop": "of FLOP", "bytes": "of bytes"}


def print_inspections(console: Console, found: Sequence[Inspection], top: int) -> None:
    """Print one inspection, or two side by side."""
    for one in found:
        for line in _headlines(one):
            console.print(line, soft_wrap=True, highlight=False)
    _print_table(console, totals_table(found))
    if len(found) > 1 and all(one.kind == "graph" for one in found):
        _print_table(console, families_table(found))
    for one in found:
        if one.kind == "graph":
            _print_table(console, operators_table(one, top))
        else:
            _print_table(console, phases_table(one))
        for line in _verdict(one):
            console.print(line, soft_wrap=True, markup=False, highlight=False)
        if one.prospects:
            _print_table(console, prospects_table(one))
            console.print(f"[dim]{text('prospects_how', 'en')}[/]", soft_wrap=True, highlight=False)
    sources = {one.seconds.source for one in found if one.seconds} or {"roofline"}
    how = {"calibrated": "calibrated_how", "roofline": "roofline_is_optimistic"}
    for source in sorted(sources) if any(one.target for one in found) else ():
        console.print(f"[dim]{text(how[source], 'en')}[/]", soft_wrap=True, highlight=False)


def totals_table(found: Sequence[Inspection]) -> Table:
    """The totals; of two, with their ratio."""
    table = Table(title="totals", title_justify="left")
    table.add_column("")
    for one in found:
        table.add_column(escape(one.label) if len(found) > 1 else "", justify="right")
    if len(found) > 1:
        table.add_column("second / first", justify="right")
    for key in dict.fromkeys(key for one in found for key in one.facts):
        table.add_row(fact_name(key, "en"), *_cells([one.facts.get(key) for one in found]))
    if any(one.seconds for one in found):
        table.add_row(text("predicted_time", "en"), *_cells([one.seconds for one in found]))
    return table


def families_table(found: Sequence[Inspection]) -> Table:
    """Share by kind of operator, side by side."""
    table = Table(title="by kind of operator", title_justify="left")
    table.add_column("")
    for one in found:
        table.add_column(_HEADINGS[one.counted_by], justify="right")
        table.add_column("count", justify="right")
    parts = [{group.family: group for group in groups(one.rows)} for one in found]
    for family in dict.fromkeys(family for part in parts for family in part):
        cells = [
            cell
            for part in parts
            for cell in ((_percent(part[family].share), str(part[family].count)) if family in part else ("-", "-"))
        ]
        table.add_row(family, *cells)
    return table


def operators_table(found: Inspection, top: int) -> Table:
    """The operators with the largest shares, and the rest in one line."""
    shown, rest = found.heaviest[:top], found.heaviest[top:]
    table = Table(title=f"operators of {found.label}", title_justify="left")
    table.add_column("operator", no_wrap=True)
    for heading in (_HEADINGS[found.counted_by], "FLOP", "bytes", "FLOP/B", *(("time",) if found.target else ())):
        table.add_column(heading, justify="right", no_wrap=True)
    if found.target:
        table.add_column("binds", no_wrap=True)
    for row in shown:
        table.add_row(*_operator_cells(row))
    if rest:
        table.add_row(f"and {len(rest)} more", _percent(sum(row.share for row in rest)))
    return table


def phases_table(found: Inspection) -> Table:
    """Reading and writing of a language model."""
    table = Table(title=found.label, title_justify="left")
    for heading in ("", "FLOP", "bytes", "FLOP/B", *(("time", "binds") if found.target else ())):
        table.add_column(heading, justify="left" if heading in ("", "binds") else "right")
    for row in found.rows:
        table.add_row(row.name, *_cost_cells(row))
    return table


def prospects_table(found: Inspection) -> Table:
    """What a calibration predicts in each runtime and arithmetic."""
    table = Table(title=text("prospects", "en"), title_justify="left")
    for name in PROSPECT_COLUMNS:
        table.add_column(text(f"prospect_{name}", "en"))
    for prospect in found.prospects:
        table.add_row(*prospect_cells(prospect))
    return table


def _operator_cells(row: Row) -> Iterator[str]:
    where = place(row)
    room = _NAME - len(row.type) - 1
    short = where if len(where) <= room else "…" + where[-max(1, room - 1) :]
    yield escape(f"{row.type} {short}")
    yield _percent(row.share)
    yield from _cost_cells(row)


def _cost_cells(row: Row) -> Iterator[str]:
    yield format_value(row.cost.total_flop, "FLOP").removesuffix("FLOP") if row.cost.total_flop else "-"
    yield format_value(row.cost.moved_bytes, "B")
    yield intensity_words(row.cost.intensity) if row.cost.total_flop else "-"
    if row.seconds is not None:
        yield format_value(row.seconds.value, "s")
        yield bound_name(row.bound, "en")


def _headlines(found: Inspection) -> Iterator[str]:
    inputs = "; ".join(input_words(tensor) for tensor in found.inputs)
    yield f"[bold]{escape(found.label)}[/]" + (f": {escape(inputs)}" if inputs else "")
    if found.target:
        yield f"  {text(f'roofs_{found.target.source}', 'en')}"


def _verdict(found: Inspection) -> Iterator[str]:
    if found.seconds is not None:
        source = "" if found.seconds.source == "calibrated" else f" ({found.seconds.source})"
        yield f"Predicted{source}: {interval_words(found.seconds, 'en')}."
    binds = bounds(found.rows)
    if found.kind == "graph" and binds:
        parts = [f"{bound_name(which, 'en')} {_percent(share)}" for which, share in binds.items()]
        yield f"Binds: {', '.join(parts)}."
    for change in found.changes:
        yield change_sentence(change, "en")
    if found.changes:
        yield f"  {text(change_how(found), 'en')}"
    if found.cost.unknown:
        yield text("unknown_operators", "en", names=unknown_words(found.cost.unknown))
    notes = (*found.notes, *(found.target.notes if found.target else ()))
    yield from (f"· {note}" for note in notes)


def _cells(figures: Sequence[Figure | None]) -> Iterator[str]:
    yield from (amount(figure) if figure else "-" for figure in figures)
    if len(figures) > 1:
        one, other = figures
        yield f"{other.value / one.value:.3g}x" if one and other and one.value else "-"


def _percent(share: float) -> str:
    return f"{100 * share:.1f}%"


def _print_table(console: Console, table: Table) -> None:
    table.box = box.ROUNDED if console.is_terminal else box.ASCII
    console.print(table)
