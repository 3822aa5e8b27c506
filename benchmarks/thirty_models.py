"""Thirty models and more in one table: every family that is opened, small and middle-sized.

Each is opened, exported, compressed, timed and proved within a minute or two. The figure to reach: no crash, no
silent skip, and no result that is slower, beyond the machine's resolution, than the model as it was.

    python benchmarks/thirty_models.py [--data FOLDER] [--without-data] [--only PATTERN] [--resume FOLDER]

Models are made on the fly from configurations with fixed seeds. Where their weights are random they are judged by
agreement with themselves uncompressed, else by the drop of their accuracy; the table says which. Rows on SST-2,
spoken digits, PneumoniaMNIST and CIFAR-10 need --data, a folder with `sst2/`, `fsdd.npz`, `pneumonia.npz` and
`cifar10_subset.tar`; rows whose library is not installed are shown as skipped, like those without data.
"""

from __future__ import annotations

import argparse
import json
import re
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from _common import arguments, finish
from _thirty_entries import ENTRIES, Entry
from _thirty_places import Places
from sartor import Bundle, Need, fit
from sartor.fit.fit import FitResult

HERE = Path(__file__).resolve().parent
FEWEST = 30
HEADER = f"{'model':20} {'parameters':>10} {'verdict':10} {'speed-up':26} {'chosen':58} quality"


def row_of(entry: Entry, places: Places) -> dict[str, Any]:
    """What became of one model: `error` and `skipped` stand for those without a verdict."""
    row: dict[str, Any] = {"name": entry.name, "family": entry.family, "weights": entry.weights}
    why = entry.missing(places)
    if why:
        return {**row, "skipped": why}
    started = time.perf_counter()
    try:
        result = fit(Need(**entry.need(places)), places.folder / entry.name, base=HERE)
        row |= figures_of(result)
    except Exception as error:  # noqa: BLE001 - whatever it is, the other rows go on and the table shows it
        row["error"] = f"{type(error).__name__}: {error}"
    return {**row, "seconds": round(time.perf_counter() - started, 1)}


def figures_of(result: FitResult) -> dict[str, Any]:
    """Verdict, limits, and what was chosen, if anything."""
    values = result.values
    figures = {"verdict": result.outcome, "sentence": result.sentence, "limits": values["limits"]}
    if values["measured"] is None:
        return {**figures, "chosen": None}
    (model,) = Bundle.load(result.bundle).evidence["models"].values()
    return {
        **figures,
        "parameters": model["parameters"],
        "chosen": values["chosen"],
        "speedup": values["speedup"],
        "latency_p50_s": values["measured"]["latency_p50_s"],
        "noisy": values["noisy"],
    }


def holds(row: dict[str, Any], without_data: bool) -> bool:
    """Whether a row is what the figure asks for: a verdict with evidence behind it, and nothing slower."""
    if "skipped" in row:
        return without_data and row["skipped"].startswith("no data")
    if "error" in row or row["chosen"] is None:
        return False
    speedup = row["speedup"]
    return bool(speedup["high"] >= 1 - speedup["resolution"])


def line_of(row: dict[str, Any]) -> str:
    """A row of the table."""
    if "verdict" not in row:
        kind = "skipped" if "skipped" in row else "error"
        return f"{row['name']:20} {'':>10} {kind:10} {row[kind]}"
    if row["chosen"] is None:
        return f"{row['name']:20} {'':>10} {row['verdict']:10} {row['sentence']}"
    speedup = row["speedup"]
    gained = f"{speedup['value']:.2f}x [{speedup['low']:.2f}, {speedup['high']:.2f}] +-{speedup['resolution']:.1%}"
    quality = ", ".join(quality_of(limit) for limit in row["limits"])
    return (
        f"{row['name']:20} {row['parameters']:>10,} {row['verdict']:10} {gained:26} {row['chosen']['id']:58} "
        f"{quality} ({row['weights']} weights), {row['seconds']:.0f} s"
    )


def quality_of(limit: dict[str, Any]) -> str:
    """Value, interval and bound of a limit."""
    bound = limit["bound"]
    ends = [("?" if limit[end] is None else f"{limit[end]:.4g}") for end in ("value", "low", "high")]
    return f"{limit['name']} {ends[0]} [{ends[1]}, {ends[2]}] {bound['op']} {bound['value']:.4g}"


def run(entry: Entry, places: Places, resume: bool) -> dict[str, Any]:
    """The row, taken from an earlier run where that gave an answer."""
    file = places.folder / f"{entry.name}.json"
    if resume and file.exists():
        answered: dict[str, Any] = json.loads(file.read_text())
        return answered
    row = row_of(entry, places)
    if "verdict" in row:
        file.write_text(json.dumps(row))
    return row


def read_options() -> argparse.Namespace:
    """The command line."""
    parser = arguments(__doc__)
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument("--without-data", action="store_true", help="rows that need --data may be skipped")
    parser.add_argument("--only", default="", metavar="PATTERN", help="regular expression on name or family")
    parser.add_argument("--resume", type=Path, metavar="FOLDER", help="like --folder, without rows answered there")
    return parser.parse_args()


def main() -> int:
    """Run it."""
    options = read_options()
    entries = [each for each in ENTRIES if re.search(options.only, f"{each.name} {each.family}")]
    rows = []
    with tempfile.TemporaryDirectory() as scratch:
        folder = (options.resume or options.folder or Path(scratch)).resolve()
        folder.mkdir(parents=True, exist_ok=True)
        places = Places(folder, options.data.resolve())
        print(HEADER)
        for entry in entries:
            row = run(entry, places, options.resume is not None)
            print(line_of(row), flush=True)
            rows.append(row)
    failed = [row["name"] for row in rows if not holds(row, options.without_data)]
    enough = options.only or len(rows) >= FEWEST
    return finish("thirty_models", {"failed": failed, "rows": rows}, bool(rows and enough and not failed))


if __name__ == "__main__":
    sys.exit(main())
