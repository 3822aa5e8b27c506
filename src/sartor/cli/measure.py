"""`sartor measure`: prove an existing bundle again, on this machine."""

from __future__ import annotations

from pathlib import Path

import typer


def measure(
    bundle: Path = typer.Argument(help="A bundle."),
    data: str = typer.Option("", "--data", help="The data it was proved on; without it quality stays unproven."),
    as_json: bool = typer.Option(False, "--json", help="Print one JSON object on stdout."),
) -> int:
    """Time a bundle on this machine and judge every limit again; the proof is kept in BUNDLE/proofs.

    A reduced-precision variant that came from another kind of processor runs here after this proved it.
    Exit codes: 0 met, 2 bad input, 3 not met or unproven.

    Examples:

      sartor measure sartor-demo --data digits

      sartor measure out
    """
    from sartor.cli.running import measure_bundle

    return measure_bundle(bundle, data or None, Path.cwd(), as_json=as_json)
