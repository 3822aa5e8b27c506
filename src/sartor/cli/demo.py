"""`sartor demo`: the whole line on real data that comes with scikit-learn."""

from __future__ import annotations

from pathlib import Path

import typer


def demo(
    output: Path = typer.Option(Path("sartor-demo"), "-o", "--output", help="Folder that becomes the bundle."),
    fresh: bool = typer.Option(False, "--fresh", help="Repeat it from the start."),
    as_json: bool = typer.Option(False, "--json", help="Print one JSON object on stdout."),
) -> int:
    """Recognise handwritten digits with at least 95% accuracy, within a latency and a size limit.

    Trains a few small networks, compresses them, runs them in two runtimes, proves which one meets the
    Need, and leaves a bundle that predicts. No network access; under two minutes on two cores.

    Examples:

      sartor demo

      sartor predict sartor-demo digits -o predictions.csv
    """
    from sartor.cli.running import fit_need
    from sartor.need.read import parse_need

    text = (Path(__file__).parent / "demo.yaml").read_text(encoding="utf-8")
    return fit_need(parse_need(text, "demo.yaml"), output, Path.cwd(), fresh=fresh, as_json=as_json)
