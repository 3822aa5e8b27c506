"""The inspect page: one HTML file that opens without a network, in English and Chinese, for one model or two."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sartor.figures import Figure
from sartor.plan.inspection import Group, Inspection, Row, bounds, groups
from sartor.report.inspect_layers import bound_colour, layers_picture, names_layers
from sartor.report.inspect_roofline import left_out, roofline
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
from sartor.report.markup import both_languages, environment
from sartor.report.page import plotly_library, write_html

_MOST_ROWS = 800  # of a table, so that the page stays quick
_SECTIONS = ("totals", "binds", "roofline", "layers", "operators", "notes")


@dataclass(frozen=True)
class _Listed:
    """A row of the table of operators, with the inspection that it is of."""

    row: Row
    of: Inspection
    number: int


def write_inspection(found: Sequence[Inspection], to: Path) -> None:
    """Write one inspection, or two side by side, as one HTML file, replaced whole or not at all.

    Raises:
        OutputError: the file cannot be written.
    """
    from sartor.errors import OutputError

    try:
        write_html(render_inspection(found), to)
    except OSError as error:
        raise OutputError(f"cannot write {to}: {error.strerror or error}", "a folder that can be written") from None


def render_inspection(found: Sequence[Inspection]) -> str:
    """The page as HTML."""
    figures = {
        f"{name}_{number}": _figure(draw, one)
        for number, one in enumerate(found)
        for name, draw in (("roofline", roofline), ("layers", layers_picture))
    }
    listed = _operators(found)
    return (
        environment()
        .get_template("page.html.j2")
        .render(
            page_kind="inspection",
            bundle=" · ".join(dict.fromkeys(one.model for one in found)),
            sections=_sections(found, figures),
            found=found,
            facts=_facts(found),
            families=_families(found),
            listed=listed,
            operators=sum(len(one.rows) for one in found),
            bounds_listed=list(dict.fromkeys(each.row.bound for each in listed if each.row.bound)),
            figures=figures,
            plotly=plotly_library(),
            amount=amount,
            bounds=bounds,
            bound_words=bound_name,
            colour=bound_colour,
            left_out=left_out,
            names_layers=names_layers,
            place=place,
            input_words=input_words,
            intensity=intensity_words,
            unknown_words=unknown_words,
            prospect_cells=prospect_cells,
            prospect_columns=PROSPECT_COLUMNS,
            change_how=change_how,
            calibrated=any(one.seconds and one.seconds.source == "calibrated" for one in found),
            fact_name=lambda key: both_languages(fact_name, key),
            bound_name=lambda bound: both_languages(bound_name, bound),
            sentence=lambda change: both_languages(change_sentence, change),
            seconds_words=lambda seconds: both_languages(interval_words, seconds),
        )
    )


def _sections(found: Sequence[Inspection], figures: Mapping[str, Any]) -> list[str]:
    """The sections that have something to show."""
    drawn = {name.rpartition("_")[0] for name, figure in figures.items() if figure}
    absent = {"roofline", "layers"} - drawn
    absent |= {"operators"} if all(one.kind != "graph" for one in found) else set()
    return [f"inspect_{name}" for name in _SECTIONS if name not in absent]


def _figure(draw: Any, one: Inspection) -> dict[str, Any] | None:
    english, chinese = draw(one, "en"), draw(one, "zh")
    return {"en": english, "zh": chinese} if english and chinese else None


def _facts(found: Sequence[Inspection]) -> list[tuple[str, list[Figure | None], str]]:
    """Each total of the inspections, with the ratio of two."""
    names = dict.fromkeys(key for one in found for key in one.facts)
    rows = [(name, [one.facts.get(name) for one in found]) for name in names]
    if any(one.seconds for one in found):
        rows.append(("", [one.seconds for one in found]))
    return [(name, figures, _ratio(figures)) for name, figures in rows]


def _ratio(figures: Sequence[Figure | None]) -> str:
    if len(figures) < 2 or not (figures[0] and figures[1]) or not figures[0].value:
        return ""
    return f"{figures[1].value / figures[0].value:#.3g}×"


def _families(found: Sequence[Inspection]) -> list[tuple[str, list[Group | None]]]:
    parts = [{group.family: group for group in groups(one.rows)} for one in found if one.kind == "graph"]
    names = dict.fromkeys(family for part in parts for family in part)
    return [(name, [part.get(name) for part in parts]) for name in names]


def _operators(found: Sequence[Inspection]) -> list[_Listed]:
    """Rows of the table, the largest shares first."""
    rows = [
        _Listed(row, one, number) for number, one in enumerate(found) if one.kind == "graph" for row in one.heaviest
    ]
    return sorted(rows, key=lambda listed: -listed.row.share)[:_MOST_ROWS]
