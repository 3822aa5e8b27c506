"""`sartor predict`: offline scoring."""

from __future__ import annotations

from pathlib import Path

import typer


def predict(
    bundle: Path = typer.Argument(help="A bundle."),
    data: str = typer.Argument(
        help="Rows without labels: a table, .npz, .npy, .txt (a sentence a line), an image or a WAV file, a folder "
        "or .tar of them, or digits, breast-cancer."
    ),
    output: Path = typer.Option(..., "-o", "--output", help="Where to write: .csv, .jsonl or .npz."),
    drop: list[str] = typer.Option([], "--drop", help="Column of a table to leave out; may be repeated."),
    variant: str = typer.Option("", "--variant", help="A variant other than the chosen one."),
    as_json: bool = typer.Option(False, "--json", help="Print one JSON object on stdout."),
) -> int:
    """Score rows with a bundle.

    Examples:

      sartor predict sartor-demo digits -o predictions.csv

      sartor predict out table.csv --drop label -o predictions.jsonl

      sartor predict out scans/ -o predictions.npz
    """
    import json
    import sys

    from sartor.bundle.bundle import Bundle
    from sartor.bundle.score import score, writer_for

    write = writer_for(output)
    rows = score(Bundle.load(bundle, variant or None), data, tuple(drop), write)
    print(f"{rows} rows -> {output}", file=sys.stderr)
    if as_json:
        print(json.dumps({"rows": rows, "output": str(output)}))
    return 0
