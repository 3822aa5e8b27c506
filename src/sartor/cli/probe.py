"""`sartor probe`: what this machine gives."""

from __future__ import annotations

import typer


def probe(
    quick: bool = typer.Option(False, "--quick", help="Under 30 s: fewer points and launches, wider intervals."),
    fresh: bool = typer.Option(False, "--fresh", help="Measure even if a stored profile still holds."),
    replace: bool = typer.Option(False, "--replace", help="Let a quick profile take the place of a full one."),
    calibrate: bool = typer.Option(
        False, "--calibrate", help="Time networks of every family as well, to predict others; repeated, it adds more."
    ),
    seconds: str = typer.Option("9 min", "--time", help="Of the calibration: 9 min, 90 s."),
    as_json: bool = typer.Option(False, "--json", help="Print one JSON object on stdout."),
) -> int:
    """Measure this machine and store its profile.

    Cores, instruction sets, caches, bandwidth by working set, the rate of matrix products by runtime, precision and
    threads, call overhead, process start, noise, GPUs. Takes under 3 minutes; leave the machine alone meanwhile.
    The profile holds until the hardware or a runtime's version changes; until then it is shown, not measured again.
    It is kept in $SARTOR_HOME, or else in the system's cache folder.

    --calibrate then times small networks in every runtime, arithmetic and number of threads, and learns from them to
    predict latency, memory, size and start of others: for inspect, and for fit, which then tries less. It can be
    interrupted; the same command goes on with further networks. --fresh forgets the earlier ones.

    Examples:

      sartor probe

      sartor probe --quick

      sartor probe --calibrate

      sartor probe --calibrate --time "3 min"

      sartor probe --fresh --json > machine.json
    """
    from sartor.cli.probing import calibrate_machine, probe_machine

    if calibrate:
        return calibrate_machine(seconds, quick=quick, fresh=fresh, as_json=as_json)
    return probe_machine(quick=quick, fresh=fresh, replace=replace, as_json=as_json)
