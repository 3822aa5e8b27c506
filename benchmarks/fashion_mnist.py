"""zoo:resnet on Fashion-MNIST, `accuracy_drop <= 1 pt`: how much faster than its best f32, and than the usual tools.

The figure to reach: at least 2.5x its best f32, paired. Peers, built here with their defaults and timed in the
same launch groups: ONNX Runtime static and dynamic int8, NNCF post-training int8 in OpenVINO.

    python benchmarks/fashion_mnist.py [--data FOLDER] [--folder OUT]

Data: the four standard idx files; Debian's package `dataset-fashion-mnist` has them.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path
from typing import Any

from _common import arguments, finish
from _peers import CALIBRATION_ROWS, build_peers, compare, settings_of_peers, trained_file, variants_of
from sartor import Bundle, Need, fit
from sartor.data.sources_idx import read_idx_folder
from sartor.report.terminal import PlainTerminal
from sartor.runtime.base import Settings

DATA = Path("/usr/share/datasets/fashion-mnist")
TARGET = 2.5


def need(data: Path) -> Need:
    """What is asked."""
    return Need(
        task="image-classification",
        model="zoo:resnet",
        data=str(data),
        require={"accuracy_drop": "<= 1 pt"},
        budget={"time": "15 min"},
    )


def measured(bundle: Bundle, folder: Path, inputs: Any) -> dict[str, Any]:
    """Chosen, candidate zero and peers (each at 1 and 2 threads) in the same launch groups."""
    rows = bundle.prepare(inputs[:CALIBRATION_ROWS])
    shapes = tuple(Settings("f32", threads, "dynamic") for threads in (1, 2))
    peers = settings_of_peers(
        build_peers(trained_file(bundle.folder), rows, folder), {"onnxruntime": shapes, "openvino": shapes}
    )
    return compare({**variants_of(bundle), **peers}, rows, folder)


def main() -> int:
    """Run it."""
    parser = arguments(__doc__)
    parser.add_argument("--data", type=Path, default=DATA)
    options = parser.parse_args()
    if not options.data.is_dir():
        print(f"skipped: no folder {options.data}; install the data set or give --data")
        return 0
    from rich.console import Console

    with tempfile.TemporaryDirectory() as scratch:
        output = options.folder or Path(scratch) / "out"
        result = fit(need(options.data), output, watch=PlainTerminal(Console(stderr=True)))
        print(result.sentence)
        if result.outcome != "met":
            return finish("fashion_mnist", {"values": result.values}, False)
        table = measured(Bundle.load(output), Path(scratch), read_idx_folder(options.data).inputs)
    speedup = result.values["speedup"]
    peers = [row["speedup"] for label, row in table.items() if label not in ("chosen", "zero")]
    summary = {
        "chosen": result.values["chosen"]["id"],
        "speedup": speedup,
        "drop": result.values["limits"][0],
        "accuracy": result.values["measured"]["quality"],
        "against_best_peer": table["chosen"]["speedup"] / max(peers),
        "table": table,
        "elapsed_s": result.values["elapsed_s"],
    }
    return finish("fashion_mnist", summary, speedup["value"] >= TARGET)


if __name__ == "__main__":
    sys.exit(main())
