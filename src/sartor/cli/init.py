"""`sartor init`: a Need that runs, from a model and its data."""

from __future__ import annotations

from pathlib import Path

import typer


def init(
    model: str = typer.Argument(
        help="zoo:NAME, a Hugging Face folder, an .onnx, .pt2 or .keras file, sklearn:Estimator, package.module:name."
    ),
    data: str = typer.Argument(
        "", help="A file, a folder, a .tar, or package.module:load; empty tries what is built in."
    ),
    output: Path = typer.Option(Path("need.yaml"), "-o", "--output", help="The file to write."),
    force: bool = typer.Option(False, "--force", help="Replace the file if it is there."),
    as_json: bool = typer.Option(False, "--json", help="Print one JSON object on stdout."),
) -> int:
    """Look at a model and its data, and write a commented Need that runs.

    Exit codes: 0 written, 2 bad input (nothing is written).

    Examples:

      sartor init zoo:cnn

      sartor init my-model.onnx images/ -o need.yaml

      sartor init path/to/huggingface-folder reviews.jsonl
    """
    from sartor.cli.running import print_json
    from sartor.errors import OutputError
    from sartor.fit.propose import as_yaml, propose
    from sartor.need import read_need

    if output.exists() and not force:
        raise OutputError(f"`{output}` is there already", "a new file", "another name with -o, or --force")
    if not output.resolve().parent.is_dir():
        raise OutputError(f"no folder `{output.parent}`", "an existing folder")
    proposal = propose(model, data or None, Path.cwd(), output.resolve().parent)
    draft = output.with_name(f".{output.name}.draft")
    draft.write_text(as_yaml(proposal), encoding="utf-8")
    draft.replace(output)
    for line in proposal.seen:
        typer.echo(line, err=True)
    typer.echo(f"Wrote {output}. Next:  sartor fit {output} -o out", err=True)
    if as_json:
        print_json({"path": str(output), "need": read_need(output).as_dict(), "seen": list(proposal.seen)})
    return 0
