"""A calibration's own record on the terminal: how far off its predictions were on networks it had not seen."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

from rich import box
from rich.console import Console
from rich.table import Table

from sartor.machine.calibration import Calibration, Record
from sartor.units import format_value

_RESOURCES = {"load": "time to load", "size": "size of files", "memory": "peak memory"}


def print_calibration(console: Console, calibration: Calibration) -> None:
    """Print a line for everything that is predicted."""
    table = Table(title="predictions, on networks left out when they were learnt", title_justify="left")
    table.box = box.ROUNDED if console.is_terminal else box.ASCII
    for heading in ("of", "in", "half are off by less", "nine in ten", "interval", "a constant", "networks"):
        table.add_column(heading)
    for what, where, record in _rows(calibration):
        low, high = (math.exp(end) for end in (record.low, record.high))
        table.add_row(
            *(what, where, _percent(record.median_error), _percent(record.tenth_error)),
            *(f"{low:.2f} to {high:.2f} x", _percent(record.constant_error), str(record.networks)),
        )
    console.print(table)


def calibration_summary(calibration: Calibration) -> dict[str, Any]:
    """Plain values for JSON: the records without what was learnt."""
    return {
        "fingerprint": calibration.fingerprint,
        "versions": dict(calibration.versions),
        "learnt_at": calibration.learnt_at,
        "networks": calibration.networks,
        "records": [
            {"of": what, "in": where, **{name: getattr(record, name) for name in record.__dataclass_fields__}}
            for what, where, record in _rows(calibration)
        ],
    }


def _rows(calibration: Calibration) -> Iterator[tuple[str, str, Record]]:
    for one in calibration.efficiencies:
        threads = f"{one.threads} thread{'' if one.threads == 1 else 's'}"
        yield f"latency, {threads}", f"{one.runtime} {one.arithmetic}", one.record
    for other in calibration.resources:
        yield _RESOURCES[other.name], f"{other.runtime} {other.arithmetic}", other.record


def _percent(share: float) -> str:
    return format_value(share, "%")
