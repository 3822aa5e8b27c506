"""`sartor report`: write the report of a bundle again."""

from __future__ import annotations

import json
from pathlib import Path

import typer


def report(
    folder: Path = typer.Argument(help="A bundle."),
    as_json: bool = typer.Option(False, "--json", help="Print one JSON object on stdout."),
) -> int:
    """Write DIR/report.html again from the evidence in a bundle.

    Example:

      sartor report out
    """
    from sartor.bundle.read import read_evidence
    from sartor.report.page import write_page

    write_page(read_evidence(folder), folder, folder / "report.html")
    written = str(folder / "report.html")
    print(json.dumps({"report": written}) if as_json else written)
    return 0
