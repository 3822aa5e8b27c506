"""Compressions against the best peers: how much faster within the same limit, task by task.

Each task trains a network once. Its f32 ONNX file is then compressed by `sartor fit` twice, once with
`train: recover` and once with `train: false`, and by the peers with their defaults: ONNX Runtime static and dynamic
int8, NNCF post-training int8 and NNCF with accuracy control in OpenVINO, torchao's int8 compiled by torch inductor.
All calibrate on the same rows and are judged on the same untouched ones, by the same one-sided test; each is timed at
its own best threads, shape and precision in the same launch groups. Told: the speed-up over the best f32, and the
ratio to the fastest peer that passes; the geometric mean over the tasks whose figures stand in `--folder`.

    python benchmarks/compress/tasks.py --only pneumonia [--budget "15 min"] [--data ../shared/data] [--folder OUT]
        [--fit "as trained"]

It holds when the fits are met, the chosen ones are not slower than the best f32, and not slower, beyond the
machine's resolution, than the fastest peer that passes; and, once all tasks stand in the folder, when the geometric
means over the fastest passing peers are 1.5 with training and 1.1 without.
"""

from __future__ import annotations

import json
import math
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent.parent))

from _catalogue import TASKS, Skipped
from _compared import Compared, at_their_best, compare, judged, outputs_of
from _inductor import known_to_workers
from _int8 import build_all
from _ready import Ready, Rows, make_ready, rows_of
from _record import record

from _common import arguments
from _peers import variants_of
from sartor import Bundle, fit
from sartor.bundle.values import Variant
from sartor.fit.fit import FitResult
from sartor.report.terminal import PlainTerminal
from sartor.units import parse

FITS = {"recover": "recover", "as trained": False}
TO_REACH = {"recover": 1.5, "as trained": 1.1}  # times the fastest passing peer, the geometric mean over all tasks
FIGURES = "figures.json"
HERE = Path(__file__).parent


def run_task(ready: Ready, folder: Path, budget: str, fits: Sequence[str]) -> dict[str, Any]:
    """Fit, build the peers, and compare; figures of one task."""
    from rich.console import Console

    results: dict[str, FitResult] = {}
    for name in fits:
        output = folder / name.replace(" ", "-")
        results[name] = fit(ready.need(FITS[name], budget), output, watch=PlainTerminal(Console(stderr=True)))
        print(f"-- {name}: {results[name].sentence}", flush=True)
    with known_to_workers():
        return _against_peers(ready, folder, results)


def _against_peers(ready: Ready, folder: Path, results: Mapping[str, FitResult]) -> dict[str, Any]:
    rows = rows_of(ready, folder / "rows")
    files, took = build_all(ready, rows, folder / "peers")
    plain = at_their_best({f"f32 in {name}": (name, ready.model) for name in ("onnxruntime", "openvino")}, rows)
    peers = at_their_best(files, rows)
    ours = {name: variants_of(Bundle.load(result.bundle))["chosen"] for name, result in results.items()}
    found = compare(ours, plain, peers, rows)
    quality = _qualities({**ours, **plain, **peers}, plain, rows, folder)
    table = _table(found, quality)
    return {
        "limit": str(rows.limit),
        "confirm_rows": len(rows.labels("confirm")),
        "training": dict(ready.training),
        "resolution": found.resolution,
        "best_f32": found.f32,
        "ours": {name: _ours(name, results[name], found, table, list(peers)) for name in results},
        "table": table,
        "peers_took_s": took,
    }


def _qualities(all_of_them: Mapping[str, Variant], plain: Mapping[str, Variant], rows: Rows, folder: Path) -> Any:
    outputs = {label: outputs_of(variant, rows, folder) for label, variant in all_of_them.items()}
    return {label: judged(own, outputs[next(iter(plain))], rows) for label, own in outputs.items()}


