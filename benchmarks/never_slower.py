"""Ten small models: is the result ever slower than candidate zero, beyond the machine's resolution?

Each is fitted with an empty `require` (the fastest without measurable loss), then its bundle is measured again in
fresh launches, so that what is judged is not what was chosen by.

    python benchmarks/never_slower.py [--folder OUT]
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

from _common import arguments, finish
from sartor import Need, fit
from sartor.fit.reprove import reprove
from sartor.fit.watch import Silent

DIGITS, CANCER = ("image-classification", "digits"), ("tabular-classification", "breast-cancer")
MODELS = [
    ("zoo:mlp(width=16)", CANCER),
    ("zoo:mlp(width=512)", CANCER),
    ("zoo:mlp(width=2048)", CANCER),
    ("zoo:mlp", DIGITS),
    ("zoo:mlp(width=1024, depth=3)", DIGITS),
    ("zoo:cnn", DIGITS),
    ("zoo:cnn(width=64)", DIGITS),
    ("zoo:cnn(width=8)", DIGITS),
    ("zoo:resnet(width=8)", DIGITS),
    ("zoo:resnet(width=16)", DIGITS),
]


def main() -> int:
    """Run it."""
    options = arguments(__doc__).parse_args()
    rows, holds = [], True
    with tempfile.TemporaryDirectory() as scratch:
        for number, (model, (task, data)) in enumerate(MODELS):
            output = (options.folder or Path(scratch)) / f"{number}"
            need = Need(task=task, model=model, data=data, train={"time": "20 s"}, budget={"time": "4 min"})
            result = fit(need, output)
            if result.values["measured"] is None:
                print(f"{model:30} {data:14} {result.outcome}: {result.sentence}")
                holds = False
                continue
            again = reprove(output, data, Path.cwd(), Silent())["speedup"]
            resolution = result.values["speedup"]["resolution"]
            slower = again["high"] < 1 - resolution
            holds &= not slower
            chosen = result.values["chosen"]["id"]
            rows.append(
                {
                    "model": model,
                    "data": data,
                    "outcome": result.outcome,
                    "chosen": chosen,
                    "speedup": again,
                    "resolution": resolution,
                    "slower": slower,
                }
            )
            print(
                f"{model:30} {data:14} {result.outcome:8} {again['value']:5.2f}x "
                f"[{again['low']:.2f}, {again['high']:.2f}] resolution {100 * resolution:.1f}%  {chosen}",
                flush=True,
            )
    return finish("never_slower", {"rows": rows}, holds and len(rows) == len(MODELS))


if __name__ == "__main__":
    sys.exit(main())
