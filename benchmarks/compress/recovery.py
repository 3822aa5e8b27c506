"""How much of what a cut took is learnt back in a given time, by settings of the training.

A network of the tasks is trained, cut by channels to a share of its time, and trained back again and again from there:
with batches of several sizes, each time in the same seconds. The first training also has to ask the teacher, whose
answers wait for the others. What each loses on the untouched rows, and how many of its answers are right where the
whole network's are wrong or the other way round, decides whether a limit can be proved.

    python benchmarks/compress/recovery.py [--task fashion] [--share 0.28] [--seconds 60] [--batch 64] [--batch 256]

Figures only: nothing is to be reached.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent.parent))

import numpy as np
from _catalogue import TASKS, Skipped
from _ready import Ready, Rows, make_ready, rows_of
from _record import record

from _common import arguments
from sartor import CompressionStep, Recipe, compress
from sartor.measure.quality_bounds import Outputs, paired_counts
from sartor.measure.statistics import paired_drop_bounds
from sartor.model.onnx import read_signature
from sartor.runtime import open_runtime
from sartor.runtime.base import Array, Settings
from sartor.steps.prepared import Prepared
from sartor.train.recovery import Recovery, recover
from sartor.train.values import TrainingSettings
from sartor.units import parse

CUT_BY = 1000  # rows that the cut is chosen by
BATCHES = (256, 64, 16)
ALPHA = 0.05
_ROWS_A_CALL = 250
HERE = Path(__file__).parent


def answers(path: Path, rows: Prepared) -> Array:
    """(n, classes) scores."""
    session = open_runtime("onnxruntime").load(path, Settings("f32", 2))
    parts = (rows.take(slice(start, start + _ROWS_A_CALL)) for start in range(0, len(rows), _ROWS_A_CALL))
    return np.concatenate([np.array(session.run(part.arrays)[0]) for part in parts])


def lost(path: Path, whole: Array, rows: Rows, taken: Prepared) -> dict[str, Any]:
    """What a file loses on the confirm rows."""
    labels = rows.labels("confirm")
    worse, better, _ = paired_counts(Outputs(labels, answers(path, taken), whole))
    bounds = paired_drop_bounds(worse, better, len(labels), ALPHA)
    return {"drop": bounds.value, "high": bounds.high, "changed": (worse + better) / len(labels)}


def run(ready: Ready, folder: Path, share: float, seconds: float, batches: list[int]) -> dict[str, Any]:
    """Cut once, and train back with each size of batch."""
    rows = rows_of(ready, folder / "rows")
    signature = read_signature(ready.model)
    names = [spec.name for spec in signature.inputs]
    inputs = Prepared.load(rows.saved).renamed(names)
    recipe = Recipe((CompressionStep("prune", (("time", share),)),))
    cut = compress(ready.model, recipe, rows.take("train", CUT_BY).renamed(names).arrays, folder / "cut").path
    taken = inputs.take(rows.disk.rows("confirm"))
    whole = answers(ready.model, taken)
    found: dict[str, Any] = {"as cut": lost(cut, whole, rows, taken)}
    for batch in [batches[0], *batches]:  # the first asks the teacher, and does not count
        to = folder / f"{batch}.onnx"
        recovery = Recovery(
            *(cut, ready.model, to, inputs, rows.disk.dataset.labels, rows.disk.rows("train"), "classification"),
            signature.outputs[0].name,
            TrainingSettings(time_limit_s=seconds, batch=batch),
            threads=2,
            answers=folder / "answers.npz",
        )
        made = recover(recovery, lambda progress: None)
        found[f"batch {batch}"] = {**lost(to, whole, rows, taken), "epochs": made["epochs"], "seconds": made["seconds"]}
    return found


def main() -> int:
    """Run it."""
    parser = arguments(__doc__)
    parser.add_argument("--task", choices=["fashion", "cifar10", "efficientnet"], default="fashion")
    parser.add_argument("--share", type=float, default=0.28, help="of its time that the network is cut to")
    parser.add_argument("--seconds", type=float, default=60.0, help="of each training")
    parser.add_argument("--batch", type=int, action="append", help="may be given several times")
    parser.add_argument("--training", default="5 min", help="time that the network is trained for")
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument("--results", type=Path, help="also append the JSON line to this file")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        home = (options.folder or Path(temporary)).resolve() / options.task
        try:
            source = TASKS[options.task](options.data, home)
        except Skipped as reason:
            print(f"skipped: {reason}")
            return 0
        ready = make_ready(source, home / "ready", parse(options.training).value, HERE)
        found = run(ready, home / "recovery", options.share, options.seconds, list(options.batch or BATCHES))
    for name, each in found.items():
        print(
            f"{name:12} loses {1e2 * each['drop']:5.2f} pt, at most {1e2 * each['high']:5.2f} at 95%; "
            f"{each['changed']:.1%} of the rows changed sides"
        )
    figures = {"task": options.task, "share": options.share, "seconds": options.seconds, "found": found}
    return record("recovery", figures, True, options.results)


if __name__ == "__main__":
    sys.exit(main())
