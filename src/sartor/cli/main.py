"""The command line: which commands there are, and how every error ends."""

from __future__ import annotations

import json
import signal
import sys
import traceback
import warnings
from typing import Any

import typer

from sartor.cli import demo, fit, init, inspect, measure, predict, probe, report, schema, serve
from sartor.errors import InputError, SartorError

INTERRUPTED = 130
RESUMED = ("demo", "fit")
"""Commands that go on where they were interrupted."""

app = typer.Typer(
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
    help="The model decides the compute: say what you need, and Sartor derives the compute, carries it out "
    "and proves by measurement that the need is met.",
    epilog="Start with: sartor demo",
)
app.command("demo")(demo.demo)
app.command("init")(init.init)
app.command("probe")(probe.probe)
app.command("inspect")(inspect.inspect)
app.command("fit")(fit.fit)
app.command("predict")(predict.predict)
app.command("measure")(measure.measure)
app.command("serve")(serve.serve)
app.command("report")(report.report)
app.command("schema")(schema.schema)


@app.callback(invoke_without_command=True)
def _root(version: bool = typer.Option(False, "--version", help="Print the version and exit.")) -> None:
    if version:
        import sartor

        print(sartor.__version__)
        raise typer.Exit


def main() -> None:
    """Run the command line. Exit codes: 0 done or met, 1 internal error, 2 bad input, 3 not met,
    4 infeasible, 130 Ctrl-C."""
    signal.signal(signal.SIGTERM, _interrupt)
    warnings.formatwarning = lambda message, *where, **more: f"sartor: {message}\n"
    sys.exit(run(sys.argv[1:]))


def _interrupt(number: int, frame: Any) -> None:
    raise KeyboardInterrupt


def run(arguments: list[str]) -> int:
    """Run one command line and give its exit code."""
    try:
        code = app(arguments or ["--help"], standalone_mode=False, prog_name="sartor")
        if code == INTERRUPTED:  # what typer makes of Ctrl-C
            resumed = arguments[0] in RESUMED or "--calibrate" in arguments
            kept = " What was done is kept: the same command goes on from here." if resumed else ""
            print(f"\nInterrupted.{kept}", file=sys.stderr)
        return code if isinstance(code, int) else 0
    except typer.TyperException as error:
        _show_input_error(_usage_error(error), as_json="--json" in arguments)
        return 2
    except InputError as error:
        _show_input_error(error, as_json="--json" in arguments)
        return error.exit_code
    except SartorError as error:
        print(f"sartor: {error}", file=sys.stderr)
        return error.exit_code
    except Exception:  # noqa: BLE001 - the last stop: a bug of ours, shown whole
        traceback.print_exc()
        print("\nsartor: internal error; please report it with the lines above", file=sys.stderr)
        return 1


def _usage_error(error: typer.TyperException) -> InputError:
    usage = InputError(error.format_message(), "what --help lists", "run: sartor --help, or sartor COMMAND --help")
    usage.kind = "usage"
    return usage


def _show_input_error(error: InputError, *, as_json: bool) -> None:
    if as_json:
        print(json.dumps({"error": error.as_dict()}))
    print(f"sartor: {error}", file=sys.stderr)
