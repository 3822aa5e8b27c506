"""`sartor measure`: prove an existing bundle again, on this machine."""

from __future__ import annotations

from pathlib import Path

import typer


def measure(
    bundle: Path = typer.Argument(help="A bundle."),
    data: str = typer.Option("", "--data", help="The data it was proved on; without it quality stays unproven."),
    loadgen: str = typer.Option(
        "", "--loadgen", help="Let MLPerf's load generator drive instead: single-stream or offline."
    ),
    seconds: float = typer.Option(10.0, "--seconds", help="How long the load generator runs at least."),
    as_json: bool = typer.Option(False, "--json", help="Print one JSON object on stdout."),
) -> int:
    """Time a bundle on this machine and judge every limit again; the proof is kept in BUNDLE/proofs.

    A reduced-precision variant that came from another kind of processor runs here after this proved it.
    With --loadgen the run of MLPerf's load generator stands beside our own timer; it ends with 0 when its result
    is valid, both timers agree and no limit that it has a figure for is missed, and proves nothing else.
    Exit codes: 0 met, 2 bad input, 3 not met or unproven.

    Examples:

      sartor measure sartor-demo --data digits

      sartor measure out

      sartor measure out --loadgen single-stream --seconds 30
    """
    if loadgen:
        from sartor.cli.outside import measure_outside

        return measure_outside(bundle, data or None, Path.cwd(), loadgen, seconds, as_json=as_json)
    from sartor.cli.running import measure_bundle

    return measure_bundle(bundle, data or None, Path.cwd(), as_json=as_json)
