"""`sartor serve`: the endpoint."""

from __future__ import annotations

from pathlib import Path

import typer


def serve(
    bundle: Path = typer.Argument(help="A bundle."),
    host: str = typer.Option("127.0.0.1", "--host", help="Address to listen on; there is no authentication."),
    port: int = typer.Option(8000, "--port", min=0, max=65535, help="Port to listen on; 0 takes any free one."),
    name: str = typer.Option("", "--name", help="Name of the model in the paths; else the folder's name."),
    max_body: str = typer.Option("64 MB", "--max-body", help="A larger request is refused."),
    variant: str = typer.Option("", "--variant", help="A variant other than the chosen one."),
    as_json: bool = typer.Option(False, "--json", help="Print one JSON object on stdout once it is ready."),
) -> int:
    """Answer requests over HTTP: the Open Inference Protocol v2, and POST /predict.

    Ctrl-C ends it; requests that came before are answered first. Exit codes: 0 ended by SIGTERM, 2 bad input,
    130 Ctrl-C.

    Examples:

      sartor serve sartor-demo

      sartor serve out --port 8080 --name digits
    """
    import json
    import signal
    import sys

    from sartor.bundle.bundle import Bundle
    from sartor.serve.server import Address, bind, parse_limit
    from sartor.serve.server import serve as answer

    limit = parse_limit(max_body)
    with bind(host, port) as listener:
        loaded = Bundle.load(bundle, variant or None)
        model = name or bundle.resolve().name

        def ready(address: Address) -> None:
            if not address.loopback:
                print("sartor: warning: there is no authentication; keep others out by other means", file=sys.stderr)
            print(f"`{model}` ({loaded.variant}) answers at {address.url}", file=sys.stderr)
            if as_json:
                print(json.dumps({"url": address.url, "model": model, "variant": loaded.variant}), flush=True)

        ended = answer(loaded, listener, model, limit, ready)
    return 130 if ended == signal.SIGINT else 0
