"""`sartor inspect`: what a model costs, and what binds it on a machine."""

from __future__ import annotations

from pathlib import Path

import typer


def inspect(
    model: str = typer.Argument(help="An ONNX file, a config.json, or anything that a Need takes as `model:`."),
    inputs: list[str] = typer.Option([], "--input", help="Whole shape of an input: x=1x3x224x224. Repeatable."),
    sizes: list[str] = typer.Option([], "--size", help="Size of a free dimension: batch=8. Repeatable."),
    batch: int | None = typer.Option(None, "--batch", help="Short for --size batch=N."),
    length: int | None = typer.Option(None, "--length", help="Short for --size length=N; tokens of a language model."),
    on: str | None = typer.Option(
        None, "--on", help="A part of the catalogue, or a .toml file. Default: this machine."
    ),
    precision: str | None = typer.Option(
        None, "--precision", help="float32, bfloat16 or int8. Default: the file's own."
    ),
    against: str | None = typer.Option(None, "--against", help="A second model, side by side."),
    against_on: str | None = typer.Option(None, "--against-on", help="A second machine, side by side."),
    top: int = typer.Option(15, "--top", min=1, help="Operators to list on the terminal."),
    output: Path | None = typer.Option(None, "--output", "-o", help="Write an HTML page that opens offline."),
    as_json: bool = typer.Option(False, "--json", help="Print one JSON object on stdout."),
) -> int:
    """Count what a model computes and moves, and predict what binds it.

    Nothing is run. Parameters, FLOP by element type, bytes, weights, the peak of activations; each operator's share,
    its arithmetic intensity and the roof that binds it; what int8 or bfloat16 would change. Of a language model its
    config.json is enough: the cost of reading a prompt and of each further token.

    Times are those of the roofline, which no kernel gets below; this machine's roofs are what `sartor probe` measured.

    Examples:

      sartor inspect net.onnx

      sartor inspect net.onnx --input x=8x3x224x224 -o net.html

      sartor inspect zoo:resnet --on h100-sxm --precision bfloat16

      sartor inspect config.json --batch 8 --length 2048 --on h100-sxm --against-on mi300x

      sartor inspect net.onnx --against smaller.onnx --json
    """
    from sartor.cli.inspecting import Asked, inspect_models

    asked = Asked(tuple(inputs), tuple(sizes), batch, length, on, precision, against, against_on)
    return inspect_models(model, asked, top=top, output=output, as_json=as_json)
