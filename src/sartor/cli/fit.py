"""`sartor fit`: the main job."""

from __future__ import annotations

from pathlib import Path

import typer


def fit(
    need: Path = typer.Argument(help="The Need, a YAML file."),
    output: Path = typer.Option(..., "-o", "--output", help="Folder that becomes the bundle."),
    dry_run: bool = typer.Option(
        False, "--dry-run", help="Show splits, provable limits, candidates and time; run nothing."
    ),
    fresh: bool = typer.Option(False, "--fresh", help="Forget what an earlier run left in the folder."),
    exhaustive: bool = typer.Option(
        False, "--exhaustive", help="Time every candidate, also those that a calibration says cannot matter."
    ),
    as_json: bool = typer.Option(False, "--json", help="Print one JSON object on stdout."),
) -> int:
    """Train if asked, compress, measure, judge, and write the bundle.

    Interrupted, the same command goes on where it stopped. Exit codes: 0 met, 2 bad input, 3 not met
    (the best so far is in the folder), 4 infeasible, 130 Ctrl-C.

    On a machine that `sartor probe --calibrate` has learnt, candidates are tried in the order of what is predicted, and
    those that cannot matter even at the edge of their interval are not timed.

    Examples:

      sartor fit need.yaml -o out

      sartor fit need.yaml -o out --dry-run

      sartor fit need.yaml -o out --json > result.json
    """
    from sartor.cli.running import dry_run_need, fit_need
    from sartor.need import read_need

    base = need.resolve().parent
    if dry_run:
        return dry_run_need(read_need(need), base, as_json=as_json)
    return fit_need(read_need(need), output, base, fresh=fresh, exhaustive=exhaustive, as_json=as_json)