def _table(found: Compared, quality: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    """Every row, fastest first, also printed."""
    table = {}
    for label in sorted(quality, key=found.median):
        ratio = found.ratio(label, found.f32)
        settings = found.settings[label]
        table[label] = {"p50_s": found.median(label), "speedup": ratio, **quality[label], **settings.as_dict()}
        print(
            f"{label:36} {1e3 * found.median(label):8.3f} ms   {ratio['value']:5.2f}x "
            f"[{ratio['low']:.2f}, {ratio['high']:.2f}]   {quality[label]['quality']:8.4f} "
            f"{'passes' if quality[label]['passes'] else 'FAILS '}   "
            f"{settings.threads} thread(s), {settings.shape}, {settings.precision}"
        )
    return table


def _ours(name: str, result: FitResult, found: Compared, table: Mapping[str, Any], peers: list[str]) -> dict[str, Any]:
    """What one fit chose, against the fastest peer that passes; without one, against the best f32."""
    passing = [label for label in table if label in peers and table[label]["passes"]]
    best = next(iter(passing), found.f32)
    against = found.ratio(name, best)
    chosen = result.values["chosen"]
    print(
        f"{name}: {result.outcome}, {against['value']:.2f}x [{against['low']:.2f}, {against['high']:.2f}] as fast as "
        f"{best} (resolution {found.resolution:.1%}); {chosen['id']}"
    )
    return {
        "verdict": result.outcome,
        "chosen": chosen["id"],
        "limit": result.values["limits"][0],
        "speedup": table[name]["speedup"],
        "best_passing_peer": best if passing else None,
        "against_best": against,
        "lost": against["high"] < 1.0 - found.resolution,
        "elapsed_s": result.values["elapsed_s"],
    }


def _keep(file: Path, figures: Mapping[str, Any]) -> None:
    """Store a task's figures; of a fit that was not made again, those that stand there by now."""
    before = json.loads(file.read_text(encoding="utf-8"))["ours"] if file.exists() else {}
    file.write_text(json.dumps({**figures, "ours": {**before, **figures["ours"]}}), encoding="utf-8")


def means(folder: Path) -> dict[str, Any]:
    """Geometric means over the tasks of a folder, of fits that were met."""
    figures = [json.loads(file.read_text(encoding="utf-8")) for file in sorted(folder.glob(f"*/{FIGURES}"))]
    found: dict[str, Any] = {"tasks": len(figures)}
    for name in FITS:
        made = [one["ours"][name] for one in figures if name in one["ours"]]
        met = [one for one in made if one["verdict"] == "met"]
        for what in ("speedup", "against_best"):
            found[f"{name}, {what}"] = _geometric([one[what]["value"] for one in met])
        found[f"{name}, lost"] = sum(one["lost"] for one in met)
        found[f"{name}, met"] = len(met)
    return found


def _geometric(values: list[float]) -> float | None:
    return math.exp(sum(map(math.log, values)) / len(values)) if values else None


def _holds(figures: Mapping[str, Any]) -> bool:
    slack = 1.0 - figures["resolution"]
    return all(
        one["verdict"] == "met" and not one["lost"] and one["speedup"]["high"] >= slack
        for one in figures["ours"].values()
    )


def main() -> int:
    """Run the tasks asked for."""
    parser = arguments(__doc__)
    parser.add_argument("--only", choices=[*TASKS], action="append", help="a task; may be given several times")
    parser.add_argument("--fit", choices=[*FITS], action="append", help="one of the two; may be given twice")
    parser.add_argument("--budget", default="15 min", help="time of each of the two fits")
    parser.add_argument("--training", default="5 min", help="time that the network is trained for")
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument("--results", type=Path, help="also append the JSON lines to this file")
    options = parser.parse_args()
    holds = True
    with tempfile.TemporaryDirectory() as temporary:
        home = (options.folder or Path(temporary)).resolve()
        for name in options.only or TASKS:
            folder = home / name
            try:
                source = TASKS[name](options.data, folder)
            except Skipped as reason:
                print(f"{name} skipped: {reason}")
                continue
            print(f"== {name}", flush=True)
            ready = make_ready(source, folder / "ready", parse(options.training).value, HERE)
            figures = run_task(ready, folder, options.budget, options.fit or [*FITS])
            _keep(folder / FIGURES, figures)
            holds &= record("compress_tasks", {"task": name, **figures}, _holds(figures), options.results) == 0
        summary = means(home)
    print(json.dumps(summary, indent=1))
    if summary["tasks"] == len(TASKS):
        holds &= all((summary[f"{name}, against_best"] or 0.0) >= least for name, least in TO_REACH.items())
    return 0 if holds else 1


if __name__ == "__main__":
    sys.exit(main())
