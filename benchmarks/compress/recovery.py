"""How much of what a cut took is learnt back in a given time, by settings of the training.

A network of the tasks is trained, cut by channels or whole layers to a share of its time, and trained back again and
again from there: with batches of several sizes, or with layers of the teacher learnt beside its answers, each time in
the same seconds. The first training also has to ask the teacher, whose answers wait for the others. What each loses on
the untouched rows, and how many of its answers are right where the whole network's are wrong or the other way round,
decides whether a limit can be proved.

    python benchmarks/compress/recovery.py [--task fashion] [--share 0.28] [--seconds 60] [--batch 64] [--batch 256]
    python benchmarks/compress/recovery.py --task minilm --cut layers --share 0.6 --batch 32 --features 0 --features 0.1

Figures only: nothing is to be reached.
"""

from __future__ import annotations

import itertools
import sys
from argparse import Namespace
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent.parent))

from _cut_task import answers, pruned_to, ready_task, task_arguments
from _ready import Ready, Rows, rows_of
from _record import record

from sartor.measure.quality_bounds import Outputs, paired_counts
from sartor.measure.statistics import paired_drop_bounds
from sartor.model.onnx import read_signature
from sartor.runtime.base import Array
from sartor.steps.prepared import Prepared
from sartor.train.recovery import Recovery, recover
from sartor.train.values import TrainingSettings

BATCHES = (256, 64, 16)
ALPHA = 0.05


def lost(path: Path, whole: Array, rows: Rows, taken: Prepared) -> dict[str, Any]:
    """What a file loses on the confirm rows."""
    labels = rows.labels("confirm")
    worse, better, _ = paired_counts(Outputs(labels, answers(path, taken), whole))
    bounds = paired_drop_bounds(worse, better, len(labels), ALPHA)
    return {"drop": bounds.value, "high": bounds.high, "changed": (worse + better) / len(labels)}


def run(ready: Ready, folder: Path, options: Namespace) -> dict[str, Any]:
    """Cut once, and train back with each size of batch and each weight of features."""
    rows = rows_of(ready, folder / "rows", train="recover")
    signature = read_signature(ready.model)
    inputs = Prepared.load(rows.saved).renamed(spec.name for spec in signature.inputs)
    cut = pruned_to(ready, rows, options.share, folder / "cut", options.cut)
    taken = inputs.take(rows.disk.rows("confirm"))
    whole = answers(ready.model, taken)
    found: dict[str, Any] = {"as cut": lost(cut, whole, rows, taken)}
    ways = list(itertools.product(options.batch or BATCHES, options.features or [0.0]))
    for batch, features in [ways[0], *ways]:  # the first asks the teacher, and does not count
        to = folder / f"{batch}-{features:g}.onnx"
        recovery = Recovery(
            *(cut, ready.model, to, inputs, rows.disk.dataset.labels, rows.disk.rows("train"), "classification"),
            signature.outputs[0].name,
            TrainingSettings(time_limit_s=options.seconds, batch=batch, pretrained=ready.source.transformer),
            threads=2,
            features=features,
            answers=folder / "answers.npz",
        )
        made = recover(recovery, lambda progress: None)
        name = f"batch {batch}" + (f", features {features:g}" if features else "")
        found[name] = {**lost(to, whole, rows, taken), "epochs": made["epochs"], "seconds": made["seconds"]}
    return found


def main() -> int:
    """Run it."""
    parser = task_arguments(__doc__, training="5 min")
    parser.add_argument("--share", type=float, default=0.28, help="of its time that the network is cut to")
    parser.add_argument("--cut", choices=["channels", "layers"], default="channels", help="what it is cut by")
    parser.add_argument(
        "--features", type=float, action="append", help="weight of features; may be given several times"
    )
    parser.add_argument("--seconds", type=float, default=60.0, help="of each training")
    parser.add_argument("--batch", type=int, action="append", help="may be given several times")
    options = parser.parse_args()
    with ready_task(options) as task:
        if task is None:
            return 0
        ready, home = task
        found = run(ready, home / "recovery", options)
    for name, each in found.items():
        print(
            f"{name:26} loses {1e2 * each['drop']:5.2f} pt, at most {1e2 * each['high']:5.2f} at 95%; "
            f"{each['changed']:.1%} of the rows changed sides"
        )
    asked = {name: getattr(options, name) for name in ("task", "cut", "share", "seconds")}
    figures = {**asked, "found": found}
    return record("recovery", figures, True, options.results)


if __name__ == "__main__":
    sys.exit(main())
